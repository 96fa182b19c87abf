//! The servers: they fail in all the ways that gRPC and HTTP/2 allow.

use crate::{
    emulated::Emulated,
    grpc::frame,
    network::Link,
    tokens,
    trace::Trace,
    truth::{Attempt, Truth},
    wire::{Frame, Ledger},
};
use bytes::Bytes;
use h2::{Reason, RecvStream, server::SendResponse};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, request};
use livestream_client::{
    model::{
        Channel, ChannelOperationResponse, ListChannelsRequest, ListChannelsResponse,
        PreviewInputResponse, StartChannelRequest, channel::StreamingState,
    },
    proto::google::longrunning::{
        GetOperationRequest, ListOperationsRequest, ListOperationsResponse, Operation,
        operation::Result as Outcome,
    },
};
use prost::{Message, Name};
use prost_types::Any;
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::DuplexStream,
    sync::Notify,
    task::AbortHandle,
    time::{Instant, sleep},
};
use tonic::Code;

pub(crate) const AUTHORITY: &str = "service.test";
pub(crate) const LOCATION: &str = "projects/p/locations/l";
/// The location of the channels that are listed.
pub(crate) const LISTED: &str = "projects/p/locations/listed";

/// How often the service fails, in percent of the requests.
#[derive(Clone, Debug)]
pub(crate) struct Faults {
    refuses: u8,
    unavailable_before: u8,
    unavailable_after: u8,
    /// UNAVAILABLE with a wait that the service asks for.
    pushes_back: u8,
    /// An error after which nothing is carried out.
    rejects: u8,
    reset_before: u8,
    reset_after: u8,
    silent_after: u8,
    /// REFUSED_STREAM although the headers of a response, or a part of it, were sent.
    refuses_after: u8,
    /// Answers that stop in the middle.
    truncates: u8,
    goaway: u8,
    changes_settings: u8,
    pub(crate) streams: u32,
    window: u32,
    takes: Duration,
    operations_take: Duration,
    /// The number of channels in the listing.
    pub(crate) listed: usize,
}

/// The limits that a server may set while it runs.
const CHANGED_STREAMS: [u32; 4] = [0, 1, 2, 10];

impl Faults {
    pub(crate) fn draw(rng: &mut fastrand::Rng) -> Self {
        let mut rate = || if rng.bool() { rng.u8(..25) } else { 0 };
        Self {
            refuses: rate(),
            unavailable_before: rate(),
            unavailable_after: rate(),
            pushes_back: rate() / 2,
            rejects: rate() / 4,
            reset_before: rate(),
            reset_after: rate(),
            silent_after: rate(),
            refuses_after: rate(),
            truncates: rate() / 2,
            goaway: rate(),
            changes_settings: rate(),
            streams: [1, 2, 10, 100][rng.usize(..4)],
            window: [16, 65_535, 65_535][rng.usize(..3)],
            takes: Duration::from_millis(rng.u64(..2_000)),
            operations_take: Duration::from_secs(rng.u64(..120)),
            listed: rng.usize(..12),
        }
    }

    /// The most streams that a server ever allows.
    pub(crate) fn most_streams(&self) -> u32 {
        if self.changes_settings == 0 { self.streams } else { self.streams.max(10) }
    }
}

/// A service with any number of connections. Clones share it.
#[derive(Clone)]
pub(crate) struct Service {
    trace: Trace,
    faults: Arc<Faults>,
    pub(crate) truth: Truth,
    ledger: Ledger,
    is_healed: Arc<AtomicBool>,
    healed: Arc<Notify>,
    tasks: Arc<Mutex<Vec<AbortHandle>>>,
    /// Whether each request must have a token.
    needs_tokens: bool,
    /// What carries requests out, instead of this simple service.
    emulated: Option<Emulated>,
}

/// One connection, as its requests share it.
struct Connection {
    id: u64,
    link: Arc<Link>,
    /// The newest stream that has arrived, and the newest whose request was read.
    newest: AtomicU32,
    newest_read: AtomicU32,
    /// The last stream that the server takes.
    last: AtomicU32,
}

/// One request while it is answered.
struct Exchange {
    connection: Arc<Connection>,
    reply: SendResponse<Bytes>,
    rng: fastrand::Rng,
}

