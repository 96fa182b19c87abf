//! Running channels: events, inputs and their backups, distributions and assets.

mod support;

use base64::Engine as _;
use livestream_client::{
    model::{
        self, Asset, Channel, Distribution, DistributionStream, Encryption, EncryptionUpdate,
        Event, InputConfig, RtmpPushOutputEndpoint, StaticOverlay,
        asset::{self, ImageAsset},
        channel::StreamingState,
        distribution::{Endpoint, State as DistributionState},
        encryption::{self, EncryptionMode, SecretManagerSource, SecretSource},
        encryption_update,
        event::{AdBreakTask, InputSwitchTask, MuteTask, SlateTask, State, Task},
        input_attachment,
        input_config::InputSwitchMode,
        manifest::ManifestType,
    },
    name::{AssetName, ChannelName, EventName, InputName},
    proto::google::longrunning::Operation,
};
use livestream_emulator::Emulator;
use prost_types::FieldMask;
use std::time::Duration;
use support::{CHANNEL, INPUT, LOCATION, Service, channel, code, manifest, name};
use tonic::{Code, Response, Status};

const BACKUP: &str = "projects/p/locations/us-central1/inputs/backup";
const ASSET: &str = "projects/p/locations/us-central1/assets/slate";
const FILE: &str = "gs://bucket/slate.png";

impl Service {
    fn pass(&self, seconds: u64) {
        self.emulator.advance(Duration::from_secs(seconds));
    }

    async fn create_event(&mut self, id: &str, event: Event) -> Result<Response<Event>, Status> {
        let request = model::CreateEventRequest {
            parent: CHANNEL.to_owned(),
            event_id: id.to_owned(),
            event: Some(event),
            request_id: String::new(),
        };
        self.live.create_event(request).await
    }

    /// Creates an event that executes a task now.
    async fn run(&mut self, id: &str, task: Task) {
        self.create_event(id, now(task)).await.expect("accepted");
        self.pass(2);
    }

    async fn event(&mut self, id: &str) -> Event {
        let event = format!("{CHANNEL}/events/{id}");
        self.live.get_event(name(&event)).await.expect("there").into_inner()
    }

    async fn event_state(&mut self, id: &str) -> State {
        self.event(id).await.state()
    }

    async fn create_asset(&mut self, asset: Asset) -> Result<Response<Operation>, Status> {
        let request = model::CreateAssetRequest {
            parent: LOCATION.to_owned(),
            asset_id: "slate".to_owned(),
            asset: Some(asset),
            request_id: String::new(),
        };
        self.live.create_asset(request).await
    }

    async fn asset(&mut self) -> Asset {
        self.live.get_asset(name(ASSET)).await.expect("there").into_inner()
    }

    /// Creates the channel `CHANNEL`, which streams from `INPUT` with the backup input `BACKUP`.
    async fn stream_with_backup(&mut self, mode: InputSwitchMode) {
        for id in ["camera", "backup"] {
            self.live.create_input(self.create_input_request(id)).await.expect("good");
        }
        self.pass(180);
        let attach = |key: &str, input: &str, backups: &[&str]| model::InputAttachment {
            key: key.to_owned(),
            input: input.to_owned(),
            automatic_failover: Some(input_attachment::AutomaticFailover {
                input_keys: backups.iter().map(|&key| key.to_owned()).collect(),
            }),
        };
        let channel = Channel {
            input_attachments: vec![
                attach("main", INPUT, &["spare"]),
                attach("spare", BACKUP, &[]),
            ],
            input_config: Some(InputConfig { input_switch_mode: mode as i32 }),
            ..channel()
        };
        self.create_channel("news", channel).await.expect("good");
        self.pass(10);
        self.live.start_channel(name(CHANNEL)).await.expect("stopped");
        self.pass(605);
    }

    async fn active_input(&mut self) -> String {
        self.channel().await.active_input
    }

    async fn distribution(&mut self) -> Distribution {
        self.channel().await.distributions.remove(0)
    }
}

fn now(task: Task) -> Event {
    Event { task: Some(task), execute_now: true, ..Default::default() }
}

