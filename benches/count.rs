//! Counts allocations, which do not depend on the machine: those of a call on the client's thread, for this
//! crate and for the bare tonic stub; and those of parsing, building and traversing names.
//!
//! If the arguments are the name of a caller and a number, the program only makes that number of calls.
//! callgrind then counts their instructions. `.ci/counts.py` runs both, and compares the results with
//! `counts.txt`.

mod canned;

use canned::{
    callers::{ours, theirs},
    channel, keep_in_flight, serve,
};
use livestream_client::name::{ChannelName, LocationName};
use std::hint::black_box;
use tokio::runtime::Runtime;

const CALLS: usize = 1000;

fn main() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let address = serve(&channel(1), false);
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["ours", calls] => {
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
