//! The times of attempts: after the delay that the service or the policy sets, and never after the
//! deadline.

use super::{
    assert_failed, channel, millis, operation, read,
    server::{Exchange, Server, finish},
    short_backoff, start, within,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use livestream_client::{
    model::StartChannelRequest,
    policy::{Backoff, RetryPolicy, Timeouts},
};
use std::{collections::BTreeSet, time::Duration};
use tokio::time::Instant;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

const DEADLINE: Duration = millis(2000);

/// Responds UNAVAILABLE with a `RetryInfo` of `delay`.
fn fail_with_retry_info(exchange: Exchange, delay: Duration) {
    let details = ErrorDetails::with_retry_info(Some(delay));
    let status = Status::with_error_details(Code::Unavailable, "", details);
    let details = BASE64_STANDARD.encode(status.details());
    exchange.fail_with(&[("grpc-status", "14"), ("grpc-status-details-bin", &details)]);
}

#[tokio::test]
async fn retry_info_delays_the_next_attempt() {
    let server = Server::start(|exchange| async {
        match exchange.number {
            1 => fail_with_retry_info(exchange, millis(2000)),
            _ => exchange.succeed(&channel()),
        }
    })
    .await;
    let client = server.client().build().expect("a client");
    within(millis(5000), read(&client).timeout(millis(5000))).await.expect("retried");
    let [first, second] = server.requests().try_into().ok().expect("two attempts");
    assert!(second.at - first.at >= millis(2000), "{:?}", second.at - first.at);
}

#[tokio::test]
async fn pushback_delays_the_next_attempt_and_overrides_the_backoff() {
    let server = Server::start(|exchange| async {
        match exchange.number {
            1 => exchange.fail_with(&[("grpc-status", "14"), ("grpc-retry-pushback-ms", "150")]),
            _ => exchange.succeed(&channel()),
        }
    })
    .await;
    let slow = RetryPolicy::new(Backoff::new(millis(60_000), millis(60_000), 1.0));
    let client = server.client().retry(slow).build().expect("a client");
    within(DEADLINE, read(&client)).await.expect("retried");
    let [first, second] = server.requests().try_into().ok().expect("two attempts");
    assert!(second.at - first.at >= millis(150), "{:?}", second.at - first.at);
}

#[tokio::test]
async fn retry_info_beyond_the_deadline_ends_the_call_at_once() {
    let server =
        Server::start(|exchange| async { fail_with_retry_info(exchange, millis(2000)) }).await;
    let client = server.client().build().expect("a client");
    let begun = Instant::now();
    let call = read(&client).timeout(millis(1000));
    let error = within(millis(1000), call).await.expect_err("unavailable");
    assert_failed(&error, Code::Unavailable, 1, false);
    assert!(begun.elapsed() < millis(500), "it waited {:?}", begun.elapsed());
    assert_eq!(server.attempts(), 1);
}

#[tokio::test]
async fn retry_info_beyond_max_server_delay_stops_retries() {
    let server =
        Server::start(|exchange| async { fail_with_retry_info(exchange, millis(300)) }).await;
    let impatient = short_backoff().with_max_server_delay(millis(100));
    let client = server.client().retry(impatient).build().expect("a client");
    let error = within(DEADLINE, read(&client)).await.expect_err("unavailable");
    assert_failed(&error, Code::Unavailable, 1, false);
    assert_eq!(server.attempts(), 1, "no attempt earlier than the service asked for");
}

#[tokio::test]
async fn negative_pushback_in_the_headers_or_the_trailers_stops_retries() {
    const STOP: [(&str, &str); 2] = [("grpc-status", "14"), ("grpc-retry-pushback-ms", "-1")];
    let server = Server::start(|exchange| async {
        match exchange.number {
            1 => exchange.fail_with(&STOP),
            _ => finish(exchange.begin(), &STOP),
        }
    })
    .await;
    let client = server.client().build().expect("a client");
    for attempts in 1..=2 {
        let error = within(DEADLINE, read(&client)).await.expect_err("unavailable");
        assert_failed(&error, Code::Unavailable, 1, false);
        assert_eq!(server.attempts(), attempts);
    }
}

#[tokio::test]
async fn no_attempt_begins_after_the_deadline() {
    const THREE: Duration = millis(3000);
    // The service asks for 2 s twice: the second wait would end at 4 s.
    let server =
        Server::start(|exchange| async { fail_with_retry_info(exchange, millis(2000)) }).await;
    let asked = async {
        let client = server.client().timeouts(Timeouts::new(THREE)).build().expect("a client");
        let begun = Instant::now();
        let error = within(THREE, read(&client)).await.expect_err("unavailable");
        assert_failed(&error, Code::Unavailable, 2, false);
        assert_eq!(server.attempts(), 2);
        assert!(server.requests().iter().all(|request| request.at - begun <= THREE));
    };
    // The backoff draws delays of up to 2 s.
    let drawn = async {
        let server = Server::start(|exchange| async { exchange.fail(Code::Unavailable) }).await;
        let backoff = RetryPolicy::new(Backoff::new(millis(2000), millis(2000), 1.0));
        let builder = server.client().timeouts(Timeouts::new(THREE)).retry(backoff);
        let client = builder.build().expect("a client");
        let begun = Instant::now();
        let error = within(THREE, read(&client)).await.expect_err("unavailable");
        assert_failed(&error, Code::Unavailable, server.attempts(), false);
        assert!(server.requests().iter().all(|request| request.at - begun <= THREE));
    };
    // The second attempt has 1 s left, which it sends as `grpc-timeout`.
    let silent = async {
        let server = Server::start(|exchange| async {
            match exchange.number {
                1 => fail_with_retry_info(exchange, millis(2000)),
                _ => drop(exchange.until_reset().await),
            }
        })
        .await;
        let client = server.client().timeouts(Timeouts::new(THREE)).build().expect("a client");
        let error = within(THREE, read(&client)).await.expect_err("no answer");
        assert_failed(&error, Code::DeadlineExceeded, 2, false);
        let [first, second] = server.requests().try_into().ok().expect("two attempts");
        assert!(first.timeout() <= THREE && first.timeout() > millis(2500));
        assert!(second.timeout() <= millis(1000), "{:?}", second.timeout());
    };
    tokio::join!(asked, drawn, silent);
}

#[tokio::test]
async fn each_attempt_sends_its_remaining_time_as_grpc_timeout() {
    let server = Server::start(|exchange| async {
        match exchange.number {
            ..4 => exchange.fail_with(&[("grpc-status", "14"), ("grpc-retry-pushback-ms", "30")]),
            _ => exchange.succeed(&channel()),
        }
    })
    .await;
    let client = server.client().build().expect("a client");
    within(DEADLINE, read(&client)).await.expect("the fourth attempt succeeds");
    let timeouts = server.requests().iter().map(|request| request.timeout()).collect::<Vec<_>>();
    assert!(timeouts[0] <= DEADLINE && timeouts.len() == 4, "{timeouts:?}");
    for pair in timeouts.windows(2) {
        assert!(pair[1] + millis(30) <= pair[0], "{timeouts:?}");
    }

    // The attempt timeout applies until the call has less time left.
    let call = read(&client).attempt_timeout(millis(500));
    within(DEADLINE, call).await.expect("the fifth request succeeds");
    assert_eq!(server.requests()[4].timeout(), millis(500));
}

/// gRFC A6: a retry says how many attempts came before it; a first attempt does not.
#[tokio::test]
async fn a_retry_carries_grpc_previous_rpc_attempts() {
    let server = Server::start(|exchange| async {
        match exchange.number {
            1 | 2 => exchange.fail(Code::Unavailable),
            _ => exchange.succeed(&channel()),
        }
    })
    .await;
    let client = server.client().build().expect("a client");
    within(DEADLINE, read(&client)).await.expect("retried");
    let previous = server.requests().into_iter().map(|request| {
        let value = request.head.headers.get("grpc-previous-rpc-attempts");
        value.map(|value| value.to_str().expect("ASCII").to_owned())
    });
    let expected = [None, Some("1".to_owned()), Some("2".to_owned())];
    assert_eq!(previous.collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn attempts_share_a_request_id_and_calls_do_not() {
    let server = Server::start(|exchange| async {
        match exchange.number % 3 {
            0 => exchange.succeed(&operation()),
            _ => exchange.fail(Code::Unavailable),
        }
    })
    .await;
    let client = server.client().build().expect("a client");
    let calls = [start(&client), start(&client)];
    let ids = calls.clone().map(|call| call.request().request_id.clone());
    for call in calls {
        let _started = within(DEADLINE, call).await.expect("the third attempt succeeds");
    }
    let requests = server.requests();
    assert_eq!(requests.len(), 6);
    for (attempts, id) in requests.chunks(3).zip(&ids) {
        for attempt in attempts {
            assert_eq!(attempt.message::<StartChannelRequest>().request_id, *id);
            assert_eq!(attempt.body, attempts[0].body);
        }
        assert!(uuid::Uuid::try_parse(id).is_ok_and(|id| id.get_version_num() == 4), "{id}");
    }
    assert_ne!(ids[0], ids[1]);

    let client = server.client().without_request_ids().build().expect("a client");
    assert_eq!(start(&client).request().request_id, "");
}

#[tokio::test(start_paused = true)]
async fn backoff_delays_are_random_below_the_ceiling() {
    const ATTEMPTS: u32 = 6;
    let backoff = Backoff::new(millis(1000), millis(3000), 2.0);
    let (server, builder) =
        Server::in_memory(|exchange| async { exchange.fail(Code::Unavailable) });
    let retry = RetryPolicy::new(backoff).with_max_attempts(ATTEMPTS);
    let client = builder.retry(retry).build().expect("a client");
    let mut delays = BTreeSet::new();
    for _ in 0..8 {
        let before = server.requests().len();
        let error = read(&client).timeout(millis(60_000)).await.expect_err("unavailable");
        assert_failed(&error, Code::Unavailable, ATTEMPTS, false);
        for (pair, attempts) in server.requests()[before..].windows(2).zip(1..) {
            let delay = pair[1].at - pair[0].at;
            // tokio's clock has ticks of one millisecond.
            let most = backoff.ceiling(attempts) + millis(1);
            assert!(delay <= most, "{delay:?} after attempt {attempts}, {most:?} at most");
            delays.insert(delay.as_millis());
        }
    }
    // Forty even draws: at least half of them differ, and both halves of the range occur.
    assert!(delays.len() > 20, "the delays are not random: {delays:?}");
    assert!(delays.first() < Some(&500) && delays.last() > Some(&1500), "{delays:?}");
}

#[tokio::test(start_paused = true)]
async fn a_delay_that_ends_at_the_deadline_is_followed_by_no_attempt() {
    let (server, builder) = Server::in_memory(|exchange| async {
        fail_with_retry_info(exchange, Duration::from_micros(999_900));
    });
    let client = builder.timeouts(Timeouts::new(millis(1000))).build().expect("a client");
    let begun = Instant::now();
    let error = read(&client).await.expect_err("unavailable");
    assert_failed(&error, Code::Unavailable, 1, false);
    assert_eq!((server.attempts(), begun.elapsed()), (1, millis(1000)));
}