fn seconds(seconds: i64) -> Option<prost_types::Duration> {
    Some(prost_types::Duration { seconds, nanos: 0 })
}

fn ad_break() -> Task {
    Task::AdBreak(AdBreakTask { duration: seconds(30) })
}

fn image() -> Asset {
    let image = ImageAsset { uri: FILE.to_owned() };
    Asset { resource: Some(asset::Resource::Image(image)), ..Default::default() }
}

fn channel_name() -> ChannelName {
    CHANNEL.parse().expect("a name")
}

#[tokio::test]
async fn an_event_runs_at_its_execution_time_and_is_removed_a_week_later() {
    let mut service = Service::new();
    service.stream().await;
    let time = service.in_seconds(60);
    let event = Event { task: Some(ad_break()), execution_time: Some(time), ..Default::default() };
    let created = service.create_event("break", event).await.expect("accepted").into_inner();
    assert_eq!(created.state(), State::Pending);
    assert_eq!(created.execution_time, Some(time));
    for (seconds, state) in [
        (1, State::Scheduled),
        (58, State::Scheduled),
        (1, State::Running),
        (29, State::Running),
        (1, State::Succeeded),
        (7 * 24 * 3600 - 1, State::Succeeded),
    ] {
        service.pass(seconds);
        assert_eq!(service.event_state("break").await, state);
    }
    service.pass(1);
    let event = format!("{CHANNEL}/events/break");
    assert_eq!(code(service.live.get_event(name(&event)).await), Code::NotFound);
}

#[tokio::test]
async fn an_event_needs_a_started_channel_a_task_and_an_execution_time() {
    let mut service = Service::new();
    service.make_channel().await;
    let refused = service.create_event("break", now(ad_break())).await;
    assert_eq!(code(refused), Code::FailedPrecondition);
    service.live.start_channel(name(CHANNEL)).await.expect("stopped");
    let refused = service.create_event("break", now(ad_break())).await;
    assert_eq!(code(refused), Code::FailedPrecondition, "STARTING is not started");
    service.pass(600);

    let at = |time| Event { task: Some(ad_break()), execution_time: time, ..Default::default() };
    let bad = [
        at(None),
        // An output field in the request does not change the rules.
        Event { create_time: Some(service.in_seconds(0)), ..at(None) },
        at(Some(service.in_seconds(9))),
        Event { execute_now: true, ..at(Some(service.in_seconds(60))) },
        Event { execute_now: true, ..Default::default() },
        now(Task::AdBreak(AdBreakTask::default())),
        now(Task::AdBreak(AdBreakTask { duration: seconds(0) })),
        now(Task::Mute(MuteTask { duration: seconds(-1) })),
        now(Task::InputSwitch(InputSwitchTask { input_key: "absent".to_owned() })),
        now(Task::UpdateEncryptions(model::event::UpdateEncryptionsTask::default())),
    ];
    for event in bad {
        let refused = service.create_event("break", event.clone()).await;
        assert_eq!(code(refused), Code::InvalidArgument, "{event:?}");
    }
    let slate = SlateTask { asset: ASSET.to_owned(), ..Default::default() };
    let refused = service.create_event("break", now(Task::Slate(slate))).await;
    assert_eq!(code(refused), Code::NotFound);
    let soon = at(Some(service.in_seconds(10)));
    assert!(service.create_event("break", soon.clone()).await.is_ok());
    assert_eq!(code(service.create_event("break", soon).await), Code::AlreadyExists);
}

#[tokio::test]
async fn return_to_program_stops_events_with_a_duration() {
    let mut service = Service::new();
    service.stream().await;
    service.run("break", ad_break()).await;
    service.run("mute", Task::Mute(MuteTask::default())).await;
    service.run("return", Task::ReturnToProgram(model::event::ReturnToProgramTask {})).await;
    assert_eq!(service.event_state("break").await, State::Stopped);
    assert_eq!(service.event_state("mute").await, State::Running);
    service.pass(1);
    assert_eq!(service.event_state("return").await, State::Succeeded);
}

