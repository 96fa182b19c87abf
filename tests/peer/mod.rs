//! A server that records all calls. It answers with an empty message, or as a test says. The submodules
//! have certificates, proxies, a tap on the connection, a token service and a log recorder.

// Each test binary uses a part of this module.
#![allow(dead_code, unreachable_pub)]

pub mod log;
pub mod proxy;
pub mod tls;
pub mod token;

use bytes::Bytes;
use h2::server::{self, SendResponse};
use http::{HeaderMap, HeaderValue, Request, Response, Uri};
use livestream_client::{Builder, LivestreamClient, name::ChannelName, policy::RetryPolicy};
use std::{
    convert::Infallible,
    env,
    io::Error,
    net::SocketAddr,
    process::Command,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream, duplex},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::{sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};
use tonic::{Code, Status};
use tower::Service;

/// A server; clones share its state.
#[derive(Clone)]
pub struct Peer {
    max_streams: Option<u32>,
    takes: Duration,
    answers: Answers,
    seen: Arc<Mutex<Seen>>,
    order: watch::Sender<Order>,
    changes: watch::Sender<()>,
}

/// The answer to a path and an encoded request: an encoded message or a status.
type Answers = Arc<dyn Fn(&str, &[u8]) -> Result<Vec<u8>, Status> + Send + Sync>;

#[derive(Default)]
struct Seen {
    calls: Vec<HeaderMap>,
    in_flight: usize,
    open: usize,
    opened: usize,
    most_open: usize,
    most_streams: usize,
}

/// An order to all connections that are open now.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Order {
    Serve,
    /// Send a GOAWAY and finish the calls in flight.
    Drain,
    /// Keep the connection open, but stop reading from it and writing to it.
    FallSilent,
}

impl Peer {
    pub fn new() -> Self {
        Self {
            max_streams: None,
            takes: Duration::ZERO,
            answers: Arc::new(|_, _| Ok(Vec::new())),
            seen: Arc::default(),
            order: watch::Sender::new(Order::Serve),
            changes: watch::Sender::new(()),
        }
    }

    /// Allows this many calls at once on a connection.
    pub fn allowing(mut self, streams: u32) -> Self {
        self.max_streams = Some(streams);
        self
    }

    /// Answers a path and an encoded request with an encoded message or a status.
    pub fn answering(
        mut self,
        answers: impl Fn(&str, &[u8]) -> Result<Vec<u8>, Status> + Send + Sync + 'static,
    ) -> Self {
        self.answers = Arc::new(answers);
        self
    }

    /// Takes this long for each call.
    pub fn taking(mut self, time: Duration) -> Self {
        self.takes = time;
        self
    }

    /// Listens on loopback, without encryption.
    pub async fn listen(&self) -> SocketAddr {
        self.accept(async |stream| Ok(stream)).await
    }

    /// Listens on loopback, with TLS.
    pub async fn listen_tls(&self, config: ServerConfig) -> SocketAddr {
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let accept = async move |stream| acceptor.clone().accept(stream).await;
        self.accept(accept).await
    }

