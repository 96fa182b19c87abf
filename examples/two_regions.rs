//! Runs a show in two regions, with one client for each. The clients use mutual TLS, and layers that
//! count, audit and limit their requests.
//!
//! ```sh
//! cargo run --example two_regions
//! ```
//!
//! Clients share nothing: each has its own connections, retry budget and limit. An outage in one region
//! therefore does not affect the other. Each region is an emulator in this process, behind a TLS port of
//! this machine that requires a client certificate.

mod support;
/// The certificates of the tests, and a server with one of them.
#[path = "../tests/peer/tls.rs"]
#[allow(dead_code, reason = "the example uses a part of it")]
mod tls;

use futures_util::future::try_join_all;
use http::{HeaderValue, Request};
use livestream_client::{
    Builder, Error, LivestreamClient, Tls,
    name::{ChannelName, LocationName},
    policy::{Backoff, PollPolicy, RetryPolicy},
};
use livestream_emulator::Emulator;
use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};
use support::{Result, channel, rtmp_input};
use tls::Authority;
use tokio::{
    io::copy_bidirectional,
    net::TcpListener,
    task::{JoinHandle, JoinSet},
};
use tokio_rustls::TlsAcceptor;
use tonic::body::Body;
use tower::{Layer, Service, limit::ConcurrencyLimitLayer};

/// The reason that Cloud Audit Logs record with each request.
const REASON: &str = "show 4711, evening news";
/// The maximum number of requests in flight to a region.
const AT_ONCE: usize = 4;
const DAY: Duration = Duration::from_secs(24 * 3600);

#[tokio::main]
async fn main() -> Result {
    let authority = Authority::new();
    let regions = [
        Region::open(&authority, "us-central1").await?,
        Region::open(&authority, "europe-west1").await?,
    ];
    let [us, eu] = &regions;

    println!("A client without a certificate");
    let stranger = builder(us.at, Tls::without_roots().with_ca_pem(authority.pem())?);
    let refused = stranger.retry(RetryPolicy::never()).build()?.get_channel(&us.show).await;
    println!("  {:?}, as expected", refused.expect_err("the server requires one").code());

    println!("The show goes on air in both regions: the requests that change something");
    try_join_all(regions.iter().map(Region::on_air)).await?;
    print_states(&regions).await;

    println!("Forty reads at once in each region");
    let reads = regions.iter().flat_map(|region| (0..40).map(|_| region.state()));
    try_join_all(reads).await?;
    for Region { show, audit, .. } in &regions {
        let most = audit.most.load(Ordering::Relaxed);
        println!("  {:<14}at most {most} were in flight", show.location());
    }

    println!("An outage in one region: the other goes on");
    eu.port.abort();
    print_states(&regions).await;

    println!("The end of the outage, and of the show");
    let port = tokio::spawn(serve(TcpListener::bind(eu.at).await?, eu.emulator.clone()));
    try_join_all(regions.iter().map(Region::off_air)).await?;
    for Region { client, show, audit, .. } in &regions {
        let left = client.list_channels(&show.parent()).items().collect().await?.len();
        let sent = audit.sent.load(Ordering::Relaxed);
        println!("  {:<14}{left} channels are left, after {sent} requests", show.location());
    }
    port.abort();
    us.port.abort();
    Ok(())
}

async fn print_states(regions: &[Region]) {
    for region in regions {
        let state = region.state().await;
        println!("  {:<14}{}", region.show.location(), state.unwrap_or_else(|e| e.to_string()));
    }
}

/// A client with these TLS settings, which polls often because the emulator's clock is fast.
fn builder(at: SocketAddr, tls: Tls) -> Builder<LivestreamClient> {
    let often = Backoff::new(Duration::from_millis(20), Duration::from_millis(20), 1.0);
    LivestreamClient::builder()
        .endpoint(format!("https://localhost:{}", at.port()))
        .anonymous()
        .tls(tls)
        .poll_policy(PollPolicy::new(often, Duration::from_secs(60)))
}

