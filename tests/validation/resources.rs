//! The rules of inputs, events, clips, DVR sessions, assets and pools that need no other resource.

use super::{broken, seconds};
use livestream_client::model::{
    Asset, Clip, DvrSession, EncryptionUpdate, Event, Input, Pool, PreprocessingConfig,
    TimeInterval,
    asset::{ImageAsset, Resource, VideoAsset},
    clip::{Slice, TimeSlice, slice},
    dvr_session::{DvrManifest, DvrWindow, dvr_window},
    event::{
        AdBreakTask, InputSwitchTask, MuteTask, SlateTask, Task, UnmuteTask, UpdateEncryptionsTask,
    },
    input::{self, SecurityRule},
    pool::NetworkConfig,
    preprocessing_config::{Audio, Crop, Pad},
};
use prost_types::Timestamp;

pub(crate) fn at(seconds: i64) -> Option<Timestamp> {
    Some(Timestamp { seconds, nanos: 0 })
}

fn camera() -> Input {
    Input {
        name: "projects/p/locations/us-central1/inputs/camera".into(),
        r#type: input::Type::SrtPush.into(),
        security_rules: Some(SecurityRule { ip_ranges: vec!["192.0.1.0/24".into()] }),
        ..Default::default()
    }
}

#[test]
fn an_input_has_a_type_and_cidr_blocks_as_security_rules() {
    broken(&camera, |i| i.r#type = 0, &["`type` is required: `RTMP_PUSH` or `SRT_PUSH`"]);
    let allow = |block: &str| {
        let ip_ranges = vec!["10.0.0.0/8".to_owned(), block.to_owned()];
        move |input: &mut Input| input.security_rules = Some(SecurityRule { ip_ranges })
    };
    for block in ["192.0.1.0/32", "0.0.0.0/0", "2001:db8::/128"] {
        broken(&camera, allow(block), &[]);
    }
    for block in ["192.0.1.0", "192.0.1.0/33", "192.0.1/24", "10.0.0.0/+8", "::/129", "all", ""] {
        let text = format!(
            "`security_rules.ip_ranges[1]` is `{block}`, but must be a CIDR block such as \
             `192.0.1.0/24`"
        );
        broken(&camera, allow(block), &[&text]);
    }
}

#[test]
fn the_preprocessing_config_of_an_input_is_within_limits() {
    let config = |config: PreprocessingConfig| {
        move |input: &mut Input| input.preprocessing_config = Some(config)
    };
    let lufs = |lufs| PreprocessingConfig { audio: Some(Audio { lufs }), ..Default::default() };
    broken(&camera, config(lufs(-24.0)), &[]);
    broken(
        &camera,
        config(lufs(-24.5)),
        &["`preprocessing_config.audio.lufs` is -24.5, but must be between -24 and 0"],
    );
    broken(
        &camera,
        config(lufs(1.0)),
        &["`preprocessing_config.audio.lufs` is 1, but must be between -24 and 0"],
    );
    let edges = PreprocessingConfig {
        crop: Some(Crop { top_pixels: -1, left_pixels: -2, ..Default::default() }),
        pad: Some(Pad { bottom_pixels: -3, right_pixels: -4, ..Default::default() }),
        ..Default::default()
    };
    broken(
        &camera,
        config(edges),
        &[
            "`preprocessing_config.crop.top_pixels` is -1, but must not be negative",
            "`preprocessing_config.crop.left_pixels` is -2, but must not be negative",
            "`preprocessing_config.pad.bottom_pixels` is -3, but must not be negative",
            "`preprocessing_config.pad.right_pixels` is -4, but must not be negative",
        ],
    );
}

pub(crate) fn unmute() -> Event {
    Event { task: Some(Task::Unmute(UnmuteTask {})), execute_now: true, ..Default::default() }
}

#[test]
fn an_event_has_either_execution_time_or_execute_now() {
    broken(
        &unmute,
        |e| e.execution_time = at(1),
        &["`execution_time` must not be set together with `execute_now`"],
    );
    broken(
        &unmute,
        |e| e.execute_now = false,
        &["`execution_time` is required unless `execute_now` is set"],
    );
    let broken_clock = Timestamp { seconds: 0, nanos: -1 };
    broken(
        &unmute,
        |e| (e.execute_now, e.execution_time) = (false, Some(broken_clock)),
        &["`execution_time` has -1 nanos, but must have 0 to 999999999"],
    );
    // The service returns an event with `execute_now` in this form.
    broken(&unmute, |e| (e.create_time, e.execution_time) = (at(1), at(2)), &[]);
}

#[test]
fn an_event_has_a_complete_task() {
    let asset = "projects/p/locations/us-central1/assets/slate";
    let slate = |duration: Option<prost_types::Duration>, asset: &str| {
        Some(Task::Slate(SlateTask { duration, asset: asset.into() }))
    };
    let ad_break = |duration| Some(Task::AdBreak(AdBreakTask { duration }));
    let update = |ids: &[&str]| {
        let change = |id: &&str| EncryptionUpdate { id: (*id).into(), ..Default::default() };
        let encryptions = ids.iter().map(change).collect();
        Some(Task::UpdateEncryptions(UpdateEncryptionsTask { encryptions }))
    };
    let cases: [(Option<Task>, &[&str]); 12] = [
        (None, &["`task` is required"]),
        (
            Some(Task::InputSwitch(InputSwitchTask::default())),
            &["`input_switch.input_key` is required"],
        ),
        (ad_break(None), &["`ad_break.duration` is required"]),
        (ad_break(Some(seconds(0))), &["`ad_break.duration` must be greater than zero"]),
        (ad_break(Some(seconds(30))), &[]),
        (slate(None, ""), &["`slate.asset` is required"]),
        (slate(None, asset), &[]),
        (slate(Some(seconds(-1)), asset), &["`slate.duration` must be greater than zero"]),
        (
            Some(Task::Mute(MuteTask { duration: Some(seconds(-1)) })),
            &["`mute.duration` must not be negative"],
        ),
        (update(&[]), &["`update_encryptions.encryptions` is required"]),
        (update(&["aes", ""]), &["`update_encryptions.encryptions[1].id` is required"]),
        (
            update(&["aes", "aes"]),
            &["`update_encryptions.encryptions[1].id` is a duplicate: \
             `update_encryptions.encryptions[0].id` is also `aes`"],
        ),
    ];
    for (task, expected) in cases {
        broken(&unmute, |event| event.task = task, expected);
    }
}

pub(crate) fn slice(start: i64, end: i64) -> Slice {
    let slice = TimeSlice { markin_time: at(start), markout_time: at(end) };
    Slice { kind: Some(slice::Kind::TimeSlice(slice)) }
}

#[test]
fn a_clip_slice_can_be_shorter_than_a_second() {
    let ending = |nanos| {
        move |c: &mut Clip| {
            let at = |nanos| Some(Timestamp { seconds: 1000, nanos });
            let slice = TimeSlice { markin_time: at(500_000_000), markout_time: at(nanos) };
            c.slices[0].kind = Some(slice::Kind::TimeSlice(slice));
        }
    };
    broken(&clip, ending(800_000_000), &[]);
    broken(
        &clip,
        ending(200_000_000),
        &["`slices[0].time_slice.markout_time` must be after `markin_time`"],
    );
}

pub(crate) fn clip() -> Clip {
    Clip::of_manifest("hls", "gs://bucket/clips", [slice(1000, 1060)])
}

#[test]
fn a_clip_has_one_manifest_and_slices_that_end_after_they_start() {
    broken(
        &clip,
        |c| c.clip_manifests.clear(),
        &["`clip_manifests` is required: exactly one manifest"],
    );
    broken(
        &clip,
        |c| c.clip_manifests.push(c.clip_manifests[0].clone()),
        &["`clip_manifests` has 2 manifests, but must have exactly 1"],
    );
    broken(
        &clip,
        |c| c.clip_manifests[0].manifest_key = String::new(),
        &["`clip_manifests[0].manifest_key` is required"],
    );
    broken(
        &clip,
        |c| c.output_uri = "s3://bucket".into(),
        &["`output_uri` is `s3://bucket`, but must be a Cloud Storage folder such as \
         `gs://my-bucket/folder`"],
    );
    for end in [1000, 999] {
        broken(
            &clip,
            |c| c.slices.push(slice(1000, end)),
            &["`slices[1].time_slice.markout_time` must be after `markin_time`"],
        );
    }
    broken(&clip, |c| c.slices[0].kind = None, &["`slices[0].kind` is required: `time_slice`"]);
    let open = Slice { kind: Some(slice::Kind::TimeSlice(TimeSlice::default())) };
    broken(
        &clip,
        |c| c.slices[0] = open,
        &[
            "`slices[0].time_slice.markin_time` is required",
            "`slices[0].time_slice.markout_time` is required",
        ],
    );
    broken(
        &clip,
        |c| c.slices[0] = slice(1000, i64::MAX),
        &["`slices[0].time_slice.markout_time` is after the year 9999"],
    );
}

pub(crate) fn window(start: Option<Timestamp>, end: Option<Timestamp>) -> DvrWindow {
    let interval = TimeInterval { start_time: start, end_time: end };
    DvrWindow { kind: Some(dvr_window::Kind::TimeInterval(interval)) }
}

pub(crate) fn session() -> DvrSession {
    DvrSession::of_manifest("hls", [window(at(1000), at(8200)), window(at(9000), None)])
}

#[test]
fn a_dvr_session_has_one_manifest_and_windows_that_end_after_they_start() {
    broken(
        &session,
        |s| s.name = "projects/p".into(),
        &["`name` is not a DVR session name \
             (`projects/{project}/locations/{location}/channels/{channel}/dvrSessions/{dvr_session}`): \
             \"projects/p\": `locations` is missing"],
    );
    broken(
        &session,
        |s| s.dvr_manifests.clear(),
        &["`dvr_manifests` is required: exactly one manifest"],
    );
    let second = DvrManifest { manifest_key: "dash".into(), ..Default::default() };
    broken(
        &session,
        |s| s.dvr_manifests.push(second),
        &["`dvr_manifests` has 2 manifests, but must have exactly 1"],
    );
    broken(&session, |s| s.dvr_windows.clear(), &["`dvr_windows` is required"]);
    broken(
        &session,
        |s| s.dvr_windows[1].kind = None,
        &["`dvr_windows[1].kind` is required: `time_interval`"],
    );
    broken(
        &session,
        |s| s.dvr_windows[1] = window(at(9000), at(8999)),
        &["`dvr_windows[1].time_interval.end_time` must be after `start_time`"],
    );
    broken(
        &session,
        |s| s.dvr_windows[0] = window(at(i64::MIN), at(9000)),
        &["`dvr_windows[0].time_interval.start_time` is before the year 1"],
    );
}

fn logo() -> Asset {
    Asset {
        resource: Some(Resource::Image(ImageAsset { uri: "gs://bucket/logo.png".into() })),
        crc32c: "AAAAAA==".into(),
        ..Default::default()
    }
}

#[test]
fn an_asset_has_a_file_uri_and_a_4_byte_checksum() {
    broken(&logo, |a| a.resource = None, &["`resource` is required: `video` or `image`"]);
    for uri in ["gs://bucket", "gs://bucket/", "gs:///logo.png", "logo.png"] {
        let video = VideoAsset { uri: uri.into() };
        let text = format!(
            "`video.uri` is `{uri}`, but must be a Cloud Storage object such as \
         `gs://my-bucket/my-object`"
        );
        broken(&logo, |a| a.resource = Some(Resource::Video(video)), &[&text]);
    }
    broken(
        &logo,
        |a| a.resource = Some(Resource::Image(ImageAsset::default())),
        &["`image.uri` is required"],
    );
    broken(&logo, |a| a.crc32c = String::new(), &[]);
    for sum in ["AAAA", "AAAAAA", "0x1234"] {
        let text = format!("`crc32c` is `{sum}`, but must be the Base64 encoding of 4 bytes");
        broken(&logo, |a| a.crc32c = sum.into(), &[&text]);
    }
}

pub(crate) fn pool() -> Pool {
    let network = NetworkConfig { peered_network: "projects/123/global/networks/studio".into() };
    Pool { network_config: Some(network), ..Default::default() }
}

#[test]
fn a_pool_network_contains_the_project_number() {
    let network = |name: &str| Some(NetworkConfig { peered_network: name.into() });
    broken(&pool, |p| p.network_config = network(""), &[]);
    broken(
        &pool,
        |p| p.network_config = network("studio"),
        &["`network_config.peered_network` is not a network name \
         (`projects/{project}/global/networks/{network}`): \"studio\": expected `projects`, found \
         \"studio\""],
    );
    broken(
        &pool,
        |p| p.network_config = network("projects/p/global/networks/studio"),
        &["`network_config.peered_network` has the project `p`, but must have its number"],
    );
}
