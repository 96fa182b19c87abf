//! Allocations a call, counted: ours and the bare tonic stub's, on the client's thread alone.
//!
//! ```sh
//! cargo bench --bench count
//! ```
//!
//! With the name of one caller and a number, it makes that many calls and nothing else: for
//! callgrind, which counts instructions. benches/README.md has the command.

mod canned;

use canned::{
    Manners,
    callers::{ours, theirs},
    channel, serve,
};
use tokio::{runtime::Runtime, task::JoinSet};

const CALLS: u64 = 1000;

fn main() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let address = serve(channel(1), Manners::default());
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
        _ => {
            let (our, their) = runtime.block_on(async { (ours(address), theirs(address).await) });
            println!("allocations a call: ours {:.1}", count(&runtime, || our.call()));
            println!("allocations a call: bare {:.1}", count(&runtime, || their.call()));
        }
    }
}

fn count<F: Future<Output = ()> + Send + 'static>(runtime: &Runtime, call: impl Fn() -> F) -> f64 {
    run(runtime, 200, &call);
    let counted = allocation_counter::measure(|| run(runtime, CALLS, &call));
    counted.count_total as f64 / CALLS as f64
}

/// Makes calls, 64 in flight.
fn run<F: Future<Output = ()> + Send + 'static>(
    runtime: &Runtime,
    calls: u64,
    call: impl Fn() -> F,
) {
    runtime.block_on(async {
        let mut running = JoinSet::new();
        for _ in 0..calls {
            if running.len() == 64 {
                running.join_next().await.expect("one runs").expect("no panic");
            }
            running.spawn(call());
        }
        while let Some(done) = running.join_next().await {
            done.expect("no panic");
        }
    });
}
