//! The rules by which calls get places, one test each.

use super::{
    PoolLimits,
    state::{Action, ConnectionId, State},
};
use crate::gax::{policy::Sent, transport_error::TransportError};
use std::time::Duration;
use tokio::time::Instant;
use tonic::Code;

pub(super) const SECOND: Duration = Duration::from_secs(1);

/// A pool with a clock; handles are the numbers of connections, waiters are numbered by the test.
pub(super) struct Pool {
    pub(super) state: State<ConnectionId, u32>,
    pub(super) now: Instant,
}

pub(super) type Actions = Vec<Action<ConnectionId, u32>>;

pub(super) fn error() -> TransportError {
    TransportError::new(Code::Unavailable, Sent::No, "unreachable")
}

impl Pool {
    pub(super) fn new(limits: PoolLimits) -> Self {
        Self { state: State::new(limits, fastrand::Rng::with_seed(1)), now: Instant::now() }
    }

    pub(super) fn limited(connections: usize, calls: usize) -> Self {
        let limits = PoolLimits::default();
        Self::new(limits.with_max_connections(connections).with_max_calls_per_connection(calls))
    }

    /// A place, or a waiter in the queue.
    pub(super) fn call(&mut self, is_repeatable: bool, waiter: u32) -> Option<ConnectionId> {
        let place = self.state.acquire(self.now, is_repeatable);
        if place.is_none() {
            self.state.wait(self.now, is_repeatable, waiter);
        }
        place.map(|(id, _)| id)
    }

    pub(super) fn release(&mut self, id: ConnectionId) {
        self.state.release(self.now, id, true);
    }

    /// Opens a connection that was asked for.
    pub(super) fn open(&mut self, id: ConnectionId, streams: usize) {
        self.state.writable(id, id);
        assert!(self.state.opened(self.now, id, streams), "it is wanted");
    }

    pub(super) fn after(&mut self, wait: Duration) {
        self.now += wait;
        self.state.timer(self.now);
    }

    pub(super) fn opens(&mut self) -> Vec<ConnectionId> {
        opens(&self.state.take_actions())
    }

    pub(super) fn served(&mut self) -> Vec<u32> {
        served(&self.state.take_actions())
    }

    /// An open connection, with one call on it.
    pub(super) fn with_connection(mut self, streams: usize) -> Self {
        assert_eq!(self.call(false, 0), None);
        assert_eq!(self.opens(), [0]);
        self.open(0, streams);
        assert_eq!(self.served(), [0]);
        self
    }
}

pub(super) fn opens(actions: &Actions) -> Vec<ConnectionId> {
    let open = |action: &_| if let Action::Open(id) = action { Some(*id) } else { None };
    actions.iter().filter_map(open).collect()
}

pub(super) fn served(actions: &Actions) -> Vec<u32> {
    let serve =
        |action: &_| if let Action::Serve(waiter, ..) = action { Some(*waiter) } else { None };
    actions.iter().filter_map(serve).collect()
}

pub(super) fn failed(actions: &Actions) -> Vec<(u32, Code)> {
    let fail = |action: &_| match action {
        Action::Fail(waiter, error) => Some((*waiter, error.code())),
        _ => None,
    };
    actions.iter().filter_map(fail).collect()
}

pub(super) fn dropped(actions: &Actions) -> Vec<ConnectionId> {
    let drop = |action: &_| if let Action::Drop(id) = action { Some(*id) } else { None };
    actions.iter().filter_map(drop).collect()
}

#[test]
fn repeatable_calls_go_before_the_settings_and_other_mutations_wait_for_them() {
    let mut pool = Pool::limited(1, 100);
    pool.call(false, 1);
    pool.call(true, 2);
    assert_eq!(pool.opens(), [0]);
    pool.state.writable(0, 0);
    assert_eq!(pool.served(), [2], "a read goes at once");
    assert!(pool.state.opened(pool.now, 0, 100));
    assert_eq!(pool.served(), [1]);
}

