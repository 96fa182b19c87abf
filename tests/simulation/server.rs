//! The service: it remembers which requests it has read whole, and which it has carried out.

use crate::{grpc::frame, trace::Trace};
use bytes::Bytes;
use h2::{Reason, server::SendResponse};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use livestream_client::{
    model::{Channel, PreviewInputResponse, StartChannelRequest},
    proto::google::longrunning::Operation,
};
use prost::Message;
use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::DuplexStream,
    time::{Instant, sleep},
};
use tonic::Code;

/// How often the service fails, in percent of the requests.
#[derive(Clone, Debug)]
pub(crate) struct Faults {
    refuses: u8,
    unavailable_before: u8,
    unavailable_after: u8,
    reset_before: u8,
    reset_after: u8,
    silent_after: u8,
    /// REFUSED_STREAM although the headers of a response, or a part of it, were sent.
    refuses_after: u8,
    goaway: u8,
    streams: u32,
    takes: Duration,
}

impl Faults {
    pub(crate) fn draw(rng: &mut fastrand::Rng) -> Self {
        let mut rate = || if rng.bool() { rng.u8(..25) } else { 0 };
        Self {
            refuses: rate(),
            unavailable_before: rate(),
            unavailable_after: rate(),
            reset_before: rate(),
            reset_after: rate(),
            silent_after: rate(),
            refuses_after: rate(),
            goaway: rate(),
            streams: [1, 2, 10, 100][rng.usize(..4)],
            takes: Duration::from_millis(rng.u64(..2_000)),
        }
    }
}

/// What the service knows of one logical request.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Known {
    pub(crate) read: u32,
    pub(crate) carried_out: u32,
}

/// A service with any number of connections. Clones share it.
#[derive(Clone)]
pub(crate) struct Service {
    trace: Trace,
    faults: Arc<Faults>,
    is_healed: Arc<AtomicBool>,
    truth: Arc<Mutex<Truth>>,
}

#[derive(Default)]
struct Truth {
    requests: BTreeMap<String, Known>,
    /// The request ids, and when they were carried out.
    ids: HashMap<String, Instant>,
}

/// How long the service remembers a request id.
const REMEMBERS: Duration = Duration::from_secs(60 * 60);

impl Service {
    pub(crate) fn new(trace: Trace, faults: Faults) -> Self {
        trace.log("service", || format!("{faults:?}"));
        Self { trace, faults: Arc::new(faults), is_healed: Arc::default(), truth: Arc::default() }
    }

    pub(crate) fn heal(&self) {
        self.is_healed.store(true, Ordering::Relaxed);
    }

    /// The record of the request for this resource.
    pub(crate) fn known(&self, resource: &str) -> Known {
        let truth = self.truth.lock().expect("no panic under the lock");
        truth.requests.get(resource).copied().unwrap_or_default()
    }

    /// Serves one connection in a task.
    pub(crate) fn serve(self, connection: u64, io: DuplexStream, mut rng: fastrand::Rng) {
        tokio::spawn(async move {
            let mut builder = h2::server::Builder::new();
            builder.max_concurrent_streams(self.faults.streams);
            let Ok(mut requests) = builder.handshake::<_, Bytes>(io).await else { return };
            while let Some(Ok((request, reply))) = requests.accept().await {
                let will_leave = self.happens(&mut rng, self.faults.goaway);
                if will_leave {
                    self.trace.log("server", || format!("connection {connection}: GOAWAY"));
                    requests.graceful_shutdown();
                }
                let call = self.clone().answer(connection, request, reply, rng.fork());
                tokio::spawn(call);
            }
        });
    }

    fn happens(&self, rng: &mut fastrand::Rng, percent: u8) -> bool {
        let happens = rng.u8(..100) < percent;
        happens && !self.is_healed.load(Ordering::Relaxed)
    }

