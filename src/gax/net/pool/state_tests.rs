//! The rules of the pool, one test each.

use super::{
    PoolLimits,
    state::{Action, ConnectionId, State},
};
use crate::gax::{policy::Sent, transport_error::TransportError};
use std::time::Duration;
use tokio::time::Instant;
use tonic::Code;

const SECOND: Duration = Duration::from_secs(1);

/// A pool with a clock; handles are the numbers of connections, waiters are numbered by the test.
struct Pool {
    state: State<ConnectionId, u32>,
    now: Instant,
}

type Actions = Vec<Action<ConnectionId, u32>>;

fn error() -> TransportError {
    TransportError::new(Code::Unavailable, Sent::No, "unreachable")
}

impl Pool {
    fn new(limits: PoolLimits) -> Self {
        Self { state: State::new(limits, fastrand::Rng::with_seed(1)), now: Instant::now() }
    }

    fn limited(connections: usize, calls: usize) -> Self {
        let limits = PoolLimits::default();
        Self::new(limits.with_max_connections(connections).with_max_calls_per_connection(calls))
    }

    /// A place, or a waiter in the queue.
    fn call(&mut self, is_repeatable: bool, waiter: u32) -> Option<ConnectionId> {
        let place = self.state.acquire(self.now, is_repeatable);
        if place.is_none() {
            self.state.wait(self.now, is_repeatable, waiter);
        }
        place.map(|(id, _)| id)
    }

    fn release(&mut self, id: ConnectionId) {
        self.state.release(self.now, id, true);
    }

    /// Opens a connection that was asked for.
    fn open(&mut self, id: ConnectionId, streams: usize) {
        self.state.writable(id, id);
        assert!(self.state.opened(self.now, id, streams), "it is wanted");
    }

    fn after(&mut self, wait: Duration) {
        self.now += wait;
        self.state.timer(self.now);
    }

    fn opens(&mut self) -> Vec<ConnectionId> {
        opens(&self.state.take_actions())
    }

    fn served(&mut self) -> Vec<u32> {
        served(&self.state.take_actions())
    }

    /// An open connection, with one call on it.
    fn with_connection(mut self, streams: usize) -> Self {
        assert_eq!(self.call(false, 0), None);
        assert_eq!(self.opens(), [0]);
        self.open(0, streams);
        assert_eq!(self.served(), [0]);
        self
    }
}

fn opens(actions: &Actions) -> Vec<ConnectionId> {
    let open = |action: &_| if let Action::Open(id) = action { Some(*id) } else { None };
    actions.iter().filter_map(open).collect()
}

fn served(actions: &Actions) -> Vec<u32> {
    let serve =
        |action: &_| if let Action::Serve(waiter, ..) = action { Some(*waiter) } else { None };
    actions.iter().filter_map(serve).collect()
}

fn failed(actions: &Actions) -> Vec<(u32, Code)> {
    let fail = |action: &_| match action {
        Action::Fail(waiter, error) => Some((*waiter, error.code())),
        _ => None,
    };
    actions.iter().filter_map(fail).collect()
}

