//! The network between the callers and the server: it loses, delays, cuts and breaks connections.

use crate::{by_hand, faults::Link, ordinary, world::World};
use fastrand::Rng;
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

pub trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

pub type BoxIo = Box<dyn Io>;

/// How long a connection that was lost keeps its sockets.
const HOLD: Duration = Duration::from_secs(20);

/// The share of connections that a server library serves.
const ORDINARY: f64 = 0.3;

/// Starts the server and the network before it. Returns the ports for plaintext and for TLS.
pub async fn start(world: Arc<World>) -> (u16, u16) {
    let tls = TlsAcceptor::from(Arc::new(tls_config()));
    let plain = listen_for(world.clone(), None).await;
    let encrypted = listen_for(world, Some(tls)).await;
    (plain, encrypted)
}

async fn listen_for(world: Arc<World>, tls: Option<TlsAcceptor>) -> u16 {
    let bind = || TcpListener::bind("127.0.0.1:0");
    let (server, network) = (bind().await.expect("a port"), bind().await.expect("a port"));
    let address = server.local_addr().expect("it is bound");
    let port = network.local_addr().expect("it is bound").port();
    tokio::spawn(serve(server, world.clone(), tls));
    tokio::spawn(forward(network, address, world));
    port
}

async fn serve(listener: TcpListener, world: Arc<World>, tls: Option<TlsAcceptor>) {
    let mut rng = world.rng();
    while let Ok((socket, _)) = listener.accept().await {
        let _ = socket.set_nodelay(true);
        let (world, tls, is_ordinary) = (world.clone(), tls.clone(), rng.f64() < ORDINARY);
        tokio::spawn(async move {
            let io: BoxIo = match tls {
                None => Box::new(socket),
                Some(tls) => match tls.accept(socket).await {
                    Ok(encrypted) => Box::new(encrypted),
                    Err(_) => return, // The network has cut the handshake.
                },
            };
            if is_ordinary {
                ordinary::serve(io, world).await;
            } else {
                by_hand::serve(io, world).await;
            }
        });
    }
}

async fn forward(mut listener: TcpListener, server: SocketAddr, world: Arc<World>) {
    let mut rng = world.rng();
    let address = listener.local_addr().expect("it is bound");
    loop {
        let (near, _) = listener.accept().await.expect("enough file descriptors");
        let _ = near.set_nodelay(true);
        let link = world.link();
        if link == Some(Link::PortClosed) {
            drop((near, listener));
            sleep(Duration::from_millis(rng.u64(50..400))).await;
            listener = listen_again(address).await;
            continue;
        }
        tokio::spawn(relay(near, server, link, rng.fork()));
    }
}

async fn listen_again(address: SocketAddr) -> TcpListener {
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return listener,
            // An outgoing connection may have taken the port.
            Err(_) => sleep(Duration::from_millis(10)).await,
        }
    }
}

/// What happens to the bytes of one direction.
struct Direction {
    latency: Duration,
    /// The most bytes at a time.
    piece: usize,
    fate: Option<(When, Fate)>,
}

#[derive(Clone, Copy)]
enum When {
    After(Duration),
    Bytes(usize),
}

#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Reset,
    Close,
    /// Nobody reads any more.
    Lost,
    /// Everything is read and dropped.
    Dropped,
    Stall(Duration),
    Insert(&'static [u8]),
}

impl Direction {
    const PLAIN: Self = Self { latency: Duration::ZERO, piece: 1 << 16, fate: None };

    fn meeting(when: When, fate: Fate) -> Self {
        Self { fate: Some((when, fate)), ..Self::PLAIN }
    }
}