#[tokio::test]
async fn unmute_fails_unless_the_channel_is_muted() {
    let mut service = Service::new();
    service.stream().await;
    let unmute = Task::Unmute(model::event::UnmuteTask {});
    service.run("first", unmute.clone()).await;
    let failed = service.event("first").await;
    assert_eq!(failed.state(), State::Failed);
    assert!(failed.error.is_some());

    service.run("mute", Task::Mute(MuteTask::default())).await;
    service.run("second", unmute).await;
    assert_eq!(service.event_state("mute").await, State::Succeeded);
    service.pass(1);
    assert_eq!(service.event_state("second").await, State::Succeeded);
}

#[tokio::test]
async fn slates_and_mutes_with_a_duration_end_by_themselves() {
    let mut service = Service::new();
    service.stream().await;
    service.create_asset(image()).await.expect("accepted");
    service.pass(60);
    let slate = SlateTask { asset: ASSET.to_owned(), duration: seconds(10) };
    let endless = SlateTask { duration: None, ..slate.clone() };
    service.run("slate", Task::Slate(slate)).await;
    service.run("endless", Task::Slate(endless)).await;
    service.run("mute", Task::Mute(MuteTask { duration: seconds(10) })).await;
    service.pass(5);
    assert_eq!(service.event_state("slate").await, State::Running);
    service.pass(1);
    assert_eq!(service.event_state("slate").await, State::Succeeded);
    service.pass(3);
    assert_eq!(service.event_state("mute").await, State::Running);
    service.pass(1);
    assert_eq!(service.event_state("mute").await, State::Succeeded);
    assert_eq!(service.event_state("endless").await, State::Running);
}

#[tokio::test]
async fn a_channel_is_muted_until_its_own_mute_event_ends_or_is_deleted() {
    let mut service = Service::new();
    service.stream().await;
    let unmute = Task::Unmute(model::event::UnmuteTask {});
    service.run("short", Task::Mute(MuteTask { duration: seconds(10) })).await;
    service.pass(10);
    service.run("after-the-end", unmute.clone()).await;
    assert_eq!(service.event_state("after-the-end").await, State::Failed);

    service.run("deleted", Task::Mute(MuteTask::default())).await;
    let deleted = format!("{CHANNEL}/events/deleted");
    service.live.delete_event(name(&deleted)).await.expect("there");
    service.run("after-the-deletion", unmute.clone()).await;
    assert_eq!(service.event_state("after-the-deletion").await, State::Failed);

    service.run("mute", Task::Mute(MuteTask::default())).await;
    service.run("break", ad_break()).await;
    service.pass(30);
    assert_eq!(service.event_state("break").await, State::Succeeded);
    service.run("unmute", unmute).await;
    service.pass(1);
    assert_eq!(service.event_state("unmute").await, State::Succeeded, "still muted until then");
}

#[tokio::test]
async fn an_update_encryptions_event_changes_the_secret_of_the_encryption_with_its_id() {
    let secret = |version: u32| SecretManagerSource {
        secret_version: format!("projects/p/secrets/key/versions/{version}"),
    };
    let encryption = |id: &str| Encryption {
        id: id.to_owned(),
        secret_source: Some(SecretSource::SecretManagerKeySource(secret(1))),
        encryption_mode: Some(EncryptionMode::Aes128(encryption::Aes128Encryption {})),
        drm_systems: Some(encryption::DrmSystems {
            clearkey: Some(encryption::Clearkey {}),
            ..Default::default()
        }),
    };
    let mut service = Service::new();
    let encryptions = vec![encryption("one"), encryption("two")];
    service.create_channel("news", Channel { encryptions, ..channel() }).await.expect("valid");
    service.pass(10);
    service.live.start_channel(name(CHANNEL)).await.expect("stopped");
    service.pass(605);
    let update = EncryptionUpdate {
        id: "two".to_owned(),
        secret_source: Some(encryption_update::SecretSource::SecretManagerKeySource(secret(2))),
    };
    let task = model::event::UpdateEncryptionsTask { encryptions: vec![update] };
    service.run("rotate", Task::UpdateEncryptions(task)).await;
    service.pass(1);
    assert_eq!(service.event_state("rotate").await, State::Succeeded);
    let found = service.channel().await.encryptions.into_iter().map(|own| own.secret_source);
    let expected =
        [1, 2].map(|version| Some(SecretSource::SecretManagerKeySource(secret(version))));
    assert!(found.eq(expected));
}