    async fn answer(
        self,
        connection: u64,
        request: Request<h2::RecvStream>,
        mut reply: SendResponse<Bytes>,
        mut rng: fastrand::Rng,
    ) {
        let Faults { refuses, unavailable_before, reset_before, .. } = *self.faults;
        if self.happens(&mut rng, refuses) {
            return reply.send_reset(Reason::REFUSED_STREAM);
        }
        let path = request.uri().path().to_owned();
        let Some(body) = receive(request).await else { return };
        let method = path.rsplit('/').next().unwrap_or_default().to_owned();
        // All these requests begin with their resource.
        let message = StartChannelRequest::decode(body.slice(5..)).expect("a request");
        let name = message.name.clone();
        self.trace.log("read", || format!("{method} {name} on connection {connection}"));
        self.change(&name, |known| known.read += 1);
        if self.happens(&mut rng, reset_before) {
            return reply.send_reset(Reason::INTERNAL_ERROR);
        }
        sleep(self.faults.takes.mul_f64(rng.f64())).await;
        if self.happens(&mut rng, unavailable_before) {
            return fail(reply, Code::Unavailable);
        }
        if self.is_new(&message.request_id) {
            self.trace.log("done", || format!("{method} {name}"));
            self.change(&name, |known| known.carried_out += 1);
        }
        self.respond(&method, &name, reply, &mut rng).await;
    }

    async fn respond(
        &self,
        method: &str,
        name: &str,
        mut reply: SendResponse<Bytes>,
        rng: &mut fastrand::Rng,
    ) {
        let Faults { unavailable_after, reset_after, silent_after, refuses_after, .. } =
            *self.faults;
        if self.happens(rng, unavailable_after) {
            return fail(reply, Code::Unavailable);
        }
        if self.happens(rng, reset_after) {
            return reply.send_reset(Reason::CANCEL);
        }
        if self.happens(rng, silent_after) {
            // Until the client gives up.
            let _ = std::future::poll_fn(|cx| reply.poll_reset(cx)).await;
            return;
        }
        let message = match method {
            "GetChannel" => Channel { name: name.into(), ..Default::default() }.encode_to_vec(),
            "StartChannel" => Operation { name: name.into(), ..Default::default() }.encode_to_vec(),
            _ => PreviewInputResponse::default().encode_to_vec(),
        };
        let is_refused = self.happens(rng, refuses_after);
        let Ok(mut stream) = reply.send_response(head(), false) else { return };
        if is_refused {
            // The headers leave before the reset replaces them.
            sleep(Duration::from_millis(1)).await;
            return stream.send_reset(Reason::REFUSED_STREAM);
        }
        if stream.send_data(frame(&message), false).is_ok() {
            let _ = stream.send_trailers(status(Code::Ok));
        }
    }

    /// Whether a request is not a repeat.
    fn is_new(&self, id: &str) -> bool {
        if id.is_empty() {
            return true;
        }
        let mut truth = self.truth.lock().expect("no panic under the lock");
        let now = Instant::now();
        match truth.ids.insert(id.into(), now) {
            Some(before) if now - before < REMEMBERS => {
                truth.ids.insert(id.into(), before);
                false
            }
            _ => true,
        }
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut Known)) {
        let mut truth = self.truth.lock().expect("no panic under the lock");
        change(truth.requests.entry(name.into()).or_default());
    }
}

async fn receive(request: Request<h2::RecvStream>) -> Option<Bytes> {
    let mut body = request.into_body();
    let mut whole = Vec::new();
    while let Some(piece) = body.data().await {
        let piece = piece.ok()?;
        let _ = body.flow_control().release_capacity(piece.len());
        whole.extend_from_slice(&piece);
    }
    Some(whole.into())
}

fn head() -> Response<()> {
    let head = Response::builder().header("content-type", "application/grpc");
    head.body(()).expect("a valid header")
}

fn status(code: Code) -> HeaderMap {
    let code = HeaderValue::from(code as i32);
    HeaderMap::from_iter([(HeaderName::from_static("grpc-status"), code)])
}

fn fail(mut reply: SendResponse<Bytes>, code: Code) {
    let mut head = head();
    head.headers_mut().extend(status(code));
    let _ = reply.send_response(head, true);
}
