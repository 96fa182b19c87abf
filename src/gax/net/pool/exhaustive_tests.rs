//! All sequences of inputs to a small pool, against its invariants.

use super::{
    PoolLimits,
    random_tests::{Pool, World, error},
    state::{ConnectionId, State},
};
use std::time::Duration;
use tokio::time::Instant;

/// The length of the sequences.
const DEPTH: usize = 7;
const CONNECTIONS: usize = 2;
const STREAMS: usize = 1;
const MAX_WAITING: usize = 2;

/// What can happen to a pool. A number picks a connection.
#[derive(Clone, Copy, Debug)]
enum Input {
    Call {
        is_repeatable: bool,
    },
    GiveUp,
    EndCall(ConnectionId, bool),
    Writable(ConnectionId),
    Opened(ConnectionId),
    Ended(ConnectionId),
    Suspect(ConnectionId),
    Heard(ConnectionId),
    Allows(ConnectionId, usize),
    /// A second passes: an opening stalls, and the first reconnect backoff may end.
    Second,
}

/// The inputs that are possible now.
fn inputs(world: &World) -> Vec<Input> {
    let mut inputs = vec![Input::Second];
    if world.waiting.len() < MAX_WAITING {
        inputs.extend([true, false].map(|is_repeatable| Input::Call { is_repeatable }));
    }
    if !world.waiting.is_empty() {
        inputs.push(Input::GiveUp);
    }
    for id in world.calls.keys() {
        inputs.extend([true, false].map(|is_answered| Input::EndCall(*id, is_answered)));
    }
    for (id, is_writable) in &world.openings {
        let next = if *is_writable { Input::Opened(*id) } else { Input::Writable(*id) };
        inputs.extend([next, Input::Ended(*id)]);
    }
    for id in &world.open {
        inputs.extend([Input::Ended(*id), Input::Suspect(*id), Input::Heard(*id)]);
        inputs.extend([Input::Allows(*id, 0), Input::Allows(*id, 2)]);
    }
    inputs
}

fn apply(pool: &mut Pool, world: &mut World, input: Input, waiter: u32) {
    match input {
        Input::Call { is_repeatable } => world.call(pool, is_repeatable, waiter),
        Input::GiveUp => world.give_up(pool),
        Input::EndCall(id, is_answered) => {
            world.end_call(id);
            pool.state.release(pool.now, id, is_answered);
        }
        Input::Writable(id) => {
            world.openings.insert(id, true);
            pool.state.writable(id, id);
        }
        Input::Opened(id) => {
            world.openings.remove(&id);
            if pool.state.opened(pool.now, id, STREAMS) {
                world.open.insert(id);
            }
        }
        Input::Ended(id) => {
            world.openings.remove(&id);
            world.open.remove(&id);
            pool.state.ended(pool.now, id, error());
        }
        Input::Suspect(id) => pool.state.suspect(pool.now, id),
        Input::Heard(id) => pool.state.heard(pool.now, id),
        Input::Allows(id, streams) => pool.state.allows(pool.now, id, streams),
        Input::Second => {
            pool.now += Duration::from_secs(1);
            pool.state.timer(pool.now);
        }
    }
    world.obey(pool);
}

fn run(path: &[Input]) -> (Pool, World) {
    let limits = PoolLimits::default()
        .with_max_connections(CONNECTIONS)
        .with_max_calls_per_connection(STREAMS);
    let state = State::new(limits, fastrand::Rng::with_seed(1));
    let (mut pool, mut world) = (Pool { state, now: Instant::now() }, World::default());
    for (waiter, input) in (0..).zip(path) {
        apply(&mut pool, &mut world, *input, waiter);
    }
    (pool, world)
}

/// Checks a path, and all that begin with it.
fn explore(path: &mut Vec<Input>) -> u64 {
    let (mut pool, mut world) = run(path);
    let (.., waiting) = pool.state.numbers();
    assert_eq!(waiting, world.waiting.len(), "a waiter is lost: {path:?}");
    let live = pool.state.live();
    assert!(live <= CONNECTIONS, "{live} connections: {path:?}");
    let busiest = world.calls.values().max().copied().unwrap_or(0);
    assert!(busiest <= STREAMS, "{busiest} calls on a connection: {path:?}");
    let next = inputs(&world);
    if path.len() == DEPTH {
        assert!(world.serve_all(&mut pool, STREAMS), "a waiter is never served: {path:?}");
        return 1;
    }
    next.into_iter().fold(1, |paths, input| {
        path.push(input);
        let paths = paths + explore(path);
        path.pop();
        paths
    })
}

#[test]
fn all_short_sequences_of_inputs_keep_the_invariants() {
    let paths = explore(&mut Vec::new());
    println!("{paths} sequences of up to {DEPTH} inputs");
}
