//! A million random inputs to the pool, against its invariants.

use super::{
    PoolLimits,
    state::{Action, ConnectionId, State},
};
use crate::gax::{policy::Sent, transport_error::TransportError};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use tokio::time::Instant;
use tonic::Code;

/// A pool with a clock; handles are the numbers of connections, waiters are numbered by the test.
pub(super) struct Pool {
    pub(super) state: State<ConnectionId, u32>,
    pub(super) now: Instant,
}

pub(super) fn error() -> TransportError {
    TransportError::new(Code::Unavailable, Sent::No, "unreachable")
}

/// What the driver and the server would know.
#[derive(Default)]
pub(super) struct World {
    /// Connections that may still be opened, and whether they are writable.
    pub(super) openings: BTreeMap<ConnectionId, bool>,
    pub(super) open: BTreeSet<ConnectionId>,
    /// Calls on each connection, also on those that have left the pool.
    pub(super) calls: BTreeMap<ConnectionId, usize>,
    pub(super) waiting: BTreeMap<u32, u64>,
    ended: usize,
}

impl World {
    /// Carries out the actions, and checks what they may be.
    pub(super) fn obey(&mut self, pool: &mut Pool) {
        for action in pool.state.take_actions() {
            match action {
                Action::Open(id) => {
                    assert!(self.openings.insert(id, false).is_none(), "opened once")
                }
                Action::Abort(id) => assert!(self.openings.remove(&id).is_some(), "it was opening"),
                Action::Serve(waiter, id, _) => {
                    assert!(self.waiting.remove(&waiter).is_some(), "it waited");
                    assert!(self.is_usable(id), "no call on a connection that is gone");
                    *self.calls.entry(id).or_default() += 1;
                }
                Action::Fail(waiter, _) => {
                    // A call that is refused at once has not waited.
                    self.waiting.remove(&waiter);
                    self.ended += 1;
                }
                Action::Drop(id) => {
                    self.openings.remove(&id);
                    self.open.remove(&id);
                }
                Action::Probe(id) => assert!(self.is_usable(id)),
            }
        }
    }

    /// A call takes a place, or waits.
    pub(super) fn call(&mut self, pool: &mut Pool, is_repeatable: bool, waiter: u32) {
        match pool.state.acquire(pool.now, is_repeatable) {
            Some((id, _)) => {
                assert!(self.is_usable(id), "no call on a connection that is gone");
                *self.calls.entry(id).or_default() += 1;
            }
            None => {
                if let Some(number) = pool.state.wait(pool.now, is_repeatable, waiter) {
                    self.waiting.insert(waiter, number);
                }
            }
        }
    }

    /// The first waiter gives up, if there is one.
    pub(super) fn give_up(&mut self, pool: &mut Pool) {
        if let Some((waiter, number)) = self.waiting.pop_first() {
            assert_eq!(pool.state.give_up(number), Some(waiter), "no waiter is forgotten");
        }
    }

    /// From here on, the server works. Returns whether every waiter is served in the end.
    pub(super) fn serve_all(&mut self, pool: &mut Pool, streams: usize) -> bool {
        for _ in 0..10_000 {
            if self.waiting.is_empty() {
                return true;
            }
            pool.now += Duration::from_secs(1);
            pool.state.timer(pool.now);
            self.obey(pool);
            for id in self.openings.keys().copied().collect::<Vec<_>>() {
                self.openings.insert(id, true);
                pool.state.writable(id, id);
                self.obey(pool);
                if pool.state.opened(pool.now, id, streams) {
                    self.openings.remove(&id);
                    self.open.insert(id);
                }
                self.obey(pool);
            }
            for (id, calls) in self.calls.clone() {
                for _ in 0..calls {
                    self.end_call(id);
                    pool.state.release(pool.now, id, true);
                    self.obey(pool);
                }
            }
        }
        false
    }

    pub(super) fn end_call(&mut self, id: ConnectionId) {
        let calls = self.calls.get_mut(&id).expect("it is busy");
        *calls -= 1;
        if *calls == 0 {
            self.calls.remove(&id);
        }
    }

    fn is_usable(&self, id: ConnectionId) -> bool {
        self.open.contains(&id) || self.openings.get(&id) == Some(&true)
    }
}

fn pick<T: Copy>(rng: &mut fastrand::Rng, among: impl IntoIterator<Item = T>) -> Option<T> {
    let among: Vec<_> = among.into_iter().collect();
    rng.choice(&among).copied()
}

/// One random input.
fn input(pool: &mut Pool, world: &mut World, rng: &mut fastrand::Rng, waiter: u32, streams: usize) {
    let opening = pick(rng, world.openings.keys().copied());
    let open = pick(rng, world.open.iter().copied());
    let busy = pick(rng, world.calls.keys().copied());
    match (rng.u8(..16), opening, open, busy) {
        (0..6, ..) => {
            let is_repeatable = rng.bool();
            world.call(pool, is_repeatable, waiter);
        }
        (6..9, .., Some(id)) => {
            world.end_call(id);
            pool.state.release(pool.now, id, rng.bool());
        }
        (9, Some(id), ..) if !world.openings[&id] => {
            world.openings.insert(id, true);
            pool.state.writable(id, id);
        }
        (10, Some(id), ..) if world.openings[&id] => {
            world.openings.remove(&id);
            if pool.state.opened(pool.now, id, rng.usize(1..=streams)) {
                world.open.insert(id);
            }
        }
        (11, Some(id), ..) if rng.u8(..4) == 0 => {
            world.openings.remove(&id);
            pool.state.ended(pool.now, id, error());
        }
        (12, _, Some(id), _) if rng.u8(..4) == 0 => {
            world.open.remove(&id);
            pool.state.ended(pool.now, id, error());
        }
        (13, _, Some(id), _) if rng.bool() => pool.state.suspect(pool.now, id),
        (13, _, Some(id), _) => pool.state.heard(pool.now, id),
        (14, _, Some(id), _) if rng.u8(..4) == 0 => {
            pool.state.allows(pool.now, id, rng.usize(..=streams));
        }
        (15, ..) if rng.bool() => world.give_up(pool),
        (15, ..) => {}
        _ => {
            pool.now += Duration::from_millis(rng.u64(..500));
            pool.state.timer(pool.now);
        }
    }
    world.obey(pool);
}

#[test]
fn a_million_random_inputs_keep_the_invariants() {
    const RUNS: u64 = 100;
    for seed in 0..RUNS {
        let mut rng = fastrand::Rng::with_seed(seed);
        let (connections, streams) = (rng.usize(1..5), rng.usize(1..6));
        let limits = PoolLimits::default()
            .with_max_connections(connections)
            .with_max_calls_per_connection(streams);
        let state = State::new(limits, fastrand::Rng::with_seed(seed));
        let mut pool = Pool { state, now: Instant::now() };
        let mut world = World::default();
        for waiter in 0..10_000 {
            input(&mut pool, &mut world, &mut rng, waiter, streams);
            let (.., waiting) = pool.state.numbers();
            assert_eq!(waiting, world.waiting.len(), "seed {seed}: no waiter is lost");
            let live = pool.state.live();
            assert!(live <= connections, "seed {seed}: {live} of {connections} connections");
            for (id, calls) in &world.calls {
                assert!(*calls <= streams.max(8), "seed {seed}: {calls} calls on {id}");
            }
        }
        assert!(world.serve_all(&mut pool, streams), "seed {seed}: waiters are left");
    }
}