impl Service {
    pub(crate) fn new(trace: Trace, faults: Faults, ledger: Ledger, needs_tokens: bool) -> Self {
        trace.log("service", || format!("{faults:?}"));
        Self {
            truth: Truth::new(trace.clone(), ledger.clone()),
            trace,
            faults: Arc::new(faults),
            ledger,
            is_healed: Arc::default(),
            healed: Arc::default(),
            tasks: Arc::default(),
            needs_tokens,
            emulated: None,
        }
    }

    /// The same servers, with an emulator behind them.
    pub(crate) fn before(self, emulated: Emulated) -> Self {
        Self { emulated: Some(emulated), ..self }
    }

    pub(crate) fn faults(&self) -> &Faults {
        &self.faults
    }

    pub(crate) fn heal(&self) {
        self.is_healed.store(true, Ordering::Relaxed);
        self.healed.notify_waiters();
    }

    pub(crate) fn is_healed(&self) -> bool {
        self.is_healed.load(Ordering::Relaxed)
    }

    /// Aborts every task of the servers. The resources and operations stay as they are.
    pub(crate) fn crash(&self) {
        let tasks = std::mem::take(&mut *self.tasks.lock().expect("no panic under the lock"));
        tasks.into_iter().for_each(|task| task.abort());
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let task = tokio::spawn(task).abort_handle();
        let mut tasks = self.tasks.lock().expect("no panic under the lock");
        tasks.retain(|task| !task.is_finished());
        tasks.push(task);
    }

    /// Serves one connection in a task.
    pub(crate) fn serve(self, id: u64, io: DuplexStream, link: Arc<Link>, mut rng: fastrand::Rng) {
        let service = self.clone();
        self.spawn(async move {
            let connection = Arc::new(Connection {
                id,
                link,
                newest: AtomicU32::new(0),
                newest_read: AtomicU32::new(0),
                last: AtomicU32::new(u32::MAX),
            });
            let mut builder = h2::server::Builder::new();
            let Faults { streams, window, goaway, changes_settings, .. } = *service.faults;
            builder.max_concurrent_streams(streams).initial_window_size(window);
            let Ok(mut requests) = builder.handshake::<_, Bytes>(io).await else { return };
            while let Some(Ok((request, reply))) = requests.accept().await {
                let stream = u32::from(reply.stream_id());
                connection.newest.fetch_max(stream, Ordering::Relaxed);
                if service.happens(&mut rng, "changed SETTINGS", changes_settings) {
                    let streams = CHANGED_STREAMS[rng.usize(..CHANGED_STREAMS.len())];
                    service.trace.log("server", || format!("connection {id}: {streams} streams"));
                    connection.link.inject(Frame::settings(streams));
                }
                if service.happens(&mut rng, "GOAWAY", goaway) {
                    if rng.u8(..4) == 0 {
                        service.trace.log("server", || format!("connection {id}: shuts down"));
                        requests.graceful_shutdown();
                    } else {
                        service.spawn(service.clone().leave(connection.clone(), rng.fork()));
                    }
                }
                let exchange = Exchange { connection: connection.clone(), reply, rng: rng.fork() };
                service.spawn(service.clone().receive(request, exchange));
            }
        });
    }

    /// Says GOAWAY, with any last stream that is not a lie, and ends the connection some time later.
    async fn leave(self, connection: Arc<Connection>, mut rng: fastrand::Rng) {
        let Connection { id, link, newest, newest_read, last } = &*connection;
        let goaway = |stream: u32| {
            let stream = stream.min(last.load(Ordering::Relaxed));
            last.store(stream, Ordering::Relaxed);
            self.trace.log("server", || format!("connection {id}: GOAWAY after {stream}"));
            link.inject(Frame::goaway(stream));
        };
        if rng.bool() {
            goaway(u32::MAX >> 1);
            sleep(Duration::from_millis(rng.u64(..1_000))).await;
        }
        let (read, newest) = (newest_read.load(Ordering::Relaxed), newest.load(Ordering::Relaxed));
        goaway(rng.u32(read..=newest.max(read)));
        if rng.bool() {
            sleep(Duration::from_millis(rng.u64(..4_000))).await;
            link.cut();
        }
    }

