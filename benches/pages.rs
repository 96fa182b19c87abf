//! Compares this crate's stream of items with a loop over the bare stub, for channels in pages of fifty.
//! Also measures a listing of names and states only, and the gain of read-ahead, with a service and a caller that each take 5 ms for a page.

mod canned;
#[path = "canned/listing.rs"]
mod listing;

use canned::{Manners, callers::ours, cpu_time, pin_to, serve_with};
use listing::{answer, bare, list, list_bare, page};
use livestream_client::{LivestreamClient, model::Channel, name::LocationName};
use prost::Message as _;
use std::{
    hint::black_box,
    time::{Duration, Instant},
};

fn main() {
    let is_test = std::env::args().any(|argument| argument == "--test");
    let (pages, rounds) = if is_test { (2, 1) } else { (100, 21) };
    let (whole, masked) = (page(false), page(true));
    let fast = serve_with(Manners::default(), answer(&whole, pages));
    let masking = serve_with(Manners::default(), answer(&masked, pages));
    let delay = Duration::from_millis(5);
    let slow = serve_with(Manners { delay, ..Manners::default() }, answer(&whole, pages));
    pin_to(0);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let (our, their) = (ours(fast).0, bare(fast).await);
        let mut ratios = Vec::new();
        for _ in 0..rounds {
            let ours = timed(list(&our, Duration::ZERO, false)).await;
            let theirs = timed(list_bare(&their)).await;
            ratios.push(ours / theirs);
        }
        ratios.sort_by(f64::total_cmp);
        println!("time of a listing, this crate / bare stub: {:.3}", ratios[rounds / 2]);

        let (our, their) = (ours(masking).0, bare(fast).await);
        let mut ratios = Vec::new();
        for _ in 0..rounds {
            let ours = on_cpu(list_states(&our)).await;
            let theirs = on_cpu(list_bare(&their)).await;
            ratios.push(ours / theirs);
        }
        ratios.sort_by(f64::total_cmp);
        println!("CPU of a listing of names and states / bare stub: {:.3}", ratios[rounds / 2]);
        let bytes = |page: &[Channel]| page.iter().map(Channel::encoded_len).sum::<usize>();
        let ratio = bytes(&masked) as f64 / bytes(&whole) as f64;
        println!("bytes of an item with its name and state / whole: {ratio:.3}");

        let our = ours(slow).0;
        let work = delay;
        let ahead = timed(list(&our, work, true)).await;
        let behind = timed(list(&our, work, false)).await;
        println!("items a second, with / without read-ahead: {:.2}", behind / ahead);
    });
}

async fn timed(work: impl Future<Output = usize>) -> f64 {
    let begun = Instant::now();
    black_box(work.await);
    begun.elapsed().as_secs_f64()
}

/// The seconds of CPU of this thread, which is the only one of the client's runtime.
async fn on_cpu(work: impl Future<Output = usize>) -> f64 {
    let begun = cpu_time();
    black_box(work.await);
    (cpu_time() - begun).as_secs_f64()
}

/// Lists the name and the state of everything.
async fn list_states(client: &LivestreamClient) -> usize {
    let location = LocationName::new("my-project", "us-central1").expect("a valid name");
    let listing = client.list_channels(&location).fields(["name", "streaming_state"]);
    let items = listing.items().read_ahead(false).collect().await.expect("a listing");
    black_box(&items);
    items.len()
}
