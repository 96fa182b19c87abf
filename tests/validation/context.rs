//! The rules that need the channel or the present time.

use super::{
    broken_in,
    channel::whole,
    resources::{at, clip, session, slice, unmute},
    seconds,
};
use livestream_client::{
    model::{
        EncryptionUpdate, RetentionConfig,
        event::{InputSwitchTask, Task, UpdateEncryptionsTask},
    },
    validation::{Context, Validate},
};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

fn time(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

#[test]
fn clips_and_dvr_sessions_name_a_manifest_of_a_channel_with_retention() {
    let channel = whole();
    let context = Context::new().on(&channel);
    broken_in(
        context,
        &clip,
        |c| c.clip_manifests[0].manifest_key = "main".into(),
        &["`clip_manifests[0].manifest_key` is `main`, but the channel has no such manifest; it \
             has `hls`, `dash`"],
    );
    broken_in(
        context,
        &session,
        |s| s.dvr_manifests[0].manifest_key = "main".into(),
        &["`dvr_manifests[0].manifest_key` is `main`, but the channel has no such manifest; it \
         has `hls`, `dash`"],
    );

    let no_window = Some(RetentionConfig { retention_window_duration: Some(seconds(0)) });
    for retention in [None, no_window] {
        let mut channel = whole();
        channel.retention_config = retention;
        let text = |violations: Vec<livestream_client::rpc::InvalidField>| {
            violations.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let need = "require a channel with `retention_config.retention_window_duration`";
        assert_eq!(text(clip().violations_on(&channel)), [format!("`slices` {need}")]);
        assert_eq!(text(session().violations_on(&channel)), [format!("`dvr_windows` {need}")]);
    }
}

#[test]
fn a_clip_is_at_most_as_long_as_the_retention_window() {
    let channel = whole();
    let context = Context::new().on(&channel);
    broken_in(
        context,
        &clip,
        |c| c.slices[0] = slice(1000, 4601),
        &["`slices` span 3601 s, but the channel retains only 3600 s"],
    );
    broken_in(context, &clip, |c| c.slices.push(slice(4590, 4600)), &[]);
    broken_in(
        context,
        &clip,
        |c| c.slices.push(slice(4600, 4610)),
        &["`slices` span 3610 s, but the channel retains only 3600 s"],
    );
}

#[test]
fn a_clip_lies_in_the_past_and_within_the_retention_window() {
    let channel = whole();
    let past = "is in the future, but a clip contains only past content";
    let context = Context::new().at(time(1060));
    broken_in(
        context,
        &clip,
        |c| c.slices[0] = slice(1000, 1061),
        &[&format!("`slices[0].time_slice.markout_time` {past}")],
    );
    let context = context.on(&channel).at(time(4600));
    broken_in(
        context,
        &clip,
        |c| c.slices[0] = slice(999, 1060),
        &["`slices[0].time_slice.markin_time` is before the channel's retention window"],
    );
}

#[test]
fn an_event_executes_at_least_10_seconds_ahead() {
    let context = Context::new().at(time(1000));
    broken_in(context, &unmute, |e| (e.execute_now, e.execution_time) = (false, at(1010)), &[]);
    broken_in(
        context,
        &unmute,
        |e| (e.execute_now, e.execution_time) = (false, at(1009)),
        &["`execution_time` is 9 s from now, but must be at least 10 s from now"],
    );
}

#[test]
fn an_event_names_inputs_and_encryptions_of_its_channel() {
    let channel = whole();
    let context = Context::new().on(&channel);
    let switch = |key: &str| Some(Task::InputSwitch(InputSwitchTask { input_key: key.into() }));
    broken_in(context, &unmute, |e| e.task = switch("backup"), &[]);
    broken_in(
        context,
        &unmute,
        |e| e.task = switch("moon"),
        &["`input_switch.input_key` is `moon`, but the channel has no such input attachment; it \
             has `studio`, `backup`"],
    );
    let encryptions = vec![EncryptionUpdate { id: "drm".into(), ..Default::default() }];
    let update = Some(Task::UpdateEncryptions(UpdateEncryptionsTask { encryptions }));
    broken_in(
        context,
        &unmute,
        |e| e.task = update,
        &["`update_encryptions.encryptions[0].id` is `drm`, but the channel has no such \
             encryption; it has `aes`"],
    );
}
