//! Recordings of a channel's stream: clips and DVR sessions, in all their states.

mod support;

use livestream_client::{
    model::{
        self, Channel, Clip, DvrSession, Manifest, TimeInterval,
        clip::{ClipManifest, OutputType, Slice, State as ClipState, TimeSlice, slice},
        dvr_session::{DvrManifest, DvrWindow, State, dvr_window},
        manifest::ManifestType,
    },
    name::{ClipName, DvrSessionName},
    proto::google::longrunning::Operation,
};
use livestream_emulator::{Emulator, Limit};
use prost_types::FieldMask;
use std::time::Duration;
use support::{CHANNEL, Service, channel, code, manifest, name};
use tonic::{Code, Response, Status};
use tonic_types::StatusExt as _;

const CLIP: &str = "projects/p/locations/us-central1/channels/news/clips/goal";
const SESSION: &str = "projects/p/locations/us-central1/channels/news/dvrSessions/match";

impl Service {
    fn pass(&self, seconds: u64) {
        self.emulator.advance(Duration::from_secs(seconds));
    }

    /// A clip of the stream between two times, in seconds from now.
    fn clip(&self, from: i64, to: i64) -> Clip {
        let time_slice = TimeSlice {
            markin_time: Some(self.in_seconds(from)),
            markout_time: Some(self.in_seconds(to)),
        };
        Clip {
            slices: vec![Slice { kind: Some(slice::Kind::TimeSlice(time_slice)) }],
            clip_manifests: vec![clip_manifest("main")],
            ..Default::default()
        }
    }

    async fn create_clip(&mut self, id: &str, clip: Clip) -> Result<Response<Operation>, Status> {
        let request = model::CreateClipRequest {
            parent: CHANNEL.to_owned(),
            clip_id: id.to_owned(),
            clip: Some(clip),
            request_id: String::new(),
        };
        self.live.create_clip(request).await
    }

    async fn clip_state(&mut self) -> ClipState {
        self.live.get_clip(name(CLIP)).await.expect("there").into_inner().state()
    }

    /// A session with one window, in seconds from now.
    fn session(&self, from: i64, to: impl Into<Option<i64>>) -> DvrSession {
        DvrSession {
            dvr_manifests: vec![dvr_manifest("main")],
            dvr_windows: vec![self.window(from, to)],
            ..Default::default()
        }
    }

    fn window(&self, from: i64, to: impl Into<Option<i64>>) -> DvrWindow {
        let start_time = Some(self.in_seconds(from));
        let end_time = to.into().map(|to| self.in_seconds(to));
        let interval = TimeInterval { start_time, end_time };
        DvrWindow { kind: Some(dvr_window::Kind::TimeInterval(interval)) }
    }

    async fn create_session(&mut self, session: DvrSession) -> Result<Response<Operation>, Status> {
        let request = model::CreateDvrSessionRequest {
            parent: CHANNEL.to_owned(),
            dvr_session_id: "match".to_owned(),
            dvr_session: Some(session),
            request_id: String::new(),
        };
        self.live.create_dvr_session(request).await
    }

    async fn update_session(
        &mut self,
        windows: Vec<DvrWindow>,
    ) -> Result<Response<Operation>, Status> {
        let session =
            DvrSession { name: SESSION.to_owned(), dvr_windows: windows, ..Default::default() };
        let request = model::UpdateDvrSessionRequest {
            dvr_session: Some(session),
            update_mask: Some(FieldMask { paths: vec!["dvr_windows".to_owned()] }),
            request_id: String::new(),
        };
        self.live.update_dvr_session(request).await
    }

    async fn read_session(&mut self) -> DvrSession {
        self.live.get_dvr_session(name(SESSION)).await.expect("there").into_inner()
    }

    async fn session_state(&mut self) -> State {
        self.read_session().await.state()
    }
}

fn clip_manifest(key: &str) -> ClipManifest {
    ClipManifest { manifest_key: key.to_owned(), output_uri: String::new() }
}