    fn happens(&self, rng: &mut fastrand::Rng, fault: &'static str, percent: u8) -> bool {
        let happens = rng.u8(..100) < percent && !self.is_healed();
        if happens {
            self.trace.count_fault(fault);
        }
        happens
    }

    /// Receives a request, and checks what surrounds its message.
    async fn receive(self, request: Request<RecvStream>, mut exchange: Exchange) {
        if self.happens(&mut exchange.rng, "refused stream", self.faults.refuses) {
            return exchange.reply.send_reset(Reason::REFUSED_STREAM);
        }
        let (head, body) = request.into_parts();
        let Some(message) = receive(body).await else { return };
        let Connection { id, newest_read, last, .. } = &*exchange.connection;
        let stream = u32::from(exchange.reply.stream_id());
        if stream > last.load(Ordering::Relaxed) {
            return; // As its GOAWAY said.
        }
        let token = head.headers.get("authorization").and_then(|value| value.to_str().ok());
        match token.map(tokens::state) {
            None => self.trace.require(!self.needs_tokens, "tokens", || "none".to_owned()),
            Some(state) => {
                self.trace.require(
                    state.is_of_this_universe,
                    "tokens of this universe only",
                    || format!("stream {stream} on connection {id}"),
                );
                if state.has_expired {
                    return fail(exchange.reply, Code::Unauthenticated, None);
                }
            }
        }
        let authority = head.uri.authority().map(|authority| authority.as_str().to_owned());
        self.trace.require(
            authority.as_deref() == Some(AUTHORITY),
            "tokens to this origin only",
            || format!("{authority:?}"),
        );
        newest_read.fetch_max(stream, Ordering::Relaxed);
        let sent_at = self.ledger.sent_at(*id, stream);
        let token = token.map(str::to_owned);
        self.answer(&head, message.slice(5..), sent_at, token, exchange).await;
    }

    async fn answer(
        &self,
        head: &request::Parts,
        message: Bytes,
        sent_at: Option<Instant>,
        token: Option<String>,
        mut exchange: Exchange,
    ) {
        let method = head.uri.path().rsplit('/').next().unwrap_or_default().to_owned();
        let asked = match &self.emulated {
            Some(_) => Asked::named(&message),
            None => Asked::decode(&method, message.clone()),
        };
        let header = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
        let previous = header("grpc-previous-rpc-attempts").and_then(|text| text.parse().ok());
        let attempt = Attempt {
            resource: asked.name.clone(),
            connection: exchange.connection.id,
            stream: exchange.reply.stream_id().into(),
            sent_at,
            timeout: header("grpc-timeout").and_then(duration),
            previous: previous.unwrap_or(0),
            token,
        };
        let (name, id) = (&asked.name, exchange.connection.id);
        self.trace.log("read", || format!("{method} {name} {} on connection {id}", asked.token));
        self.truth.read(&attempt);
        let Faults { reset_before, unavailable_before, pushes_back, rejects, .. } = *self.faults;
        let rng = &mut exchange.rng;
        if self.happens(rng, "reset before it is carried out", reset_before) {
            return exchange.reply.send_reset(Reason::INTERNAL_ERROR);
        }
        sleep(self.faults.takes.mul_f64(rng.f64())).await;
        if self.happens(rng, "UNAVAILABLE before it is carried out", unavailable_before) {
            return fail(exchange.reply, Code::Unavailable, None);
        }
        if self.happens(rng, "pushback", pushes_back) {
            let wait = Duration::from_millis(rng.u64(..20_000));
            let is_call = matches!(&*method, "StartChannel" | "PreviewInput");
            if is_call {
                self.truth.push_back(&attempt, wait);
            }
            return fail(exchange.reply, Code::Unavailable, Some(wait));
        }
        if self.happens(rng, "rejection", rejects) {
            let codes = [Code::FailedPrecondition, Code::PermissionDenied, Code::InvalidArgument];
            return fail(exchange.reply, codes[rng.usize(..codes.len())], None);
        }
        if let Some(emulated) = &self.emulated {
            return match emulated.answer(head, &message).await {
                Ok(message) => self.respond(&message, exchange).await,
                Err(code) => fail(exchange.reply, code, None),
            };
        }
        let takes = self.faults.operations_take.mul_f64(rng.f64());
        let message = match &*method {
            "GetChannel" if self.truth.channel(name).is_some_and(|it| it.is_deleted()) => {
                self.trace.log("told", || format!("{name} is deleted"));
                return fail(exchange.reply, Code::NotFound, None);
            }
            "GetChannel" => self.channel(name).encode_to_vec(),
            "ListChannels" => self.list_channels(&asked),
            "GetOperation" => match self.operation(name) {
                Some(operation) => operation.encode_to_vec(),
                None => return fail(exchange.reply, Code::NotFound, None),
            },
            "ListOperations" => self.list_operations(&asked),
            _ => {
                let (operation, is_new) = self.truth.carry_out(&attempt, &asked.request_id, takes);
                if is_new {
                    self.trace.log("done", || format!("{method} {name}"));
                }
                match &*method {
                    "StartChannel" => self.describe("p", operation).encode_to_vec(),
                    _ => PreviewInputResponse::default().encode_to_vec(),
                }
            }
        };
        if !matches!(&*method, "StartChannel" | "PreviewInput") {
            self.trace.log("told", || format!("{method} {name}"));
        }
        self.respond(&message, exchange).await;
    }