#[tokio::test]
async fn running_events_stop_with_their_channel() {
    let mut service = Service::new();
    service.stream().await;
    service.run("mute", Task::Mute(MuteTask::default())).await;
    let time = Some(service.in_seconds(600));
    let later = Event { task: Some(ad_break()), execution_time: time, ..Default::default() };
    service.create_event("later", later).await.expect("accepted");
    service.live.stop_channel(name(CHANNEL)).await.expect("running");
    service.pass(60);
    assert_eq!(service.event_state("mute").await, State::Stopped);
    service.pass(600);
    assert_eq!(service.event_state("later").await, State::Failed);
}

#[tokio::test]
async fn a_channel_with_events_is_deleted_only_with_force() {
    let mut service = Service::new();
    service.stream().await;
    service.run("break", ad_break()).await;
    service.live.stop_channel(name(CHANNEL)).await.expect("running");
    service.pass(60);
    assert_eq!(code(service.live.delete_channel(name(CHANNEL)).await), Code::FailedPrecondition);
    let force = model::DeleteChannelRequest {
        name: CHANNEL.to_owned(),
        force: true,
        request_id: String::new(),
    };
    service.live.delete_channel(force).await.expect("forced");
    service.pass(30);
    let event = format!("{CHANNEL}/events/break");
    assert_eq!(code(service.live.get_event(name(&event)).await), Code::NotFound);
}

#[tokio::test]
async fn events_can_be_listed_failed_and_deleted() {
    let mut service = Service::new();
    service.stream().await;
    service.run("break", ad_break()).await;
    let event: EventName = format!("{CHANNEL}/events/break").parse().expect("a name");
    service.emulator.fail(&event, Status::internal("no")).expect("it runs");
    let list = model::ListEventsRequest {
        parent: CHANNEL.to_owned(),
        filter: "state=FAILED".to_owned(),
        ..Default::default()
    };
    let events = service.live.list_events(list).await.expect("a page").into_inner().events;
    assert_eq!(events.len(), 1);
    assert!(service.emulator.fail(&event, Status::internal("no")).is_err(), "it has ended");
    service.live.delete_event(name(event.as_str())).await.expect("there");
    assert_eq!(code(service.live.delete_event(name(event.as_str())).await), Code::NotFound);
}

#[tokio::test]
async fn failover_switches_to_the_backup_input_and_back() {
    let mut service = Service::new();
    service.stream_with_backup(InputSwitchMode::FailoverPreferPrimary).await;
    let backup: InputName = BACKUP.parse().expect("a name");
    service.emulator.feed_input(&backup).expect("there");
    assert_eq!(service.active_input().await, "main");
    service.emulator.disconnect_encoder(&channel_name()).expect("there");
    assert_eq!(service.active_input().await, "spare");
    assert_eq!(service.state().await, StreamingState::Streaming);

    let primary: InputName = INPUT.parse().expect("a name");
    service.emulator.feed_input(&primary).expect("there");
    assert_eq!(service.active_input().await, "main");
    service.emulator.starve_input(&backup).expect("there");
    service.emulator.starve_input(&primary).expect("there");
    assert_eq!(service.state().await, StreamingState::AwaitingInput);
}

#[tokio::test]
async fn an_input_switch_event_disables_failover() {
    for mode in [InputSwitchMode::Manual, InputSwitchMode::FailoverPreferPrimary] {
        let mut service = Service::new();
        service.stream_with_backup(mode).await;
        let switch = InputSwitchTask { input_key: "spare".to_owned() };
        service.run("switch", Task::InputSwitch(switch)).await;
        assert_eq!(service.active_input().await, "spare");
        assert_eq!(service.state().await, StreamingState::AwaitingInput);
        service.pass(5);
        assert_eq!(service.state().await, StreamingState::Streaming, "an encoder connected");
        service.emulator.disconnect_encoder(&channel_name()).expect("there");
        assert_eq!(service.active_input().await, "spare");
        assert_eq!(service.state().await, StreamingState::AwaitingInput);
    }
}