async fn relay(near: TcpStream, server: SocketAddr, link: Option<Link>, mut rng: Rng) {
    const GARBAGE: &[u8] = &[0x5a; 64];
    const HTTP_ONE: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
    let time = |rng: &mut Rng| When::After(Duration::from_millis(rng.u64(0..3000)));
    // Many connections end within their first bytes: the preface, the settings, the TLS handshake.
    let bytes = |rng: &mut Rng| {
        let most = [30, 300, 3000, 100_000][rng.usize(..4)];
        When::Bytes(rng.usize(..most))
    };
    let plain = || Direction::PLAIN;
    let meeting = Direction::meeting;
    let (up, down) = match link {
        None | Some(Link::PortClosed) => (plain(), plain()),
        Some(Link::Latency) => {
            let latency = Duration::from_millis(rng.u64(5..150));
            (Direction { latency, ..plain() }, Direction { latency, ..plain() })
        }
        Some(Link::SmallPieces) => {
            let latency = Duration::from_micros(200);
            let small = |piece| Direction { latency, piece, ..plain() };
            (small(rng.usize(20..60)), small(rng.usize(20..60)))
        }
        Some(Link::LowBandwidth) => {
            let slow = || Direction { latency: Duration::from_millis(2), piece: 500, ..plain() };
            (slow(), slow())
        }
        Some(Link::PartitionAtOnce) => {
            let at = When::Bytes(0);
            (meeting(at, Fate::Lost), meeting(at, Fate::Lost))
        }
        Some(Link::Partition) => {
            let at = time(&mut rng);
            (meeting(at, Fate::Lost), meeting(at, Fate::Lost))
        }
        Some(Link::AnswersLost) => (plain(), meeting(time(&mut rng), Fate::Dropped)),
        Some(Link::RequestsLost) => (meeting(time(&mut rng), Fate::Dropped), plain()),
        Some(Link::Stall) => {
            let at = time(&mut rng);
            let stall = Fate::Stall(Duration::from_millis(rng.u64(200..2500)));
            (meeting(at, stall), meeting(at, stall))
        }
        Some(Link::ServerDoesNotRead) => {
            let stall = Fate::Stall(Duration::from_millis(rng.u64(200..4000)));
            (meeting(time(&mut rng), stall), plain())
        }
        Some(Link::ResetByClientBytes) => (meeting(bytes(&mut rng), Fate::Reset), plain()),
        Some(Link::ResetByServerBytes) => (plain(), meeting(bytes(&mut rng), Fate::Reset)),
        Some(Link::CloseByClientBytes) => (meeting(bytes(&mut rng), Fate::Close), plain()),
        Some(Link::CloseByServerBytes) => (plain(), meeting(bytes(&mut rng), Fate::Close)),
        Some(Link::ClosedAtOnce) => return,
        Some(Link::SilentFromTheStart) => return sleep(HOLD).await,
        Some(Link::GarbageFromServer) => (plain(), meeting(bytes(&mut rng), Fate::Insert(GARBAGE))),
        Some(Link::HttpOneAnswer) => (plain(), meeting(When::Bytes(0), Fate::Insert(HTTP_ONE))),
    };
    let Ok(far) = TcpStream::connect(server).await else { return };
    let _ = far.set_nodelay(true);
    join(near, far, up, down).await;
}

/// Forwards bytes in both directions until one of them ends.
async fn join(mut near: TcpStream, mut far: TcpStream, up: Direction, down: Direction) {
    let fate = {
        let ((near_read, near_write), (far_read, far_write)) = (near.split(), far.split());
        tokio::select! {
            fate = pump(near_read, far_write, up) => fate,
            fate = pump(far_read, near_write, down) => fate,
        }
    };
    match fate {
        Ok(Fate::Reset) => {
            let _ = (near.set_zero_linger(), far.set_zero_linger());
        }
        // A close with unread bytes would reset the connection, and lose what is on its way.
        Ok(_) => {
            let _ = (near.shutdown().await, far.shutdown().await);
            let mut rest = Vec::new();
            let _ = timeout(Duration::from_secs(1), near.read_to_end(&mut rest)).await;
        }
        Err(_) => {}
    }
}

/// Forwards one direction. Returns how it ended.
async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    direction: Direction,
) -> io::Result<Fate> {
    let Direction { latency, piece, mut fate } = direction;
    let begun = Instant::now();
    let (mut buffer, mut passed) = (vec![0; piece], 0);
    let mut is_dropped = false;
    loop {
        let strikes_at = match fate {
            Some((When::After(time), _)) => begun + time,
            _ => begun + Duration::from_secs(86_400),
        };
        let most = match fate {
            Some((When::Bytes(bytes), _)) => piece.min(bytes - passed),
            _ => piece,
        };
        let read = tokio::select! {
            read = from.read(&mut buffer[..most]), if most > 0 => Some(read?),
            () = sleep_until(strikes_at), if most > 0 => None,
            () = std::future::ready(()), if most == 0 => None,
        };
        let Some(read) = read else {
            match fate.take().expect("it strikes").1 {
                end @ (Fate::Reset | Fate::Close) => return Ok(end),
                Fate::Lost => {
                    sleep(HOLD).await;
                    return Ok(Fate::Reset);
                }
                Fate::Dropped => is_dropped = true,
                Fate::Stall(time) => sleep(time).await,
                Fate::Insert(bytes) => to.write_all(bytes).await?,
            }
            continue;
        };
        if read == 0 {
            return Ok(Fate::Close);
        }
        passed += read;
        if !latency.is_zero() {
            sleep(latency).await;
        }
        if !is_dropped {
            to.write_all(&buffer[..read]).await?;
        }
    }
}

/// A server with the certificate of the tests, for `localhost`.
fn tls_config() -> ServerConfig {
    const CHAIN: &[u8] = include_bytes!("../../tests/data/tls/authority-server.pem");
    const KEY: &[u8] = include_bytes!("../../tests/data/tls/authority-server.key");
    let chain = CertificateDer::from_pem_slice(CHAIN).expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(KEY).expect("a key");
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().expect("TLS 1.3");
    let config = builder.with_no_client_auth().with_single_cert(vec![chain], key);
    let mut config = config.expect("the key fits the certificate");
    config.alpn_protocols = vec![b"h2".to_vec()];
    config
}