    async fn respond(&self, message: &[u8], exchange: Exchange) {
        let Exchange { mut reply, mut rng, .. } = exchange;
        let Faults {
            unavailable_after, reset_after, silent_after, refuses_after, truncates, ..
        } = *self.faults;
        if self.happens(&mut rng, "UNAVAILABLE after it is carried out", unavailable_after) {
            return fail(reply, Code::Unavailable, None);
        }
        if self.happens(&mut rng, "reset after it is carried out", reset_after) {
            return reply.send_reset(Reason::CANCEL);
        }
        if self.happens(&mut rng, "no answer", silent_after) {
            tokio::select! {
                biased;
                () = self.healed.notified() => reply.send_reset(Reason::INTERNAL_ERROR),
                // The client has given up.
                _ = std::future::poll_fn(|cx| reply.poll_reset(cx)) => {}
            }
            return;
        }
        let is_refused = self.happens(&mut rng, "refused stream after headers", refuses_after);
        let is_truncated = self.happens(&mut rng, "truncated answer", truncates);
        let Ok(mut stream) = reply.send_response(head(), false) else { return };
        if is_refused || is_truncated {
            if is_truncated {
                let whole = frame(message);
                let _ = stream.send_data(whole.slice(..rng.usize(..=whole.len())), false);
            }
            // The headers leave before the reset replaces them.
            sleep(Duration::from_millis(1)).await;
            let reasons = [Reason::CANCEL, Reason::INTERNAL_ERROR];
            let reason = if is_refused { Reason::REFUSED_STREAM } else { reasons[rng.usize(..2)] };
            return stream.send_reset(reason);
        }
        self.truth.succeed();
        if stream.send_data(frame(message), false).is_ok() {
            let _ = stream.send_trailers(status(Code::Ok));
        }
    }

    fn channel(&self, name: &str) -> Channel {
        let now = Instant::now();
        let state = match self.truth.channel(name) {
            Some(schedule) if now >= schedule.streams_at => StreamingState::Streaming,
            Some(schedule) if now >= schedule.starts_at => StreamingState::Starting,
            _ => StreamingState::Stopped,
        };
        Channel { name: name.to_owned(), streaming_state: state.into(), ..Default::default() }
    }

    fn list_channels(&self, asked: &Asked) -> Vec<u8> {
        let names = match &*asked.name {
            LISTED => {
                (0..self.faults.listed).map(|it| format!("{LISTED}/channels/l{it}")).collect()
            }
            _ => self.truth.channels(),
        };
        let (names, next_page_token) = asked.page(names, &self.trace);
        let channels = names.iter().map(|name| self.channel(name)).collect();
        ListChannelsResponse { channels, next_page_token, ..Default::default() }.encode_to_vec()
    }

    /// The newest first, with the project's number in their names.
    fn list_operations(&self, asked: &Asked) -> Vec<u8> {
        let numbers = (0..self.truth.operations()).rev().collect();
        let (numbers, next_page_token) = asked.page(numbers, &self.trace);
        let operations = numbers.into_iter().map(|it| self.describe("123", it)).collect();
        ListOperationsResponse { operations, next_page_token, ..Default::default() }.encode_to_vec()
    }

