//! A deterministic simulation: the real client over a simulated network, on a clock that skips idle
//! time, against servers that remember what they have read and carried out.
//!
//! Everything is drawn from one seed: the workload, the network's faults and the servers' faults. So a
//! seed that fails can be repeated: with `SIMULATION_SEED=17`, a test prints who sent what, when, over
//! which connection, and what became of it. `SIMULATION_SEEDS=10000` runs that many seeds,
//! `SIMULATION_FIRST` is the first of them, and `SIMULATION_THREADS` says on how many threads.

mod calls;
mod emulated;
#[path = "../support/grpc.rs"]
mod grpc;
mod network;
mod server;
mod tokens;
mod trace;
mod truth;
mod wire;
mod workload;

use emulated::Emulated;
use network::{Faults, Network};
use server::Service;
use std::{
    collections::BTreeMap,
    env,
    process::{Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};
use tokens::Tokens;
use trace::Trace;
use wire::Ledger;

/// The number of seeds that `cargo test` runs.
const SEEDS: u64 = 300;

/// The number of seeds that it runs against the emulator, which takes longer.
const EMULATOR_SEEDS: u64 = 20;

/// Seeds beyond these that have found a defect of the client.
const REGRESSIONS: [u64; 2] = [321_300, 473_249];

/// The number of seeds whose traces are compared between two processes.
const COMPARED: u64 = 20;

fn variable(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().expect("a number"))
}

/// What carries out the requests.
#[derive(Clone, Copy, Debug)]
enum Backend {
    /// A simple service that knows every request and its time.
    Simple,
    Emulator,
}

/// Runs one seed, and returns its trace.
fn simulate(seed: u64, backend: Backend) -> Trace {
    // The client draws its jitter from this generator.
    fastrand::seed(seed);
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build().expect("a runtime");
    runtime.block_on(async {
        let (trace, ledger) = (Trace::new(), Ledger::default());
        let faults = match backend {
            Backend::Simple => Faults::draw(&mut rng),
            Backend::Emulator => Faults::draw(&mut rng).for_longer(),
        };
        let tokens = (rng.u8(..4) > 0).then(|| Tokens::draw(&mut rng, faults.heals_at));
        let server = server::Faults::draw(&mut rng);
        let service = Service::new(trace.clone(), server, ledger.clone(), tokens.is_some());
        let network = match backend {
            Backend::Simple => {
                let network =
                    Network::new(trace.clone(), faults, service.clone(), ledger, rng.fork());
                workload::run(&mut rng, &network, &service, tokens, &trace).await;
                network
            }
            Backend::Emulator => {
                let emulated = Emulated::draw(&mut rng, &trace);
                let service = service.before(emulated.clone());
                let network = Network::new(trace.clone(), faults, service, ledger, rng.fork());
                emulated::run(&mut rng, &network, emulated, tokens, &trace).await;
                network
            }
        };
        network.close();
        // Timers of connections that close last for seconds.
        tokio::time::sleep(Duration::from_secs(30)).await;
        let left = tokio::runtime::Handle::current().metrics().num_alive_tasks();
        trace.require(left == 0, "nothing is left", || format!("{left} tasks"));
        trace
    })
}

/// The lowest seed that fails, with its violations and its trace.
type Failure = Mutex<BTreeMap<u64, String>>;

/// Runs one seed, and returns its trace, unless an invariant is violated.
fn check(seed: u64, backend: Backend) -> Result<Trace, String> {
    let trace = simulate(seed, backend);
    match trace.violations().first() {
        None => Ok(trace),
        Some(first) => Err(format!("{}\nseed {seed} violates {first}", trace.text())),
    }
}

#[test]
fn no_seed_violates_an_invariant() {
    check_seeds(Backend::Simple, variable("SIMULATION_SEEDS").unwrap_or(SEEDS));
}

#[test]
fn no_seed_violates_a_rule_of_the_emulator() {
    check_seeds(Backend::Emulator, variable("SIMULATION_SEEDS").unwrap_or(EMULATOR_SEEDS));
}

fn check_seeds(backend: Backend, seeds: u64) {
    let check = |seed| check(seed, backend);
    if let Some(seed) = variable("SIMULATION_SEED") {
        return println!("{}", check(seed).unwrap_or_else(|failure| panic!("{failure}")).text());
    }
    let first = variable("SIMULATION_FIRST").unwrap_or(0);
    let last = first + seeds;
    let (next, failures) = (AtomicU64::new(first), Failure::default());
    let (calls, failed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let faults = Mutex::new(BTreeMap::<&str, usize>::new());
    let run = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= last {
                return;
            }
            match check(seed) {
                Ok(trace) => {
                    calls.fetch_add(trace.count("call"), Ordering::Relaxed);
                    failed.fetch_add(trace.count("failed"), Ordering::Relaxed);
                    let mut faults = faults.lock().expect("no panic under the lock");
                    for (fault, count) in trace.faults() {
                        *faults.entry(fault).or_default() += count;
                    }
                }
                Err(failure) => {
                    next.store(last, Ordering::Relaxed);
                    failures.lock().expect("no panic under the lock").insert(seed, failure);
                }
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..variable("SIMULATION_THREADS").unwrap_or(2) {
            scope.spawn(run);
        }
    });
    if let Some((_, failure)) = failures.into_inner().expect("no panic").pop_first() {
        panic!("{failure}");
    }
    let (calls, failed) = (calls.into_inner(), failed.into_inner());
    println!("{calls} calls, {failed} of them failed");
    for (fault, count) in faults.into_inner().expect("no panic") {
        println!("{count:>9} × {fault}");
    }
    assert!(failed > 0 && failed < calls, "faults occur, and calls survive them");
}

/// The variable by which the test below tells its own child to print hashes.
const CHILD: &str = "SIMULATION_HASHES";

#[test]
fn seeds_that_found_a_defect_violate_no_invariant() {
    for seed in REGRESSIONS {
        check(seed, Backend::Simple).unwrap_or_else(|failure| panic!("{failure}"));
    }
}

#[test]
fn a_seed_has_the_same_trace_in_every_process() {
    let seeds = variable("SIMULATION_COMPARED").unwrap_or(COMPARED);
    if env::var_os(CHILD).is_some() {
        let print = |seed, backend| {
            println!("seed {seed} has {:016x} with {backend:?}", simulate(seed, backend).hash());
        };
        (0..seeds).for_each(|seed| print(seed, Backend::Simple));
        return (0..seeds).step_by(10).for_each(|seed| print(seed, Backend::Emulator));
    }
    let children = [0, 1].map(|_| {
        let own = env::current_exe().expect("the path of this test");
        let mut child = Command::new(own);
        child.args(["--exact", "a_seed_has_the_same_trace_in_every_process", "--nocapture"]);
        child.env(CHILD, "").stdout(Stdio::piped());
        child.spawn().expect("a child process")
    });
    let outputs = children.map(|child| {
        let output = child.wait_with_output().expect("the output of the child").stdout;
        let output = String::from_utf8(output).expect("text");
        output
            .lines()
            .filter(|line| line.starts_with("seed "))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    });
    assert_eq!(outputs[0].len() as u64, seeds + seeds.div_ceil(10), "{:?}", outputs[0]);
    assert_eq!(outputs[0], outputs[1]);
}
