//! The layers one by one, under raw tonic stubs on a channel of one's own: any service can have the
//! client's deadlines and retries.
//!
//! ```sh
//! cargo run --example layers
//! ```
//!
//! The service runs inside this process. The channel is tonic's, with a fault put in: of three calls
//! the first two are answered with UNAVAILABLE.

use google_cloud_auth::credentials::api_key_credentials;
use http::{HeaderValue, Request, Response};
use livestream_client::{
    methods::classify,
    model::{ListChannelsRequest, livestream_service_client::LivestreamServiceClient},
    policy::{Backoff, Budget, Retry, Timeouts},
    proto::google::{
        cloud::location::{ListLocationsRequest, locations_client::LocationsClient},
        longrunning::{ListOperationsRequest, operations_client::OperationsClient},
    },
    rpc::Class,
    transport::{
        AttemptTimeoutLayer, AuthLayer, DeadlineLayer, HeadersLayer, RetryLayer, UnaryLayer,
    },
};
use livestream_emulator::Emulator;
use std::{
    error::Error,
    future::{pending, ready},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};
use tokio::net::TcpListener;
use tonic::{Status, body::Body, transport::Channel};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

type Result<T = (), E = Box<dyn Error>> = std::result::Result<T, E>;

const LOCATION: &str = "projects/my-project/locations/us-central1";

/// Which of a service's methods are unary, and may be repeated: here, all that lists or gets.
fn class_of_any(path: &str) -> Option<Class> {
    let (_, method) = path.rsplit_once('/')?;
    let is_read = method.starts_with("List") || method.starts_with("Get");
    Some(if is_read { Class::Read } else { Class::Unkeyed })
}

#[tokio::main]
async fn main() -> Result {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let origin = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move { Emulator::new().serve(listener).await });
    let channel = Channel::from_shared(origin.clone())?.connect_lazy();

    bare(&channel).await;
    settled(&channel).await?;
    repeated(&channel).await?;
    bounded().await;
    introduced(&channel, &origin).await?;
    whole(&channel, &origin).await
}

/// No layer: the fault reaches the caller.
async fn bare(channel: &Channel) {
    let mut stub = OperationsClient::new(Flaky::new(channel));
    let error = stub.list_operations(operations()).await.expect_err("the first call fails");
    println!("no layer           {:?}", error.code());
}

/// `UnaryLayer` alone: the whole answer is there before the call returns, and too long a one is
/// refused.
async fn settled(channel: &Channel) -> Result {
    let layered = |most| UnaryLayer::new(most, class_of_any).layer(channel.clone());
    let request =
        || ListLocationsRequest { name: "projects/my-project".into(), ..Default::default() };
    let answer = LocationsClient::new(layered(1 << 20)).list_locations(request()).await?;
    let found = answer.into_inner().locations.len();
    let error = LocationsClient::new(layered(1)).list_locations(request()).await;
    let error = error.expect_err("every answer is longer than one byte");
    println!("unary              {found} locations; with a limit of 1 byte {:?}", error.code());
    Ok(())
}

/// `RetryLayer` over `UnaryLayer`: the fault is not seen.
async fn repeated(channel: &Channel) -> Result {
    let flaky = Flaky::new(channel);
    let calls = flaky.calls.clone();
    let backoff = Backoff::new(Duration::from_millis(10), Duration::from_millis(50), 2.0);
    let service = ServiceBuilder::new()
        .layer(RetryLayer::new(Retry::new(backoff), Budget::default(), class_of_any))
        .layer(UnaryLayer::new(1 << 20, class_of_any))
        .service(flaky);
    OperationsClient::new(service).list_operations(operations()).await?;
    println!("retry over unary   OK after {} attempts", calls.load(Ordering::Relaxed));
    Ok(())
}

/// `DeadlineLayer` and `AttemptTimeoutLayer`, each alone: a service that never answers is given up.
async fn bounded() {
    let silent = service_fn(|_: Request<Body>| pending::<Result<Response<Body>, Status>>());
    let limit = Timeouts::new(Duration::from_millis(50));
    let begun = Instant::now();
    let service = DeadlineLayer::new(limit, class_of_any).layer(silent);
    let error = OperationsClient::new(service).list_operations(operations()).await;
    let by_deadline = error.expect_err("nobody answers").code();
    let service = AttemptTimeoutLayer::new(limit, class_of_any).layer(silent);
    let error = OperationsClient::new(service).list_operations(operations()).await;
    let by_attempt = error.expect_err("nobody answers").code();
    println!("deadline, attempt  {by_deadline:?}, {by_attempt:?} after {:?}", begun.elapsed() / 2);
}

/// `HeadersLayer` and `AuthLayer`: who is calling, by which key.
async fn introduced(channel: &Channel, origin: &str) -> Result {
    let key = api_key_credentials::Builder::new("my-key").build();
    let shown = channel.clone().map_request(|request: Request<Body>| {
        for name in ["x-goog-api-client", "x-goog-api-key"] {
            let value = request.headers().get(name).cloned();
            println!(
                "headers, auth      {name}: {:?}",
                value.unwrap_or(HeaderValue::from_static(""))
            );
        }
        request
    });
    let service = ServiceBuilder::new()
        .layer(HeadersLayer::new(&origin.parse()?).ok_or("an origin has scheme and authority")?)
        .layer(AuthLayer::new(key))
        .service(shown);
    OperationsClient::new(service).list_operations(operations()).await?;
    Ok(())
}

/// All of them under the stub of the service itself, in the client's order; the deadline, for which
/// the client needs no layer, goes on top.
async fn whole(channel: &Channel, origin: &str) -> Result {
    let flaky = Flaky::new(channel);
    let calls = flaky.calls.clone();
    let timeouts = Timeouts::new(Duration::from_secs(10)).with_attempt(Duration::from_secs(2));
    let service = ServiceBuilder::new()
        .layer(DeadlineLayer::new(timeouts, classify))
        .layer(HeadersLayer::new(&origin.parse()?).ok_or("an origin has scheme and authority")?)
        .layer(RetryLayer::new(Retry::default(), Budget::default(), classify))
        .layer(AttemptTimeoutLayer::new(timeouts, classify))
        .layer(UnaryLayer::new(64 << 20, classify))
        .layer(AuthLayer::anonymous())
        .service(flaky);
    let request = ListChannelsRequest { parent: LOCATION.into(), ..Default::default() };
    let answer = LivestreamServiceClient::new(service).list_channels(request).await?;
    let (found, attempts) = (answer.into_inner().channels.len(), calls.load(Ordering::Relaxed));
    println!("all of them        {found} channels after {attempts} attempts");
    Ok(())
}

fn operations() -> ListOperationsRequest {
    ListOperationsRequest { name: LOCATION.into(), ..Default::default() }
}

/// A channel that lets every third call through and answers the others with UNAVAILABLE.
#[derive(Clone)]
struct Flaky {
    channel: Channel,
    calls: Arc<AtomicU32>,
}

impl Flaky {
    fn new(channel: &Channel) -> Self {
        Self { channel: channel.clone(), calls: Arc::default() }
    }
}

impl Service<Request<Body>> for Flaky {
    type Response = Response<Body>;
    type Error = tonic::transport::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.channel.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let call = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        if call.is_multiple_of(3) {
            Box::pin(self.channel.call(request))
        } else {
            Box::pin(ready(Ok(Status::unavailable("not this time").into_http())))
        }
    }
}
