//! Soaks the client in faults, on real sockets, next to a server that keeps the truth of what it read
//! and did.
//!
//! ```text
//! callers (64 calls in flight) → proxy (faults of the network) → server (faults of HTTP/2 and gRPC)
//! ```
//!
//! One call in three is a read, one a mutation with a `request_id`, one a mutation without. One
//! request in five meets a fault at the server; besides, connections fail in the proxy. At the end,
//! the program compares what the callers were told with what the server did, and exits with 1 if
//! - a mutation was acknowledged and not carried out (lost), or carried out twice;
//! - a call said that it cannot have run, and was carried out;
//! - a call got the answer of another one;
//! - a call ended more than 50 ms after its deadline;
//! - sockets, tasks or memory are left over;
//! - fewer than 40 kinds of faults occurred in a run of 20 s or more.
//!
//! Arguments: `--seconds N` (20 unless set), `--seed N` (random unless set), `--test` (3 s).

mod by_hand;
mod callers;
mod faults;
mod frames;
mod ordinary;
mod proxy;
mod resources;
mod truth;
mod world;

use callers::Callers;
use std::{
    process::ExitCode,
    sync::{Arc, atomic::Ordering},
    thread,
    time::{Duration, Instant},
};
use tokio::runtime::{Builder, Runtime};
use world::World;

/// The calls in a second for which memory is reserved. More are not made.
const CALLS_A_SECOND: usize = 2500;

/// How long everything may take to close after the last call.
const CLOSING: Duration = Duration::from_secs(20);

/// How much memory a run may gain after its first fifth, beyond half of what it had.
const MEMORY_GAIN: u64 = 48 << 20;

/// The least number of kinds of faults in a run of 20 s or more.
const KINDS: usize = 40;

fn main() -> ExitCode {
    let (seconds, seed) = arguments();
    println!("soak: {seconds} s, seed {seed}");
    let world = World::new(seed, usize::try_from(seconds).expect("short") * CALLS_A_SECOND);
    let servers = runtime("servers", 1);
    let clients = runtime("clients", 2);
    let before = resources::sockets();
    let (plain, encrypted) = servers.block_on(proxy::start(world.clone()));
    let callers = Callers::new(plain, encrypted, &world);

    let running = clients.spawn(callers.run(world.clone()));
    let peak = watch(&world, seconds, &[plain, encrypted]);
    world.stop.store(true, Ordering::Relaxed);
    let is_over = clients.block_on(async {
        let over = tokio::time::timeout(CLOSING, running).await;
        over.map(|joined| joined.expect("no caller panics")).is_ok()
    });

    let mut violations = Vec::new();
    if !is_over {
        violations.push("calls hang".to_owned());
    }
    violations.extend(truth_of(&world));
    violations.extend(left_over(&clients, &[plain, encrypted]));
    violations.extend(peak);
    drop(servers);
    drop(clients);
    let after = resources::sockets();
    if after > before {
        violations.push(format!("{} sockets of the process are left over", after - before));
    }
    if seconds >= 20 && world.tally.kinds() < KINDS {
        violations.push(format!("only {} kinds of faults occurred", world.tally.kinds()));
    }
    for violation in &violations {
        println!("VIOLATION: {violation}");
    }
    if violations.is_empty() {
        println!("no violation");
        ExitCode::SUCCESS
    } else {
        println!("repeat with --seconds {seconds} --seed {seed}");
        ExitCode::FAILURE
    }
}

fn arguments() -> (u64, u64) {
    let arguments: Vec<String> = std::env::args().collect();
    let number = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        Some(arguments.get(at + 1)?.parse().expect("a number"))
    };
    let is_test = arguments.iter().any(|argument| argument == "--test");
    let seconds = number("--seconds").unwrap_or(if is_test { 3 } else { 20 });
    (seconds, number("--seed").unwrap_or_else(|| fastrand::u64(..)))
}

fn runtime(name: &str, threads: usize) -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(threads).thread_name(name).enable_all().build().expect("a runtime")
}

