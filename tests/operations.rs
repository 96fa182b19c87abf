//! Operations: how they are polled, their results, and what ends the wait for one.

mod support;

use livestream_client::{
    Error, LivestreamClient, Operation,
    model::{
        Channel, ChannelOperationResponse, CreateChannelRequest, OperationMetadata,
        StartChannelRequest, channel::StreamingState,
    },
    name::{ChannelName, OperationName},
    policy::{PollPolicy, RetryPolicy},
    proto::google::{
        longrunning::{
            self, CancelOperationRequest, GetOperationRequest, operation::Result as End,
        },
        rpc,
    },
    rpc::Rpc,
};
use prost::Name;
use prost_types::Any;
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use support::{
    Observed, Scripted,
    fixture::{Fixture, frequent_polls, sleep_seconds},
};
use tokio::{runtime::Handle, time::Instant};
use tokio_stream::StreamExt;
use tonic::{Code, Status};

const SECOND: Duration = Duration::from_secs(1);
/// The maximum delay of a tokio timer.
const TICK: Duration = Duration::from_millis(2);
const OPERATION: &str = "projects/p/locations/l/operations/operation-1";

type Start = Operation<ChannelOperationResponse, OperationMetadata>;

fn pending() -> longrunning::Operation {
    longrunning::Operation { name: OPERATION.to_owned(), ..Default::default() }
}

fn done(result: impl Into<Option<End>>) -> longrunning::Operation {
    longrunning::Operation { done: true, result: result.into(), ..pending() }
}

fn success() -> longrunning::Operation {
    done(End::Response(pack(&ChannelOperationResponse {})))
}

fn pack<T: Name>(message: &T) -> Any {
    Any { type_url: T::type_url(), value: message.encode_to_vec() }
}

/// A service whose operation is polled: `answer` gets the number of the poll, from 0.
fn polled(
    answer: impl Fn(usize) -> Result<longrunning::Operation, Status> + Send + Sync + 'static,
) -> Observed<Scripted> {
    let polls = AtomicUsize::new(0);
    Observed::new(
        Scripted::new()
            .on(|_: StartChannelRequest| Ok(pending()))
            .on(move |_: GetOperationRequest| answer(polls.fetch_add(1, Ordering::Relaxed))),
    )
}

async fn start(client: &LivestreamClient) -> Start {
    let channel = ChannelName::new("p", "l", "c").expect("a valid name");
    client.start_channel(&channel).await.expect("the script starts it")
}

fn name() -> OperationName {
    OPERATION.parse().expect("a valid name")
}

/// The error of a wait whose first poll gets this response.
async fn wait_error(answer: longrunning::Operation) -> Error {
    let client = polled(move |_| Ok(answer.clone())).client();
    let error = start(&client).await.wait().await.expect_err("no result");
    assert_eq!(error.operation(), Some(&name()), "{error}");
    error
}

