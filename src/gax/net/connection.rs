//! One HTTP/2 connection.
//!
//! It stands directly on `h2`. The task that makes a call puts its request on the wire, with no queue
//! and no worker in between, and errors keep the reasons by which a retry is decided. Measured
//! against the same pool over hyper's client connection (1.12), as ratios to the bare tonic stub:
//! CPU per call at 64 in flight 0.82 with `h2` and 1.04 with hyper, at 1 in flight 0.89 and
//! 1.02 to 1.04; 95 allocations a call and 102; 118,000 instructions a call and 138,000.
//!
//! A connection knows nothing of the pool that keeps it.

use crate::gax::{
    body::RequestBody, error::BoxError, net::dial::BoxIo, policy::Sent,
    transport_error::TransportError,
};
use bytes::Bytes;
use h2::{
    Ping, PingPong, Reason, RecvStream, SendStream,
    client::{self, ResponseFuture, SendRequest},
};
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame};
use http_body_util::BodyExt;
use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};
use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};
use tonic::{Code, body::Body};

/// How a connection finds out that its peer is gone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keepalive {
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
}

/// Sends requests on one connection.
#[derive(Clone, Debug)]
pub(crate) struct Sender(SendRequest<Bytes>);

/// The connection itself: it must be driven for anything to move.
pub(crate) struct Driver {
    connection: client::Connection<BoxIo, Bytes>,
    pings: Option<PingPong>,
}

/// What a stream may hold before its reader takes it. A channel with six renditions is about 1 kB, a
/// page of a thousand channels about 1 MB.
const STREAM_WINDOW: u32 = 2 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;

/// The limit on the headers or the trailers of a response, in bytes. h2 allows 16 MiB.
const MAX_HEADER_LIST: u32 = 64 << 10;

/// Shakes hands, and waits for the server's settings. A connection that breaks before them has
/// certainly carried no request, and after them the server's stream limit is known.
pub(crate) async fn handshake(io: BoxIo) -> Result<(Sender, Driver), BoxError> {
    let (send, mut connection) = client::Builder::new()
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(MAX_HEADER_LIST)
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
    let pings = connection.ping_pong();
    Ok((Sender(send), Driver { connection, pings }))
}

impl Sender {
    /// How many streams the server allows at once.
    pub(crate) fn max_streams(&self) -> usize {
        self.0.current_max_send_streams()
    }

    /// Whether the connection takes more calls: it has not ended, and no GOAWAY has come.
    pub(crate) fn is_open(&self) -> bool {
        self.refusal().is_none()
    }

    /// Why the connection takes no more calls, if it does not.
    pub(crate) fn refusal(&self) -> Option<h2::Error> {
        refusal(&mut self.0.clone())
    }

    /// Sends a request, and returns the wait for its response.
    ///
    /// Gives the request back if the connection takes no more: it was certainly not sent.
    #[expect(clippy::result_large_err, reason = "it is sent elsewhere at once")]
    pub(crate) fn send(
        &self,
        request: Request<RequestBody>,
    ) -> Result<
        impl Future<Output = Result<Response<Incoming>, BoxError>> + use<>,
        Request<RequestBody>,
    > {
        let mut send = self.0.clone();
        if refusal(&mut send).is_some() {
            return Err(request);
        }
        let (head, body) = request.into_parts();
        let sent = send.send_request(Request::from_parts(head, ()), body.is_end_stream());
        Ok(async move {
            let (response, stream) = sent.map_err(|e| match e {
                e if e.is_go_away() || e.is_io() => turned_away(e),
                e => unfit(e),
            })?;
            receive(response, send_body(stream, body)?).await
        })
    }
}

fn refusal(send: &mut SendRequest<Bytes>) -> Option<h2::Error> {
    match send.poll_ready(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(ready) => ready.err(),
        Poll::Pending => None,
    }
}

async fn receive(
    response: ResponseFuture,
    sending: Option<Sending>,
) -> Result<Response<Incoming>, BoxError> {
    let response = response.await?;
    Ok(response.map(|stream| Incoming { stream, _sending: sending }))
}

