//! Counts allocations, which do not depend on the machine: those of a call on the client's thread, for this
//! crate and for the bare tonic stub; and those of parsing, building and traversing names.
//!
//! If the arguments are the name of a caller and a number, the program only makes that number of calls.
//! callgrind then counts their instructions. The caller `traced` is this crate under a subscriber that
//! samples nothing. `.ci/counts.py` runs all of them, and compares the results with `counts.txt`.

mod canned;

use canned::{
    callers::{ours, theirs},
    channel, keep_in_flight, serve,
};
use livestream_client::name::{ChannelName, LocationName};
use std::hint::black_box;
use tokio::runtime::Runtime;
use tracing::{
    Event, Metadata, Subscriber,
    level_filters::LevelFilter,
    span::{Attributes, Id, Record},
    subscriber::Interest,
};

const CALLS: usize = 1000;

fn main() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let address = serve(&channel(1), false);
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [caller @ ("ours" | "traced"), calls] => {
            if caller == "traced" {
                let set = tracing::subscriber::set_global_default(SamplesNothing);
                set.expect("nothing else sets one");
            }
            let client = runtime.block_on(async { ours(address) });
            run(&runtime, calls.parse().expect("a number of calls"), || client.call());
        }
        ["bare", calls] => {
            let client = runtime.block_on(theirs(address));
            run(&runtime, calls.parse().expect("a number of calls"), || client.call());
        }
        ["bare-with-token", calls] => {
            let client = runtime.block_on(theirs(address)).with_token();
            run(&runtime, calls.parse().expect("a number of calls"), || client.call());
        }
        _ => {
            let (our, their) = runtime.block_on(async { (ours(address), theirs(address).await) });
            println!("allocations a call: {:.1}", of_calls(&runtime, || our.call()));
            eprintln!(
                "allocations a call of the bare stub: {:.1}",
                of_calls(&runtime, || their.call())
            );
            count_names();
        }
    }
}

fn count_names() {
    let text = "projects/my-project/locations/us-central1/channels/evening-news";
    let location = LocationName::new("my-project", "us-central1").expect("a valid name");
    let name: ChannelName = text.parse().expect("a valid name");
    let build = || ChannelName::new("my-project", "us-central1", "evening-news");
    println!("allocations to parse a name: {}", of(|| text.parse::<ChannelName>()));
    println!("allocations to build a name: {}", of(build));
    println!("allocations to name a child: {}", of(|| location.channel("evening-news")));
    println!("allocations to name the parent: {}", of(|| name.parent()));
    println!("allocations to clone a name: {}", of(|| name.clone()));
}

fn of<T>(work: impl Fn() -> T) -> u64 {
    allocation_counter::measure(|| drop(black_box(work()))).count_total
}

fn of_calls<F>(runtime: &Runtime, call: impl Fn() -> F) -> f64
where
    F: Future<Output = ()> + Send + 'static,
{
    run(runtime, 200, &call);
    let counted = allocation_counter::measure(|| run(runtime, CALLS, &call));
    counted.count_total as f64 / CALLS as f64
}

/// Makes calls, 64 in flight.
fn run<F>(runtime: &Runtime, calls: usize, call: impl Fn() -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    runtime.block_on(keep_in_flight(calls, 64, call));
}

/// A subscriber of level INFO, the usual one in production, that decides on each span anew and wants
/// none.
struct SamplesNothing;

impl Subscriber for SamplesNothing {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::INFO)
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        black_box(metadata);
        false
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        unreachable!("no span is enabled")
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
