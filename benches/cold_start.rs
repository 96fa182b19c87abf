//! Measures the first call of a client, in round trips: this crate and the bare tonic stub, over plaintext
//! and TLS 1.3.
//!
//! The server is behind a proxy that delays every byte, so that a round trip takes 100 ms. TCP's own
//! handshake does not pass the proxy; the proxy adds its round trip to the first bytes. The shortest of
//! some rounds counts. The bench fails if a call takes half a round trip longer than it must: 2 round
//! trips over plaintext (TCP, call), 3 over TLS 1.3 (TCP, TLS, call), and one more for a mutation without
//! a `request_id`, which waits for the server's settings.

mod canned;

use bytes::Bytes;
use canned::{Manners, channel, frame, serve_connection};
use hyper_util::rt::TokioIo;
use livestream_client::{
    LivestreamClient, Tls,
    model::{
        GetChannelRequest, PreviewInputRequest, StartChannelRequest,
        livestream_service_client::LivestreamServiceClient,
    },
    proto::google::longrunning::Operation,
};
use std::{
    io,
    net::SocketAddr,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::mpsc,
    time::{Instant, sleep_until},
};
use tokio_rustls::{
    TlsAcceptor, TlsConnector,
    rustls::{
        ClientConfig, HandshakeKind, RootCertStore, ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    },
};
use tonic::transport::{Channel, Endpoint};

const RTT: Duration = Duration::from_millis(100);

const NAME: &str = "projects/my-project/locations/us-central1/channels/channel-1";
const AUTHORITY: &[u8] = include_bytes!("../tests/data/tls/authority.pem");
const CHAIN: &[u8] = include_bytes!("../tests/data/tls/authority-server.pem");
const KEY: &[u8] = include_bytes!("../tests/data/tls/authority-server.key");

/// The first call of a new client.
#[derive(Clone, Copy)]
enum Call {
    Bare,
    Read,
    Keyed,
    Unkeyed,
    /// A read after `connect`.
    Prepared,
}

fn main() -> ExitCode {
    let is_test = std::env::args().any(|argument| argument == "--test");
    let rounds = if is_test { 1 } else { 5 };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let resumed = Arc::<AtomicUsize>::default();
    let plain = distant(canned::listen(serve));
    let acceptor = TlsAcceptor::from(Arc::new(server_config()));
    let count = resumed.clone();
    let encrypted = distant(canned::listen(move |socket| {
        let (acceptor, count) = (acceptor.clone(), count.clone());
        async move {
            // A client may end its connection in any way.
            let Ok(stream) = acceptor.accept(socket).await else { return };
            if stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed) {
                count.fetch_add(1, Ordering::SeqCst);
            }
            serve(stream).await;
        }
    }));
    let calls = [
        ("bare stub", Call::Bare, 2),
        ("a read", Call::Read, 2),
        ("a mutation with a request_id", Call::Keyed, 2),
        ("a mutation without", Call::Unkeyed, 3),
        ("a read after connect()", Call::Prepared, 1),
    ];
    println!("{:<44} {:>9} {:>6} {:>5}", "the first call", "time", "RTT", "must");
    let mut is_slow = false;
    for (transport, tls, more) in [("plaintext", None, 0), ("TLS 1.3", Some(()), 1)] {
        for (what, call, must) in calls {
            let must = must + if matches!(call, Call::Prepared) { 0 } else { more };
            let at = if tls.is_some() { encrypted } else { plain };
            let first = || runtime.block_on(first_call(at, call, tls.is_some()));
            let time = (0..rounds).map(|_| first()).min().expect("some rounds");
            let trips = time.as_secs_f64() / RTT.as_secs_f64();
            let what = format!("{transport}, {what}");
            println!("{what:<44} {:>6.1} ms {trips:>6.2} {must:>5}", time.as_secs_f64() * 1e3);
            is_slow |= trips > f64::from(must) + 0.5;
        }
    }
    let before = resumed.load(Ordering::SeqCst);
    runtime.block_on(reconnect(encrypted));
    let resumed = resumed.load(Ordering::SeqCst) - before;
    println!("TLS sessions resumed by a client that connects a second time: {resumed} of 1");
    if is_slow || resumed != 1 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Returns how long the first call takes.
async fn first_call(at: SocketAddr, call: Call, tls: bool) -> Duration {
    if matches!(call, Call::Bare) {
        let begun = Instant::now();
        let channel = if tls { bare_tls(at).await } else { bare(at).await };
        let request = GetChannelRequest { name: NAME.into() };
        let mut stub = LivestreamServiceClient::new(channel);
        drop(stub.get_channel(request).await.expect("an answer"));
        return begun.elapsed();
    }
    let client = client(at, tls);
    let mut begun = Instant::now();
    match call {
        Call::Keyed => {
            let request = StartChannelRequest { name: NAME.into(), ..Default::default() };
            drop(client.call(request).await.expect("an answer"));
        }
        Call::Unkeyed => {
            let name = "projects/my-project/locations/us-central1/inputs/input-1".into();
            drop(client.call(PreviewInputRequest { name }).await.expect("an answer"));
        }
        Call::Bare | Call::Read | Call::Prepared => {
            if matches!(call, Call::Prepared) {
                client.connect().await.expect("a connection");
                begun = Instant::now();
            }
            drop(client.call(GetChannelRequest { name: NAME.into() }).await.expect("an answer"));
        }
    }
    begun.elapsed()
}

