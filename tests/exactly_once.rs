//! A mutation runs exactly once, whichever request or response is lost.
//!
//! The service of these tests starts channels and ignores repeats of a `request_id`, as the real
//! one does. One request in ten is lost before the channel starts. In another one in ten, the
//! response is lost after the start. The client cannot see the difference.

#[path = "support/grpc.rs"]
mod grpc;

use bytes::{Bytes, BytesMut};
use h2::{Reason, server::SendResponse};
use http::{HeaderMap, Request, Response};
use livestream_client::{
    Builder, Error, LivestreamClient,
    credentials::Token,
    model::StartChannelRequest,
    policy::{Backoff, Budget, RetryPolicy, Timeouts},
    proto::google::longrunning::Operation,
};
use prost::Message;
use std::{
    collections::{HashMap, HashSet},
    convert::Infallible,
    future::ready,
    ops::Range,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{DuplexStream, duplex},
    task::JoinSet,
    time::sleep,
};
use tonic::{Code, body::Body};

const CALLERS: usize = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_mutations_with_request_id_run_once_each() {
    const CALLS: usize = 100_000;
    let service = Arc::new(Service::default());
    let client = client(&service).build().expect("a client");
    for (channel, result) in call_all(&client, CALLS).await {
        let error = result.err();
        assert!(error.is_none(), "{channel}: {error:?}");
        assert_eq!(service.starts_of(channel), 1, "{channel}");
    }
    // Faults of both kinds occurred, and the service ignored repeats.
    let Counts { requests, before, after, repeats } = service.counts();
    assert_eq!(requests, CALLS + before + after);
    for count in [before, after] {
        let share = count as f64 / requests as f64;
        assert!((0.09..0.11).contains(&share), "{before} and {after} of {requests} were lost");
    }
    assert!(repeats > CALLS / 20, "{repeats} repeats were ignored");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_request_id_a_lost_response_fails_the_call_and_no_mutation_runs_twice() {
    const CALLS: usize = 10_000;
    let service = Arc::new(Service::default());
    let client = client(&service).without_request_ids().build().expect("a client");
    let (mut carried_out, mut not_carried_out) = (0, 0);
    for (channel, result) in call_all(&client, CALLS).await {
        let starts = service.starts_of(channel);
        match result {
            Ok(()) => assert_eq!(starts, 1, "{channel}"),
            Err(error) => {
                assert_eq!(error.code(), Code::Unavailable, "{error:?}");
                assert!(error.may_have_run(), "{error:?}");
                match starts {
                    0 => not_carried_out += 1,
                    1 => carried_out += 1,
                    _ => panic!("{channel} was started {starts} times"),
                }
            }
        }
    }
    // Only refused streams were retried. Some of the failed calls had run and some had not.
    assert_eq!(service.counts().repeats, 0);
    assert!(
        carried_out > CALLS / 20 && not_carried_out > CALLS / 30,
        "{carried_out} had run, {not_carried_out} had not"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_connections_never_run_a_mutation_twice() {
    const CALLS: usize = 10_000;
    let service = Arc::new(Service { breaks_connections: true, ..Default::default() });
    let keyed = client(&service).build().expect("a client");
    for (channel, result) in call_all(&keyed, CALLS).await {
        let error = result.err();
        assert!(error.is_none(), "{channel}: {error:?}");
        assert_eq!(service.starts_of(channel), 1, "{channel}");
    }

    let service = Arc::new(Service { breaks_connections: true, ..Default::default() });
    let unkeyed = client(&service).without_request_ids().build().expect("a client");
    let mut failed = 0;
    for (channel, result) in call_all(&unkeyed, CALLS).await {
        let starts = service.starts_of(channel);
        match result {
            Ok(()) => assert_eq!(starts, 1, "{channel}"),
            Err(error) => {
                failed += 1;
                assert!(error.may_have_run(), "{error:?}");
                assert!(starts <= 1, "{channel} was started {starts} times");
            }
        }
    }
    // Calls that a GOAWAY excluded were resent, so most calls succeeded.
    assert!((1..CALLS / 2).contains(&failed), "{failed} calls failed");
}

#[tokio::test(start_paused = true)]
async fn a_request_id_is_not_sent_again_after_a_wait_that_outlasts_the_memory_of_the_service() {
    const HOUR: Duration = Duration::from_secs(60 * 60);
    let (sent, asked) = (Arc::<AtomicUsize>::default(), AtomicUsize::new(0));
    let service = {
        let sent = sent.clone();
        tower::service_fn(move |_: Request<Body>| {
            sent.fetch_add(1, Ordering::Relaxed);
            let response = Response::builder().header("content-type", "application/grpc");
            let response = response.header("grpc-status", Code::Unavailable as i32);
            ready(Ok::<_, Infallible>(response.body(Body::empty()).expect("a response")))
        })
    };
    // Only the first token comes at once.
    let tokens = move || {
        let is_first = asked.fetch_add(1, Ordering::Relaxed) == 0;
        async move {
            sleep(if is_first { Duration::ZERO } else { HOUR }).await;
            Token::bearer("a-token")
        }
    };
    let client = LivestreamClient::builder().channel(service).credentials(tokens);
    let client = client.build().expect("a client");
    let request = StartChannelRequest { name: name(0), ..Default::default() };
    let error = client.call(request).timeout(2 * HOUR).await.expect_err("no answer");
    assert_eq!(sent.load(Ordering::Relaxed), 1, "{error:?}");
    assert!(error.may_have_run() && error.elapsed() < HOUR, "{error:?}");
}

/// Starts each channel once, from many callers; returns the result for each channel.
async fn call_all(client: &LivestreamClient, calls: usize) -> Vec<(usize, Result<(), Error>)> {
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let client = client.clone();
        let share: Range<usize> = caller * calls / CALLERS..(caller + 1) * calls / CALLERS;
        callers.spawn(async move {
            let mut results = Vec::with_capacity(share.len());
            for channel in share {
                let request = StartChannelRequest { name: name(channel), ..Default::default() };
                results.push((channel, client.call(request).await.map(drop)));
            }
            results
        });
    }
    callers.join_all().await.into_iter().flatten().collect()
}

fn name(channel: usize) -> String {
    format!("projects/p/locations/us-central1/channels/c{channel}")
}

/// A client of this service over HTTP/2 in memory.
fn client(service: &Arc<Service>) -> Builder<LivestreamClient> {
    let service = service.clone();
    let connector = tower::service_fn(move |_: http::Uri| {
        let (ours, theirs) = duplex(1 << 18);
        tokio::spawn(serve(theirs, service.clone()));
        ready(Ok::<_, Infallible>(ours))
    });
    LivestreamClient::builder()
        .endpoint("http://localhost")
        .connector(connector)
        .timeouts(Timeouts::new(Duration::from_secs(120)))
        .retry(RetryPolicy::new(Backoff::new(
            Duration::from_millis(1),
            Duration::from_millis(2),
            1.0,
        )))
        .budget(Budget::unlimited())
}

/// A service that records which channels it has started, how often, and with which ids.
#[derive(Default)]
struct Service {
    /// Whether whole connections break instead of single streams.
    breaks_connections: bool,
    requests: AtomicUsize,
    before: AtomicUsize,
    after: AtomicUsize,
    started: Mutex<Started>,
}

#[derive(Default)]
struct Started {
    ids: HashSet<String>,
    channels: HashMap<String, usize>,
    repeats: usize,
}

struct Counts {
    requests: usize,
    /// Lost before the effect.
    before: usize,
    /// Lost after the effect.
    after: usize,
    /// Ignored because their id was known.
    repeats: usize,
}

/// The outcome of a request.
enum Fate {
    Answered,
    LostBefore(Fault),
    LostAfter(Fault),
}

#[derive(Clone, Copy)]
enum Fault {
    /// Only used before the effect: a refused stream has not run.
    Refuse,
    Reset,
    Unavailable,
    PartialResponse,
}

impl Fate {
    /// Random by the number of the request, so that it is the same in every run.
    fn of(number: usize) -> Self {
        const BEFORE: [Fault; 3] = [Fault::Refuse, Fault::Reset, Fault::Unavailable];
        const AFTER: [Fault; 3] = [Fault::PartialResponse, Fault::Reset, Fault::Unavailable];
        let mut draw = fastrand::Rng::with_seed(number as u64);
        let which = draw.usize(..3);
        match draw.u32(..10) {
            0 => Self::LostBefore(BEFORE[which]),
            1 => Self::LostAfter(AFTER[which]),
            _ => Self::Answered,
        }
    }
}

impl Service {
    fn counts(&self) -> Counts {
        let load = |count: &AtomicUsize| count.load(Ordering::SeqCst);
        let (requests, before, after) =
            (load(&self.requests), load(&self.before), load(&self.after));
        Counts { requests, before, after, repeats: self.started().repeats }
    }

    fn starts_of(&self, channel: usize) -> usize {
        self.started().channels.get(&name(channel)).copied().unwrap_or_default()
    }

    fn started(&self) -> std::sync::MutexGuard<'_, Started> {
        self.started.lock().expect("no test panics under the lock")
    }

    /// Starts the channel, unless the request repeats one that has run.
    fn carry_out(&self, request: StartChannelRequest) -> Operation {
        let mut started = self.started();
        let is_keyed = !request.request_id.is_empty();
        if is_keyed && !started.ids.insert(request.request_id) {
            started.repeats += 1;
        } else {
            *started.channels.entry(request.name).or_default() += 1;
        }
        let name = "projects/p/locations/us-central1/operations/operation-1".into();
        Operation { name, ..Default::default() }
    }

    async fn handle(&self, request: Request<h2::RecvStream>, reply: SendResponse<Bytes>) {
        let mut body = request.into_body();
        let mut data = BytesMut::new();
        while let Some(Ok(chunk)) = body.data().await {
            let _ = body.flow_control().release_capacity(chunk.len());
            data.extend_from_slice(&chunk);
        }
        let request = StartChannelRequest::decode(&data[5..]).expect("a complete request");
        let number = self.requests.fetch_add(1, Ordering::SeqCst);
        let fate = if self.breaks_connections { Fate::Answered } else { Fate::of(number) };
        // A response fails if its connection has closed, which the client sees itself.
        let _ = match fate {
            Fate::Answered => answer(reply, &self.carry_out(request)),
            Fate::LostBefore(fault) => {
                self.before.fetch_add(1, Ordering::SeqCst);
                fail(reply, fault)
            }
            Fate::LostAfter(fault) => {
                self.after.fetch_add(1, Ordering::SeqCst);
                self.carry_out(request);
                fail(reply, fault)
            }
        };
    }
}

/// Serves one connection, which may break after a few hundred requests.
async fn serve(socket: DuplexStream, service: Arc<Service>) {
    let mut connection = h2::server::handshake(socket).await.expect("the client speaks HTTP/2");
    for number in 0_usize.. {
        let Some(Ok((request, reply))) = connection.accept().await else { return };
        let handler = service.clone();
        tokio::spawn(async move { handler.handle(request, reply).await });
        if service.breaks_connections {
            match number {
                // The GOAWAY includes the requests accepted so far and excludes later ones.
                200 if fastrand::bool() => connection.graceful_shutdown(),
                250 if fastrand::bool() => connection.abrupt_shutdown(Reason::NO_ERROR),
                300 => return,
                _ => {}
            }
        }
    }
}

fn answer(mut reply: SendResponse<Bytes>, operation: &Operation) -> Result<(), h2::Error> {
    let mut stream = reply.send_response(head(), false)?;
    stream.send_data(grpc::frame(&operation.encode_to_vec()), false)?;
    stream.send_trailers(status("0"))
}

fn fail(mut reply: SendResponse<Bytes>, fault: Fault) -> Result<(), h2::Error> {
    match fault {
        Fault::Refuse => reply.send_reset(Reason::REFUSED_STREAM),
        Fault::Reset => reply.send_reset(Reason::INTERNAL_ERROR),
        Fault::Unavailable => {
            let mut response = head();
            response.headers_mut().extend(status("14"));
            reply.send_response(response, true)?;
        }
        Fault::PartialResponse => {
            let mut stream = reply.send_response(head(), false)?;
            stream.send_data(Bytes::from_static(&[0, 0, 0]), false)?;
            stream.send_reset(Reason::INTERNAL_ERROR);
        }
    }
    Ok(())
}

fn head() -> Response<()> {
    let response = Response::builder().header("content-type", "application/grpc");
    response.body(()).expect("a valid header")
}

fn status(code: &'static str) -> HeaderMap {
    let name = http::HeaderName::from_static("grpc-status");
    [(name, http::HeaderValue::from_static(code))].into_iter().collect()
}
