//! Declared resources: `ensure_…` converges, sends nothing when nothing differs, and creates, starts,
//! stops and deletes once however many callers there are.

#![allow(clippy::unwrap_used)]

mod support;

use fastrand::Rng;
use livestream_client::{
    LivestreamClient,
    ensure::Plan,
    model::{
        Asset, AudioStream, Channel, Clip, CreateChannelRequest, DeleteChannelRequest, DvrSession,
        ElementaryStream, Encryption, Event, GetChannelRequest, Input, InputAttachment,
        ListDvrSessionsRequest, LogConfig, Manifest, MuxStream, OperationMetadata,
        PreprocessingConfig, RetentionConfig, SpriteSheet, TimecodeConfig, UpdateChannelRequest,
        VideoStream,
        asset::{Resource, VideoAsset},
        audio_stream::AudioMapping,
        channel::StreamingState,
        dvr_session::{self, dvr_window::Kind},
        elementary_stream::ElementaryStream as Track,
        encryption::{Aes128Encryption, EncryptionMode, SampleAesEncryption},
        event::{AdBreakTask, ReturnToProgramTask, Task},
        input::{SecurityRule, Tier, Type},
        log_config::LogSeverity,
        preprocessing_config::{Crop, Pad},
        timecode_config::{TimeOffset, TimecodeSource},
        video_stream::{CodecSettings, H264CodecSettings},
    },
    name::LocationName,
    policy::{PollPolicy, RetryPolicy},
    proto::google::longrunning::{
        self, GetOperationRequest, ListOperationsRequest, ListOperationsResponse,
    },
    rpc::Rpc,
};
use livestream_emulator::{Emulator, Latency};
use prost::{Message, Name};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use support::{
    Observed, Scripted,
    fixture::{Fixture, channel, frequent_polls, sleep_seconds},
};
use tokio::{
    sync::Notify,
    task::JoinSet,
    time::{Instant, sleep},
};
use tonic::{Code, Status, body::Body};
use tower::{BoxError, ServiceExt as _, layer::layer_fn, service_fn, util::BoxCloneSyncService};

/// The service below a layer.
type Below = BoxCloneSyncService<http::Request<Body>, http::Response<Body>, BoxError>;

