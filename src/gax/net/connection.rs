//! One HTTP/2 connection.
//!
//! It stands right on `h2`: a request is put on the wire by the task that makes the call, with no
//! queue and no worker in between, and errors keep the reasons by which a retry is decided.

use super::{connect::BoxIo, pool::Lease};
use crate::gax::transport_error::Fault;
use crate::gax::{error::BoxError, policy::Delivery};
use bytes::Bytes;
use h2::{
    Ping, PingPong, RecvStream, SendStream,
    client::{self, SendRequest},
};
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame};
use http_body_util::BodyExt;
use std::{
    future::poll_fn,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};
use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};
use tonic::{Code, body::Body};

/// How a connection finds out that its peer is gone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeepAlive {
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
}

/// Sends requests on one connection.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    send: SendRequest<Bytes>,
    in_flight: Arc<AtomicUsize>,
}

/// The connection itself: must be driven for anything to move.
pub(crate) struct Driver {
    connection: client::Connection<BoxIo, Bytes>,
    pings: Option<PingPong>,
    in_flight: Arc<AtomicUsize>,
}

/// What a stream may hold before its reader takes it; a channel of six renditions is about 1 kB, a
/// page of a thousand about 1 MB.
const STREAM_WINDOW: u32 = 2 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;

/// Shakes hands, and waits for the server's settings: a connection that breaks before them has
/// surely carried no request, and after them the server's stream limit is known.
pub(crate) async fn handshake(io: BoxIo) -> Result<(Sender, Driver), BoxError> {
    let (send, mut connection) = client::Builder::new()
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .enable_push(false)
        .initial_max_send_streams(0)
        .handshake(io)
        .await?;
    poll_fn(|cx| {
        if let Poll::Ready(ended) = Pin::new(&mut connection).poll(cx) {
            let error = ended.err().map_or_else(|| "closed by the server".into(), BoxError::from);
            return Poll::Ready(Err(error));
        }
        match connection.max_concurrent_send_streams() {
            0 => Poll::Pending,
            _ => Poll::Ready(Ok::<_, BoxError>(())),
        }
    })
    .await?;
    let in_flight = Arc::new(AtomicUsize::new(0));
    let pings = connection.ping_pong();
    let sender = Sender { send, in_flight: in_flight.clone() };
    Ok((sender, Driver { connection, pings, in_flight }))
}

impl Sender {
    /// The calls under way, to be kept by the pool.
    pub(super) fn in_flight(&self) -> &AtomicUsize {
        &self.in_flight
    }

    /// How many streams the server allows at once.
    pub(super) fn max_streams(&self) -> usize {
        self.send.current_max_send_streams()
    }

    /// Whether the connection takes more calls: it has not ended, and no GOAWAY has come.
    pub(super) fn is_open(&self) -> bool {
        self.refusal().is_none()
    }

    /// Why the connection takes no more calls, where it does not.
    pub(super) fn refusal(&self) -> Option<h2::Error> {
        refusal(&mut self.send.clone())
    }

    /// Sends a request, whose place in the pool is `lease`, and returns the wait for its answer.
    ///
    /// Gives the request back if the connection takes no more: it has surely not been sent.
    #[expect(clippy::result_large_err, reason = "it is sent elsewhere at once")]
    pub(super) fn send(
        &self,
        request: Request<Body>,
        lease: Lease,
    ) -> Result<impl Future<Output = Result<Response<Incoming>, BoxError>> + use<>, Request<Body>>
    {
        let mut send = self.send.clone();
        if refusal(&mut send).is_some() {
            return Err(request);
        }
        let (head, body) = request.into_parts();
        let is_empty = body.is_end_stream();
        let sent = send.send_request(Request::from_parts(head, ()), is_empty);
        Ok(async move {
            let (response, stream) = sent.map_err(|e| match e {
                e if e.is_go_away() || e.is_io() => turned_away(e),
                e => unfit(e),
            })?;
            let mut sending = None;
            if body.size_hint().exact().is_none() {
                // A stream of requests may wait for answers: it goes on beside them.
                sending = Some(Sending(tokio::spawn(async { drop(pump(body, stream).await) })));
            } else if !is_empty && let Err(e) = pump(body, stream).await {
                // Why a stream ended under its body, the answer tells.
                if !e.is::<h2::Error>() {
                    return Err(e);
                }
            }
            let response = response.await?;
            Ok(response.map(|stream| Incoming { stream, _lease: lease, _sending: sending }))
        })
    }
}