#[tokio::test]
async fn a_channel_update_takes_effect_when_its_operation_is_done() {
    let mut service = Service::new();
    service.make_channel().await;
    let second = manifest("second", ManifestType::Hls);
    let new = Channel {
        name: CHANNEL.to_owned(),
        manifests: vec![second],
        labels: [("ignored".to_owned(), String::new())].into(),
        ..Default::default()
    };
    let update = |paths: &[&str]| model::UpdateChannelRequest {
        channel: Some(new.clone()),
        update_mask: Some(FieldMask { paths: paths.iter().map(|&path| path.to_owned()).collect() }),
        request_id: String::new(),
    };
    for paths in [&["labels"][..], &["manifests", "nonsense"]] {
        assert_eq!(code(service.live.update_channel(update(paths)).await), Code::InvalidArgument);
    }
    let clears = update(&["output"]);
    assert_eq!(code(service.live.update_channel(clears).await), Code::InvalidArgument);

    let request = update(&["manifests", "input_attachments"]);
    let operation = service.live.update_channel(request).await.expect("good").into_inner();
    assert_eq!(service.channel().await.manifests[0].key, "main");
    service.pass(30);
    let updated: Channel = service.output(&operation.name).await;
    assert_eq!(updated.manifests[0].key, "second");
    assert!(updated.input_attachments.is_empty() && updated.active_input.is_empty());
    assert!(updated.labels.is_empty() && updated.output.is_some());
    assert!(service.live.delete_input(name(INPUT)).await.is_ok(), "no channel uses it");
}

#[tokio::test]
async fn a_distribution_starts_and_stops_independently_of_its_channel() {
    let emulator = Emulator::builder().manual_clock().encoder_delay(None).build();
    let mut service = Service::on(emulator.clone());
    let channel = Channel {
        distribution_streams: vec![DistributionStream {
            key: "stream".to_owned(),
            container: "flv".to_owned(),
            elementary_streams: vec!["sound".to_owned()],
        }],
        distributions: vec![Distribution {
            key: "partner".to_owned(),
            distribution_stream: "stream".to_owned(),
            endpoint: Some(Endpoint::RtmpPush(RtmpPushOutputEndpoint {
                uri: "rtmp://example.com/live".to_owned(),
                stream_key: "key".to_owned(),
            })),
            ..Default::default()
        }],
        ..channel()
    };
    service.create_channel("news", channel).await.expect("good");
    service.pass(10);
    assert_eq!(service.distribution().await.state(), DistributionState::NotReady);
    let refused = service.live.start_distribution(name(CHANNEL)).await;
    assert_eq!(code(refused), Code::FailedPrecondition);

    service.live.start_channel(name(CHANNEL)).await.expect("stopped");
    service.pass(600);
    assert_eq!(service.distribution().await.state(), DistributionState::Ready);
    let absent = model::StartDistributionRequest {
        name: CHANNEL.to_owned(),
        distribution_keys: vec!["absent".to_owned()],
        request_id: String::new(),
    };
    assert_eq!(code(service.live.start_distribution(absent).await), Code::InvalidArgument);
    let operation = service.live.start_distribution(name(CHANNEL)).await.expect("ready");
    service.pass(10);
    let operation = operation.into_inner().name;
    let _: model::ChannelOperationResponse = service.output(&operation).await;
    assert_eq!(service.distribution().await.state(), DistributionState::AwaitingInput);
    emulator.connect_encoder(&channel_name()).expect("there");
    assert_eq!(service.distribution().await.state(), DistributionState::Distributing);

    for (channel, expected) in [
        (StreamingState::Streaming, DistributionState::Distributing),
        (StreamingState::AwaitingInput, DistributionState::AwaitingInput),
        (StreamingState::StreamingNoInput, DistributionState::AwaitingInput),
        (StreamingState::Streaming, DistributionState::Distributing),
    ] {
        emulator.set_streaming_state(&channel_name(), channel).expect("there");
        assert_eq!(service.distribution().await.state(), expected, "{channel:?}");
    }

    let error = Status::unavailable("refused");
    emulator.fail_distribution(&channel_name(), "partner", error).expect("started");
    let failed = service.distribution().await;
    assert_eq!(failed.state(), DistributionState::Error);
    assert_eq!(failed.error.as_ref().map(|error| error.code), Some(14));
    emulator.disconnect_encoder(&channel_name()).expect("there");
    assert_eq!(service.distribution().await, failed, "the error stays");
    service.live.stop_distribution(name(CHANNEL)).await.expect("started");
    service.pass(10);
    let stopped = service.distribution().await;
    assert_eq!((stopped.state(), stopped.error), (DistributionState::Ready, None));
    let refused = service.live.stop_distribution(name(CHANNEL)).await;
    assert_eq!(code(refused), Code::FailedPrecondition);

    service.live.start_distribution(name(CHANNEL)).await.expect("ready");
    service.pass(10);
    let error = Status::unavailable("refused");
    emulator.fail_distribution(&channel_name(), "partner", error).expect("started");
    service.live.stop_channel(name(CHANNEL)).await.expect("running");
    service.pass(60);
    let stopped = service.distribution().await;
    assert_eq!((stopped.state(), stopped.error), (DistributionState::NotReady, None));
}