#[test]
fn few_calls_go_before_the_settings_tell_the_stream_limit() {
    let mut pool = Pool::limited(1, 100);
    for waiter in 0..20 {
        pool.call(true, waiter);
    }
    pool.opens();
    pool.state.writable(0, 0);
    assert_eq!(pool.served().len(), 8);
    assert!(pool.state.opened(pool.now, 0, 10));
    assert_eq!(pool.served(), [8, 9], "the server allows ten");
}

#[test]
fn waiters_are_served_in_their_order() {
    let mut pool = Pool::limited(1, 1).with_connection(1);
    for waiter in 1..=3 {
        assert_eq!(pool.call(waiter % 2 == 0, waiter), None);
    }
    let mut order = Vec::new();
    for _ in 0..3 {
        pool.release(0);
        order.extend(pool.served());
    }
    assert_eq!(order, [1, 2, 3]);
}

#[test]
fn a_waiter_that_gives_up_leaves_the_queue() {
    let mut pool = Pool::limited(1, 1).with_connection(1);
    let number = pool.state.wait(pool.now, true, 7).expect("it waits");
    pool.call(true, 8);
    assert_eq!(pool.state.give_up(number), Some(7));
    pool.release(0);
    assert_eq!(pool.served(), [8]);
}

#[test]
fn the_wait_queue_is_bounded_and_the_call_beyond_it_is_resource_exhausted() {
    let limits = PoolLimits::default().with_max_connections(1).with_max_calls_per_connection(1);
    let mut pool = Pool::new(limits.with_max_waiting(2)).with_connection(1);
    for waiter in 1..=3 {
        pool.call(true, waiter);
    }
    assert_eq!(failed(&pool.state.take_actions()), [(3, Code::ResourceExhausted)]);
}

#[test]
fn forty_thousand_waiters_are_queued_and_served_in_linear_time() {
    let mut pool = Pool::limited(1, 1).with_connection(1);
    let numbers: Vec<_> =
        (0..40_000).map(|waiter| pool.state.wait(pool.now, true, waiter).expect("room")).collect();
    for number in numbers.iter().rev().take(20_000) {
        assert!(pool.state.give_up(*number).is_some());
    }
    for waiter in 0..20_000 {
        pool.release(0);
        assert_eq!(pool.served(), [waiter]);
    }
}

#[test]
fn waiters_move_at_once_when_their_connection_gets_a_goaway() {
    let mut pool = Pool::limited(1, 1).with_connection(1);
    pool.release(0);
    pool.call(true, 1);
    pool.call(true, 2);
    pool.state.ended(pool.now, 0, error());
    let id = pool.opens()[0];
    pool.open(id, 1);
    assert_eq!(pool.served(), [2]);
}

#[test]
fn lowered_max_concurrent_streams_count_at_once_and_raised_ones_serve_waiters() {
    let mut pool = Pool::limited(1, 100).with_connection(100);
    pool.state.allows(pool.now, 0, 1);
    assert_eq!(pool.call(true, 1), None, "the one place is taken");
    pool.state.allows(pool.now, 0, 2);
    assert_eq!(pool.served(), [1]);
    pool.state.allows(pool.now, 0, 0);
    assert_eq!(pool.call(true, 2), None);
    assert_eq!(pool.opens(), [1], "a connection that allows nothing is replaced");
}

#[test]
fn a_suspect_takes_no_calls_and_another_connection_opens_for_the_next_one() {
    let mut pool = Pool::limited(1, 100).with_connection(100);
    pool.state.suspect(pool.now, 0);
    let actions = pool.state.take_actions();
    assert!(matches!(actions[..], [Action::Probe(0)]), "{actions:?}");
    assert_eq!(pool.call(true, 1), None);
    assert_eq!(pool.opens(), [1], "although one connection is the maximum");
    pool.open(1, 100);
    assert_eq!(pool.served(), [1]);
    pool.state.heard(pool.now, 0);
    assert_eq!(dropped(&pool.state.take_actions()), [0], "the first one is surplus now");
}

