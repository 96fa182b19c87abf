//! What the whole stack costs a call, next to the bare tonic stub on one tonic channel.
//!
//! Both call GetChannel over loopback HTTP/2, in turns within one run, on a core away from the
//! server's. Printed are ratios: ours by theirs. CPU is that of the client's thread alone.

mod canned;

use canned::{
    Manners,
    callers::{ours, theirs},
    channel, pin_to, serve,
};
use std::{
    fs,
    time::{Duration, Instant},
};
use tokio::{runtime::Runtime, task::JoinSet};

const ROUNDS: usize = 31;

fn main() {
    let is_test = std::env::args().any(|argument| argument == "--test");
    let rounds = if is_test { 1 } else { ROUNDS };
    let address = serve(channel(1), Manners::default());
    pin_to(0);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (ours, theirs) = runtime.block_on(async { (ours(address), theirs(address).await) });

    println!("{:<22} {:>9} {:>9} {:>7}", "ours / bare stub", "ours", "bare", "ratio");
    for in_flight in [1, 64] {
        let calls = if is_test { in_flight } else { 4000 };
        let mut cpu = Vec::new();
        let mut wall = Vec::new();
        for round in 0..=rounds {
            let our = measure(&runtime, calls, in_flight, || ours.call());
            let their = measure(&runtime, calls, in_flight, || theirs.call());
            if round > 0 || is_test {
                cpu.push((our.cpu, their.cpu));
                wall.push((our.p50, their.p50));
            }
        }
        print(&format!("CPU a call, {in_flight} in flight"), cpu);
        if in_flight == 1 {
            print("p50, 1 in flight", wall);
        }
    }
}

fn print(what: &str, mut pairs: Vec<(f64, f64)>) {
    pairs.sort_by(|a, b| (a.0 / a.1).total_cmp(&(b.0 / b.1)));
    let (our, their) = pairs[pairs.len() / 2];
    println!("{what:<22} {:>6.2} µs {:>6.2} µs {:>7.3}", our * 1e6, their * 1e6, our / their);
}

struct Measured {
    /// Seconds of CPU a call.
    cpu: f64,
    /// The median of the calls' times, in seconds.
    p50: f64,
}

fn measure<F>(runtime: &Runtime, calls: usize, in_flight: usize, call: impl Fn() -> F) -> Measured
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut times = Vec::with_capacity(calls);
    let begun = cpu_time();
    runtime.block_on(async {
        let mut running = JoinSet::new();
        for _ in 0..calls {
            if running.len() == in_flight {
                times.push(running.join_next().await.expect("one runs").expect("no panic"));
            }
            let call = call();
            running.spawn(async {
                let begun = Instant::now();
                call.await;
                begun.elapsed()
            });
        }
        while let Some(time) = running.join_next().await {
            times.push(time.expect("no panic"));
        }
    });
    let cpu = (cpu_time() - begun).as_secs_f64() / calls as f64;
    times.sort();
    Measured { cpu, p50: times[times.len() / 2].as_secs_f64() }
}

/// The CPU time of this thread, as the kernel accounts for it.
fn cpu_time() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    let nanos = text.split(' ').next().and_then(|text| text.parse().ok()).expect("nanoseconds");
    Duration::from_nanos(nanos)
}
