//! The server's SETTINGS: before them, without them, and when they change.

use super::{
    assert_failed, channel, client_for,
    frames::{HEADERS, INITIAL_WINDOW_SIZE, MAX_CONCURRENT_STREAMS, RawConnection},
    listen, millis, pool, preview, read,
    server::{Server, framed},
    within,
};
use futures_util::FutureExt;
use h2::Reason;
use livestream_client::{
    LivestreamClient,
    model::PreviewInputResponse,
    policy::{Budget, RetryPolicy},
};
use std::{convert::Infallible, io, pin::pin, time::Duration};
use tokio::{io::duplex, sync::mpsc, task::JoinSet, time::Instant};
use tonic::Code;

const DEADLINE: Duration = millis(2000);

#[tokio::test]
async fn a_read_does_not_wait_for_the_settings_and_an_unkeyed_mutation_does() {
    let (listener, port) = listen().await;
    let serving = tokio::spawn(async move {
        let mut connection = RawConnection::accept_silently(&listener).await?;
        let first = connection.request().await?;
        connection.settings(&[]).await?;
        connection.succeed(first, &framed(&channel())).await?;
        let second = connection.request().await?;
        connection.succeed(second, &framed(&PreviewInputResponse::default())).await?;
        io::Result::Ok((connection, first, second))
    });
    let client = client_for(port).retry(RetryPolicy::never()).build().expect("a client");
    let waiting = tokio::spawn(within(DEADLINE, preview(&client)));
    tokio::task::yield_now().await;
    within(DEADLINE, read(&client)).await.expect("it is sent before the settings arrive");
    waiting.await.expect("no panic").expect("it is sent after the settings");
    let (_connection, first, second) = serving.await.expect("no panic").expect("no broken pipe");
    assert_eq!((first, second), (1, 3), "the read was first");
}

#[tokio::test]
async fn an_unkeyed_mutation_has_not_run_if_the_server_closes_after_its_settings() {
    let (listener, port) = listen().await;
    let serving = tokio::spawn(async move {
        while let Ok(connection) = RawConnection::accept(&listener).await {
            drop(connection);
        }
    });
    for _ in 0..50 {
        let client = client_for(port).retry(RetryPolicy::never()).build().expect("a client");
        let error = within(DEADLINE, preview(&client)).await.expect_err("it closes");
        assert_failed(&error, Code::Unavailable, 1, false);
    }
    serving.abort();
}

#[tokio::test]
async fn an_unkeyed_mutation_has_not_run_if_the_flow_control_window_never_opened() {
    let (listener, port) = listen().await;
    let serving = tokio::spawn(async move {
        let mut connection = RawConnection::accept_silently(&listener).await?;
        connection.settings(&[(INITIAL_WINDOW_SIZE, 0)]).await?;
        let mut headers = 0;
        while let Ok((kind, ..)) = connection.read().await {
            headers += usize::from(kind == HEADERS);
        }
        io::Result::Ok(headers)
    });
    let client = client_for(port).retry(RetryPolicy::never()).build().expect("a client");
    let call = preview(&client).timeout(millis(300));
    let error = within(millis(300), call).await.expect_err("no window");
    assert_failed(&error, Code::DeadlineExceeded, 1, false);
    drop(client);
    assert_eq!(serving.await.expect("no panic").expect("no error"), 1, "the headers were sent");
}

#[tokio::test]
async fn no_call_is_sent_to_a_server_that_allows_no_streams() {
    let (listener, port) = listen().await;
    let serving = tokio::spawn(async move {
        let mut connection = RawConnection::accept_silently(&listener).await?;
        connection.settings(&[(MAX_CONCURRENT_STREAMS, 0)]).await?;
        connection.closed().await;
        io::Result::Ok(())
    });
    let client = client_for(port).retry(RetryPolicy::never()).build().expect("a client");
    let call = preview(&client).timeout(millis(300));
    let error = within(millis(300), call).await.expect_err("no streams");
    assert_failed(&error, Code::DeadlineExceeded, 1, false);
    drop(client);
    serving.await.expect("no panic").expect("no error");
}