/// A region of the service, and a client of it.
struct Region {
    client: LivestreamClient,
    show: ChannelName,
    audit: Audit,
    emulator: Emulator,
    at: SocketAddr,
    port: JoinHandle<()>,
}

impl Region {
    async fn open(authority: &Authority, id: &str) -> Result<Self> {
        let emulator = Emulator::builder().speed(1200).build();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let at = listener.local_addr()?;
        let port = tokio::spawn(serve(listener, emulator.clone()));

        let (certificate, key) = authority.client();
        let tls = Tls::without_roots().with_ca_pem(authority.pem())?;
        let audit = Audit { region: id.into(), ..Audit::default() };
        // The layer that is added last is the outermost: the audit sees what the limit lets through.
        let client = builder(at, tls.with_identity_pem(certificate, key)?)
            .layer(audit.clone())
            .layer(ConcurrencyLimitLayer::new(AT_ONCE))
            .build()?;
        let show = LocationName::new("my-project", id)?.channel("evening-news")?;
        Ok(Self { client, show, audit, emulator, at, port })
    }

    async fn on_air(&self) -> std::result::Result<(), Error> {
        let Self { client, show, .. } = self;
        let camera = show.parent().input("camera")?;
        client.ensure_input(&camera, rtmp_input()).await?;
        client.ensure_channel(show, channel(&camera, DAY)).await?;
        client.ensure_running(show).await?;
        Ok(())
    }

    async fn off_air(&self) -> std::result::Result<(), Error> {
        self.client.ensure_absent(&self.show).await?;
        self.client.ensure_absent(&self.show.parent().input("camera")?).await
    }

    async fn state(&self) -> std::result::Result<String, Error> {
        let channel = self.client.get_channel(&self.show).timeout(Duration::from_secs(2)).await?;
        Ok(channel.streaming_state().to_string())
    }
}

/// Serves an emulator over TLS. Dropping this closes its connections.
async fn serve(listener: TcpListener, emulator: Emulator) {
    let acceptor = TlsAcceptor::from(Arc::new(Authority::new().server_of_clients()));
    let mut connections = JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        let (acceptor, emulator) = (acceptor.clone(), emulator.clone());
        connections.spawn(async move {
            let mut encrypted = acceptor.accept(socket).await?;
            copy_bidirectional(&mut encrypted, &mut emulator.connect()).await?;
            io::Result::Ok(())
        });
    }
}

/// A layer that gives a reason for each request, counts the requests, and prints those that change
/// something.
#[derive(Clone, Debug, Default)]
struct Audit {
    region: Arc<str>,
    sent: Arc<AtomicUsize>,
    in_flight: Arc<AtomicUsize>,
    /// The maximum of requests in flight.
    most: Arc<AtomicUsize>,
}

impl<S> Layer<S> for Audit {
    type Service = Audited<S>;

    fn layer(&self, below: S) -> Audited<S> {
        Audited { below, audit: self.clone() }
    }
}

#[derive(Clone)]
struct Audited<S> {
    below: S,
    audit: Audit,
}

impl<S> Service<Request<Body>> for Audited<S>
where
    S: Service<Request<Body>, Future: Send + 'static>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = std::result::Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<std::result::Result<(), S::Error>> {
        self.below.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        request.headers_mut().insert("x-goog-request-reason", HeaderValue::from_static(REASON));
        let method = request.uri().path().rsplit('/').next().unwrap_or_default();
        if !method.starts_with("Get") && !method.starts_with("List") {
            println!("  {:<14}{method}", self.audit.region);
        }
        let Audit { sent, in_flight, most, .. } = self.audit.clone();
        let response = self.below.call(request);
        Box::pin(async move {
            sent.fetch_add(1, Ordering::Relaxed);
            most.fetch_max(in_flight.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
            let response = response.await;
            in_flight.fetch_sub(1, Ordering::Relaxed);
            response
        })
    }
}