    async fn accept<IO>(
        &self,
        wrap: impl AsyncFn(TcpStream) -> Result<IO, Error> + Send + Sync + 'static,
    ) -> SocketAddr
    where
        IO: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let (peer, wrap) = (self.clone(), Arc::new(wrap));
        // The server has its own thread, so that it outlives the runtimes of a test.
        let listener = listener.into_std().expect("nothing else uses it");
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let tasks = tokio::task::LocalSet::new();
            tasks.block_on(&runtime.expect("a runtime"), async move {
                let listener = TcpListener::from_std(listener).expect("in a runtime");
                while let Ok((stream, _)) = listener.accept().await {
                    let (peer, wrap) = (peer.clone(), wrap.clone());
                    tokio::task::spawn_local(async move {
                        if let Ok(io) = wrap(stream).await {
                            peer.serve(io).await;
                        }
                    });
                }
            });
        });
        address
    }

    /// A connector that opens connections in memory.
    pub fn connector(
        &self,
    ) -> impl Service<
        Uri,
        Response = DuplexStream,
        Error = Infallible,
        Future = impl Future<Output = Result<DuplexStream, Infallible>> + Send,
    > + Clone
    + Send
    + Sync
    + 'static {
        let peer = self.clone();
        tower::service_fn(move |_: Uri| {
            let (near, far) = duplex(1 << 20);
            let peer = peer.clone();
            tokio::spawn(async move { peer.serve(far).await });
            async { Ok(near) }
        })
    }

    /// A client without credentials that connects to this server in memory.
    pub fn client(&self) -> Builder<LivestreamClient> {
        LivestreamClient::builder()
            .endpoint("http://service.test")
            .connector(self.connector())
            .retry(RetryPolicy::never())
    }

    /// Serves one connection to its end.
    pub async fn serve<IO: AsyncRead + AsyncWrite + Send + Unpin + 'static>(&self, io: IO) {
        let mut order = self.order.subscribe();
        order.borrow_and_update();
        let mut builder = server::Builder::new();
        if let Some(most) = self.max_streams {
            builder.max_concurrent_streams(most);
        }
        let Ok(mut connection) = builder.handshake(io).await else { return };
        self.note(|seen| {
            seen.opened += 1;
            seen.open += 1;
            seen.most_open = seen.most_open.max(seen.open);
        });
        let streams = Arc::new(());
        loop {
            tokio::select! {
                accepted = connection.accept() => {
                    let Some(Ok((request, respond))) = accepted else { break };
                    let (peer, stream) = (self.clone(), streams.clone());
                    let count = Arc::strong_count(&streams) - 1;
                    self.note(|seen| {
                        seen.in_flight += 1;
                        seen.most_streams = seen.most_streams.max(count);
                    });
                    tokio::spawn(async move {
                        peer.answer(request, respond).await;
                        drop(stream);
                    });
                }
                now = next(&mut order) => match now {
                    Order::Serve => {}
                    Order::Drain => connection.graceful_shutdown(),
                    Order::FallSilent => std::future::pending().await,
                }
            }
        }
        self.note(|seen| seen.open -= 1);
    }

    async fn answer(&self, request: Request<h2::RecvStream>, mut respond: SendResponse<Bytes>) {
        let (head, mut body) = request.into_parts();
        let mut request = Vec::new();
        while let Some(Ok(data)) = body.data().await {
            request.extend_from_slice(&data);
            let _ = body.flow_control().release_capacity(data.len());
        }
        sleep(self.takes).await;
        let response = Response::builder().header("content-type", "application/grpc");
        let response = response.body(()).expect("the header is valid");
        if let Ok(mut stream) = respond.send_response(response, false) {
            let message = request.get(5..).unwrap_or_default();
            let status = match (self.answers)(head.uri.path(), message) {
                Ok(message) => {
                    let mut frame = vec![0];
                    let length = u32::try_from(message.len()).expect("a test's message is short");
                    frame.extend(length.to_be_bytes());
                    frame.extend(message);
                    let _ = stream.send_data(frame.into(), false);
                    Status::new(Code::Ok, "")
                }
                Err(status) => status,
            };
            let mut trailers = HeaderMap::new();
            status.add_header(&mut trailers).expect("its message can be encoded");
            let _ = stream.send_trailers(trailers);
        }
        self.note(|seen| {
            seen.in_flight -= 1;
            seen.calls.push(head.headers);
        });
    }

    fn note(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen.lock().expect("no test panics under the lock"));
        self.changes.send_replace(());
    }

    fn count(&self, of: impl FnOnce(&Seen) -> usize) -> usize {
        of(&self.seen.lock().expect("no test panics under the lock"))
    }

    async fn until(&self, condition: impl Fn(&Seen) -> bool) {
        let mut changes = self.changes.subscribe();
        let met = async {
            while !condition(&self.seen.lock().expect("no test panics under the lock")) {
                changes.changed().await.expect("the sender is held here");
            }
        };
        timeout(Duration::from_secs(20), met).await.expect("the server reaches this state");
    }

    /// Sends a GOAWAY on all connections.
    pub fn drain(&self) {
        self.order.send_replace(Order::Drain);
    }

    /// Leaves all connections open but unresponsive.
    pub fn fall_silent(&self) {
        self.order.send_replace(Order::FallSilent);
    }

    /// Returns once this many calls are being served.
    pub async fn until_in_flight(&self, calls: usize) {
        self.until(|seen| seen.in_flight == calls).await;
    }

    /// Returns once this many connections are open.
    pub async fn until_open(&self, connections: usize) {
        self.until(|seen| seen.open == connections).await;
    }

    /// The number of connections that are open.
    pub fn open(&self) -> usize {
        self.count(|seen| seen.open)
    }

    /// The number of connections opened so far.
    pub fn opened(&self) -> usize {
        self.count(|seen| seen.opened)
    }

    /// The maximum number of connections at once.
    pub fn most_open(&self) -> usize {
        self.count(|seen| seen.most_open)
    }

    /// The maximum number of concurrent calls on any one connection.
    pub fn most_streams(&self) -> usize {
        self.count(|seen| seen.most_streams)
    }

    /// The headers of every call so far.
    pub fn calls(&self) -> Vec<HeaderMap> {
        self.seen.lock().expect("no test panics under the lock").calls.clone()
    }

    /// One header of every call so far; empty where a call had none.
    pub fn header(&self, name: &str) -> Vec<String> {
        let text = |value: &HeaderValue| value.to_str().expect("visible ASCII").to_owned();
        let calls = self.calls();
        calls.iter().map(|headers| headers.get(name).map(text).unwrap_or_default()).collect()
    }
}

async fn next(orders: &mut watch::Receiver<Order>) -> Order {
    orders.changed().await.expect("the peer holds the sender");
    *orders.borrow_and_update()
}

/// The channel that the tests request.
pub fn channel() -> ChannelName {
    ChannelName::new("p", "us-central1", "c").expect("valid")
}

/// An error and its causes, as a program would print them.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

const CHILD: &str = "LIVESTREAM_TEST_CHILD";

/// Whether this is the process that [`in_child`] started.
pub fn is_child() -> bool {
    env::var_os(CHILD).is_some()
}

/// Runs one test of this binary again, in a process whose environment holds only these variables.
/// [`is_child`] is true in that process.
#[track_caller]
pub fn in_child(test: &str, variables: &[(&str, &str)]) {
    let this = env::current_exe().expect("a test runs from a file");
    let mut child = Command::new(this);
    child.args(["--exact", test, "--nocapture"]).env_clear().env(CHILD, "1");
    let output = child.envs(variables.iter().copied()).output().expect("the test starts again");
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.contains("1 passed"), "{out}\n{err}");
}