    fn operation(&self, name: &str) -> Option<Operation> {
        let number = name.rsplit("/o").next()?.parse().ok()?;
        self.truth.operation(number).map(|_| self.describe("p", number))
    }

    fn describe(&self, project: &str, number: usize) -> Operation {
        let known = self.truth.operation(number);
        let done = known.is_some_and(|known| Instant::now() >= known.done_at);
        let type_url = ChannelOperationResponse::type_url();
        let result = done.then(|| Outcome::Response(Any { type_url, value: Vec::new() }));
        let name = format!("projects/{project}/locations/l/operations/o{number}");
        Operation { name, done, result, ..Default::default() }
    }
}

/// The parts of the requests that matter.
#[derive(Default)]
struct Asked {
    name: String,
    request_id: String,
    page_size: i32,
    token: String,
}

impl Asked {
    /// The first field of a request, which is a name in nearly all of them.
    fn named(message: &Bytes) -> Self {
        let name = GetOperationRequest::decode(message.clone()).map(|request| request.name);
        Self { name: name.unwrap_or_default(), ..Self::default() }
    }

    fn decode(method: &str, message: Bytes) -> Self {
        const VALID: &str = "a valid request";
        match method {
            "GetOperation" => {
                let name = GetOperationRequest::decode(message).expect(VALID).name;
                Self { name, ..Self::default() }
            }
            "ListOperations" => {
                let request = ListOperationsRequest::decode(message).expect(VALID);
                let ListOperationsRequest { name, page_size, page_token: token, .. } = request;
                Self { name, page_size, token, ..Self::default() }
            }
            "ListChannels" => {
                let request = ListChannelsRequest::decode(message).expect(VALID);
                let ListChannelsRequest { parent: name, page_size, page_token: token, .. } =
                    request;
                Self { name, page_size, token, ..Self::default() }
            }
            // All other requests begin with their resource.
            _ => {
                let request = StartChannelRequest::decode(message).expect(VALID);
                let StartChannelRequest { name, request_id } = request;
                Self { name, request_id, ..Self::default() }
            }
        }
    }

    /// One page of the items, and the token of the next one.
    fn page<T>(&self, items: Vec<T>, trace: &Trace) -> (Vec<T>, String) {
        /// A service may give fewer items than it is asked for.
        const MOST: usize = 4;
        let start = self.token.strip_prefix("from-").unwrap_or("0").parse().unwrap_or(0);
        let size = usize::try_from(self.page_size).unwrap_or(0);
        let end = start + if size == 0 { MOST } else { size.min(MOST) };
        let is_last = end >= items.len();
        trace.require(start == 0 || start < items.len(), "page tokens", || self.token.clone());
        let page = items.into_iter().skip(start).take(end - start).collect();
        (page, if is_last { String::new() } else { format!("from-{end}") })
    }
}

async fn receive(mut body: RecvStream) -> Option<Bytes> {
    let mut whole = Vec::new();
    while let Some(piece) = body.data().await {
        let piece = piece.ok()?;
        let _ = body.flow_control().release_capacity(piece.len());
        whole.extend_from_slice(&piece);
    }
    Some(whole.into())
}

/// The value of a `grpc-timeout`.
fn duration(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at(text.len().checked_sub(1)?);
    let number = digits.parse().ok()?;
    Some(match unit {
        "u" => Duration::from_micros(number),
        "m" => Duration::from_millis(number),
        "S" => Duration::from_secs(number),
        _ => return None,
    })
}

fn head() -> Response<()> {
    let head = Response::builder().header("content-type", "application/grpc");
    head.body(()).expect("a valid header")
}

fn status(code: Code) -> HeaderMap {
    let code = HeaderValue::from(code as i32);
    HeaderMap::from_iter([(HeaderName::from_static("grpc-status"), code)])
}

fn fail(mut reply: SendResponse<Bytes>, code: Code, pushback: Option<Duration>) {
    let mut head = head();
    head.headers_mut().extend(status(code));
    if let Some(wait) = pushback {
        let millis = u64::try_from(wait.as_millis()).expect("short");
        head.headers_mut().insert("grpc-retry-pushback-ms", millis.into());
    }
    let _ = reply.send_response(head, true);
}
