//! `wait_until`: it ends early if the state cannot be reached, keeps its limit, survives outages,
//! and polls less often the longer nothing changes.

mod support;

use livestream_client::{
    model::{
        Asset, Channel, Clip, DvrSession, Event, GetAssetRequest, GetChannelRequest,
        GetClipRequest, GetDvrSessionRequest, GetEventRequest, LogConfig, asset,
        channel::StreamingState,
        clip, dvr_session,
        event::{self, AdBreakTask, Task},
        log_config::LogSeverity,
    },
    name::LocationName,
    policy::{Backoff, PollPolicy, RetryPolicy},
    proto::google::rpc,
    rpc::Rpc,
};
use livestream_emulator::{Emulator, Latency};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use support::{
    Observed, Scripted,
    fixture::{Fixture, frequent_polls, sleep_seconds},
};
use tokio::time::Instant;
use tokio_stream::StreamExt;
use tonic::{Code, Status};

const SECOND: Duration = Duration::from_secs(1);
/// The maximum delay of a tokio timer.
const TICK: Duration = Duration::from_millis(2);

#[tokio::test(start_paused = true)]
async fn wait_until_ends_with_the_message_of_a_failed_resource() {
    let fixture = Fixture::new();
    let Fixture { emulator, client, channel, .. } = &fixture;
    fixture.create_streaming_channel().await;
    let create = client.create_dvr_session(channel, fixture.session(600, 7200), "match");
    create.wait().await.expect("a valid session");
    let name = channel.dvr_session("match").expect("a valid name");

    let begun = Instant::now();
    let wait = client.wait_until(&name, dvr_session::State::Live);
    let fail = async {
        sleep_seconds(10).await;
        emulator.fail(&name, Status::data_loss("the disk is full")).expect("it is scheduled");
    };
    let (waited, ()) = tokio::join!(wait, fail);
    let error = waited.expect_err("it never goes live");
    assert!(begun.elapsed() < 11 * SECOND, "{:?}", begun.elapsed());
    assert_eq!(error.code(), Code::FailedPrecondition);
    assert_eq!(error.resource(), name.as_str());
    let message = "cannot reach Live: the state is Failed: the disk is full";
    assert_eq!(error.message(), message);

    // Waiting for the failed state itself succeeds.
    client.wait_until(&name, dvr_session::State::Failed).await.expect("it has failed");
}

#[tokio::test(start_paused = true)]
async fn wait_until_ends_for_a_resource_that_does_not_exist() {
    let Fixture { client, channel, .. } = &Fixture::new();
    let name = channel.clip("goal").expect("a valid name");
    let none =
        client.wait_until(&name, clip::State::Succeeded).await.expect_err("it does not exist");
    assert!(none.is_not_found(), "{none}");
    assert_eq!(none.message(), "cannot reach Succeeded: the resource does not exist");
}

#[tokio::test(start_paused = true)]
async fn wait_until_ends_when_the_channel_is_deleted() {
    let fixture = Fixture::new();
    let Fixture { client, channel, .. } = &fixture;
    fixture.create_channel().await;
    let wait = client.wait_until(channel, StreamingState::Streaming);
    let delete = async {
        sleep_seconds(5).await;
        client.delete_channel(channel).wait().await.expect("it is stopped");
    };
    let (waited, ()) = tokio::join!(wait, delete);
    let error = waited.expect_err("it never streams");
    assert!(error.is_not_found(), "{error}");
    assert_eq!(error.message(), "cannot reach Streaming: the resource was deleted");
}