#[tokio::test(start_paused = true)]
async fn the_first_operation_poll_is_immediate_and_the_pauses_grow() {
    let service = polled(|poll| Ok(if poll < 12 { pending() } else { success() }));
    let begun = Instant::now();
    start(&service.client()).await.wait().await.expect("it succeeds");
    let polls = service.log().times(GetOperationRequest::METHOD);
    assert_eq!((polls[0], polls.len()), (begun, 13));
    for (before, gap) in service.log().gaps(GetOperationRequest::METHOD).into_iter().enumerate() {
        let exponent = i32::try_from(before).expect("few polls");
        let ceiling = SECOND.mul_f64(1.5_f64.powi(exponent).min(20.0));
        let bounds = ceiling / 2..=ceiling + TICK;
        assert!(bounds.contains(&gap), "pause {before}: {gap:?} is not in {bounds:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_operation_wait_ends_at_its_limit_and_names_the_operation() {
    let client = polled(|_| Ok(pending())).client();
    let policy = PollPolicy::default().with_limit(100 * SECOND);
    let (begun, started) = (Instant::now(), start(&client).await);
    let mut operation = started.poll_policy(policy);
    let error = operation.wait().await.expect_err("it is never done");
    let late = begun.elapsed().checked_sub(100 * SECOND).expect("not before its limit");
    assert!(late <= TICK, "{late:?} late");
    assert!(error.is_deadline_exceeded());
    assert_eq!(error.operation(), Some(&name()));
    let text = format!(
        "DeadlineExceeded: the operation was not done within 100s, and goes on [{OPERATION}]"
    );
    assert_eq!(error.to_string(), text);

    let mut progress = operation.progress();
    let end = loop {
        match progress.next().await.expect("the stream ends with an error") {
            Ok(step) => assert_eq!(step.result, None),
            Err(end) => break end,
        }
    };
    assert!(end.is_deadline_exceeded(), "{end}");
    assert!(progress.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_stalled_operation_poll_ends_at_the_limit_of_the_wait() {
    let script = Scripted::new()
        .on(|_: StartChannelRequest| Ok(pending()))
        .on_async(|_: GetOperationRequest| std::future::pending());
    let begun = Instant::now();
    let policy = PollPolicy::default().with_limit(5 * SECOND);
    let client = Observed::new(script).client_builder().poll_policy(policy).build();
    let error = start(&client.expect("valid settings")).await.wait().await.expect_err("no answer");
    assert!(error.is_deadline_exceeded() && error.operation().is_some(), "{error}");
    assert!(begun.elapsed() <= 5 * SECOND + TICK, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_operation_wait_accepts_a_limit_of_duration_max() {
    let service = polled(|poll| Ok(if poll < 100 { pending() } else { success() }));
    let policy = PollPolicy::default().with_limit(Duration::MAX);
    start(&service.client()).await.poll_policy(policy).wait().await.expect("it succeeds");
}

#[tokio::test(start_paused = true)]
async fn the_default_limit_of_a_wait_outlasts_a_ten_minute_operation() {
    let fixture = Fixture::new();
    fixture.create_channel().await;
    let start = fixture.client.start_channel(&fixture.channel).await.expect("it is stopped");
    let begun = Instant::now();
    start.poll_policy(PollPolicy::default()).wait().await.expect("it starts");
    assert!(begun.elapsed() >= 600 * SECOND, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_operation_poll_is_retried() {
    let service = polled(|poll| match poll {
        0..3 => Err(Status::unavailable("a blip")),
        _ => Ok(success()),
    });
    let mut operation = start(&service.client()).await;
    assert!(operation.poll().await.expect("retried").is_some());
    assert_eq!(service.log().count(GetOperationRequest::METHOD), 4);
}

#[tokio::test(start_paused = true)]
async fn an_outage_longer_than_a_poll_does_not_end_the_operation_wait() {
    let begun = Instant::now();
    let service = polled(move |poll| match poll % 3 {
        _ if begun.elapsed() > 900 * SECOND => Ok(success()),
        0 => Err(Status::unavailable("out for repairs")),
        1 => Err(Status::deadline_exceeded("too slow")),
        _ => Err(Status::resource_exhausted("too many gets")),
    });
    let client =
        service.client_builder().retry(RetryPolicy::never()).build().expect("valid settings");
    start(&client).await.wait().await.expect("it succeeds once the service is back");
}

#[tokio::test(start_paused = true)]
async fn the_error_of_an_operation_wait_that_ends_in_an_outage_contains_the_last_poll_error() {
    let service = polled(|poll| match poll {
        0 => Ok(pending()),
        _ => Err(Status::unavailable("out for repairs")),
    });
    let policy = PollPolicy::default().with_limit(100 * SECOND);
    let mut operation = start(&service.client()).await.poll_policy(policy);
    let error = operation.wait().await.expect_err("it is never done");
    assert!(error.is_deadline_exceeded(), "{error}");
    let source = std::error::Error::source(&error).expect("the last poll error").to_string();
    assert!(source.contains("Unavailable: out for repairs"), "{source}");
}

#[tokio::test(start_paused = true)]
async fn an_operation_shows_the_last_state_that_was_seen() {
    let service = polled(|_| Ok(success()));
    let mut operation = start(&service.client()).await;
    assert_eq!(operation.state(), Some(&pending()));
    operation.poll().await.expect("an answer");
    assert_eq!(operation.state(), Some(&success()));
    let resumed = service.client().resume::<StartChannelRequest>(&name());
    assert_eq!(resumed.state(), None);
}

#[tokio::test(start_paused = true)]
async fn a_permanent_poll_error_ends_the_operation_wait() {
    let service = polled(|_| Err(Status::permission_denied("not yours")));
    let error = start(&service.client()).await.wait().await.expect_err("not allowed");
    assert_eq!((error.code(), error.operation()), (Code::PermissionDenied, Some(&name())));
    assert_eq!(service.log().count(GetOperationRequest::METHOD), 1);
}

#[tokio::test(start_paused = true)]
async fn progress_reports_unreadable_metadata_and_goes_on_to_the_result() {
    let odd = |value: &[u8], type_url: String| Some(Any { type_url, value: value.to_vec() });
    let service = polled(move |poll| match poll {
        0 => Ok(longrunning::Operation {
            metadata: odd(b"", "type.googleapis.com/test.Unheard".to_owned()),
            ..pending()
        }),
        1 => Ok(longrunning::Operation {
            metadata: odd(&[0xff], OperationMetadata::type_url()),
            ..pending()
        }),
        _ => Ok(longrunning::Operation {
            metadata: odd(b"", "type.googleapis.com/test.Unheard".to_owned()),
            ..success()
        }),
    });
    let steps: Vec<_> = start(&service.client()).await.progress().collect().await;
    let steps: Vec<_> = steps.into_iter().map(|step| step.expect("a state, not an end")).collect();
    let reasons = steps.iter().map(|step| {
        assert!(step.metadata.is_none());
        step.metadata_error.as_ref().map(ToString::to_string).unwrap_or_default()
    });
    let [first, unheard, garbled, last] = &reasons.collect::<Vec<_>>()[..] else {
        panic!("the start and three polls: {steps:?}");
    };
    assert_eq!(first, "");
    assert!(unheard.contains("`test.Unheard`") && last.contains("`test.Unheard`"), "{steps:?}");
    assert!(garbled.contains("cannot be decoded"), "{steps:?}");
    let results: Vec<_> = steps.iter().map(|step| step.result.is_some()).collect();
    assert_eq!(results, [false, false, false, true]);
}

#[tokio::test(start_paused = true)]
async fn every_operation_progress_step_has_typed_metadata() {
    let fixture = Fixture::new();
    let Fixture { client, location, channel, .. } = &fixture;
    let create = client.create_channel(location, support::fixture::channel(), "news");
    let mut progress = create.await.expect("a valid channel").progress();
    let mut steps = Vec::new();
    while let Some(step) = progress.next().await {
        steps.push(step.expect("the service is there"));
    }
    let (last, before) = steps.split_last().expect("some steps");
    assert!(before.len() > 10, "{} steps in 10 s", before.len());
    for step in before {
        let metadata = step.metadata.as_ref().expect("metadata in every step");
        assert_eq!((&*metadata.verb, &*metadata.target), ("create", channel.as_str()));
        assert_eq!((&metadata.end_time, &step.result), (&None, &None));
    }
    assert!(last.metadata.as_ref().expect("metadata in the last step").end_time.is_some());
    assert_eq!(last.result.as_ref().expect("the result").name, channel.as_str());
    assert!(steps.is_sorted_by_key(|step| step.elapsed));
}

#[tokio::test(start_paused = true)]
async fn an_operation_result_of_another_type_is_an_error() {
    let error = wait_error(done(End::Response(pack(&Channel::default())))).await;
    assert_eq!(error.code(), Code::Internal);
    let message = "the operation's result is a `google.cloud.video.livestream.v1.Channel`, not a \
                   `google.cloud.video.livestream.v1.ChannelOperationResponse`";
    assert_eq!(error.message(), message);
}

#[tokio::test(start_paused = true)]
async fn a_missing_or_malformed_operation_result_is_an_error() {
    let missing = wait_error(done(None)).await;
    assert_eq!(missing.code(), Code::Internal);
    assert_eq!(missing.message(), "the operation is done, with neither a result nor an error");

    let broken = Any { value: vec![0xff], ..pack(&ChannelOperationResponse {}) };
    let broken = wait_error(done(End::Response(broken))).await;
    assert_eq!(broken.code(), Code::Internal);
    assert_eq!(broken.message(), "the operation's result cannot be decoded");
    assert!(std::error::Error::source(&broken).is_some());
}

#[tokio::test(start_paused = true)]
async fn operation_metadata_that_is_malformed_or_of_another_type_is_an_error() {
    let broken = Any { value: vec![0xff], ..pack(&OperationMetadata::default()) };
    for metadata in [pack(&Channel::default()), broken] {
        let client = polled(move |_| {
            Ok(longrunning::Operation { metadata: Some(metadata.clone()), ..success() })
        });
        let mut operation = start(&client.client()).await;
        assert_eq!(operation.metadata().expect("no metadata is no error"), None);
        operation.poll().await.expect("no error");
        let error = operation.metadata().expect_err("metadata that cannot be read");
        assert_eq!((error.code(), error.operation()), (Code::Internal, Some(&name())));
        assert!(error.message().starts_with("the operation's metadata"), "{error}");
        let first = operation.progress().next().await.expect("a first step").expect("a state");
        let error = first.metadata_error.expect("metadata that cannot be read");
        assert_eq!(error.code(), Code::Internal);
    }
}

#[tokio::test(start_paused = true)]
async fn the_error_of_a_failed_operation_is_the_error_of_the_wait() {
    let status = |code| rpc::Status { code, message: "no room".to_owned(), details: Vec::new() };
    let failed = wait_error(done(End::Error(status(8)))).await;
    assert_eq!((failed.code(), failed.message()), (Code::ResourceExhausted, "no room"));
    // An error with the code OK is not a success.
    assert_eq!(wait_error(done(End::Error(status(0)))).await.code(), Code::Unknown);

    let fixture = Fixture::new();
    fixture.create_channel().await;
    let start = fixture.client.start_channel(&fixture.channel).await.expect("it is stopped");
    let delete = fixture.client.delete_channel(&fixture.channel).await;
    assert!(delete.expect_err("it starts").is_failed_precondition());
    fixture.emulator.fail(&fixture.channel, Status::aborted("a zone is lost")).expect("under way");
    let error = start.clone().wait().await.expect_err("it failed");
    assert_eq!((error.code(), error.message()), (Code::Aborted, "a zone is lost"));
}

#[tokio::test(start_paused = true)]
async fn a_response_without_an_operation_name_is_an_error_that_may_have_run() {
    let script = Scripted::new().on(|_: StartChannelRequest| Ok(longrunning::Operation::default()));
    let channel = ChannelName::new("p", "l", "c").expect("a valid name");
    let error = Observed::new(script).client().start_channel(&channel).await.expect_err("no name");
    assert_eq!((error.code(), error.may_have_run()), (Code::Internal, true));
    assert_eq!(error.attempts(), 1);
    assert_eq!(error.method(), Some(StartChannelRequest::METHOD));
    assert_eq!(error.resource(), channel.as_str());
    assert!(error.request_id().is_some());
}

#[tokio::test(start_paused = true)]
async fn cancel_ends_the_operation_wait_with_cancelled() {
    let fixture = Fixture::new();
    let Fixture { client, channel, .. } = &fixture;
    fixture.create_channel().await;
    let mut start = client.start_channel(channel).await.expect("it is stopped");
    let (handle, observer) = (start.clone(), start.clone());
    let cancel = async {
        sleep_seconds(60).await;
        handle.cancel().await.expect("it is under way");
    };
    let watch = async {
        let mut progress = observer.progress();
        let mut requested = Vec::new();
        loop {
            match progress.next().await.expect("the stream ends with an error") {
                Ok(step) => requested.push(step.metadata.expect("metadata").requested_cancellation),
                Err(end) => break (requested, end),
            }
        }
    };
    let (waited, (requested, end), ()) = tokio::join!(start.wait(), watch, cancel);
    assert!(waited.expect_err("it was cancelled").is_cancelled());
    assert!(end.is_cancelled(), "{end}");
    assert_eq!(requested.first(), Some(&false));
    assert_eq!(requested.last(), Some(&true), "the cancellation request is seen before the end");
    let channel = client.get_channel(channel).await.expect("it exists");
    assert_eq!(channel.streaming_state(), StreamingState::Stopped);
}

#[tokio::test(start_paused = true)]
async fn delete_removes_the_operation_record_and_the_work_continues() {
    let fixture = Fixture::new();
    let Fixture { client, channel, .. } = &fixture;
    fixture.create_channel().await;
    let start = client.start_channel(channel).await.expect("it is stopped");
    let mut other = client.resume::<StartChannelRequest>(start.name());
    start.delete().await.expect("on record");
    let error = other.wait().await.expect_err("no record");
    assert!(error.is_not_found(), "{error}");
    assert_eq!(error.operation(), Some(other.name()));
    fixture.reach(channel, StreamingState::Streaming).await;
}

#[tokio::test(start_paused = true)]
async fn resume_takes_an_operation_by_request_type_or_result_type() {
    let fixture = Fixture::new();
    let Fixture { client, location, log, .. } = &fixture;
    let create = client.create_channel(location, support::fixture::channel(), "news");
    let name = create.await.expect("a valid channel").name().clone();

    let before = log.total();
    let mut by_request = client.resume::<CreateChannelRequest>(&name);
    let mut by_result = client.resume_as::<Channel, OperationMetadata>(&name);
    assert!(by_request.state().is_none() && !by_request.is_done());
    assert_eq!(log.total(), before, "nothing is sent before a poll");
    let made = by_request.wait().await.expect("it is made");
    assert_eq!(made, by_result.wait().await.expect("it is made"));
    assert!(by_request.is_done() && by_result.is_done());
    // A known result is not polled again.
    let before = log.total();
    assert_eq!(made, by_request.wait().await.expect("it is made"));
    assert_eq!(log.total(), before);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_operation_wait_neither_cancels_nor_leaks_a_task() {
    let fixture = Fixture::new();
    let Fixture { client, channel, log, .. } = &fixture;
    fixture.create_channel().await;
    let tasks = Handle::current().metrics().num_alive_tasks();
    let mut start = client.start_channel(channel).await.expect("it is stopped");
    let progress = start.clone().poll_policy(frequent_polls()).progress();
    let waiting = async { tokio::join!(start.wait(), progress.fold(0, |steps, _| steps + 1)) };
    assert!(tokio::time::timeout(60 * SECOND, waiting).await.is_err(), "it takes ten minutes");

    let sent = log.total();
    sleep_seconds(300).await;
    assert_eq!(log.total(), sent, "a dropped wait polls no more");
    assert_eq!(log.count(CancelOperationRequest::METHOD), 0);
    assert_eq!(Handle::current().metrics().num_alive_tasks(), tasks);
    // The same operation can be waited for again.
    start.wait().await.expect("it goes on");
}

#[tokio::test(start_paused = true)]
async fn each_task_waits_for_an_operation_with_its_own_limit() {
    let finished = Arc::new(AtomicUsize::new(0));
    let count = finished.clone();
    let service =
        polled(move |_| Ok(if count.load(Ordering::Relaxed) == 0 { pending() } else { success() }));
    let operation = start(&service.client()).await;
    let waits = [1, 50, 3600].map(|seconds| {
        let policy = PollPolicy::default().with_limit(seconds * SECOND);
        let mut operation = operation.clone().poll_policy(policy);
        tokio::spawn(async move { operation.wait().await })
    });
    sleep_seconds(100).await;
    finished.store(1, Ordering::Relaxed);
    let mut ends = Vec::new();
    for wait in waits {
        ends.push(wait.await.expect("no panic").is_ok());
    }
    assert_eq!(ends, [false, false, true]);
}
