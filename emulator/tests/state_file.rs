//! The state file: every acknowledged change is there after a restart.

mod support;

use livestream_client::{
    model::{self, channel::StreamingState},
    name::{ChannelName, InputName},
};
use livestream_emulator::{Builder, Emulator, Latency, Limit};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};
use support::{CHANNEL, LOCATION, Service, json::send};

/// A path in a folder of its own, which is removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("emulator-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("writable");
        Self(folder)
    }

    fn file(&self) -> PathBuf {
        self.0.join("state.jsonl")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn manual() -> Builder {
    Emulator::builder().manual_clock()
}

fn open(builder: Builder, path: &Path) -> (Service, u64) {
    let service = Service::on(builder.build());
    let recovered = service.emulator.open_state(path).expect("a state file");
    (service, recovered.requests)
}

/// Everything that a client can read, as text.
async fn world(emulator: &Emulator) -> Vec<Value> {
    let mut world = Vec::new();
    let paths = ["channels", "inputs", "assets", "operations", "channels/news/events"];
    let more = ["channels/news/clips", "channels/news/dvrSessions"];
    for path in paths.into_iter().chain(more) {
        let path = format!("/v1/{LOCATION}/{path}?pageSize=1000");
        world.push(send(emulator, "GET", &path, "").await.json());
    }
    world
}

/// Drops an emulator, and waits until it has closed its file.
async fn close(service: Service, path: &Path) {
    drop(service);
    let file = fs::File::open(path).expect("readable");
    while file.try_lock().is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_replayed_world_is_the_same_and_goes_on_the_same_way() {
    let folder = Folder::new("replay");
    let (mut service, requests) = open(manual().seed(7), &folder.file());
    assert_eq!(requests, 0);
    service.stream().await;
    service.emulator.advance(Duration::from_secs(100));
    let clip = service.clip_of(-50, -10);
    let request = model::CreateClipRequest {
        parent: CHANNEL.to_owned(),
        clip_id: "goal".to_owned(),
        clip: Some(clip),
        request_id: "7f1d8c1e-6f4f-4c2b-9b39-0c6a4f1f7a01".to_owned(),
    };
    let made = service.live.create_clip(request.clone()).await.expect("valid").into_inner();
    // A refused request and a read are not in the file.
    assert!(service.live.create_clip(service_request("goal")).await.is_err());
    let emulator = service.emulator.clone();
    let path = "/emulator/v1/encoders:disconnect";
    let body = json!({"name": CHANNEL}).to_string();
    assert_eq!(send(&emulator, "POST", path, &body).await.status, 200);
    let path = "/emulator/v1/clock:advance";
    assert_eq!(send(&emulator, "POST", path, r#"{"by": "3s"}"#).await.status, 200);
    let before = world(&emulator).await;
    let now = emulator.now();
    drop(emulator);
    close(service, &folder.file()).await;

    let (mut service, requests) = open(manual().seed(99), &folder.file());
    assert_eq!(requests, 5, "two creations, a start, a clip, a disconnection");
    assert_eq!(service.emulator.now(), now);
    assert_eq!(world(&service.emulator).await, before);
    assert_eq!(service.state().await, StreamingState::AwaitingInput);
    let again = service.live.create_clip(request).await.expect("a repeat").into_inner();
    assert_eq!(again.name, made.name, "the request id is known");
    service.emulator.advance(Duration::from_secs(60));
    let clip = format!("{CHANNEL}/clips/goal");
    let clip = service.live.get_clip(support::name(&clip)).await.expect("there").into_inner();
    assert_eq!(clip.state(), model::clip::State::Succeeded, "its work went on");
}

fn service_request(id: &str) -> model::CreateClipRequest {
    model::CreateClipRequest {
        parent: CHANNEL.to_owned(),
        clip_id: id.to_owned(),
        ..Default::default()
    }
}

#[tokio::test]
async fn the_settings_of_the_past_apply_to_the_past_and_new_ones_from_now_on() {
    let folder = Folder::new("settings");
    let quick = || manual().every_latency(Duration::ZERO).limit(Limit::Channels, 1);
    let (mut service, _) = open(quick(), &folder.file());
    service.create_channel("news", support::channel()).await.expect("room");
    close(service, &folder.file()).await;
    let slow = || manual().latency(Latency::CreateChannel, Duration::from_secs(50));
    let (mut service, _) = open(slow(), &folder.file());
    assert_eq!(service.state().await, StreamingState::Stopped, "created at once in the past");
    service.create_channel("late", support::channel()).await.expect("room for ten");
    close(service, &folder.file()).await;
    let (mut service, requests) = open(slow(), &folder.file());
    assert_eq!(requests, 2);
    let late = format!("{LOCATION}/channels/late");
    assert!(service.live.get_channel(support::name(&late)).await.is_err(), "in 50 s");
    service.emulator.advance(Duration::from_secs(50));
    assert!(service.live.get_channel(support::name(&late)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn new_settings_apply_from_the_time_on_at_which_they_were_set() {
    let folder = Folder::new("settings-time");
    // While the file is closed, real time passes: a millisecond of it is ten seconds.
    let running = || {
        let builder = Emulator::builder().speed(10_000).session_length(None);
        let quick = builder.every_latency(Duration::ZERO);
        quick.latency(Latency::StartChannel, Duration::from_secs(1))
    };
    let (mut service, _) = open(running(), &folder.file());
    service.make_channel().await;
    let start = service.live.start_channel(support::name(CHANNEL)).await;
    start.expect("it is stopped");
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(service.state().await, StreamingState::Streaming, "an encoder came by itself");
    close(service, &folder.file()).await;
    for _ in 0..2 {
        let (mut service, _) = open(running().encoder_delay(None), &folder.file());
        assert_eq!(service.state().await, StreamingState::Streaming);
        close(service, &folder.file()).await;
    }
}

#[tokio::test]
async fn a_request_without_a_json_form_is_kept() {
    let folder = Folder::new("stranger");
    let (mut service, _) = open(manual(), &folder.file());
    service.stream().await;
    let detail = prost_types::Any { type_url: "type.example/no.Such".into(), value: vec![1, 2] };
    let status = tonic_types::Status { code: 13, message: "burnt".into(), details: vec![detail] };
    let details = prost::Message::encode_to_vec(&status).into();
    let error = tonic::Status::with_details(tonic::Code::Internal, "burnt", details);
    let news: ChannelName = CHANNEL.parse().expect("a name");
    service.emulator.fail(&news, error).expect("it runs");
    close(service, &folder.file()).await;
    let (mut service, _) = open(manual(), &folder.file());
    assert_eq!(service.state().await, StreamingState::StreamingError);
}

#[tokio::test]
async fn a_new_file_needs_an_emulator_without_resources() {
    let folder = Folder::new("not-fresh");
    let mut service = Service::on(manual().build());
    service.make_channel().await;
    let error = service.emulator.open_state(folder.file()).expect_err("it has a channel");
    assert!(error.to_string().contains("without resources"), "{error}");
    assert_eq!(fs::read(folder.file()).expect("created"), b"");
}

#[tokio::test]
async fn a_damaged_end_is_cut_and_damage_elsewhere_is_an_error() {
    let folder = Folder::new("damage");
    let (mut service, _) = open(manual(), &folder.file());
    service.make_channel().await;
    close(service, &folder.file()).await;
    close(open(manual(), &folder.file()).0, &folder.file()).await;
    let whole = fs::read(folder.file()).expect("readable");
    let lines: Vec<&[u8]> = whole.split_inclusive(|byte| *byte == b'\n').collect();
    // The line of the channel is the second request.
    let channel = lines.iter().position(|line| line.windows(13).any(|w| w == b"CreateChannel"));
    let channel = channel.expect("it is in the file");
    let start: usize = lines[..channel].iter().map(|line| line.len()).sum();
    for cut in [1, lines[channel].len() / 2, lines[channel].len() - 1] {
        fs::write(folder.file(), &whole[..start + cut]).expect("writable");
        let service = Service::on(manual().build());
        let recovered = service.emulator.open_state(folder.file()).expect("a damaged end");
        assert_eq!((recovered.requests, recovered.damaged_bytes), (1, cut as u64));
        close(service, &folder.file()).await;
        let (service, requests) = open(manual(), &folder.file());
        assert_eq!(requests, 1, "it was cut");
        close(service, &folder.file()).await;
    }
    let mut broken = whole.clone();
    broken[start + 1] = b'!';
    fs::write(folder.file(), &broken).expect("writable");
    let expected = format!("line {} is damaged", channel + 1);
    let error = Emulator::new().open_state(folder.file()).expect_err("damaged");
    assert!(error.to_string().contains(&expected), "{error}");
    assert_eq!(fs::read(folder.file()).expect("readable"), broken, "nothing is lost");
}

#[tokio::test]
async fn requests_before_a_reset_are_dropped_at_the_next_start() {
    let folder = Folder::new("reset");
    let (mut service, _) = open(manual(), &folder.file());
    service.make_channel().await;
    let reset = send(&service.emulator, "POST", "/emulator/v1/state:reset", "{}").await;
    assert_eq!(reset.status, 200);
    service.make_input().await;
    close(service, &folder.file()).await;
    let (service, requests) = open(manual(), &folder.file());
    assert_eq!(requests, 1, "the input");
    let text = fs::read_to_string(folder.file()).expect("readable");
    assert!(text.contains("/CreateInput") && !text.contains("/CreateChannel"), "{text}");
    let world = world(&service.emulator).await;
    assert_eq!((&world[0], world[1]["inputs"].as_array().map(Vec::len)), (&json!({}), Some(1)));
}

#[tokio::test]
async fn a_state_file_seeds_a_test() {
    let folder = Folder::new("seed");
    let (mut service, _) = open(manual(), &folder.file());
    service.stream().await;
    let before = service.channel().await;
    close(service, &folder.file()).await;
    close(open(manual(), &folder.file()).0, &folder.file()).await;
    let text = fs::read_to_string(folder.file()).expect("readable");
    let mut service = Service::new();
    assert_eq!(service.emulator.load_state(&text).expect("a state file").requests, 3);
    assert_eq!(service.channel().await, before);
    assert!(service.emulator.load_state("").is_err());

    let other = manual().build();
    let body = json!({ "journal": text }).to_string();
    let loaded = send(&other, "POST", "/emulator/v1/state:load", &body).await;
    assert_eq!(loaded.json(), json!({"requests": "3"}));
    assert_eq!(Service::on(other).channel().await, before);
    let (kept, _) = open(manual(), &folder.file());
    let refused = send(&kept.emulator, "POST", "/emulator/v1/state:load", &body).await;
    assert_eq!(refused.status, 400, "{}", refused.text);
}

#[tokio::test]
async fn five_thousand_requests_are_replayed() {
    let folder = Folder::new("many");
    let builder = || {
        manual().every_latency(Duration::ZERO).limit(Limit::Inputs, usize::MAX).encoder_delay(None)
    };
    let (mut service, _) = open(builder(), &folder.file());
    let mut tasks = tokio::task::JoinSet::new();
    for part in 0..100 {
        let (mut live, emulator) = (service.live.clone(), Service::on(service.emulator.clone()));
        tasks.spawn(async move {
            for n in 0..50 {
                let request = emulator.create_input_request(&format!("camera-{part}-{n}"));
                live.create_input(request).await.expect("room");
            }
        });
    }
    tasks.join_all().await;
    service.emulator.advance(Duration::from_secs(1));
    let list = model::ListInputsRequest { parent: LOCATION.to_owned(), ..Default::default() };
    let before = service.live.list_inputs(list.clone()).await.expect("a page").into_inner();
    close(service, &folder.file()).await;
    let (mut service, requests) = open(builder(), &folder.file());
    assert_eq!(requests, 5_000);
    service.emulator.advance(Duration::from_secs(1));
    let after = service.live.list_inputs(list).await.expect("a page").into_inner();
    assert_eq!(after, before);
}

#[tokio::test]
async fn changes_without_an_operation_are_there_after_a_restart() {
    let folder = Folder::new("immediate");
    let (mut service, _) = open(manual(), &folder.file());
    service.stream().await;
    for id in ["kept", "deleted"] {
        let event = model::Event {
            task: Some(model::event::Task::Mute(model::event::MuteTask::default())),
            execute_now: true,
            ..Default::default()
        };
        let request = model::CreateEventRequest {
            parent: CHANNEL.to_owned(),
            event_id: id.to_owned(),
            event: Some(event),
            ..Default::default()
        };
        service.live.create_event(request).await.expect("it runs");
    }
    let deleted = format!("{CHANNEL}/events/deleted");
    service.live.delete_event(support::name(&deleted)).await.expect("there");
    let preview = service.live.preview_input(support::name(support::INPUT)).await.expect("there");
    let token = preview.into_inner().bearer_token;
    let end = service.emulator.preview_token_end(&token);
    assert!(end.is_some());
    let before = world(&service.emulator).await;
    close(service, &folder.file()).await;

    let (service, _) = open(manual(), &folder.file());
    let after = world(&service.emulator).await;
    assert_eq!(after, before);
    assert_eq!(after[4]["events"].as_array().map(Vec::len), Some(1));
    assert_eq!(service.emulator.preview_token_end(&token), end);
}

/// The text of a state file whose clock ran at a speed, an hour ago.
fn hour_old(speed: u32, is_paused: bool) -> String {
    let real = SystemTime::now() - Duration::from_secs(3600);
    let lines = [
        json!({"journal": 1, "seed": 0, "time": "2026-01-01T00:00:00Z"}),
        json!({"clock": {
            "time": "2026-01-01T00:00:00Z",
            "real": prost_types::Timestamp::from(real).to_string(),
            "speed": speed,
            "paused": is_paused,
        }}),
    ];
    lines.iter().map(|line| format!("{line}\n")).collect()
}

#[tokio::test(start_paused = true)]
async fn the_clock_runs_on_while_no_emulator_does_unless_it_was_paused() {
    let epoch = manual().build().now();
    for (speed, is_paused, least, most) in [(60, false, 60, 61), (60, true, 0, 0), (0, false, 0, 0)]
    {
        let emulator = manual().build();
        emulator.load_state(&hour_old(speed, is_paused)).expect("a state file");
        let passed = emulator.now().duration_since(epoch).expect("later").as_secs() / 3600;
        assert!((least..=most).contains(&passed), "{passed} h at {speed}, {is_paused}");
        assert_eq!((emulator.speed(), emulator.is_paused()), (speed, is_paused || speed == 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_loaded_state_goes_on_from_the_present_time_unless_the_clock_stands_still() {
    let epoch = manual().build().now();
    let present = epoch + Duration::from_secs(1_000_000);
    let text = hour_old(0, false);
    let running = Emulator::builder().epoch(present).speed(1).build();
    running.load_state(&text).expect("a state file");
    assert_eq!(running.now(), present);
    let paused = Emulator::builder().epoch(present).speed(0).build();
    paused.load_state(&text).expect("a state file");
    assert_eq!(paused.now(), epoch);
}

#[tokio::test(start_paused = true)]
async fn a_reopened_state_file_goes_on_at_the_speed_of_the_new_emulator() {
    let folder = Folder::new("speed");
    let (service, _) = open(Emulator::builder().speed(60), &folder.file());
    assert_eq!(service.emulator.speed(), 60);
    close(service, &folder.file()).await;
    let (service, _) = open(Emulator::builder().speed(5), &folder.file());
    assert_eq!(service.emulator.speed(), 5);
}

/// Writes a file, opens it as a state file, and expects an error that leaves the file as it is.
fn refuse(path: &Path, content: &[u8]) -> String {
    fs::write(path, content).expect("writable");
    let error = manual().build().open_state(path).expect_err("refused").to_string();
    assert_eq!(fs::read(path).expect("readable"), content, "the file is untouched: {error}");
    error
}

#[tokio::test]
async fn a_file_that_is_not_a_state_file_is_refused_and_untouched() {
    let folder = Folder::new("foreign");
    let begin = r#"{"journal":1,"seed":0,"time":"2026-01-01T00:00:00Z"}"#;
    let foreign = [
        "a letter to a friend",
        "a letter to a friend\n",
        "{\"name\": \"settings\"}\n",
        "\n",
        "{\"journal\":1}\n",
        &format!("!{begin}\n"),
    ];
    for text in foreign {
        let error = refuse(&folder.file(), text.as_bytes());
        assert!(error.contains("is not a state file"), "{text}: {error}");
        let error = manual().build().load_state(text).expect_err("refused");
        assert!(error.message().contains("is not a state file"), "{text}: {error}");
    }
    refuse(&folder.file(), &[0xff, 0xd8, 0xff, b'\n', 0]);
    let error = refuse(&folder.file(), begin.replace(":1,", ":2,").as_bytes());
    assert!(error.contains("is not a state file"), "it has no complete line: {error}");
    let error = refuse(&folder.file(), format!("{}\n", begin.replace(":1,", ":2,")).as_bytes());
    assert!(error.contains("version 2"), "{error}");
    // A process was killed while it wrote the first line: nothing is lost.
    fs::write(folder.file(), &begin[..30]).expect("writable");
    let recovered = manual().build().open_state(folder.file()).expect("a damaged end");
    assert_eq!((recovered.requests, recovered.damaged_bytes), (0, 30));
}

#[tokio::test]
async fn a_complete_line_that_cannot_be_understood_is_refused_even_at_the_end() {
    let folder = Folder::new("unknown");
    let begin = r#"{"journal":1,"seed":0,"time":"2026-01-01T00:00:00Z"}"#;
    let time = "2026-01-01T00:00:00Z";
    let list = "/google.longrunning.Operations/ListOperations";
    let lines = [
        (json!({"time": time, "method": "/other.Service/Create", "request": {}}), "/other.Service"),
        (json!({"time": time, "method": list, "request": {"nonsense": 1}}), "nonsense"),
        (json!({"time": "today", "method": list, "request": {}}), "time"),
        (json!({"settings": {"new": true}}), "settings"),
        (json!({"clock": {}}), "clock"),
        (json!({}), "line 2"),
        (json!([1]), "line 2"),
        (json!({"journal": 1, "seed": 0, "time": time}), "line 2"),
    ];
    for (line, hint) in lines {
        let error = refuse(&folder.file(), format!("{begin}\n{line}\n").as_bytes());
        assert!(error.contains(hint) && error.contains("line 2"), "{line}: {error}");
    }
    for garbled in ["{\"time\": \"20", "\u{0}\u{0}\u{0}", "{\"clock\"!\n"] {
        fs::write(folder.file(), format!("{begin}\n{garbled}")).expect("writable");
        let service = Service::on(manual().build());
        let recovered = service.emulator.open_state(folder.file()).expect("a damaged end");
        assert_eq!(recovered.damaged_bytes, garbled.len() as u64, "{garbled}");
        close(service, &folder.file()).await;
    }
}

#[tokio::test]
async fn a_journal_that_cannot_be_replayed_leaves_the_present_state() {
    let folder = Folder::new("refused");
    let (mut service, _) = open(manual(), &folder.file());
    service.make_input().await;
    close(service, &folder.file()).await;
    let text = fs::read_to_string(folder.file()).expect("readable");
    let create = text.lines().find(|line| line.contains("/CreateInput")).expect("it is there");
    let twice = format!("{text}{create}\n");

    let mut service = Service::on(manual().build());
    service.stream().await;
    let made = send(&service.emulator, "POST", "/emulator/v1/snapshots", "{}").await;
    assert_eq!(made.status, 200);
    let before = (world(&service.emulator).await, service.emulator.now());
    let error = service.emulator.load_state(&twice).expect_err("the input exists");
    assert!(error.message().contains("request 2"), "{error}");
    assert_eq!((world(&service.emulator).await, service.emulator.now()), before);
    fs::write(folder.file(), &twice).expect("writable");
    let error = service.emulator.open_state(folder.file()).expect_err("the input exists");
    assert!(error.to_string().contains("request 2"), "{error}");
    assert_eq!((world(&service.emulator).await, service.emulator.now()), before);
    assert_eq!(fs::read_to_string(folder.file()).expect("readable"), twice);
    let path = "/emulator/v1/snapshots/snapshot-1:restore";
    assert_eq!(send(&service.emulator, "POST", path, "{}").await.status, 200);
}

#[tokio::test]
async fn changes_through_the_handle_are_there_after_a_restart() {
    let folder = Folder::new("handle");
    let builder = || manual().encoder_delay(None);
    let (mut service, _) = open(builder(), &folder.file());
    let emulator = service.emulator.clone();
    let channel: ChannelName = CHANNEL.parse().expect("a name");
    let input: InputName = support::INPUT.parse().expect("a name");
    service.make_channel().await;
    emulator.reset();
    service.make_channel().await;
    service.live.start_channel(support::name(CHANNEL)).await.expect("it is stopped");
    emulator.advance(Duration::from_secs(600));
    emulator.feed_input(&input).expect("there");
    emulator.advance(Duration::from_secs(5));
    emulator.starve_input(&input).expect("there");
    emulator.connect_encoder(&channel).expect("there");
    emulator.disconnect_encoder(&channel).expect("there");
    emulator.put_object("gs://bucket/logo.jpg", 10, 7);
    emulator.put_object("elsewhere", 10, 7);
    emulator.fail(&channel, tonic::Status::data_loss("no bucket")).expect("it runs");
    emulator.advance(Duration::from_secs(1));
    emulator.recover(&channel).expect("it failed");
    emulator.set_streaming_state(&channel, StreamingState::StreamingNoInput).expect("there");
    let operation = {
        service.create_channel("late", support::channel()).await.expect("room").into_inner().name
    };
    emulator
        .fail(
            &operation.parse::<livestream_client::name::OperationName>().expect("a name"),
            tonic::Status::aborted("no room"),
        )
        .expect("it runs");
    let before = world(&emulator).await;
    drop(emulator);
    close(service, &folder.file()).await;

    let (mut service, _) = open(builder(), &folder.file());
    assert_eq!(world(&service.emulator).await, before);
    assert_eq!(service.state().await, StreamingState::StreamingNoInput);
    let text = fs::read_to_string(folder.file()).expect("readable");
    assert!(text.contains("gs://bucket/logo.jpg"), "{text}");
}

#[tokio::test]
async fn what_a_state_file_cannot_hold_is_refused_while_it_is_open() {
    let folder = Folder::new("unheld");
    let (mut service, _) = open(manual(), &folder.file());
    service.make_input().await;
    let snapshot = service.emulator.snapshot();
    service.emulator.reset();
    let before = world(&service.emulator).await;
    let text = hour_old(1, true);
    let errors = [
        service.emulator.restore(&snapshot).expect_err("refused"),
        service.emulator.load_state(&text).expect_err("refused"),
    ];
    for error in errors {
        assert_eq!(error.code(), tonic::Code::FailedPrecondition, "{error}");
    }
    assert_eq!(world(&service.emulator).await, before);
}

async fn post(emulator: &Emulator, path: &str, body: Value) -> Value {
    let answer = send(emulator, "POST", &format!("/emulator/v1/{path}"), &body.to_string()).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    answer.json()
}

#[tokio::test]
async fn compaction_keeps_the_snapshots_and_what_follows_the_last_return_to_one() {
    let folder = Folder::new("snapshots");
    let (mut service, _) = open(manual(), &folder.file());
    let emulator = service.emulator.clone();
    post(&emulator, "snapshots", json!({})).await;
    service.make_input().await;
    assert_eq!(post(&emulator, "snapshots", json!({})).await["id"], "snapshot-2");
    service.create_channel("dropped", support::channel()).await.expect("room");
    emulator.advance(Duration::from_secs(10));
    for _ in 0..3 {
        post(&emulator, "snapshots/snapshot-2:restore", json!({})).await;
        service.create_channel("news", support::channel()).await.expect("room");
        emulator.advance(Duration::from_secs(10));
    }
    let before = (world(&emulator).await, emulator.now());
    drop(emulator);
    close(service, &folder.file()).await;

    for _ in 0..2 {
        let (service, requests) = open(manual(), &folder.file());
        assert_eq!(requests, 5, "an input, two snapshots, a return, and a channel");
        assert_eq!((world(&service.emulator).await, service.emulator.now()), before);
        close(service, &folder.file()).await;
    }
    let (service, _) = open(manual(), &folder.file());
    post(&service.emulator, "snapshots/snapshot-1:restore", json!({})).await;
    assert_eq!(world(&service.emulator).await[1], json!({}), "no inputs");
    assert_eq!(post(&service.emulator, "snapshots", json!({})).await["id"], "snapshot-3");
}

#[tokio::test]
async fn a_restored_snapshot_has_the_settings_of_the_present() {
    let folder = Folder::new("restored");
    let builder = |max| manual().every_latency(Duration::ZERO).limit(Limit::Channels, max);
    let (service, _) = open(builder(1), &folder.file());
    post(&service.emulator, "snapshots", json!({"id": "empty"})).await;
    close(service, &folder.file()).await;
    for _ in 0..2 {
        let (mut service, _) = open(builder(2), &folder.file());
        post(&service.emulator, "snapshots/empty:restore", json!({})).await;
        for id in ["news", "late"] {
            service.create_channel(id, support::channel()).await.expect("room for two");
        }
        close(service, &folder.file()).await;
    }
}

#[tokio::test]
async fn compaction_drops_all_clocks_but_the_last() {
    let folder = Folder::new("clocks");
    let (service, _) = open(manual(), &folder.file());
    (0..1000).for_each(|_| service.emulator.advance(Duration::from_secs(1)));
    let now = service.emulator.now();
    close(service, &folder.file()).await;
    let (service, _) = open(manual(), &folder.file());
    assert_eq!(service.emulator.now(), now);
    close(service, &folder.file()).await;
    let lines = fs::read_to_string(folder.file()).expect("readable").lines().count();
    assert!(lines < 10, "{lines}");
}

#[tokio::test]
async fn a_second_state_file_is_refused() {
    let folder = Folder::new("second");
    let (service, _) = open(manual(), &folder.file());
    let other = folder.0.join("other.jsonl");
    let error = service.emulator.open_state(&other).expect_err("one is open");
    assert!(error.to_string().contains("a state file is open"), "{error}");
    assert!(!other.exists());
}

#[tokio::test]
async fn compaction_happens_while_the_emulator_runs() {
    let folder = Folder::new("running");
    let (mut service, _) = open(manual(), &folder.file());
    let (mut longest, mut shrunk) = (0, 0);
    let mut last = 0;
    for _ in 0..40 {
        for n in 0..40 {
            let mut request = service.create_input_request("camera");
            request.input_id = format!("camera-{}", n % 20);
            // A refusal is not in the file.
            let _ = service.live.create_input(request).await;
        }
        post(&service.emulator, "state:reset", json!({})).await;
        let length = fs::metadata(folder.file()).expect("there").len();
        shrunk += u32::from(length < last);
        last = length;
        longest = longest.max(length);
    }
    assert!(shrunk > 0 && longest < 150_000, "{shrunk}, {longest}");
    service.make_input().await;
    let before = (world(&service.emulator).await, service.emulator.now());
    let other = manual().build().open_state(folder.file()).expect_err("it is in use");
    assert!(other.to_string().contains("another process"), "the new file is locked: {other}");
    close(service, &folder.file()).await;
    let (service, requests) = open(manual(), &folder.file());
    assert_eq!(requests, 1);
    assert_eq!((world(&service.emulator).await, service.emulator.now()), before);
    let files = fs::read_dir(&folder.0).expect("readable").count();
    assert_eq!(files, 1, "no temporary file is left");
}

#[cfg(unix)]
#[tokio::test]
async fn compaction_keeps_the_permissions_and_other_files() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new("permissions");
    let temporary = folder.0.join("state.jsonl.compacted");
    for (left, is_replaced) in [(None, true), (Some("a letter"), false), (Some("{\"jour"), true)] {
        let (mut service, _) = open(manual(), &folder.file());
        fs::set_permissions(folder.file(), fs::Permissions::from_mode(0o640)).expect("own");
        service.make_input().await;
        post(&service.emulator, "state:reset", json!({})).await;
        close(service, &folder.file()).await;
        if let Some(left) = left {
            fs::write(&temporary, left).expect("writable");
        }
        let (service, requests) = open(manual(), &folder.file());
        assert_eq!(requests, 0);
        close(service, &folder.file()).await;
        let text = fs::read_to_string(folder.file()).expect("readable");
        assert_eq!(!text.contains("/CreateInput"), is_replaced, "{left:?}");
        let mode = fs::metadata(folder.file()).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
        let kept = fs::read_to_string(&temporary).ok();
        assert_eq!(kept.as_deref(), left.filter(|_| !is_replaced));
        let _ = fs::remove_file(&temporary);
        fs::remove_file(folder.file()).expect("there");
    }
}