#[tokio::test]
async fn an_asset_is_active_if_its_checksum_matches_the_file() {
    let mut service = Service::new();
    service.emulator.put_object(FILE, 1000, 0x0102_0304);
    let operation = service.create_asset(image()).await.expect("accepted").into_inner();
    assert_eq!(service.asset().await.state(), asset::State::Creating);
    service.pass(60);
    let asset: Asset = service.output(&operation.name).await;
    assert_eq!((asset.state(), &*asset.crc32c), (asset::State::Active, "AQIDBA=="));

    let operation = service.live.delete_asset(name(ASSET)).await.expect("unused").into_inner();
    assert_eq!(service.asset().await.state(), asset::State::Deleting);
    service.cancel(&operation.name).await;
    assert_eq!(service.asset().await.state(), asset::State::Active);
    service.live.delete_asset(name(ASSET)).await.expect("unused");
    service.pass(10);
    assert_eq!(code(service.live.get_asset(name(ASSET)).await), Code::NotFound);
}

#[tokio::test]
async fn an_asset_with_a_wrong_checksum_or_size_is_in_error() {
    let wrong = Asset { crc32c: "AAAAAA==".to_owned(), ..image() };
    for (asset, bytes) in [(wrong, 1000), (image(), 250_000_001)] {
        let mut service = Service::new();
        service.emulator.put_object(FILE, bytes, 0x0102_0304);
        let operation = service.create_asset(asset).await.expect("accepted").into_inner();
        service.pass(60);
        assert_eq!(service.error(&operation.name).await, Code::FailedPrecondition);
        let failed = service.asset().await;
        assert_eq!(failed.state(), asset::State::Error);
        assert!(failed.error.is_some());
    }
    let mut service = Service::new();
    let operation = service.create_asset(image()).await.expect("accepted").into_inner();
    let asset: AssetName = ASSET.parse().expect("a name");
    service.emulator.fail(&asset, Status::not_found("no such object")).expect("being created");
    assert_eq!(service.error(&operation.name).await, Code::NotFound);
    assert_eq!(service.asset().await.state(), asset::State::Error);
}

#[tokio::test]
async fn an_asset_with_the_maximum_size_is_active() {
    let mut service = Service::new();
    service.emulator.put_object(FILE, 250_000_000, 0x0102_0304);
    service.create_asset(image()).await.expect("accepted");
    service.pass(60);
    assert_eq!(service.asset().await.state(), asset::State::Active);
}

