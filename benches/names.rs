//! Resource names: nanoseconds and allocations to parse, build and walk them.

use livestream_client::name::{ChannelName, LocationName};
use std::{hint::black_box, time::Instant};

fn main() {
    let is_test = std::env::args().any(|argument| argument == "--test");
    let rounds = if is_test { 1 } else { 1_000_000 };
    let text = "projects/my-project/locations/us-central1/channels/evening-news";
    let location = LocationName::new("my-project", "us-central1").expect("a valid name");
    let name: ChannelName = text.parse().expect("a valid name");
    measure("parse", rounds, || text.parse::<ChannelName>());
    measure("build", rounds, || ChannelName::new("my-project", "us-central1", "evening-news"));
    measure("child", rounds, || location.channel("evening-news"));
    measure("parent", rounds, || name.parent());
    measure("clone", rounds, || name.clone());
}

fn measure<T>(what: &str, rounds: u32, work: impl Fn() -> T) {
    let allocated = allocation_counter::measure(|| drop(black_box(work()))).count_total;
    let begun = Instant::now();
    for _ in 0..rounds {
        drop(black_box(work()));
    }
    println!(
        "{what:<7} {:>6.0} ns  {allocated} allocations",
        begun.elapsed().as_nanos() as f64 / f64::from(rounds)
    );
}
