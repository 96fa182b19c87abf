//! Measures the cost of the whole stack for each call, compared with the bare tonic stub on one tonic
//! channel.
//!
//! Both call GetChannel over loopback HTTP/2, in turns in one run, on another core than the server's. The
//! results are ratios of this crate to the bare stub: the median over all rounds. CPU is the CPU time of the
//! client's thread, with its kernel time.
//!
//! Two servers answer: one that is as cheap as possible and an ordinary one over hyper, and the bare stub
//! sends no token or the same token of about 1 kB as this crate does.

mod canned;

use canned::{
    callers::{Ours, Theirs, ours, theirs},
    channel, cpu_time, keep_in_flight, pin_to, serve, serve_ordinarily, stay_awake, timed,
};
use tokio::runtime::Runtime;

const ROUNDS: usize = 21;

fn main() {
    let is_test = std::env::args().any(|argument| argument == "--test");
    let rounds = if is_test { 1 } else { ROUNDS };
    let servers = [
        ("canned server", serve(&channel(1), false)),
        ("hyper server", serve_ordinarily(&channel(1))),
    ];
    pin_to(0);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");

    println!("{:<32} {:>9} {:>9} {:>7}", "ours / bare stub", "ours", "bare", "ratio");
    for (server, address) in servers {
        for has_token in [false, true] {
            println!("{server}, bare stub {} token", if has_token { "with" } else { "without" });
            let theirs = runtime.block_on(theirs(address));
            let theirs = if has_token { theirs.with_token() } else { theirs };
            let pair = (runtime.block_on(async { ours(address) }), theirs);
            for in_flight in [1, 64] {
                let calls = if is_test { in_flight } else { 4000 };
                let measured = in_turns(&runtime, &pair, rounds, calls, in_flight);
                print(&format!("CPU a call, {in_flight} in flight"), &measured, |it| it.cpu);
                if in_flight == 1 {
                    print("p50, 1 in flight, from sleep", &measured, |it| it.p50);
                }
            }
        }
    }

    let calls = if is_test { 1 } else { 4000 };
    let awake = serve(&channel(1), true);
    let pair = runtime.block_on(async { (ours(awake), theirs(awake).await) });
    println!("canned server, cores kept awake, bare stub without token");
    let staying = runtime.block_on(async { stay_awake() });
    let measured = in_turns(&runtime, &pair, rounds, calls, 1);
    staying.abort();
    print("p50, 1 in flight, cores awake", &measured, |it| it.p50);
}

fn print(what: &str, rounds: &[(Measured, Measured)], of: impl Fn(&Measured) -> f64) {
    let mut pairs: Vec<_> = rounds.iter().map(|(our, their)| (of(our), of(their))).collect();
    pairs.sort_by(|a, b| (a.0 / a.1).total_cmp(&(b.0 / b.1)));
    let (our, their) = pairs[pairs.len() / 2];
    println!("  {what:<30} {:>6.2} µs {:>6.2} µs {:>7.3}", our * 1e6, their * 1e6, our / their);
}

struct Measured {
    /// Seconds of CPU for each call.
    cpu: f64,
    /// The median of the calls' times, in seconds.
    p50: f64,
}

/// Measures both clients for a number of rounds, after one round to warm up.
fn in_turns(
    runtime: &Runtime,
    (ours, theirs): &(Ours, Theirs),
    rounds: usize,
    calls: usize,
    in_flight: usize,
) -> Vec<(Measured, Measured)> {
    let round = |_| {
        (
            measure(runtime, calls, in_flight, || ours.call()),
            measure(runtime, calls, in_flight, || theirs.call()),
        )
    };
    (0..=rounds).map(round).skip(1).collect()
}

fn measure<F>(runtime: &Runtime, calls: usize, in_flight: usize, call: impl Fn() -> F) -> Measured
where
    F: Future<Output = ()> + Send + 'static,
{
    let begun = cpu_time();
    let mut times = runtime.block_on(keep_in_flight(calls, in_flight, || timed(call())));
    let cpu = (cpu_time() - begun).as_secs_f64() / calls as f64;
    times.sort();
    Measured { cpu, p50: times[times.len() / 2].as_secs_f64() }
}