fn dvr_manifest(key: &str) -> DvrManifest {
    DvrManifest { manifest_key: key.to_owned(), output_uri: String::new() }
}

fn session_name() -> DvrSessionName {
    SESSION.parse().expect("a name")
}

#[tokio::test]
async fn dvr_session_output_uri_has_the_manifest_file_name_of_the_client() {
    for (r#type, file_name) in
        [(ManifestType::Hls, "manifest.m3u8"), (ManifestType::Dash, "manifest.mpd")]
    {
        let mut service = Service::new();
        let mut channel = channel();
        channel.manifests = vec![Manifest { file_name: String::new(), ..manifest("main", r#type) }];
        service.create_channel("news", channel.clone()).await.expect("valid");
        service.pass(10);
        let session = service.session(60, 120);
        service.create_session(session).await.expect("accepted");
        let recorded = &service.read_session().await.dvr_manifests[0].output_uri;
        assert!(recorded.ends_with(file_name), "{recorded}");
        assert_eq!(channel.dvr_output_uri("match", "main").as_ref(), Ok(recorded));
    }
}

/// The API's reference takes the extension from the type, and requires the type.
#[tokio::test]
async fn a_manifest_of_unspecified_type_is_refused_and_its_file_name_has_no_extension() {
    let mut service = Service::new();
    let untyped =
        Manifest { file_name: String::new(), ..manifest("main", ManifestType::Unspecified) };
    let channel = Channel { manifests: vec![untyped], ..channel() };
    let uri = channel.dvr_output_uri("match", "main").expect("it has an output and a manifest");
    assert_eq!(uri, "gs://bucket/outputs/dvr/match/manifest");
    let refusal = service.create_channel("news", channel).await.expect_err("the type is required");
    assert_eq!(refusal.code(), Code::InvalidArgument);
    let details = refusal.get_details_bad_request().expect("a BadRequest");
    assert_eq!(details.field_violations[0].field, "channel.manifests[0].type");
}

#[tokio::test]
async fn a_clip_of_past_content_succeeds() {
    let mut service = Service::new();
    service.stream().await;
    service.pass(120);
    let clip = service.clip(-60, 0);
    let operation = service.create_clip("goal", clip).await.expect("accepted").into_inner();
    let pending = service.live.get_clip(name(CLIP)).await.expect("there").into_inner();
    assert_eq!(pending.state(), ClipState::Pending);
    assert_eq!(pending.output_uri, "gs://bucket/outputs/clips/goal");
    let manifest = &pending.clip_manifests[0];
    assert_eq!(manifest.output_uri, "gs://bucket/outputs/clips/goal/main.m3u8");

    service.pass(2);
    assert_eq!(service.clip_state().await, ClipState::Creating);
    service.pass(30);
    assert_eq!(service.clip_state().await, ClipState::Succeeded);
    let clip: Clip = service.output(&operation.name).await;
    assert_eq!(clip.start_time, Some(service.in_seconds(-30)));

    let operation = service.live.delete_clip(name(CLIP)).await.expect("there").into_inner();
    service.pass(5);
    let () = service.output(&operation.name).await;
    assert_eq!(code(service.live.get_clip(name(CLIP)).await), Code::NotFound);
}

#[tokio::test]
async fn a_clip_needs_retention_one_manifest_and_past_content() {
    let mut service = Service::new();
    service.stream().await;
    service.pass(120);
    let good = service.clip(-60, -1);
    let manifests = |keys: &[&str]| Clip {
        clip_manifests: keys.iter().map(|key| clip_manifest(key)).collect(),
        ..good.clone()
    };
    let bad = [
        manifests(&[]),
        manifests(&["main", "main"]),
        manifests(&["absent"]),
        manifests(&[""]),
        service.clip(-60, 1),
        service.clip(-1, -60),
        Clip { slices: vec![Slice { kind: None }], ..good.clone() },
        Clip { output_uri: "/tmp".to_owned(), ..good.clone() },
    ];
    for clip in bad {
        let refused = service.create_clip("goal", clip.clone()).await;
        assert_eq!(code(refused), Code::InvalidArgument, "{clip:?}");
    }
    let too_old = service.clip(-86_401, -1);
    assert_eq!(code(service.create_clip("goal", too_old).await), Code::FailedPrecondition);
    let oldest = service.clip(-86_400, -1);
    service.create_clip("oldest", oldest).await.expect("just within the retention window");
    assert_eq!(code(service.live.get_clip(name(CLIP)).await), Code::NotFound);

    // No document requires slices, but without them there is nothing to cut.
    let empty = Clip { slices: Vec::new(), ..good };
    let operation = service.create_clip("goal", empty).await.expect("accepted").into_inner();
    service.pass(32);
    assert_eq!(service.error(&operation.name).await, Code::FailedPrecondition);

    let mut forgetful = Service::new();
    let without = Channel { retention_config: None, ..channel() };
    forgetful.create_channel("news", without).await.expect("good");
    forgetful.pass(10);
    let clip = forgetful.clip(-60, -1);
    assert_eq!(code(forgetful.create_clip("goal", clip).await), Code::FailedPrecondition);
}

#[tokio::test]
async fn a_clip_fails_without_content_and_on_an_injected_error() {
    let mut service = Service::new();
    service.make_channel().await;
    let clip = service.clip(-60, -1);
    let operation = service.create_clip("goal", clip).await.expect("accepted").into_inner();
    service.pass(32);
    assert_eq!(service.error(&operation.name).await, Code::FailedPrecondition);
    let failed = service.live.get_clip(name(CLIP)).await.expect("there").into_inner();
    assert_eq!(failed.state(), ClipState::Failed);
    assert!(failed.error.is_some());

    let mut service = Service::new();
    service.stream().await;
    let clip = service.clip(-60, -1);
    let operation = service.create_clip("goal", clip).await.expect("accepted").into_inner();
    let goal: ClipName = CLIP.parse().expect("a name");
    service.emulator.fail(&goal, Status::internal("disk")).expect("it has not ended");
    assert_eq!(service.clip_state().await, ClipState::Failed);
    assert_eq!(service.error(&operation.name).await, Code::Internal);
    let again = service.emulator.fail(&goal, Status::internal("disk")).expect_err("it has ended");
    assert_eq!(again.code(), Code::FailedPrecondition);
}

#[tokio::test]
async fn a_new_clip_replaces_the_oldest_one_at_the_limit() {
    let emulator = Emulator::builder().manual_clock().limit(Limit::Clips, 2).build();
    let mut service = Service::on(emulator);
    service.stream().await;
    for id in ["z", "y", "x"] {
        let clip = service.clip(-1, 0);
        service.create_clip(id, clip).await.expect("accepted");
        service.pass(60);
    }
    let list = model::ListClipsRequest { parent: CHANNEL.to_owned(), ..Default::default() };
    let clips = service.live.list_clips(list).await.expect("a page").into_inner().clips;
    let ids: Vec<_> = clips.iter().filter_map(|clip| clip.name.rsplit('/').next()).collect();
    assert_eq!(ids, ["x", "y"]);
}

#[tokio::test]
async fn the_output_type_of_a_clip_is_a_manifest_unless_it_is_set() {
    for (given, expected) in
        [(OutputType::Unspecified, OutputType::Manifest), (OutputType::Mp4, OutputType::Mp4)]
    {
        let mut service = Service::new();
        service.stream().await;
        let clip = Clip { output_type: given.into(), ..service.clip(-1, 0) };
        service.create_clip("goal", clip).await.expect("accepted");
        let created = service.live.get_clip(name(CLIP)).await.expect("there").into_inner();
        assert_eq!(created.output_type(), expected);
    }
}

#[tokio::test]
async fn the_clips_of_a_channel_are_deleted_with_it() {
    let mut service = Service::new();
    service.stream().await;
    let clip = service.clip(-1, 0);
    service.create_clip("goal", clip).await.expect("accepted");
    service.live.stop_channel(name(CHANNEL)).await.expect("it runs");
    service.pass(60);
    let delete =
        model::DeleteChannelRequest { name: CHANNEL.to_owned(), force: true, ..Default::default() };
    service.live.delete_channel(delete).await.expect("forced");
    service.pass(30);
    assert_eq!(code(service.live.get_clip(name(CLIP)).await), Code::NotFound);
    service.create_channel("news", channel()).await.expect("the id is free");
    service.pass(10);
    let list = model::ListClipsRequest { parent: CHANNEL.to_owned(), ..Default::default() };
    assert!(service.live.list_clips(list).await.expect("a page").into_inner().clips.is_empty());
}

#[tokio::test]
async fn a_dvr_session_follows_its_window() {
    let mut service = Service::new();
    service.stream().await;
    let session = service.session(60, 120);
    let operation = service.create_session(session).await.expect("accepted").into_inner();
    let pending = service.read_session().await;
    assert_eq!(pending.state(), State::Pending);
    let manifest = &pending.dvr_manifests[0];
    assert_eq!(manifest.output_uri, "gs://bucket/outputs/dvr/match/main.m3u8");

    service.pass(5);
    let taken_up: DvrSession = service.output(&operation.name).await;
    assert_eq!(taken_up.state(), State::Scheduled);
    for (seconds, state) in [
        (54, State::Scheduled),
        (1, State::Live),
        (59, State::Live),
        (1, State::PostProcessing),
        (9, State::PostProcessing),
        (1, State::Finished),
        (86_400, State::Finished),
    ] {
        service.pass(seconds);
        assert_eq!(service.session_state().await, state);
    }
    let update = vec![service.window(60, 120)];
    assert_eq!(code(service.update_session(update).await), Code::FailedPrecondition);
}

#[tokio::test]
async fn a_dvr_session_needs_retention_one_manifest_and_windows_that_end_after_they_start() {
    let mut service = Service::new();
    service.stream().await;
    let good = service.session(60, 120);
    let manifests = |keys: &[&str]| DvrSession {
        dvr_manifests: keys.iter().map(|key| dvr_manifest(key)).collect(),
        ..good.clone()
    };
    let windows = |windows: Vec<DvrWindow>| DvrSession { dvr_windows: windows, ..good.clone() };
    let bad = [
        manifests(&[]),
        manifests(&["main", "main"]),
        manifests(&["absent"]),
        windows(vec![]),
        windows(vec![DvrWindow { kind: None }]),
        service.session(60, 60),
    ];
    for session in bad {
        let refused = service.create_session(session.clone()).await;
        assert_eq!(code(refused), Code::InvalidArgument, "{session:?}");
    }
    let too_old = service.session(-86_401, 60);
    assert_eq!(code(service.create_session(too_old).await), Code::FailedPrecondition);

    let mut forgetful = Service::new();
    let without = Channel { retention_config: None, ..channel() };
    forgetful.create_channel("news", without).await.expect("good");
    forgetful.pass(10);
    let session = forgetful.session(60, 120);
    assert_eq!(code(forgetful.create_session(session).await), Code::FailedPrecondition);
}

#[tokio::test]
async fn a_dvr_window_without_a_start_begins_now_and_cannot_end_by_then() {
    let mut service = Service::new();
    service.stream().await;
    let until = |service: &Service, to: i64| {
        let interval = TimeInterval { start_time: None, end_time: Some(service.in_seconds(to)) };
        let window = DvrWindow { kind: Some(dvr_window::Kind::TimeInterval(interval)) };
        DvrSession { dvr_windows: vec![window], ..service.session(0, None) }
    };
    for to in [-1, 0] {
        let empty = until(&service, to);
        let refused = service.create_session(empty).await.expect_err("nothing to record");
        assert_eq!(refused.code(), Code::InvalidArgument, "{to}");
        let details = refused.get_details_bad_request().expect("a BadRequest");
        let field = "dvr_session.dvr_windows[0].time_interval.end_time";
        assert_eq!(details.field_violations[0].field, field);
    }
    let session = until(&service, 10);
    service.create_session(session).await.expect("ten seconds");
    service.pass(5);
    assert_eq!(service.session_state().await, State::Live);
    service.pass(5);
    assert_eq!(service.session_state().await, State::PostProcessing);
}

#[tokio::test]
async fn a_live_dvr_session_can_be_prolonged_but_not_overwritten() {
    let mut service = Service::new();
    service.stream().await;
    let session = service.session(0, 60);
    service.create_session(session).await.expect("accepted");
    service.pass(10);
    assert_eq!(service.session_state().await, State::Live);

    let refused = vec![service.window(-5, 120)];
    assert_eq!(code(service.update_session(refused).await), Code::FailedPrecondition);
    let prolonged = vec![service.window(-10, 120)];
    service.update_session(prolonged).await.expect("nothing is overwritten");
    assert_eq!(service.session_state().await, State::Updating);
    service.pass(5);
    assert_eq!(service.session_state().await, State::Live);
    service.pass(114);
    assert_eq!(service.session_state().await, State::Live);
    service.pass(1);
    assert_eq!(service.session_state().await, State::PostProcessing);
}

#[tokio::test]
async fn a_live_dvr_session_that_is_cut_short_goes_through_cooldown() {
    let mut service = Service::new();
    service.stream().await;
    let session = service.session(0, None);
    service.create_session(session).await.expect("accepted");
    service.pass(30);
    let shortened = vec![service.window(-30, -10)];
    let operation = service.update_session(shortened).await.expect("allowed").into_inner();
    service.pass(5);
    let session: DvrSession = service.output(&operation.name).await;
    assert_eq!(session.state(), State::Cooldown);
    let update = vec![service.window(-30, 60)];
    assert_eq!(code(service.update_session(update).await), Code::FailedPrecondition);
    service.pass(59);
    assert_eq!(service.session_state().await, State::Cooldown);
    service.pass(1);
    assert_eq!(service.session_state().await, State::PostProcessing);
    service.pass(10);
    assert_eq!(service.session_state().await, State::Finished);
}

#[tokio::test]
async fn a_scheduled_dvr_session_can_be_moved() {
    let mut service = Service::new();
    service.stream().await;
    let session = service.session(60, 120);
    service.create_session(session).await.expect("accepted");
    service.pass(5);
    let request = model::UpdateDvrSessionRequest {
        dvr_session: Some(DvrSession { name: SESSION.to_owned(), ..service.session(0, 9) }),
        update_mask: Some(FieldMask { paths: vec!["labels".to_owned()] }),
        request_id: String::new(),
    };
    assert_eq!(code(service.live.update_dvr_session(request.clone()).await), Code::InvalidArgument);
    let unmasked = model::UpdateDvrSessionRequest { update_mask: None, ..request };
    assert_eq!(code(service.live.update_dvr_session(unmasked).await), Code::InvalidArgument);

    let earlier = vec![service.window(0, 120)];
    service.update_session(earlier).await.expect("allowed");
    service.pass(5);
    assert_eq!(service.session_state().await, State::Live);
}

#[tokio::test]
async fn a_cancelled_update_leaves_the_dvr_session_as_it_was() {
    for (from, state) in [(0, State::Live), (3600, State::Scheduled)] {
        let mut service = Service::new();
        service.stream().await;
        let session = service.session(from, 7200);
        service.create_session(session).await.expect("accepted");
        service.pass(5);
        let before = service.read_session().await;
        assert_eq!(before.state(), state);
        let longer = vec![service.window(from - 5, 9999)];
        let update = service.update_session(longer).await.expect("allowed").into_inner();
        assert_eq!(service.session_state().await, State::Updating);
        service.cancel(&update.name).await;
        let after = service.read_session().await;
        assert_eq!((after.state(), after.dvr_windows), (state, before.dvr_windows));
        service.pass(7300);
        assert_eq!(service.session_state().await, State::Finished);
    }
}

#[tokio::test]
async fn an_update_of_the_channel_stops_its_dvr_sessions() {
    let mut service = Service::new();
    service.stream().await;
    let session = service.session(0, None);
    service.create_session(session).await.expect("accepted");
    service.pass(10);
    update_channel(&mut service).await;
    assert_eq!(service.session_state().await, State::Stopping);
    service.pass(10);
    assert_eq!(service.session_state().await, State::PostProcessing);
    service.pass(10);
    assert_eq!(service.session_state().await, State::Finished);
}

#[tokio::test]
async fn a_dvr_session_that_is_stopped_before_it_begins_fails() {
    let mut service = Service::new();
    service.stream().await;
    let session = service.session(3600, None);
    let created = service.create_session(session).await.expect("accepted").into_inner();
    update_channel(&mut service).await;
    service.pass(5);
    let still: DvrSession = service.output(&created.name).await;
    assert_eq!(still.state(), State::Stopping, "accepting it does not undo the stop");
    service.pass(5);
    let failed = service.read_session().await;
    assert_eq!(failed.state(), State::Failed);
    assert!(failed.error.is_some());
}

async fn update_channel(service: &mut Service) {
    let log_config = Some(model::LogConfig { log_severity: 100 });
    let request = model::UpdateChannelRequest {
        channel: Some(Channel { name: CHANNEL.to_owned(), log_config, ..Default::default() }),
        ..Default::default()
    };
    service.live.update_channel(request).await.expect("accepted");
}

#[tokio::test]
async fn a_dvr_session_fails_on_an_injected_error_and_can_be_deleted() {
    let mut service = Service::new();
    service.stream().await;
    let session = service.session(0, 60);
    service.create_session(session).await.expect("accepted");
    service.pass(10);
    service.emulator.fail(&session_name(), Status::data_loss("gap")).expect("it has not ended");
    let failed = service.read_session().await;
    assert_eq!(failed.state(), State::Failed);
    assert_eq!(failed.error.map(|error| error.code), Some(15));
    service.pass(3600);
    assert_eq!(service.session_state().await, State::Failed);

    let operation = service.live.delete_dvr_session(name(SESSION)).await.expect("there");
    assert_eq!(service.session_state().await, State::Deleting);
    service.pass(10);
    let () = service.output(&operation.into_inner().name).await;
    assert_eq!(code(service.live.get_dvr_session(name(SESSION)).await), Code::NotFound);
}

#[tokio::test]
async fn a_cancelled_deletion_leaves_the_dvr_session_as_it_was() {
    let mut service = Service::new();
    service.stream().await;
    let session = service.session(0, 3600);
    service.create_session(session).await.expect("accepted");
    service.pass(10);
    let operation = service.live.delete_dvr_session(name(SESSION)).await.expect("there");
    service.cancel(&operation.into_inner().name).await;
    assert_eq!(service.session_state().await, State::Live);
    service.pass(3600);
    assert_eq!(service.session_state().await, State::Finished);
}

#[tokio::test]
async fn a_dvr_session_that_was_stopping_is_not_live_again_after_a_cancelled_deletion() {
    let mut service = Service::new();
    service.stream().await;
    let session = service.session(0, 3600);
    service.create_session(session).await.expect("accepted");
    service.pass(10);
    update_channel(&mut service).await;
    assert_eq!(service.session_state().await, State::Stopping);
    let operation = service.live.delete_dvr_session(name(SESSION)).await.expect("there");
    service.cancel(&operation.into_inner().name).await;
    assert_eq!(service.session_state().await, State::PostProcessing);
    service.pass(10);
    assert_eq!(service.session_state().await, State::Finished);
}