fn rtmp() -> Input {
    Input { r#type: Type::RtmpPush.into(), ..Default::default() }
}

fn logging(severity: LogSeverity) -> Option<LogConfig> {
    Some(LogConfig { log_severity: severity.into() })
}

/// The accepted operations with a verb on a resource.
async fn operations(client: &LivestreamClient, location: &LocationName, verb: &str) -> usize {
    let all = client.list_operations(location).items().collect().await.unwrap();
    let is_of_verb = |operation: &longrunning::Operation| {
        let metadata = operation.metadata.as_ref().unwrap();
        OperationMetadata::decode(&*metadata.value).unwrap().verb == verb
    };
    all.iter().filter(|operation| is_of_verb(operation)).count()
}

#[tokio::test(start_paused = true)]
async fn ensure_channel_creates_then_updates_what_differs_and_then_sends_nothing() {
    let fixture = Fixture::new();
    let Fixture { client, channel: name, log, .. } = &fixture;
    let wanted = channel();
    let plan = client.plan_channel(name, &wanted).await.unwrap();
    assert_eq!(plan.to_string(), format!("create {name}"));
    let created = client.ensure_channel(name, wanted.clone()).await.unwrap();
    assert_eq!(created.name, name.as_str());
    // The service has filled in defaults, at several depths.
    assert_ne!(created.mux_streams, wanted.mux_streams);
    assert_ne!(created.manifests, wanted.manifests);
    assert_eq!(log.mutations(), 1);

    assert!(client.plan_channel(name, &wanted).await.unwrap().is_nothing());
    client.ensure_channel(name, wanted.clone()).await.unwrap();
    // A channel that was read can be declared again.
    client.ensure_channel(name, created).await.unwrap();
    assert_eq!(log.mutations(), 1);

    let mut changed = Channel { log_config: logging(LogSeverity::Warning), ..wanted.clone() };
    changed.elementary_streams[0].key = "voice".to_owned();
    changed.mux_streams[0].elementary_streams = vec!["voice".to_owned()];
    let plan = client.plan_channel(name, &changed).await.unwrap();
    let text = format!(
        "update {name}\n  \
         elementary_streams: [\"sound\"] -> [\"voice\"]\n  \
         mux_streams[0].elementary_streams: [\"sound\"] -> [\"voice\"]\n  \
         log_config.log_severity: not set -> WARNING"
    );
    assert_eq!(plan.to_string(), text);
    let Plan::Update { mask, .. } = plan else { panic!("{plan:?}") };
    assert_eq!(mask.paths, ["elementary_streams", "mux_streams", "log_config"]);
    assert_eq!(log.mutations(), 1, "a plan changes nothing");

    let updated = client.ensure_channel(name, changed.clone()).await.unwrap();
    assert_eq!(updated.elementary_streams[0].key, "voice");
    assert_eq!(updated.manifests[0].key, "main", "fields out of the mask stay");
    client.ensure_channel(name, changed).await.unwrap();
    // A declaration of one field changes no other.
    let partial = Channel { log_config: logging(LogSeverity::Warning), ..Default::default() };
    client.ensure_channel(name, partial).await.unwrap();
    assert_eq!(log.mutations(), 2);
}

#[tokio::test(start_paused = true)]
async fn ensure_input_converges_although_the_service_fills_in_the_tier() {
    let Fixture { client, location, log, .. } = &Fixture::new();
    let name = location.input("studio").unwrap();
    let input = client.ensure_input(&name, rtmp()).await.unwrap();
    assert_eq!(input.tier(), Tier::Hd);
    client.ensure_input(&name, rtmp()).await.unwrap();
    assert_eq!(log.mutations(), 1);

    let uhd = Input { tier: Tier::Uhd.into(), ..rtmp() };
    let plan = client.plan_input(&name, &uhd).await.unwrap();
    assert_eq!(plan.to_string(), format!("update {name}\n  tier: HD -> UHD"));
    assert_eq!(client.ensure_input(&name, uhd).await.unwrap().tier(), Tier::Uhd);
    client.ensure_input(&name, rtmp()).await.unwrap();
    assert_eq!(client.get_input(&name).await.unwrap().tier(), Tier::Uhd, "unset is not compared");
    assert_eq!(log.mutations(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_update_keeps_what_the_declaration_leaves_unset_and_clear_removes_it() {
    let Fixture { client, location, log, .. } = &Fixture::new();
    let name = location.input("studio").unwrap();
    let with = |preprocessing_config, security_rules| Input {
        preprocessing_config,
        security_rules,
        ..rtmp()
    };
    let crop = Some(Crop { top_pixels: 8, ..Default::default() });
    let pad = Some(Pad { left_pixels: 4, ..Default::default() });
    let rules = Some(SecurityRule { ip_ranges: vec!["192.0.2.0/24".to_owned()] });
    let first = with(Some(PreprocessingConfig { crop, ..Default::default() }), rules.clone());
    client.ensure_input(&name, first).await.unwrap();

    let second = with(Some(PreprocessingConfig { pad, ..Default::default() }), None);
    let merged = client.ensure_input(&name, second.clone()).await.unwrap();
    let both = PreprocessingConfig { crop, pad, ..Default::default() };
    assert_eq!((merged.preprocessing_config, merged.security_rules), (Some(both), rules));

    let ensure = || client.ensure_input(&name, second.clone());
    let clear = ["preprocessing_config.crop", "security_rules"];
    let plan = ensure().clear(clear).plan().await.unwrap().to_string();
    let lines = plan.lines().skip(1).collect::<Vec<_>>();
    let expected = [
        "  preprocessing_config.crop: {top_pixels: 8} -> not set",
        "  security_rules: {ip_ranges: [\"192.0.2.0/24\"]} -> not set",
    ];
    assert_eq!(lines, expected);
    let cleared = ensure().clear(clear).await.unwrap();
    assert_eq!(cleared.preprocessing_config, second.preprocessing_config);
    assert_eq!(cleared.security_rules, None);
    ensure().clear(clear).await.unwrap();
    assert_eq!(log.mutations(), 3);

    let error = ensure().clear(["security_rule"]).await.unwrap_err();
    assert_eq!((error.field(), error.resource()), (Some("clear"), name.as_str()));
    assert!(error.message().ends_with("did you mean `security_rules`?"), "{error}");
}

/// A manifest `main` with settings that are not the service's defaults.
fn manifest() -> Manifest {
    Manifest {
        max_segment_count: 7,
        segment_keep_duration: Some(prost_types::Duration { seconds: 90, nanos: 0 }),
        ..channel().manifests.remove(0)
    }
}

#[tokio::test(start_paused = true)]
async fn an_update_keeps_what_the_declaration_leaves_unset_in_an_entry_of_a_list() {
    let Fixture { client, channel: name, .. } = &Fixture::new();
    client
        .ensure_channel(name, Channel { manifests: vec![manifest()], ..channel() })
        .await
        .unwrap();
    let mut wanted = channel();
    wanted.manifests[0].file_name = "other.m3u8".to_owned();
    let plan = client.plan_channel(name, &wanted).await.unwrap();
    let change = "manifests[0].file_name: \"main.m3u8\" -> \"other.m3u8\"";
    assert_eq!(plan.to_string(), format!("update {name}\n  {change}"));
    let updated = client.ensure_channel(name, wanted.clone()).await.unwrap();
    let expected = Manifest { file_name: "other.m3u8".to_owned(), ..manifest() };
    assert_eq!(updated.manifests, [expected]);

    let ensure = client.ensure_channel(name, wanted).clear(["manifests.max_segment_count"]);
    let Plan::Update { changes, .. } = ensure.plan().await.unwrap() else { panic!() };
    assert_eq!(changes[0].to_string(), "manifests[0].max_segment_count: 7 -> not set");
}

#[tokio::test(start_paused = true)]
async fn entries_of_a_list_with_keys_are_matched_by_key_so_that_one_can_be_added_before_another() {
    let Fixture { client, channel: name, .. } = &Fixture::new();
    client
        .ensure_channel(name, Channel { manifests: vec![manifest()], ..channel() })
        .await
        .unwrap();
    let main = channel().manifests.remove(0);
    let with = |key: &str| Manifest {
        key: key.to_owned(),
        file_name: format!("{key}.m3u8"),
        ..main.clone()
    };
    let other = Manifest { file_name: "other.m3u8".to_owned(), ..main.clone() };
    let declare = async |manifests: Vec<Manifest>| {
        let wanted = Channel { manifests, ..Default::default() };
        let plan = client.plan_channel(name, &wanted).await.unwrap().to_string();
        let updated = client.ensure_channel(name, wanted.clone()).await.unwrap();
        assert!(client.plan_channel(name, &wanted).await.unwrap().is_nothing());
        let settings = updated.manifests.into_iter().map(|m| (m.key, m.max_segment_count));
        let changes = plan.lines().skip(1).map(|line| line.trim_start().to_owned());
        (changes.collect::<Vec<_>>(), settings.collect::<Vec<_>>())
    };
    let settings = |settings: &[(&str, i32)]| -> Vec<(String, i32)> {
        settings.iter().map(|(key, count)| ((*key).to_owned(), *count)).collect()
    };

    let (changes, now) = declare(vec![with("spare"), other]).await;
    let added = "manifests: [\"main\"] -> [\"spare\", \"main\"]";
    let renamed = "manifests[1].file_name: \"main.m3u8\" -> \"other.m3u8\"";
    assert_eq!(changes, [added, renamed]);
    assert_eq!(now, settings(&[("spare", 5), ("main", 7)]), "the service's default is 5");

    let (changes, now) = declare(vec![with("main"), with("spare")]).await;
    let moved = "manifests: [\"spare\", \"main\"] -> [\"main\", \"spare\"]";
    assert_eq!(changes[0], moved);
    assert_eq!(now, settings(&[("main", 7), ("spare", 5)]));

    let (changes, now) = declare(vec![with("late")]).await;
    assert_eq!(changes, ["manifests: [\"main\", \"spare\"] -> [\"late\"]"]);
    assert_eq!(now, settings(&[("late", 5)]), "an entry with a new key is a new entry");
}

#[tokio::test(start_paused = true)]
async fn a_difference_in_a_field_that_cannot_change_is_refused_by_field_before_anything_is_sent() {
    let fixture = Fixture::new();
    let Fixture { client, location, channel: name, log, .. } = &fixture;
    client.ensure_channel(name, channel()).await.unwrap();
    let mut wanted = Channel { log_config: logging(LogSeverity::Warning), ..channel() };
    wanted.labels.insert("show".to_owned(), "news".to_owned());
    let before = log.mutations();
    let error = client.ensure_channel(name, wanted.clone()).await.unwrap_err();
    assert_eq!((error.code(), error.field()), (Code::InvalidArgument, Some("labels.show")));
    let message = "`labels.show` cannot be changed by an update (labels.show: not set -> \"news\")";
    assert_eq!(error.message(), message);
    assert_eq!(error.resource(), name.as_str());
    assert_eq!(error.to_string(), format!("GetChannel {name}: InvalidArgument: {message}"));
    let planned = client.plan_channel(name, &wanted).await.unwrap_err();
    assert_eq!(planned.to_string(), error.to_string());

    let other = Channel { name: format!("{location}/channels/other"), ..channel() };
    let error = client.ensure_channel(name, other).await.unwrap_err();
    assert_eq!((error.field(), error.resource()), (Some("name"), name.as_str()));

    let input = location.input("studio").unwrap();
    client.ensure_input(&input, rtmp()).await.unwrap();
    let srt = Input { r#type: Type::SrtPush.into(), ..Default::default() };
    let error = client.ensure_input(&input, srt).await.unwrap_err();
    assert_eq!(error.field(), Some("type"), "{error}");
    assert_eq!(log.mutations(), before + 1);
}

#[tokio::test(start_paused = true)]
async fn a_plan_names_the_dvr_sessions_that_an_update_ends_and_a_refused_update() {
    let fixture = Fixture::new();
    let Fixture { client, channel: name, .. } = &fixture;
    fixture.create_streaming_channel().await;
    let evening = name.dvr_session("evening").unwrap();
    let wanted = fixture.session(600, 7200);
    client.ensure_dvr_session(&evening, wanted.clone()).await.unwrap();
    let update = Channel { log_config: logging(LogSeverity::Warning), ..Default::default() };
    let plan = client.plan_channel(name, &update).await.unwrap();
    assert!(plan.to_string().ends_with(&format!("\n  ends the DVR session {evening}")), "{plan}");
    let Plan::Update { ended_sessions, .. } = plan else { panic!("{plan:?}") };
    assert_eq!(ended_sessions, std::slice::from_ref(&evening));

    // The windows of a session can change until the session has ended.
    let longer = fixture.session(600, 9000);
    let longer = DvrSession { dvr_windows: longer.dvr_windows, ..wanted };
    let plan = client.plan_dvr_session(&evening, &longer).await.unwrap();
    assert!(matches!(plan, Plan::Update { refusal: None, .. }), "{plan}");
    client.ensure_dvr_session(&evening, longer.clone()).await.unwrap();
    assert!(client.plan_dvr_session(&evening, &longer).await.unwrap().is_nothing());
    client.ensure_channel(name, update).await.unwrap();
    sleep_seconds(60).await;
    let state = client.get_dvr_session(&evening).await.unwrap().state();
    assert_eq!(state, dvr_session::State::Failed);
    let again = fixture.session(600, 7200);
    let plan = client.plan_dvr_session(&evening, &again).await.unwrap();
    assert!(plan.to_string().contains("the service would refuse it: the session is FAILED"));
    let error = client.ensure_dvr_session(&evening, again).await.unwrap_err();
    assert_eq!(error.code(), Code::FailedPrecondition);
    assert!(error.message().contains("its channel was updated"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_plan_names_the_refusal_of_an_update_that_could_overwrite_the_manifest_of_a_dvr_session()
{
    let fixture = Fixture::new();
    let Fixture { client, channel: name, .. } = &fixture;
    fixture.create_streaming_channel().await;
    let evening = name.dvr_session("evening").unwrap();
    let first = fixture.session(5, 7200);
    client.ensure_dvr_session(&evening, first.clone()).await.unwrap();
    fixture.reach(&evening, dvr_session::State::Live).await;
    sleep_seconds(600).await;

    let later = fixture.session(3600, 7200);
    let plan = client.plan_dvr_session(&evening, &later).await.unwrap();
    let reason = "is LIVE, and the update could overwrite its manifest";
    let Plan::Update { refusal, .. } = plan else { panic!("{plan}") };
    assert_eq!(refusal, Some(format!("the session {reason}")));
    let error = client.ensure_dvr_session(&evening, later).await.unwrap_err();
    assert_eq!(error.code(), Code::FailedPrecondition);
    assert!(error.message().ends_with(reason), "{error}");

    // The end can change, also to a time in the past.
    let ends = [fixture.at(9000), fixture.at(-60)];
    for end in ends {
        let mut wanted = first.clone();
        let Some(Kind::TimeInterval(interval)) = &mut wanted.dvr_windows[0].kind else { panic!() };
        interval.end_time = end;
        let plan = client.plan_dvr_session(&evening, &wanted).await.unwrap();
        assert!(matches!(plan, Plan::Update { refusal: None, .. }), "{plan}");
        client.ensure_dvr_session(&evening, wanted).await.unwrap();
    }
    let again = client.plan_dvr_session(&evening, &first).await.unwrap();
    let refusal = "the service would refuse it: the session is COOLDOWN";
    assert!(again.to_string().contains(refusal), "{again}");
}

#[tokio::test(start_paused = true)]
async fn an_update_of_a_channel_that_is_being_started_is_planned_and_waits_for_the_start() {
    let fixture = Fixture::new();
    let Fixture { client, channel: name, .. } = &fixture;
    fixture.create_channel().await;
    drop(client.start_channel(name).await.unwrap());
    let update = Channel { log_config: logging(LogSeverity::Warning), ..Default::default() };
    let plan = client.plan_channel(name, &update).await.unwrap();
    assert!(matches!(plan, Plan::Update { refusal: None, .. }), "{plan}");
    let updated = client.ensure_channel(name, update.clone()).await.unwrap();
    assert_eq!(updated.log_config, update.log_config);
    assert_ne!(updated.streaming_state(), StreamingState::Starting);
}

#[tokio::test(start_paused = true)]
async fn clear_opens_the_end_of_a_dvr_window() {
    let fixture = Fixture::new();
    let Fixture { client, channel: name, log, .. } = &fixture;
    fixture.create_streaming_channel().await;
    let evening = name.dvr_session("evening").unwrap();
    let closed = fixture.session(600, 7200);
    client.ensure_dvr_session(&evening, closed.clone()).await.unwrap();
    let mut open = closed;
    let Some(Kind::TimeInterval(interval)) = &mut open.dvr_windows[0].kind else { panic!() };
    interval.end_time = None;
    let before = log.mutations();
    client.ensure_dvr_session(&evening, open.clone()).await.unwrap();
    assert_eq!(log.mutations(), before, "unset is not compared");
    for _ in 0..2 {
        let ensure = client.ensure_dvr_session(&evening, open.clone());
        let opened = ensure.clear(["dvr_windows.time_interval.end_time"]).await.unwrap();
        assert_eq!(opened.dvr_windows, open.dvr_windows);
    }
    assert_eq!(log.mutations(), before + 1);
}

#[tokio::test(start_paused = true)]
async fn sixteen_callers_create_one_channel_and_start_it_once() {
    let fixture = Fixture::with(Emulator::builder().every_latency(Duration::from_secs(10)));
    let Fixture { client, location, channel: name, log, .. } = &fixture;
    let input = location.input("studio").unwrap();
    let callers = (0..16).map(|_| {
        let (client, input, name) = (client.clone(), input.clone(), name.clone());
        tokio::spawn(async move {
            client.ensure_input(&input, rtmp()).await?;
            let attached = InputAttachment {
                key: "studio".to_owned(),
                input: input.to_string(),
                ..Default::default()
            };
            let wanted = Channel { input_attachments: vec![attached], ..channel() };
            let channel = client.ensure_channel(&name, wanted).await?;
            assert_eq!(channel.input_attachments[0].key, "studio");
            client.ensure_running(&name).await
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        let channel = caller.await.unwrap().unwrap();
        assert_ne!(channel.streaming_state(), StreamingState::Stopped);
    }
    assert_eq!(operations(client, location, "create").await, 2, "an input and a channel");
    assert_eq!(operations(client, location, "start").await, 1);
    let before = log.mutations();
    client.ensure_channel(name, channel()).await.unwrap();
    client.ensure_running(name).await.unwrap();
    assert_eq!(log.mutations(), before);
}

/// A client whose requests and responses take up to a second each, by a seed.
fn distant(emulator: &Emulator, seed: u64) -> LivestreamClient {
    let random = Arc::new(Mutex::new(Rng::with_seed(seed)));
    let delayed = layer_fn(move |below: Below| {
        let random = random.clone();
        service_fn(move |request: http::Request<Body>| {
            let (below, random) = (below.clone(), random.clone());
            let delay = move || sleep(Duration::from_millis(random.lock().unwrap().u64(0..1000)));
            async move {
                delay().await;
                let response = below.oneshot(request).await;
                delay().await;
                response
            }
        })
    });
    emulator.client_builder().layer(delayed).build().unwrap()
}

/// The updates of a channel take longer than the requests of the callers: a caller that reads the
/// channel during an update waits for it.
#[tokio::test(start_paused = true)]
async fn sixteen_distant_callers_update_once_and_stop_once_and_delete_once() {
    for seed in 0..5 {
        let fixture = Fixture::with(Emulator::builder().every_latency(Duration::from_secs(10)));
        let Fixture { emulator, client, location, channel: name, .. } = &fixture;
        let distant = distant(emulator, seed);
        fixture.create_streaming_channel().await;
        let mut callers = JoinSet::new();
        for caller in 0..16 {
            let (client, name) = (distant.clone(), name.clone());
            let update =
                Channel { log_config: logging(LogSeverity::Warning), ..Default::default() };
            callers.spawn(async move {
                sleep_seconds(caller).await;
                client.ensure_channel(&name, update).await?;
                client.ensure_stopped(&name).await?;
                // The others have ended their declarations before the channel is removed.
                sleep_seconds(300).await;
                client.ensure_absent(&name).await
            });
        }
        for ended in callers.join_all().await {
            ended.unwrap();
        }
        for verb in ["update", "stop", "delete"] {
            assert_eq!(operations(client, location, verb).await, 1, "seed {seed}: {verb}");
        }
        assert!(client.get_channel(name).await.unwrap_err().is_not_found());
    }
}

/// The API has no etag: the service cannot know that an update was made from an old state.
#[tokio::test(start_paused = true)]
async fn an_update_that_arrives_after_the_same_update_of_another_caller_is_carried_out_again() {
    let fixture = Fixture::new();
    let Fixture { emulator, client, location, channel: name, .. } = &fixture;
    fixture.create_streaming_channel().await;
    let arrival = Arc::new(Notify::new());
    let held = arrival.clone();
    let late = layer_fn(move |below: Below| {
        let held = held.clone();
        service_fn(move |request: http::Request<Body>| {
            let (below, held) = (below.clone(), held.clone());
            async move {
                if request.uri().path() == UpdateChannelRequest::METHOD.path() {
                    held.notified().await;
                }
                below.oneshot(request).await
            }
        })
    });
    let late = emulator.client_builder().layer(late).poll_policy(frequent_polls()).build().unwrap();
    let update = Channel { log_config: logging(LogSeverity::Warning), ..Default::default() };
    let second = late.ensure_channel(name, update.clone()).into_future();
    let second = tokio::spawn(second);
    sleep_seconds(5).await;
    client.ensure_channel(name, update.clone()).await.unwrap();
    let evening = name.dvr_session("evening").unwrap();
    client.ensure_dvr_session(&evening, fixture.session(5, 7200)).await.unwrap();
    fixture.reach(&evening, dvr_session::State::Live).await;

    arrival.notify_one();
    assert_eq!(second.await.unwrap().unwrap().log_config, update.log_config);
    assert_eq!(operations(client, location, "update").await, 2);
    fixture.reach(&evening, dvr_session::State::Finished).await;
}

#[tokio::test(start_paused = true)]
async fn ensure_running_joins_a_start_and_follows_a_stop() {
    let fixture = Fixture::new();
    let Fixture { emulator, client, location, channel: name, log, .. } = &fixture;
    let error = client.ensure_running(name).await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
    assert_eq!(error.resource(), name.as_str());
    fixture.create_channel().await;
    drop(client.start_channel(name).await.unwrap());
    let before = log.mutations();
    client.ensure_running(name).await.unwrap();
    assert_eq!(log.mutations(), before, "the start was under way");

    drop(client.stop_channel(name).await.unwrap());
    client.ensure_running(name).await.unwrap();
    assert_eq!(operations(client, location, "start").await, 2);

    fixture.reach(name, StreamingState::Streaming).await;
    emulator.fail(name, Status::permission_denied("the bucket is closed")).unwrap();
    let error = client.ensure_running(name).await.unwrap_err();
    assert_eq!(error.code(), Code::FailedPrecondition);
    assert!(error.message().ends_with("the bucket is closed"), "{error}");

    client.ensure_stopped(name).await.unwrap();
    drop(client.start_channel(name).await.unwrap());
    let stopped = client.ensure_stopped(name).await.unwrap();
    assert_eq!(stopped.streaming_state(), StreamingState::Stopped);
}

#[tokio::test(start_paused = true)]
async fn ensure_running_pauses_between_the_reads_of_a_channel_that_starts() {
    let fixture = Fixture::new();
    let Fixture { client, channel: name, log, .. } = &fixture;
    fixture.create_channel().await;
    drop(client.start_channel(name).await.unwrap());
    client.ensure_running(name).await.unwrap();
    let gaps = log.gaps(GetChannelRequest::METHOD);
    assert!(gaps.len() > 2 && gaps.iter().all(|gap| !gap.is_zero()), "{gaps:?}");
}

#[tokio::test(start_paused = true)]
async fn ensure_absent_removes_a_running_channel_and_one_that_is_being_created() {
    let fixture = Fixture::new();
    let Fixture { client, location, channel: name, log, .. } = &fixture;
    client.ensure_absent(name).await.unwrap();
    assert_eq!(log.mutations(), 0);
    fixture.create_streaming_channel().await;
    let duration = Some(prost_types::Duration { seconds: 30, nanos: 0 });
    let task = Some(Task::AdBreak(AdBreakTask { duration }));
    let event = Event { task, execute_now: true, ..Default::default() };
    let ads = name.event("ads").unwrap();
    for _ in 0..2 {
        client.ensure_event(&ads, event.clone()).await.unwrap();
    }
    client.ensure_absent(name).await.unwrap();
    assert!(client.get_channel(name).await.unwrap_err().is_not_found());

    // A creation that is under way would leave a channel behind.
    drop(client.create_channel(location, channel(), name.id()).await.unwrap());
    assert!(client.get_channel(name).await.unwrap_err().is_not_found());
    client.ensure_absent(name).await.unwrap();
    sleep_seconds(60).await;
    assert!(client.get_channel(name).await.unwrap_err().is_not_found());
    client.ensure_absent(name).await.unwrap();

    let input = location.input("studio").unwrap();
    client.ensure_input(&input, rtmp()).await.unwrap();
    let attached = InputAttachment {
        key: "studio".to_owned(),
        input: input.to_string(),
        ..Default::default()
    };
    let wanted = Channel { input_attachments: vec![attached], ..channel() };
    client.ensure_channel(name, wanted).await.unwrap();
    let error = client.ensure_absent(&input).await.unwrap_err();
    assert_eq!(error.code(), Code::FailedPrecondition, "{error}");
}

#[tokio::test(start_paused = true)]
async fn ensure_waits_for_an_asset_and_a_clip_and_reports_a_failed_one() {
    let fixture = Fixture::new();
    let Fixture { emulator, client, location, channel: name, log, .. } = &fixture;
    let video = |uri: &str| Asset {
        resource: Some(Resource::Video(VideoAsset { uri: uri.to_owned() })),
        ..Default::default()
    };
    let slate = location.asset("slate").unwrap();
    drop(client.create_asset(location, video("gs://b/slate.mp4"), "slate").await.unwrap());
    let active = client.ensure_asset(&slate, video("gs://b/slate.mp4")).await.unwrap();
    assert_eq!(active.state().as_str_name(), "ACTIVE");
    let error = client.ensure_asset(&slate, video("gs://b/other.mp4")).await.unwrap_err();
    assert_eq!(error.field(), Some("video.uri"));
    emulator.fail(&slate, Status::data_loss("the file is gone")).unwrap();
    let error = client.ensure_asset(&slate, video("gs://b/slate.mp4")).await.unwrap_err();
    assert!(error.message().ends_with("the resource has failed: the file is gone"), "{error}");
    // An asset that is being deleted is created anew.
    drop(client.delete_asset(&slate).await.unwrap());
    client.ensure_asset(&slate, video("gs://b/slate.mp4")).await.unwrap();

    fixture.create_streaming_channel().await;
    sleep_seconds(60).await;
    let goal = name.clip("goal").unwrap();
    let mut wanted = fixture.clip(30);
    wanted.output_uri = "gs://bucket/goal/".to_owned();
    let before = log.mutations();
    drop(client.create_clip(name, wanted.clone(), "goal").await.unwrap());
    let clip = client.ensure_clip(&goal, wanted.clone()).await.unwrap();
    assert_eq!(clip.state().as_str_name(), "SUCCEEDED");
    assert_eq!(log.mutations(), before + 1);
}

#[tokio::test(start_paused = true)]
async fn ensure_ends_at_its_limit_with_the_operation_that_goes_on() {
    let emulator = Emulator::builder().latency(Latency::CreateChannel, Duration::from_secs(7200));
    let Fixture { client, channel: name, .. } = &Fixture::with(emulator);
    let policy = frequent_polls().with_limit(Duration::from_secs(60));
    let error = client.ensure_channel(name, channel()).poll_policy(policy).await.unwrap_err();
    assert!(error.is_deadline_exceeded(), "{error}");
    let operation = error.operation().expect("the creation");
    assert!(!client.get_operation(operation).await.unwrap().done);
}

#[tokio::test(start_paused = true)]
async fn ensure_continues_through_an_outage_once_something_is_sent() {
    let emulator = Emulator::builder().speed(1).build();
    let begun = tokio::time::Instant::now();
    let observed = Observed::new(emulator.service()).failing(move |_| {
        let is_out = (5..900).contains(&begun.elapsed().as_secs());
        is_out.then(|| Status::unavailable("an outage"))
    });
    let client = observed.client_builder().poll_policy(frequent_polls()).build().unwrap();
    let fixture = Fixture::new();
    client.ensure_channel(&fixture.channel, channel()).await.unwrap();
    client.ensure_running(&fixture.channel).await.unwrap();
    assert!(begun.elapsed().as_secs() > 900);
    assert_eq!(operations(&client, &fixture.location, "create").await, 1);
}

/// A service whose channel is always this one, also after an update.
fn stubborn(channel: Channel) -> Observed<Scripted> {
    let response = channel.clone();
    let service = Scripted::new().on(move |_: GetChannelRequest| Ok(channel.clone())).on(
        move |_: UpdateChannelRequest| {
            let result =
                prost_types::Any { type_url: Channel::type_url(), value: response.encode_to_vec() };
            Ok(longrunning::Operation {
                name: "projects/p/locations/us-central1/operations/operation-1".to_owned(),
                done: true,
                result: Some(longrunning::operation::Result::Response(result)),
                ..Default::default()
            })
        },
    );
    Observed::new(service)
}

#[tokio::test(start_paused = true)]
async fn an_update_that_the_service_does_not_keep_is_an_error_and_not_repeated() {
    let Fixture { channel: name, .. } = &Fixture::new();
    let service = stubborn(channel());
    let wanted = Channel { log_config: logging(LogSeverity::Error), ..channel() };
    let error = service.client().ensure_channel(name, wanted).await.unwrap_err();
    assert_eq!(error.code(), Code::Aborted);
    let change = "(log_config.log_severity: not set -> ERROR)";
    assert!(error.message().ends_with(change), "{error}");
    assert_eq!(service.log().mutations(), 1);
}

/// An answer to `ListOperations` without an operation.
fn nothing_under_way(_: ListOperationsRequest) -> Result<ListOperationsResponse, Status> {
    Ok(ListOperationsResponse::default())
}

#[tokio::test(start_paused = true)]
async fn a_refusal_by_an_operation_that_ends_before_it_is_listed_is_not_final() {
    let Fixture { channel: name, .. } = &Fixture::new();
    let wanted = Channel { log_config: logging(LogSeverity::Error), ..channel() };
    let (reads, updated) = (AtomicUsize::new(0), wanted.clone());
    let service = Scripted::new()
        .on(move |_: GetChannelRequest| match reads.fetch_add(1, Ordering::Relaxed) {
            0..4 => Ok(channel()),
            _ => Ok(updated.clone()),
        })
        .on(|_: UpdateChannelRequest| Err(Status::failed_precondition("an update has not ended")))
        .on(nothing_under_way);
    let service = Observed::new(service);
    let channel = service.client().ensure_channel(name, wanted.clone()).await.unwrap();
    assert_eq!(channel.log_config, wanted.log_config);
    assert_eq!(service.log().mutations(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_without_an_operation_under_way_is_final_at_the_third_time() {
    let Fixture { channel: name, .. } = &Fixture::new();
    let service = Scripted::new()
        .on(|_: GetChannelRequest| Ok(channel()))
        .on(|_: UpdateChannelRequest| Err(Status::failed_precondition("the channel is locked")))
        .on(nothing_under_way);
    let service = Observed::new(service);
    let wanted = Channel { log_config: logging(LogSeverity::Error), ..channel() };
    let error = service.client().ensure_channel(name, wanted).await.unwrap_err();
    assert_eq!(error.code(), Code::FailedPrecondition);
    assert!(error.message().ends_with("the channel is locked"), "{error}");
    assert_eq!(service.log().mutations(), 3);
}

#[tokio::test(start_paused = true)]
async fn ensure_absent_removes_a_channel_whose_creation_ends_before_it_is_listed() {
    let Fixture { channel: name, .. } = &Fixture::new();
    let (reads, is_deleted) = (AtomicUsize::new(0), Arc::new(AtomicBool::new(false)));
    let deleted = is_deleted.clone();
    let service = Scripted::new()
        .on(move |_: GetChannelRequest| {
            let is_first = reads.fetch_add(1, Ordering::Relaxed) == 0;
            if is_first || is_deleted.load(Ordering::Relaxed) {
                return Err(Status::not_found("there is no such channel"));
            }
            Ok(Channel { streaming_state: StreamingState::Stopped.into(), ..channel() })
        })
        .on(move |_: DeleteChannelRequest| {
            deleted.store(true, Ordering::Relaxed);
            Ok(longrunning::Operation {
                name: "projects/p/locations/us-central1/operations/operation-1".to_owned(),
                done: true,
                result: Some(longrunning::operation::Result::Response(prost_types::Any {
                    type_url: "type.googleapis.com/google.protobuf.Empty".to_owned(),
                    value: Vec::new(),
                })),
                ..Default::default()
            })
        })
        .on(nothing_under_way);
    let service = Observed::new(service);
    service.client().ensure_absent(name).await.unwrap();
    assert_eq!(service.log().mutations(), 1);
}

#[tokio::test(start_paused = true)]
async fn names_with_a_project_number_folders_and_secrets_do_not_always_differ() {
    use livestream_client::model::{
        Distribution, RtmpPushOutputEndpoint, channel::Output, distribution::Endpoint,
    };
    let Fixture { channel: name, .. } = &Fixture::new();
    let with = |input: &str, uri: &str, stream_key: &str| {
        let endpoint = RtmpPushOutputEndpoint {
            uri: "rtmp://example.com/live".to_owned(),
            stream_key: stream_key.to_owned(),
        };
        Channel {
            input_attachments: vec![InputAttachment {
                key: "studio".to_owned(),
                input: input.to_owned(),
                ..Default::default()
            }],
            output: Some(Output { uri: uri.to_owned() }),
            distributions: vec![Distribution {
                key: "social".to_owned(),
                endpoint: Some(Endpoint::RtmpPush(endpoint)),
                ..Default::default()
            }],
            ..channel()
        }
    };
    let actual = with("projects/123/locations/us-central1/inputs/studio", "gs://b/out/", "");
    let service = stubborn(actual);
    let client = service.client();
    let same = with("projects/my-project/locations/us-central1/inputs/studio", "gs://b/out", "k");
    assert!(client.plan_channel(name, &same).await.unwrap().is_nothing());
    for (input, uri) in [
        ("projects/456/locations/us-central1/inputs/studio", "gs://b/out"),
        ("projects/my-project/locations/us-central1/inputs/other", "gs://b/out"),
        ("projects/my-project/locations/us-central1/inputs/studio", "gs://b/out//"),
    ] {
        let wanted = Channel { distributions: Vec::new(), ..with(input, uri, "k") };
        // The DVR sessions cannot be listed here: the plan gets that far only if something differs.
        let error = client.plan_channel(name, &wanted).await.unwrap_err();
        assert_eq!(error.code(), Code::Unimplemented, "{input} {uri}");
    }
}

/// An operation of another caller on the channel `news`.
fn under_way() -> longrunning::Operation {
    let metadata = OperationMetadata {
        target: "projects/p/locations/us-central1/channels/news".to_owned(),
        ..Default::default()
    };
    let metadata = prost_types::Any {
        type_url: OperationMetadata::type_url(),
        value: metadata.encode_to_vec(),
    };
    longrunning::Operation {
        name: "projects/p/locations/us-central1/operations/operation-2".to_owned(),
        metadata: Some(metadata),
        ..Default::default()
    }
}

fn no_channel(_: GetChannelRequest) -> Result<Channel, Status> {
    Err(Status::not_found("there is no such channel"))
}

/// The answers to `GetChannel`: an error until `is_there`, then the channel.
fn there_if(
    is_there: impl Fn() -> bool + Send + Sync + 'static,
) -> impl Fn(GetChannelRequest) -> Result<Channel, Status> + Send + Sync + 'static {
    move |request| if is_there() { Ok(channel()) } else { no_channel(request) }
}

/// The number of earlier calls.
fn counter() -> impl Fn() -> usize + Send + Sync + 'static {
    let calls = AtomicUsize::new(0);
    move || calls.fetch_add(1, Ordering::Relaxed)
}

#[tokio::test(start_paused = true)]
async fn a_resource_that_cannot_be_read_does_not_count_as_absent() {
    let Fixture { channel: name, .. } = &Fixture::new();
    let denied = |_: GetChannelRequest| Err(Status::permission_denied("no access"));
    let service = Observed::new(Scripted::new().on(denied));
    let client = service.client();
    let errors = [
        client.plan_channel(name, &channel()).await.unwrap_err(),
        client.ensure_channel(name, channel()).await.unwrap_err(),
        client.ensure_running(name).await.unwrap_err(),
        client.ensure_absent(name).await.unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.code(), Code::PermissionDenied, "{error}");
    }
    assert_eq!(service.log().total(), 4, "one read each");
}

#[tokio::test(start_paused = true)]
async fn ensure_waits_for_an_operation_for_longer_than_the_default_limit_if_its_policy_allows_it() {
    let latency = Duration::from_secs(45 * 60);
    assert!(PollPolicy::default().limit() < latency && latency < frequent_polls().limit());
    let emulator = Emulator::builder().latency(Latency::CreateChannel, latency);
    let Fixture { client, channel: name, log, .. } = &Fixture::with(emulator);
    client.ensure_channel(name, channel()).await.unwrap();
    assert_eq!(log.mutations(), 1);
    // The pauses are those of the policy too.
    let gaps = log.gaps(GetOperationRequest::METHOD);
    assert!(gaps.iter().all(|gap| gap.as_millis() <= 410), "{gaps:?}");
}

#[tokio::test(start_paused = true)]
async fn an_update_whose_response_is_lost_is_not_repeated_if_it_was_carried_out() {
    let Fixture { channel: name, .. } = &Fixture::new();
    let wanted = Channel { log_config: logging(LogSeverity::Error), ..channel() };
    for code in [Code::Unavailable, Code::DeadlineExceeded] {
        let stored = Arc::new(Mutex::new(channel()));
        let (read, updated, new) = (stored.clone(), stored, wanted.clone());
        let service = Scripted::new()
            .on(move |_: GetChannelRequest| Ok(read.lock().unwrap().clone()))
            .on(move |_: UpdateChannelRequest| {
                *updated.lock().unwrap() = new.clone();
                Err(Status::new(code, "the response is lost"))
            });
        let service = Observed::new(service);
        let client = service.client_builder().retry(RetryPolicy::never()).build().unwrap();
        let channel = client.ensure_channel(name, wanted.clone()).await.unwrap();
        assert_eq!(channel.log_config, wanted.log_config);
        assert_eq!(service.log().mutations(), 1, "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_is_not_about_the_state_is_final_at_the_first_time() {
    let Fixture { channel: name, .. } = &Fixture::new();
    let wanted = Channel { log_config: logging(LogSeverity::Error), ..channel() };
    // The update follows two reads and a listing, the creation one read.
    let refused = [(true, Code::PermissionDenied, 4), (false, Code::FailedPrecondition, 2)];
    for (exists, code, requests) in refused {
        let service = Scripted::new()
            .on(there_if(move || exists))
            .on(move |_: CreateChannelRequest| Err(Status::new(code, "refused")))
            .on(move |_: UpdateChannelRequest| Err(Status::new(code, "refused")))
            .on(nothing_under_way);
        let service = Observed::new(service);
        let error = service.client().ensure_channel(name, wanted.clone()).await.unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert_eq!(service.log().total(), requests, "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_refusal_of_an_update_leads_to_a_read_and_not_to_another_listing_of_operations() {
    let Fixture { channel: name, .. } = &Fixture::new();
    let wanted = Channel { log_config: logging(LogSeverity::Error), ..channel() };
    let (reads, updated) = (counter(), wanted.clone());
    let service = Scripted::new()
        .on(move |_: GetChannelRequest| Ok(if reads() < 2 { channel() } else { updated.clone() }))
        .on(|_: UpdateChannelRequest| Err(Status::aborted("another update was faster")))
        .on(nothing_under_way);
    let service = Observed::new(service);
    service.client().ensure_channel(name, wanted).await.unwrap();
    assert_eq!(service.log().mutations(), 1);
    assert_eq!(service.log().count(ListOperationsRequest::METHOD), 1);
}

#[tokio::test(start_paused = true)]
async fn an_update_waits_for_the_operation_of_another_caller_and_is_not_sent_if_nothing_differs_then()
 {
    let Fixture { channel: name, .. } = &Fixture::new();
    let wanted = Channel { log_config: logging(LogSeverity::Error), ..channel() };
    let (polls, is_done) = (counter(), Arc::new(AtomicBool::new(false)));
    let (done, updated) = (is_done.clone(), wanted.clone());
    let service = Scripted::new()
        .on(move |_: GetChannelRequest| {
            Ok(if is_done.load(Ordering::Relaxed) { updated.clone() } else { channel() })
        })
        .on(|_: ListOperationsRequest| {
            Ok(ListOperationsResponse { operations: vec![under_way()], ..Default::default() })
        })
        .on(move |_: GetOperationRequest| {
            done.store(polls() == 4, Ordering::Relaxed);
            let done = done.load(Ordering::Relaxed);
            Ok(longrunning::Operation { done, ..under_way() })
        });
    let service = Observed::new(service);
    let channel = service.client().ensure_channel(name, wanted.clone()).await.unwrap();
    assert_eq!(channel.log_config, wanted.log_config);
    assert_eq!(service.log().mutations(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_update_needs_no_permission_to_list_operations() {
    let Fixture { channel: name, .. } = &Fixture::new();
    let service = Scripted::new()
        .on(|_: GetChannelRequest| Ok(channel()))
        .on(|_: ListOperationsRequest| Err(Status::permission_denied("no operations for you")))
        .on(|_: UpdateChannelRequest| Err(Status::invalid_argument("reached")));
    let wanted = Channel { log_config: logging(LogSeverity::Error), ..channel() };
    let error = Observed::new(service).client().ensure_channel(name, wanted).await.unwrap_err();
    assert_eq!(error.message(), "reached");
}

#[tokio::test(start_paused = true)]
async fn a_creation_that_another_caller_has_begun_is_joined_and_polled_until_it_is_done() {
    let Fixture { channel: name, .. } = &Fixture::new();
    let (polls, is_done) = (counter(), Arc::new(AtomicBool::new(false)));
    let done = is_done.clone();
    let service = Scripted::new()
        .on(there_if(move || is_done.load(Ordering::Relaxed)))
        .on(|_: CreateChannelRequest| Err(Status::already_exists("it is being created")))
        .on(|_: ListOperationsRequest| {
            Ok(ListOperationsResponse { operations: vec![under_way()], ..Default::default() })
        })
        .on(move |_: GetOperationRequest| {
            done.store(polls() == 4, Ordering::Relaxed);
            let done = done.load(Ordering::Relaxed);
            Ok(longrunning::Operation { done, ..under_way() })
        });
    let service = Observed::new(service);
    service.client().ensure_channel(name, channel()).await.unwrap();
    assert_eq!(service.log().mutations(), 1, "the creation is not repeated");
    assert_eq!(service.log().count(ListOperationsRequest::METHOD), 1);
    assert_eq!(service.log().count(GetOperationRequest::METHOD), 5);
}

#[tokio::test(start_paused = true)]
async fn a_refused_creation_that_the_service_does_not_list_is_waited_for_with_pauses() {
    let Fixture { channel: name, .. } = &Fixture::new();
    for code in [Code::AlreadyExists, Code::Aborted] {
        let reads = counter();
        let service = Scripted::new()
            .on(there_if(move || reads() == 6))
            .on(move |_: CreateChannelRequest| Err(Status::new(code, "it is being created")))
            .on(nothing_under_way);
        let service = Observed::new(service);
        let begun = Instant::now();
        service.client().ensure_channel(name, channel()).await.unwrap();
        assert_eq!(service.log().mutations(), 6, "{code}");
        assert!(begun.elapsed() > Duration::from_secs(5), "{:?}", begun.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_the_listing_of_operations_does_not_end_ensure_once_something_is_sent() {
    let Fixture { channel: name, .. } = &Fixture::new();
    let (is_done, listings) = (Arc::new(AtomicBool::new(false)), counter());
    let done = is_done.clone();
    let service = Scripted::new()
        .on(there_if(move || is_done.load(Ordering::Relaxed)))
        .on(|_: CreateChannelRequest| Err(Status::already_exists("it is being created")))
        .on(move |_: ListOperationsRequest| match listings() {
            0..3 => Err(Status::unavailable("an outage")),
            _ => Ok(ListOperationsResponse { operations: vec![under_way()], ..Default::default() }),
        })
        .on(move |_: GetOperationRequest| {
            done.store(true, Ordering::Relaxed);
            Ok(longrunning::Operation { done: true, ..under_way() })
        });
    let service = Observed::new(service);
    let client = service.client_builder().retry(RetryPolicy::never()).build().unwrap();
    let begun = Instant::now();
    client.ensure_channel(name, channel()).await.unwrap();
    assert_eq!(service.log().mutations(), 1);
    assert_eq!(service.log().count(ListOperationsRequest::METHOD), 4);
    assert!(begun.elapsed() >= Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn operations_are_listed_without_a_filter_if_the_service_cannot_filter_them() {
    let Fixture { channel: name, .. } = &Fixture::new();
    for code in [Code::InvalidArgument, Code::Unimplemented] {
        let listings = counter();
        let service = Scripted::new()
            .on(no_channel)
            .on(move |request: ListOperationsRequest| {
                if !request.filter.is_empty() {
                    return Err(Status::new(code, "there are no filters"));
                }
                let done = listings() > 0;
                let operations = vec![longrunning::Operation { done, ..under_way() }];
                Ok(ListOperationsResponse { operations, ..Default::default() })
            })
            .on(|_: GetOperationRequest| Ok(longrunning::Operation { done: true, ..under_way() }));
        let service = Observed::new(service);
        service.client().ensure_absent(name).await.unwrap();
        assert_eq!(service.log().count(GetOperationRequest::METHOD), 1, "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_listing_of_operations_ends_ensure_absent() {
    let Fixture { channel: name, .. } = &Fixture::new();
    let service = Scripted::new()
        .on(no_channel)
        .on(|_: ListOperationsRequest| Err(Status::permission_denied("no operations for you")));
    let error = Observed::new(service).client().ensure_absent(name).await.unwrap_err();
    assert_eq!(error.code(), Code::PermissionDenied, "{error}");
}

#[tokio::test(start_paused = true)]
async fn the_operation_of_another_caller_is_over_if_its_record_is_deleted_and_a_refusal_names_it() {
    let Fixture { channel: name, .. } = &Fixture::new();
    let service = |code: Code| {
        let listings = counter();
        let service = Scripted::new()
            .on(no_channel)
            .on(move |_: ListOperationsRequest| {
                let operations = if listings() == 0 { vec![under_way()] } else { Vec::new() };
                Ok(ListOperationsResponse { operations, ..Default::default() })
            })
            .on(move |_: GetOperationRequest| Err(Status::new(code, "no record")));
        Observed::new(service)
    };
    let deleted = service(Code::NotFound);
    deleted.client().ensure_absent(name).await.unwrap();
    assert_eq!(deleted.log().count(GetOperationRequest::METHOD), 1);

    let error = service(Code::PermissionDenied).client().ensure_absent(name).await.unwrap_err();
    assert_eq!(error.code(), Code::PermissionDenied, "{error}");
    assert_eq!(error.operation().map(ToString::to_string), Some(under_way().name));
}

#[tokio::test(start_paused = true)]
async fn a_declaration_with_the_name_of_another_resource_is_refused_before_anything_is_sent() {
    let service = Observed::new(Scripted::new());
    let (client, location) = (service.client(), LocationName::new("p", "us-central1").unwrap());
    let channel = location.channel("news").unwrap();
    let other = || "projects/p/locations/us-central1/other".to_owned();
    let input = Input { name: other(), ..rtmp() };
    let asset = Asset { name: other(), ..Default::default() };
    let session = DvrSession { name: other(), ..Default::default() };
    let clip = Clip { name: other(), ..Default::default() };
    let event = Event { name: other(), ..Default::default() };
    let errors = [
        client.ensure_input(&location.input("one").unwrap(), input).await.unwrap_err(),
        client.ensure_asset(&location.asset("one").unwrap(), asset).await.unwrap_err(),
        client.ensure_dvr_session(&channel.dvr_session("one").unwrap(), session).await.unwrap_err(),
        client.ensure_clip(&channel.clip("one").unwrap(), clip).await.unwrap_err(),
        client.ensure_event(&channel.event("one").unwrap(), event).await.unwrap_err(),
    ];
    for error in errors {
        assert_eq!((error.code(), error.field()), (Code::InvalidArgument, Some("name")), "{error}");
    }
    assert_eq!(service.log().total(), 0);
}

#[tokio::test(start_paused = true)]
async fn ensure_absent_removes_an_asset_a_dvr_session_a_clip_and_an_event() {
    let fixture = Fixture::new();
    let Fixture { client, location, channel: name, log, .. } = &fixture;
    fixture.create_streaming_channel().await;
    sleep_seconds(60).await;
    let resource = Some(Resource::Video(VideoAsset { uri: "gs://b/slate.mp4".to_owned() }));
    let asset = Asset { resource, ..Default::default() };
    let clip = Clip { output_uri: "gs://bucket/goal/".to_owned(), ..fixture.clip(30) };
    let task = Some(Task::ReturnToProgram(ReturnToProgramTask {}));
    let event = Event { task, execution_time: fixture.at(3600), ..Default::default() };
    let slate = location.asset("slate").unwrap();
    let evening = name.dvr_session("evening").unwrap();
    let (goal, back) = (name.clip("goal").unwrap(), name.event("back").unwrap());
    client.ensure_asset(&slate, asset).await.unwrap();
    client.ensure_dvr_session(&evening, fixture.session(600, 7200)).await.unwrap();
    client.ensure_clip(&goal, clip).await.unwrap();
    client.ensure_event(&back, event).await.unwrap();
    let before = log.mutations();
    for _ in 0..2 {
        client.ensure_absent(&slate).await.unwrap();
        client.ensure_absent(&evening).await.unwrap();
        client.ensure_absent(&goal).await.unwrap();
        client.ensure_absent(&back).await.unwrap();
    }
    assert_eq!(log.mutations(), before + 4);
    assert!(client.get_asset(&slate).await.unwrap_err().is_not_found());
    assert!(client.get_dvr_session(&evening).await.unwrap_err().is_not_found());
    assert!(client.get_clip(&goal).await.unwrap_err().is_not_found());
    assert!(client.get_event(&back).await.unwrap_err().is_not_found());
}

#[tokio::test(start_paused = true)]
async fn ensure_event_reports_an_event_that_has_failed() {
    let fixture = Fixture::new();
    let Fixture { emulator, client, channel: name, .. } = &fixture;
    fixture.create_streaming_channel().await;
    let task = Some(Task::ReturnToProgram(ReturnToProgramTask {}));
    let event = Event { task, execution_time: fixture.at(3600), ..Default::default() };
    let back = name.event("back").unwrap();
    client.ensure_event(&back, event.clone()).await.unwrap();
    emulator.fail(&back, Status::internal("no markers")).unwrap();
    let error = client.ensure_event(&back, event).await.unwrap_err();
    assert_eq!(error.code(), Code::FailedPrecondition);
    assert!(error.message().ends_with("the resource has failed: no markers"), "{error}");
}

/// The changes in the plan of a channel.
async fn changes(actual: Channel, wanted: Channel, cleared: &[&str]) -> Vec<String> {
    let service = Scripted::new()
        .on(move |_: GetChannelRequest| Ok(actual.clone()))
        .on(|_: ListDvrSessionsRequest| Ok(Default::default()));
    let name = LocationName::new("p", "us-central1").unwrap().channel("news").unwrap();
    let ensure = Observed::new(service).client().ensure_channel(&name, wanted);
    match ensure.clear(cleared.iter().copied()).plan().await.unwrap() {
        Plan::Update { changes, .. } => changes.iter().map(ToString::to_string).collect(),
        plan => panic!("{plan}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_plan_shows_numbers_of_entries_booleans_fractions_and_whole_messages() {
    let picture = |allow_open_gop: bool| {
        let settings =
            H264CodecSettings { frame_rate: 29.97, allow_open_gop, ..Default::default() };
        let stream = VideoStream { codec_settings: Some(CodecSettings::H264(settings)) };
        ElementaryStream {
            key: "picture".to_owned(),
            elementary_stream: Some(Track::VideoStream(stream)),
        }
    };
    let retention = |seconds, nanos| {
        let window = Some(prost_types::Duration { seconds, nanos });
        Some(RetentionConfig { retention_window_duration: window })
    };
    let time_offset =
        Some(TimeOffset::UtcOffset(prost_types::Duration { seconds: 3600, nanos: 0 }));
    let timecode_config =
        Some(TimecodeConfig { source: TimecodeSource::MediaTimestamp.into(), time_offset });
    let actual = Channel {
        elementary_streams: vec![picture(false)],
        retention_config: retention(86_400, 0),
        timecode_config,
        sprite_sheets: vec![SpriteSheet::default()],
        ..channel()
    };
    let mut wanted = Channel {
        elementary_streams: vec![picture(true)],
        retention_config: retention(5_400, 250_000_000),
        ..channel()
    };
    wanted.mux_streams.push(MuxStream { key: "spare".to_owned(), ..Default::default() });
    wanted.sprite_sheets = vec![SpriteSheet::default(); 2];
    let expected = [
        "elementary_streams[0].video_stream.h264.allow_open_gop: not set -> true",
        "mux_streams: [\"sound\"] -> [\"sound\", \"spare\"]",
        "sprite_sheets: 1 entry -> 2 entries",
        "timecode_config: {source: MEDIA_TIMESTAMP, utc_offset: 3600s} -> not set",
        "retention_config.retention_window_duration: 86400s -> 5400.25s",
    ];
    assert_eq!(changes(actual, wanted, &["timecode_config"]).await, expected);
}

#[tokio::test(start_paused = true)]
async fn the_number_0_of_a_required_field_is_a_wanted_value() {
    let with = |input_channel: i32| {
        let mapping = AudioMapping { input_channel, output_channel: 1, ..Default::default() };
        let stream = AudioStream { mapping: vec![mapping], ..Default::default() };
        let elementary_stream = Some(Track::AudioStream(stream));
        let stream = ElementaryStream { elementary_stream, ..Default::default() };
        Channel { elementary_streams: vec![stream], ..Default::default() }
    };
    let change = "elementary_streams[0].audio_stream.mapping[0].input_channel: 1 -> 0";
    assert_eq!(changes(with(1), with(0), &[]).await, [change]);
}

#[tokio::test(start_paused = true)]
async fn the_choice_of_an_empty_message_is_a_difference() {
    let with = |mode: EncryptionMode| {
        let encryption = Encryption { encryption_mode: Some(mode), ..Default::default() };
        Channel { encryptions: vec![encryption], ..Default::default() }
    };
    let actual = with(EncryptionMode::Aes128(Aes128Encryption {}));
    let wanted = with(EncryptionMode::SampleAes(SampleAesEncryption {}));
    let change = "encryptions[0].sample_aes: not set -> {}";
    assert_eq!(changes(actual, wanted, &[]).await, [change]);
}

#[tokio::test(start_paused = true)]
async fn clear_reaches_a_field_of_a_message_that_the_declaration_leaves_unset() {
    let actual = Channel { log_config: logging(LogSeverity::Error), ..channel() };
    let change = "log_config.log_severity: ERROR -> not set";
    assert_eq!(changes(actual, channel(), &["log_config.log_severity"]).await, [change]);
}

#[tokio::test(start_paused = true)]
async fn the_error_for_a_changed_secret_does_not_contain_the_secret() {
    use livestream_client::model::{Distribution, RtmpPushOutputEndpoint, distribution::Endpoint};
    let Fixture { channel: name, .. } = &Fixture::new();
    let with = |stream_key: &str| {
        let endpoint =
            RtmpPushOutputEndpoint { stream_key: stream_key.to_owned(), ..Default::default() };
        let endpoint = Some(Endpoint::RtmpPush(endpoint));
        Channel {
            distributions: vec![Distribution { endpoint, ..Default::default() }],
            ..channel()
        }
    };
    let client = stubborn(with("old-key")).client();
    let error = client.ensure_channel(name, with("new-key")).await.unwrap_err();
    let field = "distributions[0].rtmp_push.stream_key";
    assert_eq!(error.field(), Some(field));
    let shown = format!("({field}: [redacted] -> [redacted])");
    assert!(error.message().ends_with(&shown), "{error}");
}
