//! A deterministic simulation: the real client over a simulated network, on a clock that skips idle
//! time, against servers that remember what they have read and carried out.
//!
//! Everything is drawn from one seed: the workload, the network's faults and the servers' faults. So a
//! seed that fails can be repeated: `SIMULATION_SEED=17 cargo test --test simulation -- --nocapture`
//! prints who sent what, when, over which connection, and what became of it. `SIMULATION_SEEDS=10000`
//! runs that many seeds.

#[path = "../support/grpc.rs"]
mod grpc;
mod network;
mod server;
mod trace;
mod workload;

use network::{Faults, Network};
use server::Service;
use std::{env, time::Duration};
use trace::Trace;

/// The number of seeds that `cargo test` runs.
const SEEDS: u64 = 300;

fn variable(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().expect("a number"))
}

/// Runs one seed, and returns its trace.
fn simulate(seed: u64) -> Trace {
    // The client draws its jitter from this generator.
    fastrand::seed(seed);
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build().expect("a runtime");
    let trace = Trace::new();
    runtime.block_on(async {
        let faults = Faults::draw(&mut rng);
        let service = Service::new(trace.clone(), server::Faults::draw(&mut rng));
        let network = Network::new(trace.clone(), faults, service.clone(), rng.fork());
        workload::run(&mut rng, &network, &service, &trace).await;
        network.close();
        // Timers of connections that close last for seconds.
        tokio::time::sleep(Duration::from_secs(30)).await;
        let left = tokio::runtime::Handle::current().metrics().num_alive_tasks();
        trace.require(left == 0, || format!("{left} tasks are left"));
    });
    trace
}

/// Runs one seed, and fails with its trace if an invariant is violated.
fn check(seed: u64) -> Trace {
    let trace = simulate(seed);
    let violations = trace.violations();
    assert!(violations.is_empty(), "seed {seed}: {violations:#?}\n{}", trace.text());
    trace
}

#[test]
fn no_seed_loses_repeats_or_delays_a_call() {
    if let Some(seed) = variable("SIMULATION_SEED") {
        println!("{}", check(seed).text());
        return;
    }
    let (mut calls, mut failed) = (0, 0);
    for seed in 0..variable("SIMULATION_SEEDS").unwrap_or(SEEDS) {
        let trace = check(seed);
        calls += trace.count("call");
        failed += trace.count("failed");
    }
    println!("{calls} calls, {failed} of them failed");
    assert!(failed > 0 && failed < calls, "faults occur, and calls survive them");
}

#[test]
fn two_runs_of_a_seed_have_the_same_trace() {
    for seed in 0..20 {
        let (one, two) = (simulate(seed).text(), simulate(seed).text());
        let differs = one.lines().zip(two.lines()).find(|(one, two)| one != two);
        assert_eq!(differs, None, "seed {seed}");
        assert_eq!(one.lines().count(), two.lines().count(), "seed {seed}");
    }
}
