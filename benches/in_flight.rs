//! Compares the pool with one connection: a thousand calls at once to a service that takes 50 ms for each
//! call and allows a hundred streams on a connection.

mod canned;

use canned::{Manners, channel, frame, keep_in_flight, pin_to, serve_with};
use livestream_client::{LivestreamClient, PoolLimits, name::ChannelName};
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

fn main() {
    let is_test = std::env::args().any(|argument| argument == "--test");
    let calls = if is_test { 100 } else { 5000 };
    let delay = Duration::from_millis(50);
    let answer = frame(&channel(1));
    let address = serve_with(Manners { delay, max_streams: 100 }, move |_| answer.clone());
    pin_to(0);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let pooled = runtime.block_on(measure(address, PoolLimits::default(), calls));
    let one = PoolLimits::default().with_max_connections(1);
    let alone = runtime.block_on(measure(address, one, calls));
    println!(
        "1,000 in flight: {pooled:.0} calls a second on the pool, {alone:.0} on one connection"
    );
    println!("ratio: {:.1}", pooled / alone);
}

/// Returns the calls for each second, with 1,000 in flight.
async fn measure(address: SocketAddr, limits: PoolLimits, calls: usize) -> f64 {
    let client = LivestreamClient::builder()
        .endpoint(format!("http://{address}"))
        .pool(limits)
        .build()
        .expect("a client");
    let name = ChannelName::new("my-project", "us-central1", "channel-1").expect("a valid name");
    let begun = Instant::now();
    keep_in_flight(calls, 1000, || {
        let call = client.get_channel(&name);
        async { drop(call.await.expect("an answer")) }
    })
    .await;
    calls as f64 / begun.elapsed().as_secs_f64()
}