/// Hands a message to `h2`, which sends it as fast as the server takes it. A stream of messages may
/// wait for responses, so it is sent beside them.
fn send_body(
    mut stream: SendStream<Bytes>,
    body: RequestBody,
) -> Result<Option<Sending>, BoxError> {
    match body {
        RequestBody::Message(message, _) if message.is_empty() => Ok(None),
        RequestBody::Message(message, _) => {
            // The response says why a stream ended under its message.
            let _ = stream.send_data(message, true);
            Ok(None)
        }
        RequestBody::Stream(body) if body.is_end_stream() => Ok(None),
        RequestBody::Stream(body) => Ok(Some(Sending(tokio::spawn(pump(body, stream))))),
    }
}

/// Sends a body piece by piece; resets the stream if the body fails.
async fn pump(mut body: Body, mut stream: SendStream<Bytes>) {
    while let Some(frame) = body.frame().await {
        // A gRPC request has no trailers.
        let Ok(data) = frame.map_err(drop).and_then(|frame| frame.into_data().map_err(drop)) else {
            return stream.send_reset(Reason::CANCEL);
        };
        if send_piecewise(&mut stream, data).await.is_none() {
            return; // The server has answered and wants no more.
        }
    }
    let _ = stream.send_data(Bytes::new(), true);
}

/// Sends as much at a time as flow control allows; `None` once the stream takes no more. The window
/// never grows beyond its limit, so a wait for all of a large piece would never end.
async fn send_piecewise(stream: &mut SendStream<Bytes>, mut data: Bytes) -> Option<()> {
    while !data.is_empty() {
        stream.reserve_capacity(data.len());
        let granted = poll_fn(|cx| stream.poll_capacity(cx)).await?.ok()?;
        let piece = data.split_to(granted.min(data.len()));
        stream.send_data(piece, false).ok()?;
    }
    Some(())
}

/// The task that sends a stream of messages; it ends with the call.
#[derive(Debug)]
struct Sending(JoinHandle<()>);

impl Drop for Sending {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Driver {
    /// Runs the connection until it ends: closed by either side, or with a peer that is gone.
    /// `is_awaited` says whether calls wait for the peer.
    pub(crate) async fn run(
        mut self,
        keepalive: Option<Keepalive>,
        is_awaited: impl Fn() -> bool,
    ) -> Result<(), BoxError> {
        let pings = self.pings.take().zip(keepalive);
        tokio::select! {
            ended = self.connection => Ok(ended?),
            () = watch(pings, is_awaited) => Err("a ping went unanswered".into()),
        }
    }
}

/// Returns once a ping goes unanswered. Pings only while calls wait: servers count pings without
/// calls against a client.
async fn watch(pings: Option<(PingPong, Keepalive)>, is_awaited: impl Fn() -> bool) {
    let Some((mut pings, every)) = pings else { return std::future::pending().await };
    loop {
        sleep(every.interval).await;
        if !is_awaited() {
            continue;
        }
        if !matches!(timeout(every.timeout, pings.ping(Ping::opaque())).await, Ok(Ok(_))) {
            return;
        }
    }
}

/// A response body as it arrives.
#[derive(Debug)]
pub(crate) struct Incoming {
    stream: RecvStream,
    _sending: Option<Sending>,
}

impl HttpBody for Incoming {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        let stream = &mut self.stream;
        match ready!(stream.poll_data(cx)) {
            Some(Ok(data)) => {
                let _ = stream.flow_control().release_capacity(data.len());
                Poll::Ready(Some(Ok(Frame::data(data))))
            }
            Some(Err(e)) => Poll::Ready(Some(Err(e))),
            None => {
                let trailers = ready!(stream.poll_trailers(cx));
                Poll::Ready(trailers.transpose().map(|found| found.map(Frame::trailers)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }
}

/// The connection ended between its being ready and now. This is too rare to keep every request for
/// it.
fn turned_away(error: h2::Error) -> TransportError {
    let message = "the connection ended before the request was sent";
    TransportError::new(Code::Unavailable, Sent::No, message).with_source(error)
}

/// The connection is well, and the next one would say the same.
fn unfit(error: h2::Error) -> TransportError {
    let message = "HTTP/2 cannot carry these headers";
    TransportError::new(Code::InvalidArgument, Sent::No, message).permanent().with_source(error)
}