/// Prints the state of things every now and then. Returns a violation if memory grows.
fn watch(world: &Arc<World>, seconds: u64, ports: &[u16]) -> Option<String> {
    println!(
        "{:>6} {:>9} {:>9} {:>9} {:>8} {:>7} {:>6} {:>8}",
        "time", "calls", "requests", "faults", "RSS", "fds", "tasks", "sockets"
    );
    let (begun, period) = (Instant::now(), (seconds / 20).max(1));
    let (mut early, mut last) = (0, 0);
    for tick in 1..=seconds.div_ceil(period) {
        let due = begun + Duration::from_secs((tick * period).min(seconds));
        thread::sleep(due.saturating_duration_since(Instant::now()));
        last = resources::memory();
        if tick * period * 5 <= seconds.max(5) {
            early = last;
        }
        println!(
            "{:>4} s {:>9} {:>9} {:>9} {:>5} MB {:>7} {:>6} {:>8}",
            begun.elapsed().as_secs(),
            world.calls.load(Ordering::Relaxed),
            world.truth.requests(),
            world.tally.total(),
            last >> 20,
            resources::descriptors(),
            world.client_tasks(),
            resources::sockets_to(ports),
        );
    }
    let grew = last > early + early / 2 + MEMORY_GAIN;
    grew.then(|| format!("memory grew from {} MB to {} MB", early >> 20, last >> 20))
}

/// Compares what the callers were told with what the server did.
fn truth_of(world: &World) -> Vec<String> {
    let verdict = world.truth.verdict();
    println!("\nfaults by kind ({}):", world.tally.kinds());
    for (kind, count) in world.tally.list() {
        println!("  {count:>7} {kind}");
    }
    println!("\ncalls {}, of which:", verdict.calls);
    println!("  succeeded       {:>8}", verdict.succeeded);
    println!("  failed          {:>8}", verdict.calls - verdict.succeeded);
    println!("  mutations that may have run {:>8}", verdict.may_have_run);
    println!("    and were carried out      {:>8}", verdict.did_run);
    println!(
        "requests read whole {:>8}, of which repeats dropped by request_id {}",
        world.truth.requests(),
        verdict.repeats
    );
    println!("lost                {:>8}", verdict.lost.len());
    println!("twice               {:>8}", verdict.twice.len());
    println!("wrong may_have_run  {:>8}", verdict.wrong.len());
    println!("wrong answer        {:>8}", verdict.mixed_up.len());
    println!("over deadline       {:>8}", verdict.late.len());
    println!("latest after its deadline {:>6.1} ms", world.latest().as_secs_f64() * 1e3);
    println!(
        "needless may_have_run {:>6}, of which nothing was read whole:",
        verdict.needless.len()
    );
    for (cause, count) in &verdict.needless_by_cause {
        println!("  {count:>7} {cause}");
    }
    let lists = [
        ("lost", &verdict.lost),
        ("carried out twice", &verdict.twice),
        ("wrong may_have_run", &verdict.wrong),
        ("answered with another call's answer", &verdict.mixed_up),
        ("over the deadline", &verdict.late),
    ];
    let filled = lists.into_iter().filter(|(_, calls)| !calls.is_empty());
    let mut violations: Vec<_> = filled
        .map(|(what, calls)| format!("{} calls {what}: {}", calls.len(), world.truth.tell(calls)))
        .collect();
    if world.truth.malformed() > 0 {
        violations.push(format!("{} malformed requests", world.truth.malformed()));
    }
    if verdict.succeeded * 10 < verdict.calls * 5 {
        violations.push("fewer than half of the calls succeeded".to_owned());
    }
    violations
}

/// Waits until the dropped clients have closed everything.
fn left_over(clients: &Runtime, ports: &[u16]) -> Vec<String> {
    let begun = Instant::now();
    loop {
        let (sockets, tasks) = (resources::sockets_to(ports), clients.metrics().num_alive_tasks());
        if sockets + tasks == 0 {
            println!("all sockets and tasks closed {:.1} s later", begun.elapsed().as_secs_f64());
            return Vec::new();
        }
        if begun.elapsed() > CLOSING {
            return vec![format!(
                "{sockets} sockets and {tasks} tasks of the clients are left over"
            )];
        }
        thread::sleep(Duration::from_millis(100));
    }
}