#[tokio::test]
async fn lowered_max_concurrent_streams_send_calls_to_another_connection() {
    let (listener, port) = listen().await;
    let serving = tokio::spawn(async move {
        let mut first = RawConnection::accept(&listener).await?;
        let stream = first.request().await?;
        first.settings(&[(MAX_CONCURRENT_STREAMS, 0)]).await?;
        first.succeed(stream, &framed(&channel())).await?;
        let mut second = RawConnection::accept(&listener).await?;
        let stream = second.request().await?;
        second.succeed(stream, &framed(&PreviewInputResponse::default())).await?;
        io::Result::Ok((first, second))
    });
    let client = client_for(port).pool(pool().with_max_connections(1)).build().expect("a client");
    within(DEADLINE, read(&client)).await.expect("an answer");
    within(DEADLINE, preview(&client)).await.expect("the second connection takes it");
    serving.await.expect("no panic").expect("no broken pipe");
}

#[tokio::test(start_paused = true)]
async fn a_mutation_that_h2_keeps_for_want_of_a_stream_goes_to_another_connection() {
    let (connections, mut accepted) = mpsc::unbounded_channel();
    let connector = tower::service_fn(move |_: http::Uri| {
        let (ours, theirs) = duplex(1 << 16);
        let _ = connections.send(theirs);
        async { Ok::<_, Infallible>(ours) }
    });
    let builder = LivestreamClient::builder().endpoint("http://localhost").connector(connector);
    let client = builder.pool(pool().with_max_connections(1)).retry(RetryPolicy::never());
    let client = client.build().expect("a client");
    let slow = tokio::spawn(preview(&client).into_future());
    let first = accepted.recv().await.expect("a connection");
    let mut first = RawConnection::over(first).await.expect("a preface");
    first.settings(&[]).await.expect("the client reads");
    let stream = first.request().await.expect("the slow call");

    // h2 takes the second call, and reads the settings before it writes the call.
    first.settings(&[(MAX_CONCURRENT_STREAMS, 0)]).await.expect("the client reads");
    let mut call = pin!(preview(&client).into_future());
    assert!(call.as_mut().now_or_never().is_none());
    let begun = Instant::now();
    let serve = async {
        let second = accepted.recv().await.expect("another connection");
        let mut second = RawConnection::over(second).await.expect("a preface");
        second.settings(&[]).await.expect("the client reads");
        let stream = second.request().await.expect("the second call");
        let answer = framed(&PreviewInputResponse::default());
        second.succeed(stream, &answer).await.expect("the client reads");
        second
    };
    let (answer, _second) = tokio::join!(call, serve);
    answer.expect("an answer");
    assert_eq!(begun.elapsed(), Duration::ZERO, "at once");

    let answer = framed(&PreviewInputResponse::default());
    first.succeed(stream, &answer).await.expect("the client reads");
    slow.await.expect("no panic").expect("the first call stays where it is");
    drop(client);
    while let Ok((kind, _, stream, _)) = first.read().await {
        assert!(kind != HEADERS || stream == 1, "the second call was never sent here");
    }
}

#[tokio::test]
async fn a_waiting_call_moves_at_once_when_its_connection_gets_a_goaway() {
    let (listener, port) = listen().await;
    let serving = tokio::spawn(async move {
        let mut first = RawConnection::accept(&listener).await?;
        let slow = first.request().await?;
        first.go_away(slow).await?;
        // The first call goes on until the second has been answered elsewhere.
        let mut second = RawConnection::accept(&listener).await?;
        let stream = second.request().await?;
        second.succeed(stream, &framed(&PreviewInputResponse::default())).await?;
        first.succeed(slow, &framed(&PreviewInputResponse::default())).await?;
        io::Result::Ok((first, second))
    });
    let one = pool().with_max_connections(1).with_max_calls_per_connection(1);
    let client = client_for(port).pool(one).retry(RetryPolicy::never()).build().expect("a client");
    let mut calls = JoinSet::new();
    for _ in 0..2 {
        calls.spawn(within(DEADLINE, preview(&client)));
    }
    for outcome in calls.join_all().await {
        outcome.expect("an answer");
    }
    serving.await.expect("no panic").expect("no broken pipe");
}