fn refusal(send: &mut SendRequest<Bytes>) -> Option<h2::Error> {
    match send.poll_ready(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(ready) => ready.err(),
        Poll::Pending => None,
    }
}

/// Sends the body as fast as the server takes it.
async fn pump(mut body: Body, mut stream: SendStream<Bytes>) -> Result<(), BoxError> {
    while let Some(data) = next_data(&mut body).await? {
        if body.is_end_stream() {
            return Ok(stream.send_data(data, true)?);
        }
        stream.reserve_capacity(data.len());
        while stream.capacity() < data.len() {
            match poll_fn(|cx| stream.poll_capacity(cx)).await {
                Some(granted) => granted?,
                None => return Ok(()), // The server has answered and wants no more.
            };
        }
        stream.send_data(data, false)?;
    }
    Ok(stream.send_data(Bytes::new(), true)?)
}

async fn next_data(body: &mut Body) -> Result<Option<Bytes>, BoxError> {
    let Some(frame) = body.frame().await else { return Ok(None) };
    let trailers = |_| "a gRPC request has no trailers".into();
    frame?.into_data().map(Some).map_err(trailers)
}

impl Driver {
    /// Runs the connection until it ends: closed by either side, or its peer found dead.
    pub(super) async fn run(mut self, keep_alive: Option<KeepAlive>) -> Result<(), BoxError> {
        let pings = self.pings.take().zip(keep_alive);
        tokio::select! {
            ended = self.connection => Ok(ended?),
            () = watch(pings, &self.in_flight) => Err("a ping went unanswered".into()),
        }
    }
}

/// Returns once a ping goes unanswered. Pings only while calls wait: idle pings are held against a
/// client.
async fn watch(pings: Option<(PingPong, KeepAlive)>, in_flight: &AtomicUsize) {
    let Some((mut pings, every)) = pings else { return std::future::pending().await };
    loop {
        sleep(every.interval).await;
        if in_flight.load(Ordering::Relaxed) == 0 {
            continue;
        }
        if !matches!(timeout(every.timeout, pings.ping(Ping::opaque())).await, Ok(Ok(_))) {
            return;
        }
    }
}

/// A response body as it arrives; holds the call's place in the pool until it is dropped.
#[derive(Debug)]
pub struct Incoming {
    stream: RecvStream,
    _lease: Lease,
    _sending: Option<Sending>,
}

/// The task that sends a stream of requests; it ends with the call.
#[derive(Debug)]
struct Sending(JoinHandle<()>);

impl Drop for Sending {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl HttpBody for Incoming {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        let stream = &mut self.stream;
        match std::task::ready!(stream.poll_data(cx)) {
            Some(Ok(data)) => {
                let _ = stream.flow_control().release_capacity(data.len());
                Poll::Ready(Some(Ok(Frame::data(data))))
            }
            // The server ends a stream so when it answers before it has read the request.
            Some(Err(e)) if e.reason() == Some(h2::Reason::NO_ERROR) => Poll::Ready(None),
            Some(Err(e)) => Poll::Ready(Some(Err(e))),
            None => {
                let trailers = std::task::ready!(stream.poll_trailers(cx));
                Poll::Ready(trailers.transpose().map(|found| found.map(Frame::trailers)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }
}

/// The connection ended between its being ready and now: too seldom to keep every request for it.
fn turned_away(error: h2::Error) -> Fault {
    let message = "the connection ended before the request was sent";
    Fault::new(Code::Unavailable, Delivery::Never, message).with_source(error)
}

/// The connection is well, and the next would say the same.
fn unfit(error: h2::Error) -> Fault {
    let message = "HTTP/2 cannot carry these headers";
    Fault::new(Code::InvalidArgument, Delivery::NeverFinal, message).with_source(error)
}
