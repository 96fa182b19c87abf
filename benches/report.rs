//! Measures the same work with criterion: distributions, changes since the last run, and plots as HTML in
//! `target/criterion/report/index.html`.
//!
//! A group measures one caller after the other, so other work on the machine can affect only one of them.
//! Take ratios from the other benches, in which the callers take turns.

mod canned;
#[path = "canned/listing.rs"]
mod listing;

use canned::{
    Manners,
    callers::{ours, theirs},
    channel, cpu_time, keep_in_flight, pin_to, serve, serve_with,
};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use listing::{PAGE, answer, bare, list, list_bare, page};
use livestream_client::name::{ChannelName, LocationName};
use std::{hint::black_box, time::Duration};
use tokio::runtime::Runtime;

criterion_group!(benches, get_channel, list_channels, names);
criterion_main!(benches);

/// Measures the CPU time of the client's thread for each call.
fn get_channel(criterion: &mut Criterion) {
    let address = serve(&channel(1), false);
    let runtime = runtime();
    let (ours, theirs) = runtime.block_on(async { (ours(address), theirs(address).await) });
    let mut group = criterion.benchmark_group("GetChannel, CPU");
    for in_flight in [1, 64] {
        group.bench_function(BenchmarkId::new("ours", in_flight), |bencher| {
            bencher.iter_custom(|calls| cpu_of(&runtime, calls, in_flight, || ours.call()));
        });
        group.bench_function(BenchmarkId::new("bare stub", in_flight), |bencher| {
            bencher.iter_custom(|calls| cpu_of(&runtime, calls, in_flight, || theirs.call()));
        });
    }
}

/// Measures the time of a listing of twenty pages, to the last item.
fn list_channels(criterion: &mut Criterion) {
    const PAGES: usize = 20;
    let address = serve_with(Manners::default(), answer(&page(false), PAGES));
    let runtime = runtime();
    let (ours, theirs) = runtime.block_on(async { (ours(address).0, bare(address).await) });
    let mut group = criterion.benchmark_group("ListChannels");
    group.throughput(Throughput::Elements((PAGES * PAGE) as u64));
    group.bench_function("ours", |bencher| {
        bencher.iter(|| runtime.block_on(list(&ours, Duration::ZERO, false)));
    });
    group.bench_function("bare stub", |bencher| {
        bencher.iter(|| runtime.block_on(list_bare(&theirs)));
    });
}

fn names(criterion: &mut Criterion) {
    let text = "projects/my-project/locations/us-central1/channels/evening-news";
    let location = LocationName::new("my-project", "us-central1").expect("a valid name");
    let name: ChannelName = text.parse().expect("a valid name");
    let mut group = criterion.benchmark_group("names");
    group.bench_function("parse", |bencher| bencher.iter(|| text.parse::<ChannelName>()));
    group.bench_function("build", |bencher| {
        bencher.iter(|| ChannelName::new("my-project", "us-central1", black_box("evening-news")));
    });
    group.bench_function("child", |bencher| bencher.iter(|| location.channel("evening-news")));
    group.bench_function("parent", |bencher| bencher.iter(|| name.parent()));
    group.bench_function("clone", |bencher| bencher.iter(|| name.clone()));
}

/// The client's runtime, on a core away from the server's.
fn runtime() -> Runtime {
    pin_to(0);
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// Measures a number of calls, with a number of them in flight.
fn cpu_of<F>(runtime: &Runtime, calls: u64, in_flight: usize, call: impl Fn() -> F) -> Duration
where
    F: Future<Output = ()> + Send + 'static,
{
    let begun = cpu_time();
    let calls = usize::try_from(calls).expect("as many as fit into memory");
    runtime.block_on(keep_in_flight(calls, in_flight, call));
    cpu_time() - begun
}