#[tokio::test]
async fn a_refused_stream_is_sent_again_at_once_without_an_attempt_or_the_budget() {
    let server = Server::start(|exchange| async move {
        match exchange.number {
            1 => exchange.reset(Reason::REFUSED_STREAM),
            _ => exchange.succeed_by_method(),
        }
    })
    .await;
    let client = server.client().retry(RetryPolicy::never()).budget(Budget::new(0, 0.0));
    let client = client.build().expect("a client");
    within(DEADLINE, preview(&client)).await.expect("the transparent retry is answered");
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[1].header("grpc-previous-rpc-attempts"), "", "it is the first attempt");
}

#[tokio::test]
async fn late_answers_to_many_cancelled_calls_do_not_close_the_connection() {
    const CANCELLED: usize = 1_500;
    let (listener, port) = listen().await;
    let (arrived, mut arrivals) = tokio::sync::mpsc::unbounded_channel();
    let serving = tokio::spawn(async move {
        let mut connection = RawConnection::accept(&listener).await?;
        let neighbour = connection.request().await?;
        let mut late = Vec::new();
        for _ in 0..CANCELLED {
            late.push(connection.request().await?);
            let _ = arrived.send(());
        }
        for stream in late {
            connection.succeed(stream, &framed(&channel())).await?;
        }
        connection.succeed(neighbour, &framed(&PreviewInputResponse::default())).await?;
        io::Result::Ok(connection)
    });
    let client = client_for(port).pool(pool().with_max_connections(1)).build().expect("a client");
    let neighbour = tokio::spawn(preview(&client).timeout(Duration::from_secs(20)).into_future());
    client.connect().await.expect("a connection");
    for _ in 0..CANCELLED {
        let call = tokio::spawn(read(&client).into_future());
        within(DEADLINE, arrivals.recv()).await.expect("it arrives");
        call.abort();
        let _ = call.await;
    }
    neighbour.await.expect("no panic").expect("its connection lives");
    serving.await.expect("no panic").expect("no broken pipe");
}

#[tokio::test]
async fn a_flood_of_interim_responses_ends_the_call() {
    let (listener, port) = listen().await;
    let serving = tokio::spawn(async move {
        let mut connection = RawConnection::accept(&listener).await?;
        let stream = connection.request().await?;
        let mut sent = 0_u32;
        while sent < 1_000_000 && connection.interim(stream).await.is_ok() {
            sent += 1;
            if sent.is_multiple_of(100) {
                tokio::task::yield_now().await;
            }
        }
        io::Result::Ok(sent)
    });
    let client = client_for(port).retry(RetryPolicy::never()).build().expect("a client");
    let error = within(DEADLINE, preview(&client)).await.expect_err("no response, only 103");
    assert_failed(&error, Code::Unavailable, 1, true);
    assert!(error.message().contains("interim"), "{error}");
    drop(client);
    let sent = serving.await.expect("no panic").expect("no error");
    assert!(sent < 1_000_000, "the client closed the connection: {sent}");
}

#[tokio::test]
async fn a_call_takes_100_interim_responses_before_its_response() {
    let (listener, port) = listen().await;
    let serving = tokio::spawn(async move {
        let mut connection = RawConnection::accept(&listener).await?;
        let stream = connection.request().await?;
        for _ in 0..100 {
            connection.interim(stream).await?;
        }
        connection.succeed(stream, &framed(&PreviewInputResponse::default())).await?;
        io::Result::Ok(connection)
    });
    let client = client_for(port).retry(RetryPolicy::never()).build().expect("a client");
    within(DEADLINE, preview(&client)).await.expect("an answer");
    serving.await.expect("no panic").expect("no error");
}
