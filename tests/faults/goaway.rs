//! GOAWAY: Google's front ends send one on every connection about once an hour.

use super::{
    assert_failed, channel, client_for, frames::RawConnection, listen, millis, operation, preview,
    read, server::framed, short_backoff, start, within,
};
use livestream_client::{model::PreviewInputResponse, policy::RetryPolicy};
use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};
use tokio::{sync::oneshot, task::JoinSet};
use tonic::Code;

#[tokio::test]
async fn goaway_on_an_idle_connection_fails_no_call() {
    let (listener, port) = listen().await;
    let (gone, is_gone) = oneshot::channel();
    let server = tokio::spawn(async move {
        let mut first = RawConnection::accept(&listener).await?;
        let stream = first.request().await?;
        first.succeed(stream, &framed(&channel())).await?;
        first.go_away(stream).await?;
        first.closed().await;
        gone.send(()).expect("the test waits");

        let mut second = RawConnection::accept(&listener).await?;
        let stream = second.request().await?;
        second.succeed(stream, &framed(&PreviewInputResponse::default())).await?;
        std::io::Result::Ok(second)
    });
    let client = client_for(port).build().expect("a client");
    within(millis(2000), read(&client)).await.expect("the first connection answers");
    is_gone.await.expect("the client closes a connection that takes no more calls");
    // This call has a single attempt.
    let call = preview(&client).retry(RetryPolicy::never());
    within(millis(2000), call).await.expect("a new connection is opened");
    server.await.expect("no panic").expect("no broken pipe");
}

#[tokio::test]
async fn a_call_that_goaway_excludes_is_resent_even_without_request_id() {
    let (listener, port) = listen().await;
    let server = tokio::spawn(async move {
        let mut first = RawConnection::accept(&listener).await?;
        let stream = first.request().await?;
        first.go_away(stream - 1).await?;
        // The client opens a second connection, whether this one closes or not.
        let mut second = RawConnection::accept(&listener).await?;
        let stream = second.request().await?;
        second.succeed(stream, &framed(&PreviewInputResponse::default())).await?;
        std::io::Result::Ok((first, second))
    });
    let client = client_for(port).build().expect("a client");
    within(millis(2000), preview(&client)).await.expect("resent");
    server.await.expect("no panic").expect("no broken pipe");
}

#[tokio::test]
async fn a_call_that_goaway_includes_completes_while_new_calls_use_another_connection() {
    let (listener, port) = listen().await;
    let (sent, is_sent) = oneshot::channel();
    let server = tokio::spawn(async move {
        let mut first = RawConnection::accept(&listener).await?;
        let slow = first.request().await?;
        first.go_away(slow).await?;
        sent.send(()).expect("the test waits");
        // A second call completes on another connection before the slow one does.
        let mut second = RawConnection::accept(&listener).await?;
        let quick = second.request().await?;
        second.succeed(quick, &framed(&PreviewInputResponse::default())).await?;
        first.succeed(slow, &framed(&channel())).await?;
        first.closed().await;
        std::io::Result::Ok(second)
    });
    let client = client_for(port).build().expect("a client");
    let slow = tokio::spawn(within(millis(2000), read(&client).retry(RetryPolicy::never())));
    is_sent.await.expect("the slow call arrives");
    // If this call is sent before the GOAWAY arrives, the GOAWAY excludes it and it is resent.
    within(millis(2000), preview(&client)).await.expect("answered on the second connection");
    slow.await.expect("no panic").expect("it completes");
    server.await.expect("no panic").expect("no broken pipe");
}

#[tokio::test]
async fn a_call_that_goaway_includes_can_still_be_lost() {
    let (listener, port) = listen().await;
    let server = tokio::spawn(async move {
        for _ in 0..2 {
            let mut connection = RawConnection::accept(&listener).await?;
            let stream = connection.request().await?;
            connection.go_away(stream).await?;
        }
        let mut connection = RawConnection::accept(&listener).await?;
        let stream = connection.request().await?;
        connection.succeed(stream, &framed(&operation())).await?;
        std::io::Result::Ok(connection)
    });
    let client = client_for(port).build().expect("a client");
    let error = within(millis(2000), preview(&client)).await.expect_err("cut off");
    assert_failed(&error, Code::Unavailable, 1, true);
    // A mutation with a request_id is retried after the same fault.
    let _started = within(millis(2000), start(&client)).await.expect("resent");
    server.await.expect("no panic").expect("no broken pipe");
}

#[tokio::test]
async fn goaway_on_every_connection_at_once_fails_no_call() {
    const CONNECTIONS: usize = 5;
    let (listener, port) = listen().await;
    let (sent, are_sent) = oneshot::channel();
    let server = tokio::spawn(async move {
        let mut draining = Vec::new();
        for _ in 0..CONNECTIONS {
            draining.push((RawConnection::accept(&listener).await?, 0));
        }
        // Each connection keeps one call and, for the client, has room for another.
        for (connection, slow) in &mut draining {
            let quick = connection.request().await?;
            *slow = connection.request().await?;
            connection.succeed(quick, &framed(&channel())).await?;
            connection.go_away(*slow).await?;
        }
        sent.send(()).expect("the test waits");
        let mut fresh = RawConnection::accept(&listener).await?;
        let stream = fresh.request().await?;
        fresh.succeed(stream, &framed(&PreviewInputResponse::default())).await?;
        for (connection, slow) in &mut draining {
            connection.succeed(*slow, &framed(&channel())).await?;
        }
        std::io::Result::Ok((fresh, draining))
    });
    let limits = crate::pool().with_max_connections(CONNECTIONS).with_max_calls_per_connection(2);
    let client =
        client_for(port).pool(limits).retry(RetryPolicy::never()).build().expect("a client");
    let mut calls = JoinSet::new();
    for _ in 0..2 * CONNECTIONS {
        calls.spawn(within(millis(2000), read(&client)));
    }
    are_sent.await.expect("the calls arrive");
    for _ in 0..CONNECTIONS {
        // A GOAWAY follows immediately after each response.
        let quick = calls.join_next().await.expect("a call").expect("no panic");
        quick.expect("an answer");
    }
    within(millis(2000), preview(&client)).await.expect("the call opens a new connection");
    for slow in calls.join_all().await {
        slow.expect("it completes");
    }
    server.await.expect("no panic").expect("no broken pipe");
}

#[tokio::test]
async fn goaway_on_every_new_connection_ends_the_call_at_max_attempts() {
    const ATTEMPTS: u32 = 3;
    let (listener, port) = listen().await;
    let dials = Arc::new(AtomicU32::new(0));
    let counted = dials.clone();
    let server = tokio::spawn(async move {
        let mut connections = Vec::new();
        while let Ok(mut connection) = RawConnection::accept(&listener).await {
            counted.fetch_add(1, Ordering::SeqCst);
            let _ = connection.go_away(0).await;
            connections.push(connection);
        }
    });
    let retry = short_backoff().with_max_attempts(ATTEMPTS);
    let client = client_for(port).retry(retry).build().expect("a client");
    let error = within(millis(2000), preview(&client))
        .await
        .expect_err("every connection refuses the call");
    assert_failed(&error, Code::Unavailable, ATTEMPTS, false);
    let dials = dials.load(Ordering::SeqCst);
    // An attempt tries at most three new connections.
    assert!((ATTEMPTS..=3 * ATTEMPTS).contains(&dials), "{dials} dials");
    server.abort();
}
