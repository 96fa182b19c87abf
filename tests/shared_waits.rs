//! Shared waits: what many waits for operations cost together, and that each wait gets its result.

mod support;

use livestream_client::{
    LivestreamClient, SharedWaits,
    model::{ChannelOperationResponse, OperationMetadata, StartChannelRequest, StopChannelRequest},
    name::{LocationName, OperationName},
    policy::{Backoff, PollPolicy, RetryPolicy},
    proto::google::longrunning::{
        self, GetOperationRequest, ListOperationsRequest, ListOperationsResponse,
        operation::Result as End,
    },
    rpc::Rpc,
};
use livestream_emulator::{Emulator, Latency, Limit};
use prost::Name;
use prost_types::Any;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use support::{
    Log, Observed, Scripted,
    fixture::{Fixture, sleep_seconds},
};
use tokio::{
    runtime::{Builder, Handle},
    task::JoinSet,
    time::Instant,
};
use tonic::{Code, Status, body::Body};
use tower::util::MapRequestLayer;

const SECOND: Duration = Duration::from_secs(1);

/// The operations of a location, and how the service lists them.
#[derive(Clone)]
struct Records {
    /// The project in the names of the listing.
    project: &'static str,
    /// The ids in the listing, in its order.
    listed: Arc<Vec<String>>,
    /// The maximum length of a page.
    page: usize,
    /// Whether the service tells which request started an operation.
    tells_of_start: bool,
    /// Whether the pending operations are done. Those with an id in `old` are always done.
    are_done: Arc<AtomicBool>,
}

impl Records {
    fn new(listed: impl IntoIterator<Item = String>) -> Self {
        let listed = Arc::new(listed.into_iter().collect());
        Self { project: "p", listed, page: 100, tells_of_start: false, are_done: Arc::default() }
    }

    fn finish(&self) {
        self.are_done.store(true, Ordering::Relaxed);
    }

    fn operation(&self, id: &str) -> longrunning::Operation {
        let name = format!("projects/{}/locations/l/operations/{id}", self.project);
        let done = id.starts_with("old") || self.are_done.load(Ordering::Relaxed);
        let type_url = ChannelOperationResponse::type_url();
        let result = done.then(|| End::Response(Any { type_url, value: Vec::new() }));
        let metadata = self.tells_of_start.then(|| {
            let target = "projects/p/locations/l/channels/news".to_owned();
            Any::from_msg(&OperationMetadata {
                verb: "start".to_owned(),
                target,
                ..Default::default()
            })
        });
        let metadata = metadata.map(|metadata| metadata.expect("it can be encoded"));
        longrunning::Operation { name, done, result, metadata }
    }

    fn page(&self, request: &ListOperationsRequest) -> Result<ListOperationsResponse, Status> {
        let start = match &*request.page_token {
            "" => 0,
            token => token.parse().map_err(|_| Status::invalid_argument("no token"))?,
        };
        let size = self.page.min(usize::try_from(request.page_size).expect("not negative"));
        let end = self.listed.len().min(start + size);
        let operations = self.listed[start..end].iter().map(|id| self.operation(id)).collect();
        let is_last = end == self.listed.len();
        let next_page_token = if is_last { String::new() } else { end.to_string() };
        Ok(ListOperationsResponse { operations, next_page_token, ..Default::default() })
    }

    fn script(&self) -> Scripted {
        let (listed, got) = (self.clone(), self.clone());
        Scripted::new().on(move |request: ListOperationsRequest| listed.page(&request)).on(
            move |request: GetOperationRequest| {
                Ok(got.operation(request.name.rsplit('/').next().expect("an id")))
            },
        )
    }

    fn serve(&self) -> Observed<Scripted> {
        Observed::new(self.script())
    }
}

fn ids(prefix: &'static str, count: usize) -> impl Iterator<Item = String> {
    (0..count).map(move |number| format!("{prefix}-{number}"))
}

fn location() -> LocationName {
    LocationName::new("p", "l").expect("a valid name")
}

type Waits = JoinSet<Result<ChannelOperationResponse, livestream_client::Error>>;

