//! The rules by which connections open, fail and close, one test each.

use super::{
    PoolLimits,
    state::Action,
    state_tests::{Pool, SECOND, dropped, error, failed, opens, served},
};
use std::time::Duration;
use tonic::Code;

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

#[test]
fn a_connection_that_ends_after_an_answer_is_not_a_failure() {
    let mut pool = Pool::limited(1, 100).with_connection(100);
    pool.release(0);
    pool.state.ended(pool.now, 0, error());
    for waiter in 1..=2 {
        pool.call(false, waiter);
        let id = pool.opens()[0];
        pool.open(id, 100);
        pool.state.ended(pool.now, id, error());
        pool.state.take_actions();
    }
    pool.call(false, 3);
    assert_eq!(pool.opens().len(), 1, "two of the three ended without an answer");
}

#[test]
fn waiters_stay_when_one_of_two_openings_is_abandoned() {
    let mut pool = Pool::limited(2, 1);
    pool.call(true, 1);
    pool.call(true, 2);
    assert_eq!(pool.opens(), [0, 1]);
    pool.state.abandoned(0, &error());
    assert_eq!(failed(&pool.state.take_actions()), []);
    pool.state.abandoned(1, &error());
    let waiters = [(1, Code::Unavailable), (2, Code::Unavailable)];
    assert_eq!(failed(&pool.state.take_actions()), waiters);
}

#[test]
fn a_busy_connection_has_no_timer_in_the_past() {
    let mut pool = Pool::limited(1, 100).with_connection(100);
    pool.now += 600 * SECOND;
    assert!(pool.state.next_timer(pool.now).is_none_or(|next| next > pool.now));
}

#[test]
fn after_a_failure_one_connection_tries_whether_the_server_is_back() {
    let mut pool = Pool::limited(16, 1);
    pool.call(true, 1);
    let id = pool.opens()[0];
    pool.state.ended(pool.now, id, error());
    pool.state.take_actions();
    pool.now += 2 * SECOND;
    for waiter in 2..10 {
        pool.call(true, waiter);
    }
    let tried = pool.opens();
    assert_eq!(tried.len(), 1);
    pool.open(tried[0], 1);
    pool.release(tried[0]);
    pool.call(true, 10);
    assert!(pool.opens().len() > 1, "it is back, as an answer shows");
}

#[test]
fn an_idle_connection_beside_a_busy_one_closes_after_the_idle_timeout() {
    let limits = PoolLimits::default().with_max_connections(2).with_max_calls_per_connection(1);
    let mut pool = Pool::new(limits.with_idle_timeout(10 * SECOND)).with_connection(1);
    pool.opens();
    pool.open(1, 1);
    assert_eq!(pool.call(true, 1), Some(1));
    pool.release(1);
    pool.after(9 * SECOND);
    assert!(dropped(&pool.state.take_actions()).is_empty());
    pool.after(SECOND);
    assert_eq!(dropped(&pool.state.take_actions()), [1]);
}

#[test]
fn a_stalled_opening_is_wanted_only_within_the_connection_limit() {
    for (limit, live, is_wanted) in [(2, 2, false), (4, 3, true)] {
        let mut pool = Pool::limited(limit, 1);
        pool.call(true, 1);
        pool.after(SECOND);
        pool.call(true, 2);
        pool.call(true, 3);
        pool.state.take_actions();
        assert_eq!(pool.state.live(), live, "without the first one, which has stalled");
        pool.state.writable(0, 0);
        assert_eq!(pool.served(), if is_wanted { vec![1] } else { vec![] });
    }
}

#[test]
fn an_opening_for_which_nobody_waits_does_not_stall() {
    let mut pool = Pool::limited(1, 100);
    assert!(pool.state.acquire(pool.now, true).is_none());
    let waiter = pool.state.wait(pool.now, true, 1).expect("it waits");
    assert_eq!(pool.opens(), [0]);
    pool.state.give_up(waiter);
    assert_eq!(pool.state.next_timer(pool.now), None);
    pool.after(5 * SECOND);
    pool.call(true, 2);
    assert!(pool.opens().is_empty(), "the opening goes on");
}