#[tokio::test]
async fn the_checksum_of_an_asset_without_a_known_file_is_its_own_or_depends_on_the_uri() {
    let with_uri = |uri: &str| {
        let image = ImageAsset { uri: uri.to_owned() };
        Asset { resource: Some(asset::Resource::Image(image)), ..Default::default() }
    };
    let own = Asset { crc32c: "AQIDBA==".to_owned(), ..image() };
    let mut found = Vec::new();
    for given in [own, image(), image(), with_uri("gs://bucket/other.png")] {
        let mut service = Service::new();
        service.create_asset(given).await.expect("accepted");
        service.pass(60);
        let asset = service.asset().await;
        assert_eq!(asset.state(), asset::State::Active);
        found.push(asset.crc32c);
    }
    for crc32c in &found {
        let bytes = base64::engine::general_purpose::STANDARD.decode(crc32c);
        assert_eq!(bytes.map(|bytes| bytes.len()), Ok(4), "{crc32c}");
    }
    assert_eq!(found[0], "AQIDBA==");
    assert_eq!(found[1], found[2]);
    assert_ne!(found[1], found[3]);
}

#[tokio::test]
async fn an_asset_needs_a_file_and_cannot_be_deleted_while_it_is_used() {
    let mut service = Service::new();
    let bad = [Asset::default(), Asset { crc32c: "AAA=".to_owned(), ..image() }];
    for asset in bad {
        assert_eq!(code(service.create_asset(asset).await), Code::InvalidArgument);
    }
    service.create_asset(image()).await.expect("accepted");
    service.pass(60);
    let overlay = StaticOverlay { asset: ASSET.to_owned(), ..Default::default() };
    let channel = Channel { static_overlays: vec![overlay], ..channel() };
    service.create_channel("news", channel).await.expect("good");
    service.pass(10);
    assert_eq!(code(service.live.delete_asset(name(ASSET)).await), Code::FailedPrecondition);

    let list = model::ListAssetsRequest { parent: LOCATION.to_owned(), ..Default::default() };
    let assets = service.live.list_assets(list).await.expect("a page").into_inner().assets;
    assert_eq!(assets.len(), 1);
}

#[tokio::test]
async fn a_channel_notices_an_encoder_that_connected_before_it_started() {
    let emulator = Emulator::builder().manual_clock().encoder_delay(None).build();
    let mut service = Service::on(emulator);
    service.make_channel().await;
    service.emulator.connect_encoder(&channel_name()).expect("there");
    service.live.start_channel(name(CHANNEL)).await.expect("stopped");
    service.pass(600);
    assert_eq!(service.state().await, StreamingState::AwaitingInput);
    service.pass(1);
    assert_eq!(service.state().await, StreamingState::Streaming);
}

#[tokio::test]
async fn a_disconnected_encoder_stays_away_when_its_channel_starts_again() {
    let mut service = Service::new();
    service.stream().await;
    service.emulator.disconnect_encoder(&channel_name()).expect("there");
    service.live.stop_channel(name(CHANNEL)).await.expect("it runs");
    service.pass(60);
    service.live.start_channel(name(CHANNEL)).await.expect("stopped");
    service.pass(3600);
    assert_eq!(service.state().await, StreamingState::AwaitingInput);
}

#[tokio::test]
async fn an_input_is_fed_until_the_last_channel_that_reads_from_it_stops() {
    let mut service = Service::new();
    service.stream().await;
    let attachment = model::InputAttachment {
        key: "main".to_owned(),
        input: INPUT.to_owned(),
        automatic_failover: None,
    };
    let second = Channel { input_attachments: vec![attachment], ..channel() };
    service.create_channel("second", second).await.expect("good");
    service.pass(10);
    let second = format!("{LOCATION}/channels/second");
    service.live.start_channel(name(&second)).await.expect("stopped");
    service.pass(605);
    for (channel, is_fed) in [(CHANNEL, true), (&*second, false)] {
        service.live.stop_channel(name(channel)).await.expect("it runs");
        service.pass(60);
        let input = service.live.get_input(name(INPUT)).await.expect("there").into_inner();
        assert_eq!(input.input_stream_property.is_some(), is_fed, "after {channel}");
    }
}