fn client(at: SocketAddr, tls: bool) -> LivestreamClient {
    let origin =
        if tls { format!("https://localhost:{}", at.port()) } else { format!("http://{at}") };
    let trusted = Tls::without_roots().with_ca_pem(AUTHORITY).expect("a certificate");
    let builder = LivestreamClient::builder().endpoint(origin).anonymous().tls(trusted);
    builder.build().expect("a client")
}

/// Connects twice with one client.
async fn reconnect(at: SocketAddr) {
    use livestream_client::PoolLimits;
    let trusted = Tls::without_roots().with_ca_pem(AUTHORITY).expect("a certificate");
    let client = LivestreamClient::builder()
        .endpoint(format!("https://localhost:{}", at.port()))
        .anonymous()
        .tls(trusted)
        // Connections are idle for no longer than this, the last of them five times as long.
        .pool(PoolLimits::default().with_idle_timeout(Duration::from_millis(20)))
        .build()
        .expect("a client");
    for _ in 0..2 {
        drop(client.call(GetChannelRequest { name: NAME.into() }).await.expect("an answer"));
        // The pool looks for idle connections a second after it has opened one.
        tokio::time::sleep(15 * RTT).await;
    }
}

async fn bare(at: SocketAddr) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{at}")).expect("a valid address");
    endpoint.connect().await.expect("a connection")
}

/// tonic's channel over a TLS connection with the same configuration.
async fn bare_tls(at: SocketAddr) -> Channel {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(AUTHORITY).expect("PEM")).expect("an authority");
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().expect("TLS 1.3");
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let tls = TlsConnector::from(Arc::new(config));
    let connector = tower::service_fn(move |_: http::Uri| {
        let tls = tls.clone();
        async move {
            let socket = TcpStream::connect(at).await?;
            socket.set_nodelay(true)?;
            let server = ServerName::try_from("localhost").expect("a name");
            Ok::<_, io::Error>(TokioIo::new(tls.connect(server, socket).await?))
        }
    });
    let endpoint = Endpoint::from_static("http://localhost");
    endpoint.connect_with_connector(connector).await.expect("a connection")
}

/// Serves all methods of the bench: their answers begin with the same field.
async fn serve(stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin) {
    let answer = |request: Bytes| {
        let is_preview = request.windows(7).any(|window| window == b"/inputs");
        if is_preview {
            return Bytes::from_static(&[0; 5]);
        }
        let name = "projects/my-project/locations/us-central1/operations/operation-1".into();
        let operation = Operation { name, ..Default::default() };
        // Requests of both kinds have the same form; a start has a request_id besides.
        if request.len() > NAME.len() + 10 { frame(&operation) } else { frame(&channel(1)) }
    };
    serve_connection(stream, Manners::default(), answer).await;
}

/// The address of a proxy that is 100 ms away.
fn distant(server: SocketAddr) -> SocketAddr {
    canned::listen(move |near| async move {
        // The client has the SYN-ACK after a round trip, and the server the answer to it half a round
        // trip later.
        let connected = Instant::now() + RTT;
        let far = TcpStream::connect(server).await.expect("the server listens");
        far.set_nodelay(true).expect("a TCP socket");
        let ((near_read, near_write), (far_read, far_write)) =
            (near.into_split(), far.into_split());
        let up = delay(near_read, far_write, connected);
        tokio::join!(up, delay(far_read, near_write, connected + RTT / 2));
    })
}

/// Forwards bytes half a round trip later.
async fn delay(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, not_before: Instant) {
    let (sender, mut receiver) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    let reading = async move {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(read @ 1..) = from.read(&mut buffer).await {
            let due = Instant::now().max(not_before) + RTT / 2;
            if sender.send((due, buffer[..read].to_vec())).is_err() {
                return;
            }
        }
    };
    let writing = async move {
        while let Some((due, bytes)) = receiver.recv().await {
            sleep_until(due).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
    };
    tokio::join!(reading, writing);
}

fn server_config() -> ServerConfig {
    let chain = CertificateDer::from_pem_slice(CHAIN).expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(KEY).expect("a key");
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().expect("TLS 1.3");
    let config = builder.with_no_client_auth().with_single_cert(vec![chain], key);
    let mut config = config.expect("the key fits the certificate");
    config.alpn_protocols = vec![b"h2".to_vec()];
    config
}
