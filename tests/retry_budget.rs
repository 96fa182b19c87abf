//! The retry budget: when the service is down, a thousand callers send at most 1.2 requests for
//! each call.
//!
//! The callers share one client and its retry budget. The default budget is 100 retries, and each
//! success adds a tenth of a retry.

#[path = "support/grpc.rs"]
mod grpc;

use http::Response;
use livestream_client::{
    Error, LivestreamClient,
    model::GetChannelRequest,
    policy::{Backoff, RetryPolicy},
};
use std::{
    convert::Infallible,
    future::ready,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    net::{TcpSocket, TcpStream},
    task::JoinSet,
};
use tonic::{Status, body::Body};

const CALLERS: usize = 1000;

/// 1.2 requests for each call.
const MOST: usize = CALLERS * 12 / 10;

/// Makes one call for each caller, all at the same time.
async fn call_all(client: &LivestreamClient) -> Vec<Result<(), Error>> {
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let name = "projects/p/locations/us-central1/channels/news".into();
        let call = client.call(GetChannelRequest { name });
        callers.spawn(async { call.await.map(drop) });
    }
    callers.join_all().await
}

fn attempts(results: &[Result<(), Error>]) -> usize {
    results.iter().map(|result| result.as_ref().map_or_else(Error::attempts, |()| 1) as usize).sum()
}

/// A service that counts its requests, and can be down.
#[derive(Default)]
struct Service {
    requests: AtomicUsize,
    is_up: AtomicBool,
}

impl Service {
    fn client(self: &Arc<Self>) -> LivestreamClient {
        let service = self.clone();
        let channel = tower::service_fn(move |_: http::Request<Body>| {
            service.requests.fetch_add(1, Ordering::SeqCst);
            ready(Ok::<_, Infallible>(answer(service.is_up.load(Ordering::SeqCst))))
        });
        LivestreamClient::builder().channel(channel).build().expect("a client")
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

/// An empty channel, or UNAVAILABLE if the service is down.
fn answer(is_up: bool) -> Response<Body> {
    if is_up { grpc::response(&[]) } else { Status::unavailable("down").into_http() }
}

#[tokio::test(start_paused = true)]
async fn the_retry_budget_limits_requests_to_an_unavailable_service() {
    let service = Arc::new(Service::default());
    let client = service.client();
    let results = call_all(&client).await;
    let failed = |result: &Result<_, Error>| result.as_ref().is_err_and(Error::is_unavailable);
    assert!(results.iter().all(failed));
    let sent = service.requests();
    assert_eq!(sent, attempts(&results), "each error reports its attempts");
    assert!((CALLERS..=MOST).contains(&sent), "{sent} requests for {CALLERS} calls");

    // The budget is spent: while the service is down, each call sends one request.
    for round in 1..=3 {
        call_all(&client).await;
        assert_eq!(service.requests() - sent, round * CALLERS);
    }

    // Successes refill the budget for the next outage.
    service.is_up.store(true, Ordering::SeqCst);
    let results = call_all(&client).await;
    assert!(results.iter().all(Result::is_ok));
    service.is_up.store(false, Ordering::SeqCst);
    let before = service.requests();
    call_all(&client).await;
    let sent = service.requests() - before;
    assert!((CALLERS + 1..=MOST).contains(&sent), "{sent} requests for {CALLERS} calls");
}

#[tokio::test]
async fn the_retry_budget_and_shared_dials_limit_refused_connections() {
    // The socket is bound but does not listen, so its port refuses connections.
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("loopback has ports");
    let address = socket.local_addr().expect("bound");
    let dials = Arc::new(AtomicUsize::new(0));
    let counted = dials.clone();
    let connector = tower::service_fn(move |_: http::Uri| {
        counted.fetch_add(1, Ordering::SeqCst);
        TcpStream::connect(address)
    });
    let backoff = Backoff::new(Duration::from_millis(5), Duration::from_millis(20), 1.3);
    let client = LivestreamClient::builder()
        .endpoint(format!("http://{address}"))
        .connector(connector)
        .retry(RetryPolicy::new(backoff))
        .build()
        .expect("a client");
    let results = call_all(&client).await;
    let failed = |result: &Result<_, Error>| result.as_ref().is_err_and(Error::is_unavailable);
    assert!(results.iter().all(failed));
    let attempts = attempts(&results);
    assert!((CALLERS..=MOST).contains(&attempts), "{attempts} attempts for {CALLERS} calls");
    // Calls that wait for a connection at the same time share one dial.
    let dials = dials.load(Ordering::SeqCst);
    assert!(dials <= attempts / 2, "{dials} dials for {attempts} attempts");
}