/// Waits for the operations of these ids at the same time.
fn wait_for(
    client: &LivestreamClient,
    waits: &SharedWaits,
    ids: impl IntoIterator<Item = String>,
) -> Waits {
    let wait =
        |id: String| waits.wait(resume(client, &location().operation(id).expect("a valid name")));
    ids.into_iter().map(wait).collect()
}

fn resume(
    client: &LivestreamClient,
    name: &OperationName,
) -> livestream_client::Operation<ChannelOperationResponse, OperationMetadata> {
    client.resume_as(name)
}

async fn all_resolve(waits: Waits) -> usize {
    let ends = waits.join_all().await;
    ends.iter().for_each(|end| assert!(end.is_ok(), "{end:?}"));
    ends.len()
}

/// The number of requests of each poll. Only the pauses between polls take time.
fn requests_per_poll(log: &Log) -> Vec<usize> {
    let mut polls = BTreeMap::<Instant, usize>::new();
    for method in [ListOperationsRequest::METHOD, GetOperationRequest::METHOD] {
        log.times(method).into_iter().for_each(|time| *polls.entry(time).or_default() += 1);
    }
    polls.into_values().collect()
}

fn assert_at_most(most: usize, polls: &[usize]) {
    assert!(polls.iter().all(|requests| *requests <= most), "requests in each poll: {polls:?}");
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_operations_cost_at_most_a_hundred_requests_per_poll() {
    let emulator = Emulator::builder()
        .speed(1)
        .any_location()
        .limit(Limit::Channels, 20_000)
        .latency(Latency::CreateChannel, 30 * SECOND)
        .build();
    let observed = Observed::new(emulator.service());
    let client = observed.client();
    let waits = client.shared_waits(&location());
    let mut creations = JoinSet::new();
    for id in ids("channel", 10_000) {
        let create = client.create_channel(&location(), support::fixture::channel(), &id);
        let wait = waits.wait(create.await.expect("a valid channel"));
        creations.spawn(async move { (wait.await, id) });
    }
    for (made, id) in creations.join_all().await {
        assert_eq!(made.expect("it is made").name, format!("{}/channels/{id}", location()));
    }
    let polls = requests_per_poll(&observed.log());
    assert_at_most(100, &polls);
    let total: usize = polls.iter().sum();
    assert!(total < 1000, "{total} requests for 10,000 operations: {polls:?}");
}

#[tokio::test(start_paused = true)]
async fn small_pages_among_finished_operations_cost_at_most_a_hundred_requests_per_poll() {
    let mixed = ids("new", 10_000).zip(ids("old", 10_000)).flat_map(|(new, old)| [new, old]);
    let records = Records { page: 50, ..Records::new(mixed) };
    let observed = records.serve();
    let client = observed.client();
    let pending = wait_for(&client, &client.shared_waits(&location()), ids("new", 10_000));
    sleep_seconds(300).await;
    records.finish();
    assert_eq!(all_resolve(pending).await, 10_000);
    assert_at_most(100, &requests_per_poll(&observed.log()));
}

#[tokio::test(start_paused = true)]
async fn a_long_history_of_finished_operations_is_not_listed_repeatedly() {
    // Oldest first: the pending operations come after a thousand pages.
    let records = Records::new(ids("old", 100_000).chain(ids("new", 8)));
    let observed = records.serve();
    let client = observed.client();
    let pending = wait_for(&client, &client.shared_waits(&location()), ids("new", 8));
    sleep_seconds(600).await;
    let log = observed.log();
    // Eight single polls, and one page to find out whether a listing pays.
    assert_at_most(9, &requests_per_poll(&log));
    records.finish();
    let begun = Instant::now();
    assert_eq!(all_resolve(pending).await, 8);
    assert!(begun.elapsed() <= 21 * SECOND, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_pages_of_pending_operations_are_found_and_remembered() {
    let records = Records::new(ids("old", 5_000).chain(ids("new", 400)));
    let observed = records.serve();
    let client = observed.client();
    let pending = wait_for(&client, &client.shared_waits(&location()), ids("new", 400));
    sleep_seconds(600).await;
    let log = observed.log();
    assert_at_most(100, &requests_per_poll(&log));
    let last = requests_per_poll(&log).pop();
    assert_eq!(last, Some(4), "only the four pages that hold the pending operations");
    records.finish();
    assert_eq!(all_resolve(pending).await, 400);
}

#[tokio::test(start_paused = true)]
async fn many_unlisted_operations_are_polled_in_turn() {
    let records = Records::new(ids("old", 100_000));
    let observed = records.serve();
    let client = observed.client();
    let pending = wait_for(&client, &client.shared_waits(&location()), ids("hidden", 1_000));
    sleep_seconds(60).await;
    records.finish();
    let before = requests_per_poll(&observed.log()).len();
    assert_eq!(all_resolve(pending).await, 1_000);
    let polls = requests_per_poll(&observed.log());
    assert_at_most(100, &polls);
    assert!(polls.len() - before <= 12, "at least ninety in each: {polls:?}");
}

#[tokio::test(start_paused = true)]
async fn unlisted_operations_are_polled_one_by_one() {
    let records = Records::new(ids("listed", 50));
    let observed = records.serve();
    let client = observed.client();
    let all = ids("listed", 50).chain(ids("hidden", 7));
    let pending = wait_for(&client, &client.shared_waits(&location()), all);
    sleep_seconds(60).await;
    records.finish();
    assert_eq!(all_resolve(pending).await, 57);
    assert_at_most(1 + 7, &requests_per_poll(&observed.log()));
}

#[tokio::test(start_paused = true)]
async fn a_few_operations_are_polled_without_a_listing() {
    let records = Records::new(ids("new", 3));
    let observed = records.serve();
    let client = observed.client();
    let pending = wait_for(&client, &client.shared_waits(&location()), ids("new", 3));
    sleep_seconds(60).await;
    records.finish();
    assert_eq!(all_resolve(pending).await, 3);
    assert_eq!(observed.log().count(ListOperationsRequest::METHOD), 0);
}

#[tokio::test(start_paused = true)]
async fn a_refused_listing_falls_back_to_single_polls() {
    let records = Records::new([]);
    let script = records
        .script()
        .on(|_: ListOperationsRequest| Err(Status::permission_denied("not allowed")));
    let observed = Observed::new(script);
    let client = observed.client();
    let pending = wait_for(&client, &client.shared_waits(&location()), ids("new", 150));
    sleep_seconds(60).await;
    records.finish();
    assert_eq!(all_resolve(pending).await, 150);
    assert_at_most(100, &requests_per_poll(&observed.log()));
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_repeats_a_page_token_ends() {
    let records = Records::new(ids("new", 300));
    let listed = records.clone();
    let script = records.script().on(move |request: ListOperationsRequest| {
        let mut page = listed.page(&request)?;
        if page.next_page_token == "200" {
            page.next_page_token = "100".to_owned();
        }
        Ok(page)
    });
    let observed = Observed::new(script);
    let client = observed.client();
    let pending = wait_for(&client, &client.shared_waits(&location()), ids("new", 300));
    sleep_seconds(60).await;
    // A page that is read again in one poll shows nothing new.
    let mut lists = BTreeMap::<Instant, usize>::new();
    for time in observed.log().times(ListOperationsRequest::METHOD) {
        *lists.entry(time).or_default() += 1;
    }
    assert!(lists.values().all(|lists| *lists <= 25), "{lists:?}");
    records.finish();
    assert_eq!(all_resolve(pending).await, 300);
    assert_at_most(100, &requests_per_poll(&observed.log()));
}

#[tokio::test(start_paused = true)]
async fn operation_names_with_the_project_number_match_those_with_the_project_id() {
    let records = Records { project: "123456789", ..Records::new(ids("new", 50)) };
    let observed = records.serve();
    let client = observed.client();
    let pending = wait_for(&client, &client.shared_waits(&location()), ids("new", 50));
    sleep_seconds(60).await;
    records.finish();
    assert_eq!(all_resolve(pending).await, 50);
    assert_eq!(observed.log().count(GetOperationRequest::METHOD), 0);
}

#[tokio::test(start_paused = true)]
async fn an_operation_of_another_location_is_polled_by_itself() {
    let records = Records::new(ids("new", 50));
    records.finish();
    let observed = records.serve();
    let client = observed.client();
    let waits = client.shared_waits(&location());
    let elsewhere =
        "projects/p/locations/elsewhere/operations/new-0".parse().expect("a valid name");
    let other = waits.wait(resume(&client, &elsewhere));
    let mut pending = wait_for(&client, &waits, ids("new", 50));
    pending.spawn(other);
    assert_eq!(all_resolve(pending).await, 51);
    assert_eq!(
        observed.log().count(GetOperationRequest::METHOD),
        1,
        "for the operation of the other location"
    );
}

#[tokio::test(start_paused = true)]
async fn each_shared_wait_keeps_its_own_limit() {
    let records = Records::new(ids("new", 20));
    let client = records.serve().client();
    let waits = client.shared_waits(&location());
    let begun = Instant::now();
    let mut pending = JoinSet::new();
    for (number, id) in ids("new", 20).enumerate() {
        let limit = SECOND * u32::try_from(10 * (number + 1)).expect("a small number");
        let policy = PollPolicy::default().with_limit(limit);
        let name = location().operation(id).expect("a valid name");
        let wait = waits.wait(resume(&client, &name).poll_policy(policy));
        pending.spawn(async move { (wait.await, name, limit, begun.elapsed()) });
    }
    sleep_seconds(105).await;
    records.finish();
    for (end, name, limit, elapsed) in pending.join_all().await {
        if limit > 125 * SECOND {
            end.expect("done in time");
        } else if limit < 105 * SECOND {
            let error = end.expect_err("its limit came first");
            assert!(error.is_deadline_exceeded(), "{error}");
            assert_eq!(error.operation(), Some(&name));
            assert!(elapsed - limit <= Duration::from_millis(2), "{elapsed:?} for {limit:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_operation_can_have_two_shared_waits() {
    let records = Records::new(ids("new", 10));
    let observed = records.serve();
    let client = observed.client();
    let waits = client.shared_waits(&location());
    let twice = ids("new", 10).chain(ids("new", 10));
    let mut pending = wait_for(&client, &waits.clone(), twice);
    // One of the waits is dropped; the others stay.
    let gone = waits.wait(resume(&client, &location().operation("new-0").expect("a valid name")));
    assert!(tokio::time::timeout(10 * SECOND, gone).await.is_err());
    sleep_seconds(10).await;
    assert!(pending.try_join_next().is_none());
    records.finish();
    assert_eq!(all_resolve(pending).await, 20);
    assert_at_most(10, &requests_per_poll(&observed.log()));
}

#[tokio::test(start_paused = true)]
async fn each_shared_wait_for_a_deleted_operation_record_gets_not_found() {
    let script = Records::new([])
        .script()
        .on(|_: GetOperationRequest| Err(Status::not_found("no such record")));
    let client = Observed::new(script).client();
    let twice = ids("lost", 10).chain(ids("lost", 10));
    let pending = wait_for(&client, &client.shared_waits(&location()), twice);
    for end in pending.join_all().await {
        let error = end.expect_err("not on record");
        assert_eq!((error.code(), error.message()), (Code::NotFound, "no such record"));
        assert!(error.operation().is_some(), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_does_not_end_shared_waits() {
    let records = Records::new(ids("new", 30));
    let is_out = Arc::new(AtomicBool::new(true));
    let fails = is_out.clone();
    let observed = records
        .serve()
        .failing(move |_| fails.load(Ordering::Relaxed).then(|| Status::unavailable("an outage")));
    let client =
        observed.client_builder().retry(RetryPolicy::never()).build().expect("valid settings");
    let pending = wait_for(&client, &client.shared_waits(&location()), ids("new", 30));
    sleep_seconds(300).await;
    assert_at_most(2, &requests_per_poll(&observed.log()));
    is_out.store(false, Ordering::Relaxed);
    records.finish();
    assert_eq!(all_resolve(pending).await, 30);
}

#[tokio::test(start_paused = true)]
async fn dropped_shared_waits_leave_no_request_and_no_task() {
    let records = Records::new(ids("new", 30));
    let observed = records.serve();
    let client = observed.client();
    let waits = client.shared_waits(&location());
    let tasks = Handle::current().metrics().num_alive_tasks();
    let pending = wait_for(&client, &waits, ids("new", 30));
    sleep_seconds(60).await;
    assert_eq!(Handle::current().metrics().num_alive_tasks(), tasks + 31, "one task polls");
    drop(pending);
    sleep_seconds(1).await;
    assert_eq!(Handle::current().metrics().num_alive_tasks(), tasks);
    assert!(format!("{waits:?}").contains("waiting: 0"), "{waits:?}");
    let sent = observed.log().total();
    sleep_seconds(600).await;
    assert_eq!(observed.log().total(), sent);

    // Later waits start a new task.
    let pending = wait_for(&client, &waits, ids("new", 30));
    records.finish();
    assert_eq!(all_resolve(pending).await, 30);
}

/// In real time: a paused clock belongs to a single runtime.
#[test]
fn shared_waits_continue_after_the_polling_runtime_has_ended() {
    let records = Records::new(ids("new", 2));
    let observed = records.serve();
    let backoff = Backoff::new(Duration::from_millis(5), Duration::from_millis(5), 1.0);
    let policy = PollPolicy::new(backoff, 60 * SECOND);
    let client = observed.client_builder().poll_policy(policy).build().expect("valid settings");
    let waits = client.shared_waits(&location());
    let runtime = || Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let (first, second) = (runtime().expect("a runtime"), runtime().expect("a runtime"));
    let until = async |is_so: &dyn Fn() -> bool| {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let is_waiting = |count: usize| format!("{waits:?}").contains(&format!("waiting: {count}"));

    let lost = {
        let _entered = first.enter();
        wait_for(&client, &waits, ids("new", 1))
    };
    first.block_on(until(&|| observed.log().total() > 0));
    let mut pending = {
        let _entered = second.enter();
        wait_for(&client, &waits, ids("new", 2).skip(1))
    };
    second.block_on(until(&|| is_waiting(2)));
    first.shutdown_timeout(10 * SECOND);
    drop(lost);

    records.finish();
    let end = second.block_on(pending.join_next()).expect("it waits").expect("no panic");
    end.expect("it is done");
    assert!(is_waiting(0), "{waits:?}");
}

/// A failure would leave a mutex poisoned or locked.
#[test]
fn a_shared_wait_on_a_runtime_that_shuts_down_harms_no_other() {
    let records = Records::new([]);
    let client = records.serve().client();
    let waits = client.shared_waits(&location());
    let seen = Arc::new(Mutex::new(None));
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut pending = wait_for(&client, &waits, ids("new", 1));
        tokio::task::yield_now().await;
        *seen.lock().expect("not poisoned") = Some(format!("{waits:?}"));
        pending.detach_all();
    });
    drop(runtime);
    assert!(seen.lock().expect("not poisoned").as_ref().is_some_and(|w| w.contains("waiting: 1")));
    assert!(format!("{waits:?}").contains("waiting: 0"), "{waits:?}");
    records.finish();
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        assert_eq!(all_resolve(wait_for(&client, &waits, ids("new", 1))).await, 1);
    });
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_is_known_to_be_done_is_not_polled() {
    let records = Records::new([]);
    records.finish();
    let observed = records.serve();
    let client = observed.client();
    let mut known = resume(&client, &location().operation("new-0").expect("a valid name"));
    known.wait().await.expect("it is done");
    let sent = observed.log().total();
    client.shared_waits(&location()).wait(known).await.expect("its result is known");
    assert_eq!(observed.log().total(), sent);
}

#[tokio::test(start_paused = true)]
async fn a_shared_wait_refuses_a_resumed_operation_of_another_request() {
    let records = Records { tells_of_start: true, ..Records::new(ids("new", 9)) };
    let masks = Arc::new(Mutex::new(Vec::new()));
    let log = masks.clone();
    let layer = MapRequestLayer::new(move |request: http::Request<Body>| {
        let mask = request.headers().get("x-goog-fieldmask");
        let mask = mask.map(|mask| mask.to_str().expect("ASCII").to_owned());
        log.lock().expect("no panic under the lock").extend(mask);
        request
    });
    let observed = records.serve();
    let client = observed.client_builder().layer(layer).build().expect("valid settings");
    let waits = client.shared_waits(&location());
    let name = |id: String| location().operation(id).expect("a valid name");
    let starts: Waits = ids("new", 8)
        .map(|id| waits.wait(client.resume::<StartChannelRequest>(&name(id))))
        .collect();
    let stop = |id: &str| waits.wait(client.resume::<StopChannelRequest>(&name(id.to_owned())));
    // The first one is alone with its name, and a start is awaited under the other.
    for id in ["new-8", "new-0"] {
        let error = stop(id).await.expect_err("it is a start");
        assert_eq!(
            (error.code(), error.operation()),
            (Code::InvalidArgument, Some(&name(id.into())))
        );
        assert!(error.message().ends_with("StopChannel did not start it"), "{error}");
    }
    sleep_seconds(60).await;
    records.finish();
    let late = stop("new-0").await.expect_err("it is a start, although it is done");
    assert_eq!(late.code(), Code::InvalidArgument);
    assert_eq!(all_resolve(starts).await, 8);
    assert_at_most(1, &requests_per_poll(&observed.log()));
    let masks = masks.lock().expect("no panic under the lock");
    let with_metadata = masks.iter().filter(|mask| mask.contains("metadata")).count();
    assert!(with_metadata <= 4 && masks.len() > with_metadata + 4, "{masks:?}");
}

#[tokio::test(start_paused = true)]
async fn a_shared_wait_for_one_resumed_operation_checks_its_request() {
    let fixture = Fixture::new();
    let Fixture { client, location, channel, .. } = &fixture;
    fixture.create_channel().await;
    let start = client.start_channel(channel).await.expect("it is stopped");
    let waits = client.shared_waits(location);
    let stop = waits.wait(client.resume::<StopChannelRequest>(start.name()));
    assert_eq!(stop.await.expect_err("it is a start").code(), Code::InvalidArgument);
    waits.wait(client.resume::<StartChannelRequest>(start.name())).await.expect("it starts");
}

#[tokio::test(start_paused = true)]
async fn eight_operations_on_the_first_page_cost_one_request_per_poll() {
    // Newest first: the history comes after the pending operations.
    let records = Records::new(ids("new", 8).chain(ids("old", 5_000)));
    let observed = records.serve();
    let client = observed.client();
    let pending = wait_for(&client, &client.shared_waits(&location()), ids("new", 8));
    sleep_seconds(60).await;
    assert_at_most(1, &requests_per_poll(&observed.log()));
    records.finish();
    assert_eq!(all_resolve(pending).await, 8);
}

#[tokio::test(start_paused = true)]
async fn an_outage_keeps_the_remembered_page_and_an_expired_page_token_does_not() {
    for (code, next) in [(Code::Unavailable, "5000"), (Code::InvalidArgument, "")] {
        let records = Records::new(ids("old", 5_000).chain(ids("new", 400)));
        let (refuses, tokens) =
            (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let (listed, refused, read) = (records.clone(), refuses.clone(), tokens.clone());
        let script = records.script().on(move |request: ListOperationsRequest| {
            read.lock().expect("not poisoned").push(request.page_token.clone());
            match refused.swap(false, Ordering::Relaxed) {
                true => Err(Status::new(code, "refused")),
                false => listed.page(&request),
            }
        });
        let observed = Observed::new(script);
        let client = observed.client_builder().retry(RetryPolicy::never()).build();
        let client = client.expect("valid settings");
        let pending = wait_for(&client, &client.shared_waits(&location()), ids("new", 400));
        sleep_seconds(600).await;
        refuses.store(true, Ordering::Relaxed);
        tokens.lock().expect("not poisoned").clear();
        sleep_seconds(60).await;
        let tokens = tokens.lock().expect("not poisoned").clone();
        assert_eq!(tokens[..2], ["5000", next], "{code}");
        records.finish();
        assert_eq!(all_resolve(pending).await, 400);
    }
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_the_service_cannot_tell_of_does_not_keep_others_waiting() {
    let records = Records::new([]);
    let got = records.clone();
    let script = records.script().on(move |request: GetOperationRequest| {
        match request.name.rsplit('/').next().expect("an id") {
            "broken-0" => Err(Status::unavailable("no answer")),
            id => Ok(got.operation(id)),
        }
    });
    let observed = Observed::new(script);
    let client = observed.client_builder().retry(RetryPolicy::never()).build();
    let client = client.expect("valid settings");
    let waits = client.shared_waits(&location());
    let limited = resume(&client, &location().operation("broken-0").expect("a valid name"))
        .poll_policy(PollPolicy::default().with_limit(90 * SECOND));
    let broken = tokio::spawn(waits.wait(limited));
    let pending = wait_for(&client, &waits, ids("new", 2));
    records.finish();
    let begun = Instant::now();
    assert_eq!(all_resolve(pending).await, 2);
    assert!(begun.elapsed() < 10 * SECOND, "{:?}", begun.elapsed());

    let error = broken.await.expect("no panic").expect_err("it has no answer");
    assert!(error.is_deadline_exceeded(), "{error}");
    assert!(error.message().ends_with("the service did not answer the last poll"), "{error}");
    let source = std::error::Error::source(&error).expect("the error of the last poll");
    let source = source.downcast_ref::<livestream_client::Error>().expect("an error of a call");
    assert_eq!(source.message(), "no answer");
}

#[tokio::test(start_paused = true)]
async fn a_poll_is_followed_by_a_rest_for_each_of_its_requests() {
    let records = Records::new([]);
    let observed = records.serve();
    let backoff = Backoff::new(SECOND / 10, SECOND / 10, 1.0);
    let policy = PollPolicy::new(backoff, 3600 * SECOND);
    let client = observed.client_builder().poll_policy(policy).build().expect("valid settings");
    let pending = wait_for(&client, &client.shared_waits(&location()), ids("hidden", 50));
    sleep_seconds(60).await;
    // A page and fifty gets: 400 ms and 50 times 100 ms.
    let gaps = observed.log().gaps(ListOperationsRequest::METHOD);
    assert!(gaps.iter().all(|gap| *gap >= Duration::from_millis(5_400)), "{gaps:?}");
    assert!(gaps.len() >= 10, "{gaps:?}");
    records.finish();
    assert_eq!(all_resolve(pending).await, 50);
}

#[tokio::test(start_paused = true)]
async fn waits_that_join_within_half_a_second_share_the_next_poll() {
    let records = Records::new(ids("new", 20));
    let observed = records.serve();
    let client = observed.client();
    let waits = client.shared_waits(&location());
    let first = wait_for(&client, &waits, ids("new", 1));
    sleep_seconds(120).await;
    let (polls, joined) = (requests_per_poll(&observed.log()).len(), Instant::now());
    let mut others = Vec::new();
    for at in 1..5 {
        others.push(wait_for(&client, &waits, ids("new", 20).skip(at * 4).take(4)));
        tokio::time::sleep(SECOND / 10).await;
    }
    assert_eq!(requests_per_poll(&observed.log()).len(), polls, "not at once");
    records.finish();
    assert_eq!(all_resolve(first).await, 1);
    for others in others {
        assert_eq!(all_resolve(others).await, 4);
    }
    assert_eq!(requests_per_poll(&observed.log()).len(), polls + 1);
    assert!(joined.elapsed() <= SECOND, "{:?}", joined.elapsed());
}