#[tokio::test(start_paused = true)]
async fn wait_until_ends_for_an_event_in_a_final_state() {
    let fixture = Fixture::new();
    let Fixture { client, channel, .. } = &fixture;
    fixture.create_streaming_channel().await;
    let duration = Some(prost_types::Duration { seconds: 30, nanos: 0 });
    let task = Some(Task::AdBreak(AdBreakTask { duration }));
    let event = Event { task, execute_now: true, ..Event::default() };
    client.create_event(channel, event, "ads").await.expect("a valid event");
    let name = channel.event("ads").expect("a valid name");
    client.wait_until(&name, event::State::Succeeded).await.expect("it runs to its end");

    let error = client.wait_until(&name, event::State::Running).await.expect_err("too late");
    assert_eq!(error.code(), Code::FailedPrecondition);
    assert!(error.message().contains("the state is Succeeded: this state is final"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn wait_until_ends_at_its_limit_and_reports_the_current_state() {
    let fixture = Fixture::with(Emulator::builder().encoder_delay(None));
    let Fixture { client, channel, .. } = &fixture;
    fixture.create_channel().await;
    client.start_channel(channel).wait().await.expect("it is stopped");

    let begun = Instant::now();
    let policy = frequent_polls().with_limit(90 * SECOND);
    let wait = client.wait_until_with(channel, StreamingState::Streaming, policy);
    let error = wait.await.expect_err("no encoder connects");
    let late = begun.elapsed().checked_sub(90 * SECOND).expect("not before its limit");
    assert!(late <= TICK, "{late:?} late");
    assert!(error.is_deadline_exceeded(), "{error}");
    let message = "the wait for Streaming ended after 90s, and the state is still AwaitingInput";
    assert_eq!(error.message(), message);
    assert_eq!(error.resource(), channel.as_str());
}

#[tokio::test(start_paused = true)]
async fn a_watch_polls_less_often_while_nothing_changes_and_faster_after_a_change() {
    let fixture = Fixture::with(Emulator::builder().encoder_delay(None));
    let Fixture { client, channel, log, .. } = &fixture;
    fixture.create_channel().await;
    let before = log.count(GetChannelRequest::METHOD);
    let mut changes = client.watch_with(channel, PollPolicy::default());
    let first = changes.next().await.expect("a first state").expect("it exists");
    assert_eq!(first.streaming_state(), StreamingState::Stopped);
    assert_eq!(log.count(GetChannelRequest::METHOD) - before, 1, "the first poll is immediate");

    let start = async {
        sleep_seconds(600).await;
        drop(client.start_channel(channel).await.expect("it is stopped"));
    };
    let (second, ()) = tokio::join!(changes.next(), start);
    let second = second.expect("a change").expect("it exists");
    assert_eq!(second.streaming_state(), StreamingState::Starting);
    let gaps = log.gaps(GetChannelRequest::METHOD).split_off(before);
    for (quiet, gap) in gaps.iter().enumerate() {
        let exponent = i32::try_from(quiet).expect("few polls");
        let ceiling = SECOND.mul_f64(1.5_f64.powi(exponent).min(20.0));
        let bounds = ceiling / 2..=ceiling + TICK;
        assert!(bounds.contains(gap), "poll {quiet} after {gap:?}, not in {bounds:?}");
    }
    // 600 s with pauses of 10 to 20 s, and shorter pauses at the beginning.
    assert!((30..=70).contains(&gaps.len()), "{} polls", gaps.len());

    let seen = log.count(GetChannelRequest::METHOD);
    let third = changes.next().await.expect("a change").expect("it exists");
    assert_eq!(third.streaming_state(), StreamingState::AwaitingInput);
    let gap = log.gaps(GetChannelRequest::METHOD)[seen - 1];
    assert!(gap <= SECOND + TICK, "the pauses start again at one second, not {gap:?}");
}

#[tokio::test(start_paused = true)]
async fn an_outage_does_not_end_wait_until() {
    let emulator = Emulator::builder().speed(1).build();
    let is_out = Arc::new(AtomicBool::new(false));
    let fails = is_out.clone();
    let observed = Observed::new(emulator.service())
        .failing(move |_| fails.load(Ordering::Relaxed).then(|| Status::unavailable("an outage")));
    let retry = RetryPolicy::new(Backoff::new(SECOND, SECOND, 1.0)).with_max_attempts(3);
    let client = observed.client_builder().retry(retry).poll_policy(frequent_polls()).build();
    let fixture = Fixture { client: client.expect("valid settings"), ..Fixture::new() };
    let (client, channel) = (&fixture.client, &fixture.channel);
    fixture.create_channel().await;
    drop(client.start_channel(channel).await.expect("it is stopped"));

    is_out.store(true, Ordering::Relaxed);
    let repair = async {
        sleep_seconds(1200).await;
        is_out.store(false, Ordering::Relaxed);
    };
    let wait = client.wait_until(channel, StreamingState::Streaming);
    let (waited, ()) = tokio::join!(wait, repair);
    waited.expect("it streams once the service is back");
}

#[tokio::test(start_paused = true)]
async fn permission_denied_ends_wait_until_at_once() {
    let emulator = Emulator::builder().latency(Latency::CreateChannel, SECOND).speed(1).build();
    let observed = Observed::new(emulator.service())
        .failing(|path| path.ends_with("GetChannel").then(|| Status::permission_denied("no")));
    let fixture = Fixture { client: observed.client(), ..Fixture::new() };
    let wait = fixture.client.wait_until(&fixture.channel, StreamingState::Streaming);
    assert_eq!(wait.await.expect_err("not allowed").code(), Code::PermissionDenied);
    assert_eq!(observed.log().total(), 1);
}

#[tokio::test(start_paused = true)]
async fn wait_until_ends_for_an_asset_an_event_a_clip_or_a_dvr_session_that_cannot_change() {
    let error = || Some(rpc::Status { message: "no space".to_owned(), ..Default::default() });
    let reason = "the state is Error: no space";
    let asset = Asset { state: asset::State::Error.into(), error: error(), ..Default::default() };
    let service = Scripted::new().on(move |_: GetAssetRequest| Ok(asset.clone()));
    let location = LocationName::new("p", "us-central1").expect("a valid name");
    let (name, client) = (location.asset("a").expect("a valid name"), Observed::new(service));
    let end = client.client().wait_until(&name, asset::State::Active).await;
    assert_eq!(end.expect_err("too late").message(), format!("cannot reach Active: {reason}"));

    let channel = location.channel("news").expect("a valid name");
    let event = Event { state: event::State::Failed.into(), error: error(), ..Default::default() };
    let service = Scripted::new().on(move |_: GetEventRequest| Ok(event.clone()));
    let (name, client) = (channel.event("e").expect("a valid name"), Observed::new(service));
    let end = client.client().wait_until(&name, event::State::Running).await;
    let message = "cannot reach Running: the state is Failed: no space";
    assert_eq!(end.expect_err("too late").message(), message);

    let clips = [
        (clip::State::Failed, "cannot reach Creating: the state is Failed: no space"),
        (
            clip::State::Succeeded,
            "cannot reach Creating: the state is Succeeded: this state is final",
        ),
    ];
    for (state, message) in clips {
        let clip = Clip { state: state.into(), error: error(), ..Default::default() };
        let service = Scripted::new().on(move |_: GetClipRequest| Ok(clip.clone()));
        let (name, client) = (channel.clip("c").expect("a valid name"), Observed::new(service));
        let end = client.client().wait_until(&name, clip::State::Creating).await;
        assert_eq!(end.expect_err("too late").message(), message);
    }

    let session = DvrSession { state: dvr_session::State::Finished.into(), ..Default::default() };
    let service = Scripted::new().on(move |_: GetDvrSessionRequest| Ok(session.clone()));
    let (name, client) = (channel.dvr_session("s").expect("a valid name"), Observed::new(service));
    let end = client.client().wait_until(&name, dvr_session::State::Live).await;
    let message = "cannot reach Live: the state is Finished: this state is final";
    assert_eq!(end.expect_err("too late").message(), message);
}

#[tokio::test(start_paused = true)]
async fn wait_until_with_a_closure_outlasts_streaming_error_from_which_a_channel_recovers() {
    let fixture = Fixture::new();
    let Fixture { emulator, client, channel, location, .. } = &fixture;
    fixture.create_streaming_channel().await;
    let fail = || emulator.fail(channel, Status::permission_denied("bucket")).expect("it runs");
    let recover = async || {
        sleep_seconds(30).await;
        emulator.recover(channel).expect("it has failed");
    };
    let is_well = |channel: &Channel| channel.streaming_state() != StreamingState::StreamingError;
    fail();
    let (waited, ()) = tokio::join!(client.wait_until(channel, is_well), recover());
    assert_eq!(waited.expect("it recovers").streaming_state(), StreamingState::Streaming);

    fail();
    let channels = client.watch_channels(location);
    let (waited, ()) = tokio::join!(channels.wait_until(channel, is_well), recover());
    assert_eq!(waited.expect("it recovers").streaming_state(), StreamingState::Streaming);

    fail();
    let states = [StreamingState::Streaming, StreamingState::Stopped];
    let end = client.wait_until(channel, states).await.expect_err("it has failed");
    let message = "cannot reach Streaming or Stopped: the state is StreamingError: bucket";
    assert_eq!(end.message(), message);
    let end = channels.wait_until(channel, states).await.expect_err("it has failed");
    assert_eq!(end.message(), message);
    let states = [StreamingState::StreamingError, StreamingState::Stopped];
    client.wait_until(channel, states).await.expect("it has failed");
}

#[tokio::test(start_paused = true)]
async fn wait_until_with_a_closure_ends_for_a_resource_in_a_final_state() {
    let session = DvrSession { state: dvr_session::State::Finished.into(), ..Default::default() };
    let service = Scripted::new().on(move |_: GetDvrSessionRequest| Ok(session.clone()));
    let channel = LocationName::new("p", "us-central1").expect("valid").channel("news");
    let name = channel.expect("valid").dvr_session("s").expect("a valid name");
    let is_live = |session: &DvrSession| session.state() == dvr_session::State::Live;
    let end = Observed::new(service).client().wait_until(&name, is_live).await;
    let message = "cannot reach the condition: the state is Finished: this state is final";
    assert_eq!(end.expect_err("too late").message(), message);
}

#[tokio::test(start_paused = true)]
async fn wait_until_with_a_closure_sees_a_property_that_changes_while_the_state_stays() {
    let fixture = Fixture::new();
    let Fixture { client, channel, .. } = &fixture;
    fixture.create_channel().await;
    let logs = |channel: &Channel| channel.log_config.is_some();
    let update = async {
        sleep_seconds(60).await;
        let log_config = Some(LogConfig { log_severity: LogSeverity::Error.into() });
        let wanted = Channel { log_config, ..Default::default() };
        client.ensure_channel(channel, wanted).await.expect("it is stopped");
    };
    let begun = Instant::now();
    let (waited, _) = tokio::join!(client.wait_until(channel, logs), update);
    assert!(waited.expect("it changes").log_config.is_some());
    assert!(begun.elapsed() >= 60 * SECOND, "{:?}", begun.elapsed());

    let policy = frequent_polls().with_limit(90 * SECOND);
    let is_old = |channel: &Channel| channel.log_config.is_none();
    let end = client.wait_until_with(channel, is_old, policy).await.expect_err("it logs");
    let message = "the wait for the condition ended after 90s, and the state is still Stopped";
    assert_eq!(end.message(), message);
}
