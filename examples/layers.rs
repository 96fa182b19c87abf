//! Uses the client's layers under raw tonic stubs, on tonic's own channel. Any gRPC service can get the
//! client's deadlines and retries in this way.
//!
//! ```sh
//! cargo run --example layers
//! ```
//!
//! The service is an emulator in this process. The channel has an injected fault: of every three calls,
//! the first two get the response UNAVAILABLE. Each line of the output shows a stack of layers and the
//! result for the caller.

use google_cloud_auth::credentials::api_key_credentials;
use http::{HeaderValue, Request, Response};
use livestream_client::{
    methods,
    model::{ListChannelsRequest, livestream_service_client::LivestreamServiceClient},
    policy::{Backoff, CallPolicy, RetryPolicy, Timeouts},
    proto::google::{
        cloud::location::{ListLocationsRequest, locations_client::LocationsClient},
        longrunning::{ListOperationsRequest, operations_client::OperationsClient},
    },
    rpc::Idempotency,
    stack::{AuthLayer, HeadersLayer, PolicyLayer},
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

/// Tells the policy which methods are unary, and which of them it may repeat: here, the methods that
/// list or get. If this function returns `None`, the policy leaves the call unchanged.
fn classify(path: &str) -> Option<Idempotency> {
    let (_, method) = path.rsplit_once('/')?;
    let is_read = method.starts_with("List") || method.starts_with("Get");
    Some(if is_read { Idempotency::Safe } else { Idempotency::None })
}

/// A policy with short waits, so that the example is quick.
fn policy() -> CallPolicy {
    let backoff = Backoff::new(Duration::from_millis(10), Duration::from_millis(50), 2.0);
    CallPolicy::new().with_retry(RetryPolicy::new(backoff))
}

#[tokio::main]
async fn main() -> Result {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let origin = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move { Emulator::new().serve(listener).await });
    let channel = Channel::from_shared(origin.clone())?.connect_lazy();

    println!("layers           what the caller gets; two of three attempts fail with Unavailable");
    bare(&channel).await;
    retried(&channel).await?;
    bounded().await;
    limited(&channel).await;
    introduced(&channel, &origin).await?;
    whole(&channel, &origin).await
}

/// Without a layer, the caller sees the fault.
async fn bare(channel: &Channel) {
    let mut stub = OperationsClient::new(Flaky::new(channel));
    let error = stub.list_operations(operations()).await.expect_err("the first call fails");
    println!("no layer         {:?}, as expected", error.code());
}

/// `PolicyLayer` retries, so the caller does not see the fault.
async fn retried(channel: &Channel) -> Result {
    let flaky = Flaky::new(channel);
    let calls = flaky.calls.clone();
    let service = PolicyLayer::new(policy(), classify).layer(flaky);
    OperationsClient::new(service).list_operations(operations()).await?;
    println!("policy           OK after {} attempts", calls.load(Ordering::Relaxed));
    Ok(())
}

/// `PolicyLayer` ends a call to a service that never answers.
async fn bounded() {
    let silent = service_fn(|_: Request<Body>| pending::<Result<Response<Body>, Status>>());
    let limit = policy().with_timeouts(Timeouts::new(Duration::from_millis(50)));
    let service = PolicyLayer::new(limit, classify).layer(silent);
    let begun = Instant::now();
    let error = OperationsClient::new(service).list_operations(operations()).await;
    let code = error.expect_err("the service is silent").code();
    println!("policy, 50 ms    {code:?} after {:?}, as expected", begun.elapsed());
}

/// `PolicyLayer` refuses a response above its limit.
async fn limited(channel: &Channel) {
    let tiny = policy().with_max_response_size(1);
    let service = PolicyLayer::new(tiny, classify).layer(channel.clone());
    let request = ListLocationsRequest { name: "projects/my-project".into(), ..Default::default() };
    let error = LocationsClient::new(service).list_locations(request).await;
    let code = error.expect_err("every list of locations is longer").code();
    println!("policy, 1 byte   {code:?}, as expected");
}

/// `HeadersLayer` adds the name of the client, and `AuthLayer` adds its key.
async fn introduced(channel: &Channel, origin: &str) -> Result {
    let key = api_key_credentials::Builder::new("my-key").build();
    let shown = channel.clone().map_request(|request: Request<Body>| {
        for name in ["x-goog-api-client", "x-goog-api-key"] {
            let value = request.headers().get(name).cloned();
            let value = value.unwrap_or(HeaderValue::from_static(""));
            println!("headers, auth    {name}: {value:?}");
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

/// All layers in the client's order, under the stub of the Live Stream service.
async fn whole(channel: &Channel, origin: &str) -> Result {
    let flaky = Flaky::new(channel);
    let calls = flaky.calls.clone();
    let timeouts = Timeouts::new(Duration::from_secs(10)).with_attempt(Duration::from_secs(2));
    let service = ServiceBuilder::new()
        .layer(HeadersLayer::new(&origin.parse()?).ok_or("an origin has scheme and authority")?)
        .layer(PolicyLayer::new(policy().with_timeouts(timeouts), methods::classify))
        .layer(AuthLayer::anonymous())
        .service(flaky);
    let request = ListChannelsRequest { parent: LOCATION.into(), ..Default::default() };
    let response = LivestreamServiceClient::new(service).list_channels(request).await?;
    let (found, attempts) = (response.into_inner().channels.len(), calls.load(Ordering::Relaxed));
    println!("all of them      {found} channels after {attempts} attempts");
    Ok(())
}

fn operations() -> ListOperationsRequest {
    ListOperationsRequest { name: LOCATION.into(), ..Default::default() }
}

/// A channel that sends every third call, and responds to the others with UNAVAILABLE.
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