fn dropped(actions: &Actions) -> Vec<ConnectionId> {
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
fn a_stalled_opening_is_joined_by_another_after_a_second() {
    let mut pool = Pool::limited(1, 100);
    pool.call(false, 1);
    assert_eq!(pool.opens(), [0]);
    assert_eq!(pool.state.next_timer(pool.now), Some(pool.now + SECOND));
    pool.after(SECOND);
    assert_eq!(pool.opens(), [1]);
    pool.after(SECOND);
    assert!(pool.opens().is_empty(), "the patience doubles");
    pool.open(1, 100);
    let actions = pool.state.take_actions();
    assert_eq!(served(&actions), [1]);
    assert!(actions.iter().any(|action| matches!(action, Action::Abort(0))), "{actions:?}");
    assert!(!pool.state.opened(pool.now, 0, 100), "the first one is not wanted any more");
}

#[test]
fn a_failure_to_connect_fails_the_waiters_and_then_calls_without_another_dial() {
    let mut pool = Pool::limited(16, 100);
    pool.call(true, 1);
    pool.call(true, 2);
    let id = pool.opens()[0];
    pool.state.ended(pool.now, id, error());
    assert_eq!(failed(&pool.state.take_actions()).len(), 2);
    for waiter in 3..2_000 {
        pool.call(true, waiter);
        let actions = pool.state.take_actions();
        assert_eq!(
            (failed(&actions), opens(&actions)),
            (vec![(waiter, Code::Unavailable)], vec![])
        );
    }
}

#[test]
fn reconnects_back_off_by_1_6_up_to_two_minutes_and_begin_anew_after_an_answer() {
    let mut pool = Pool::limited(16, 100);
    let mut expected = 1.0_f64;
    for waiter in 0..20 {
        pool.call(true, waiter);
        let id = pool.opens()[0];
        pool.state.ended(pool.now, id, error());
        pool.state.take_actions();
        let wait = pool.state.reconnect_wait().expect("it waits").as_secs_f64();
        assert!((0.8 * expected..=1.2 * expected).contains(&wait), "{wait} for {expected}");
        expected = (expected * 1.6).min(120.0);
        pool.now += Duration::from_secs_f64(wait);
    }
    pool.call(true, 100);
    let id = pool.opens()[0];
    pool.open(id, 100);
    pool.release(id);
    pool.state.ended(pool.now, id, error());
    pool.call(true, 101);
    assert_eq!(pool.opens().len(), 1, "a connection that has answered is replaced at once");
}

#[test]
fn openings_that_fail_together_count_as_one_failure() {
    let mut pool = Pool::limited(16, 1);
    for waiter in 0..8 {
        pool.call(true, waiter);
    }
    for id in pool.opens() {
        pool.state.ended(pool.now, id, error());
    }
    let wait = pool.state.reconnect_wait().expect("it waits");
    assert!(wait <= 2 * SECOND, "{wait:?}");
}

#[test]
fn three_connections_that_end_without_an_answer_are_a_failure() {
    let mut pool = Pool::limited(1, 100);
    pool.call(false, 1);
    for round in 0..3 {
        let id = pool.opens()[0];
        pool.open(id, 100);
        pool.state.ended(pool.now, id, error());
        pool.state.release(pool.now, id, false);
        pool.call(false, round);
    }
    let actions = pool.state.take_actions();
    assert!(opens(&actions).is_empty(), "the fourth waits");
    assert_eq!(failed(&actions), [(2, Code::Unavailable)]);
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
fn another_opening_starts_after_the_backoff_while_other_connections_hang() {
    let mut pool = Pool::limited(2, 1).with_connection(1);
    let id = *pool.opens().first().unwrap_or(&1);
    pool.call(true, 1);
    pool.state.ended(pool.now, id, error());
    pool.state.take_actions();
    let retry = pool.state.next_timer(pool.now).expect("a timer");
    assert!(retry <= pool.now + Duration::from_millis(1200), "within the first backoff");
    pool.after(retry - pool.now);
    assert_eq!(pool.opens().len(), 1);
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
fn idle_connections_close_after_a_minute_and_the_last_after_five() {
    let mut pool = Pool::limited(4, 1);
    for waiter in 0..4 {
        pool.call(true, waiter);
    }
    for id in pool.opens() {
        pool.open(id, 1);
    }
    for id in 0..4 {
        pool.release(id);
    }
    pool.state.take_actions();
    pool.after(59 * SECOND);
    assert!(dropped(&pool.state.take_actions()).is_empty());
    pool.after(SECOND);
    assert_eq!(dropped(&pool.state.take_actions()).len(), 3);
    assert_eq!(pool.state.next_timer(pool.now), Some(pool.now + 240 * SECOND));
    pool.after(240 * SECOND);
    assert_eq!(dropped(&pool.state.take_actions()).len(), 1);
    assert_eq!(pool.state.next_timer(pool.now), None, "nothing is left");
}

#[test]
fn a_connection_at_its_max_age_serves_until_its_successor_is_open() {
    let limits = PoolLimits::default().with_max_connections(1).with_max_age(600 * SECOND);
    let mut pool = Pool::new(limits).with_connection(100);
    pool.after(600 * SECOND);
    assert_eq!(pool.opens(), [1]);
    assert_eq!(pool.call(true, 1), Some(0));
    pool.open(1, 100);
    assert_eq!(dropped(&pool.state.take_actions()), [0]);
    assert_eq!(pool.call(true, 2), Some(1));
}