#[test]
fn a_suspect_that_is_heard_serves_the_waiters() {
    let mut pool = Pool::limited(1, 100).with_connection(100);
    pool.state.suspect(pool.now, 0);
    pool.call(true, 1);
    pool.state.take_actions();
    pool.after(SECOND);
    pool.state.take_actions();
    pool.state.heard(pool.now, 0);
    assert_eq!(pool.served(), [1]);
}

#[test]
fn a_suspect_connection_is_not_worth_waiting_for() {
    let mut pool = Pool::limited(1, 100).with_connection(100);
    pool.state.suspect(pool.now, 0);
    pool.call(true, 1);
    assert_eq!(pool.opens(), [1]);
    pool.state.ended(pool.now, 1, error());
    assert_eq!(failed(&pool.state.take_actions()), [(1, Code::Unavailable)]);
    pool.call(true, 2);
    assert_eq!(failed(&pool.state.take_actions()), [(2, Code::Unavailable)]);
}

#[test]
fn a_suspect_that_is_heard_leaves_an_opening_within_the_limit_alone() {
    let mut pool = Pool::limited(2, 1).with_connection(1);
    assert_eq!(pool.state.numbers(), (1, 1, 0), "it is full");
    pool.state.suspect(pool.now, 0);
    pool.state.heard(pool.now, 0);
    pool.open(1, 1);
    assert_eq!(pool.state.numbers(), (2, 0, 0));
}

#[test]
fn the_numbers_of_a_pool_are_connections_openings_and_waiters() {
    let mut pool = Pool::limited(2, 1).with_connection(1);
    assert_eq!(pool.state.numbers(), (1, 1, 0), "a full connection is joined by another");
    pool.call(true, 1);
    assert_eq!(pool.state.numbers(), (1, 1, 1));
    pool.open(1, 1);
    assert_eq!(pool.state.numbers(), (2, 0, 0));
}

#[test]
fn a_call_prefers_a_connection_whose_settings_have_arrived() {
    let mut pool = Pool::limited(2, 10).with_connection(10);
    for waiter in 1..10 {
        assert_eq!(pool.call(true, waiter), Some(0));
    }
    assert_eq!(pool.opens(), [1]);
    pool.release(0);
    pool.state.writable(1, 1);
    assert_eq!(pool.call(true, 10), Some(0));
    assert_eq!(pool.call(true, 11), Some(1), "the first one is full");
}

#[test]
fn another_connection_opens_above_nine_tenths_of_the_stream_limit() {
    let mut pool = Pool::limited(2, 100).with_connection(10);
    for waiter in 1..9 {
        assert_eq!(pool.call(true, waiter), Some(0));
    }
    assert!(pool.opens().is_empty(), "nine of ten");
    assert_eq!(pool.call(true, 9), Some(0));
    assert_eq!(pool.opens(), [1]);
}

#[test]
fn connections_for_many_waiters_are_counted_by_the_servers_stream_limit() {
    let mut pool = Pool::limited(16, 100).with_connection(10);
    for waiter in 1..10 {
        pool.call(true, waiter);
    }
    pool.opens();
    for waiter in 10..40 {
        pool.call(true, waiter);
    }
    assert_eq!(pool.state.numbers(), (1, 3, 30), "three times ten");
}

#[test]
fn an_early_connection_without_streams_takes_no_calls_until_the_server_allows_some() {
    let mut pool = Pool::limited(1, 100);
    pool.call(true, 1);
    pool.state.writable(0, 0);
    assert_eq!(pool.served(), [1]);
    pool.state.allows(pool.now, 0, 0);
    assert_eq!(pool.call(true, 2), None);
    pool.open(0, 100);
    assert_eq!(pool.served(), [2]);
}
