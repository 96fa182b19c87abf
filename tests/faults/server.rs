//! A server with scripted responses, including resets and broken connections.

use crate::{channel, client_for, grpc::frame, operation};
use bytes::{Bytes, BytesMut};
use h2::{
    Reason, SendStream,
    server::{Connection, SendResponse},
};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, request};
use livestream_client::{Builder, LivestreamClient, model::PreviewInputResponse};
use prost::Message;
use std::{
    future::poll_fn,
    io,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream, duplex},
    net::TcpListener,
    sync::Notify,
    task::{JoinHandle, JoinSet},
    time::Instant,
};
use tonic::Code;

/// The script: how the server handles a call.
type Script = Arc<dyn Fn(Exchange) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// A server on loopback. Dropping it closes its connections.
pub(crate) struct Server {
    port: u16,
    seen: Arc<Seen>,
    accepting: JoinHandle<()>,
}

/// The requests and connections so far.
#[derive(Default)]
pub(crate) struct Seen {
    requests: Mutex<Vec<ReceivedRequest>>,
    connections: AtomicUsize,
    open: AtomicUsize,
    changed: Notify,
}

/// One request as the server received it.
#[derive(Clone)]
pub(crate) struct ReceivedRequest {
    pub(crate) head: Arc<request::Parts>,
    pub(crate) body: Bytes,
    pub(crate) at: Instant,
}

/// One request and the ways to answer it.
pub(crate) struct Exchange {
    /// How many requests the server has seen, this one included.
    pub(crate) number: usize,
    pub(crate) request: ReceivedRequest,
    reply: SendResponse<Bytes>,
    hang_up: Arc<Notify>,
}

impl Server {
    /// Starts a server that answers each call by `script`.
    pub(crate) async fn start<F, Fut>(script: F) -> Self
    where
        F: Fn(Exchange) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        Self::on(TcpListener::bind("127.0.0.1:0").await.expect("loopback has ports"), script)
    }

    /// Like [`start`](Self::start), on this listener.
    pub(crate) fn on<F, Fut>(listener: TcpListener, script: F) -> Self
    where
        F: Fn(Exchange) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let port = listener.local_addr().expect("a bound listener has an address").port();
        let seen = Arc::new(Seen::default());
        let script: Script = Arc::new(move |exchange| Box::pin(script(exchange)));
        let accepting = tokio::spawn(accept(listener, script, seen.clone()));
        Self { port, seen, accepting }
    }

    /// Like [`start`](Self::start), in memory, so that a paused clock stands still while the server
    /// works. The client uses a connector.
    pub(crate) fn in_memory<F, Fut>(script: F) -> (Self, Builder<LivestreamClient>)
    where
        F: Fn(Exchange) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let seen = Arc::new(Seen::default());
        let script: Script = Arc::new(move |exchange| Box::pin(script(exchange)));
        let (dials, mut dialled) = tokio::sync::mpsc::unbounded_channel::<DuplexStream>();
        let accepting = tokio::spawn({
            let seen = seen.clone();
            async move {
                let mut connections = JoinSet::new();
                while let Some(socket) = dialled.recv().await {
                    connections.spawn(serve(socket, script.clone(), seen.clone()));
                }
            }
        });
        let connector = tower::service_fn(move |_: http::Uri| {
            let (ours, theirs) = duplex(1 << 16);
            let sent = dials.send(theirs).map_err(io::Error::other);
            std::future::ready(sent.map(|()| ours))
        });
        let server = Self { port: 1, seen, accepting };
        let builder = server.client().connector(connector);
        (server, builder)
    }

    /// Stops listening and breaks all connections.
    pub(crate) async fn stop(mut self) {
        self.accepting.abort();
        let _ = (&mut self.accepting).await;
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// A client for this server, with waits of a few milliseconds and a deadline of 2 s.
    pub(crate) fn client(&self) -> Builder<LivestreamClient> {
        client_for(self.port)
    }

    /// The requests so far, in their order.
    pub(crate) fn requests(&self) -> Vec<ReceivedRequest> {
        self.seen.requests.lock().expect("no test panics under the lock").clone()
    }

    pub(crate) fn attempts(&self) -> u32 {
        self.requests().len().try_into().expect("few requests")
    }

    /// How many connections were opened so far.
    pub(crate) fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    /// Returns once no connection is left.
    pub(crate) async fn until_no_connections(&self) {
        loop {
            let changed = self.seen.changed.notified();
            if self.seen.open.load(Ordering::SeqCst) == 0 {
                return;
            }
            changed.await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, script: Script, seen: Arc<Seen>) {
    // Dropping the server drops this set, which closes the connections.
    let mut connections = JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        let _ = socket.set_nodelay(true);
        connections.spawn(serve(socket, script.clone(), seen.clone()));
    }
}

/// Counts a connection while it is open.
struct OpenConnection(Arc<Seen>);

impl OpenConnection {
    fn new(seen: Arc<Seen>) -> Self {
        seen.connections.fetch_add(1, Ordering::SeqCst);
        seen.open.fetch_add(1, Ordering::SeqCst);
        Self(seen)
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
        self.0.changed.notify_waiters();
    }
}

/// Serves one connection until the script or the client ends it. No caller needs the result.
async fn serve(
    socket: impl AsyncRead + AsyncWrite + Send + Unpin,
    script: Script,
    seen: Arc<Seen>,
) -> Result<(), h2::Error> {
    let _open = OpenConnection::new(seen.clone());
    let hang_up = Arc::new(Notify::new());
    let mut calls = JoinSet::new();
    let mut connection: Connection<_, Bytes> = h2::server::handshake(socket).await?;
    loop {
        let accepted = tokio::select! {
            accepted = connection.accept() => accepted,
            () = hang_up.notified() => return Ok(()),
        };
        let Some(accepted) = accepted else { return Ok(()) };
        let (request, reply) = accepted?;
        let (script, seen, hang_up) = (script.clone(), seen.clone(), hang_up.clone());
        calls.spawn(async move {
            // A request that is cancelled before it is complete does not count as an attempt.
            let Ok(request) = receive(request).await else { return };
            let number = {
                let mut requests = seen.requests.lock().expect("no test panics under the lock");
                requests.push(request.clone());
                requests.len()
            };
            script(Exchange { number, request, reply, hang_up }).await;
        });
    }
}

async fn receive(request: Request<h2::RecvStream>) -> Result<ReceivedRequest, h2::Error> {
    let at = Instant::now();
    let (head, mut stream) = request.into_parts();
    let mut body = BytesMut::new();
    while let Some(chunk) = stream.data().await {
        let chunk = chunk?;
        stream.flow_control().release_capacity(chunk.len())?;
        body.extend_from_slice(&chunk);
    }
    Ok(ReceivedRequest { head: Arc::new(head), body: body.freeze(), at })
}

impl ReceivedRequest {
    /// A header's value; empty where there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.head.headers.get(name).map(|value| value.to_str());
        value.transpose().expect("headers here are visible ASCII").unwrap_or_default()
    }

    /// The time that `grpc-timeout` leaves for the attempt.
    pub(crate) fn timeout(&self) -> Duration {
        let text = self.header("grpc-timeout");
        let (digits, unit) = text.split_at_checked(text.len() - 1).expect("a number and a unit");
        let count = digits.parse().expect("a number");
        match unit {
            "n" => Duration::from_nanos(count),
            "u" => Duration::from_micros(count),
            "m" => Duration::from_millis(count),
            "S" => Duration::from_secs(count),
            _ => panic!("a test's deadline is short: {text:?}"),
        }
    }

    /// The message in the body.
    pub(crate) fn message<M: Message + Default>(&self) -> M {
        M::decode(self.body.slice(5..)).expect("the body holds the request message")
    }
}

