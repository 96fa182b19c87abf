//! Waits for ten thousand pending operations with shared waits. Measures the requests of a tick, the memory
//! of a waiter, and the time from the end of an operation to the end of its wait.

use livestream_client::{
    LivestreamClient, Operation,
    model::{
        Asset, OperationMetadata,
        asset::{Resource, VideoAsset},
    },
    name::LocationName,
    policy::{Backoff, PollPolicy},
};
use livestream_emulator::{Emulator, Limit};
use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::task::JoinSet;
use tower::Service;

fn main() {
    let is_test = std::env::args().any(|argument| argument == "--test");
    let waiters = if is_test { 100 } else { 10_000 };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let emulator = Emulator::builder().manual_clock().limit(Limit::Assets, waiters).build();
    let requests = Arc::new(AtomicUsize::new(0));
    let client = counting(&emulator, &requests);
    let location = LocationName::new("my-project", "us-central1").expect("a valid name");
    let operations = runtime.block_on(start(&client, &location, waiters));

    requests.store(0, Ordering::Relaxed);
    let waits = client.shared_waits(&location);
    let mut running = JoinSet::new();
    let memory = allocation_counter::measure(|| {
        runtime.block_on(async {
            for operation in operations {
                running.spawn(waits.wait(operation));
            }
            while requests.load(Ordering::Relaxed) == 0 {
                tokio::task::yield_now().await;
            }
        });
    });
    let tick = runtime.block_on(until_quiet(&requests));

    emulator.advance(Duration::from_secs(3600));
    let done = Instant::now();
    let latency = runtime.block_on(async {
        let mut latency = Vec::with_capacity(waiters);
        while let Some(waited) = running.join_next().await {
            waited.expect("no panic").expect("created");
            latency.push(done.elapsed());
        }
        latency
    });
    println!("shared waits for {waiters} operations");
    println!("  memory for each waiter: {} bytes", memory.bytes_current / waiters as i64);
    println!("  requests for each tick: {tick}");
    println!(
        "  time from the end of all operations to the end of a wait: first {:.1?}, median {:.1?}, last {:.1?}",
        latency[0],
        latency[waiters / 2],
        latency[waiters - 1]
    );
}

async fn start(
    client: &LivestreamClient,
    location: &LocationName,
    count: usize,
) -> Vec<Operation<Asset, OperationMetadata>> {
    let mut operations = Vec::with_capacity(count);
    for id in 0..count {
        let call = client.create_asset(location, slate(), format!("slate-{id}"));
        operations.push(call.await.expect("created"));
    }
    operations
}

/// Counts the requests of one tick. The tick ends when the client pauses for longer than between two pages.
async fn until_quiet(requests: &AtomicUsize) -> usize {
    loop {
        let before = requests.load(Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(700)).await;
        if requests.load(Ordering::Relaxed) == before {
            return before;
        }
    }
}

fn slate() -> Asset {
    let video = VideoAsset { uri: "gs://my-bucket/slate.mp4".into() };
    Asset { resource: Some(Resource::Video(video)), ..Default::default() }
}

/// A client that counts its requests and polls every two seconds.
fn counting(emulator: &Emulator, requests: &Arc<AtomicUsize>) -> LivestreamClient {
    let (service, requests) = (emulator.service(), requests.clone());
    let counted = tower::service_fn(move |request| {
        requests.fetch_add(1, Ordering::Relaxed);
        let mut service = service.clone();
        async move { Ok::<_, Infallible>(service.call(request).await.unwrap_or_else(|e| match e {})) }
    });
    let pause = Duration::from_secs(2);
    LivestreamClient::builder()
        .channel(counted)
        .poll_policy(PollPolicy::new(Backoff::new(pause, pause, 1.0), 600 * pause))
        .build()
        .expect("a client")
}