impl Exchange {
    /// Responds with this message and the status OK.
    pub(crate) fn succeed(self, message: &impl Message) {
        let mut stream = self.begin();
        send(&mut stream, framed(message));
        finish(stream, &[("grpc-status", "0")]);
    }

    /// Responds with a message of the method's response type.
    pub(crate) fn succeed_by_method(self) {
        match self.request.head.uri.path().rsplit('/').next() {
            Some("GetChannel") => self.succeed(&channel()),
            Some("StartChannel") => self.succeed(&operation()),
            _ => self.succeed(&PreviewInputResponse::default()),
        }
    }

    /// Responds with this code in the headers (trailers-only).
    pub(crate) fn fail(self, code: Code) {
        self.fail_with(&[("grpc-status", &(code as i32).to_string())]);
    }

    /// Like [`fail`](Self::fail), with these headers besides the content type.
    pub(crate) fn fail_with(mut self, headers: &[(&str, &str)]) {
        let mut response = grpc_head();
        response.headers_mut().extend(header_map(headers));
        // The client may have cancelled the call.
        let _ = self.reply.send_response(response, true);
    }

    /// Sends the headers of a gRPC response. The script sends the rest.
    pub(crate) fn begin(self) -> SendStream<Bytes> {
        self.respond(grpc_head())
    }

    /// Responds with an HTML page, as a proxy or a load balancer does.
    pub(crate) fn respond_html(self, status: u16) {
        let mut response = Response::new(());
        *response.status_mut() = status.try_into().expect("a valid status");
        response.headers_mut().extend(header_map(&[("content-type", "text/html")]));
        let mut stream = self.respond(response);
        // The client may reset the stream after the headers.
        let _ = stream.send_data("<html>go away</html>".into(), true);
    }

    fn respond(mut self, response: Response<()>) -> SendStream<Bytes> {
        self.reply.send_response(response, false).expect("the stream is open")
    }

    /// Resets the stream before any response.
    pub(crate) fn reset(mut self, reason: Reason) {
        self.reply.send_reset(reason);
    }

    /// Breaks the connection.
    pub(crate) fn hang_up(self) {
        self.hang_up.notify_one();
    }

    /// A handle that breaks the connection later.
    pub(crate) fn connection_breaker(&self) -> Arc<Notify> {
        self.hang_up.clone()
    }

    /// Sends nothing, and returns the reason once the client resets the stream.
    pub(crate) async fn until_reset(mut self) -> Result<Reason, h2::Error> {
        poll_fn(|cx| self.reply.poll_reset(cx)).await
    }
}

fn grpc_head() -> Response<()> {
    let mut response = Response::new(());
    response.headers_mut().extend(header_map(&[("content-type", "application/grpc")]));
    response
}

pub(crate) fn send(stream: &mut SendStream<Bytes>, data: impl Into<Bytes>) {
    stream.send_data(data.into(), false).expect("the stream is open");
}

/// Ends a response with these trailers.
pub(crate) fn finish(mut stream: SendStream<Bytes>, trailers: &[(&str, &str)]) {
    stream.send_trailers(header_map(trailers)).expect("the stream is open");
}

fn header_map(pairs: &[(&str, &str)]) -> HeaderMap {
    let parse = |(name, value): &(&str, &str)| {
        let name = name.parse::<HeaderName>().expect("a header name");
        (name, HeaderValue::from_bytes(value.as_bytes()).expect("a header value"))
    };
    pairs.iter().map(parse).collect()
}

/// A message in its gRPC frame.
pub(crate) fn framed(message: &impl Message) -> Bytes {
    frame(&message.encode_to_vec())
}
