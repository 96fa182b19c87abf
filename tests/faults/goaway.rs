//! GOAWAY: the service's front ends send one about hourly, to every connection.

use super::{
    assert_failed, channel, client_for, millis, operation, preview, read, server::framed, start,
    wire::Wire, within,
};
use livestream_client::{model::PreviewInputResponse, policy::Retry};
use tokio::{net::TcpListener, sync::oneshot};
use tonic::Code;

async fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has ports");
    let port = listener.local_addr().expect("bound").port();
    (listener, port)
}

#[tokio::test]
async fn on_an_idle_connection_it_goes_unseen() {
    let (listener, port) = listen().await;
    let (gone, is_gone) = oneshot::channel();
    let server = tokio::spawn(async move {
        let mut first = Wire::accept(&listener).await?;
        let stream = first.request().await?;
        first.succeed(stream, &framed(&channel())).await?;
        first.go_away(stream).await?;
        first.closed().await;
        gone.send(()).expect("the test waits");

        let mut second = Wire::accept(&listener).await?;
        let stream = second.request().await?;
        second.succeed(stream, &framed(&PreviewInputResponse::default())).await?;
        std::io::Result::Ok(second)
    });
    let client = client_for(port).build().expect("a client");
    within(millis(2000), read(&client)).await.expect("the first connection answers");
    is_gone.await.expect("the client closes what takes no more calls");
    // One attempt is all that this call has.
    let call = preview(&client).retry(Retry::never());
    within(millis(2000), call).await.expect("a new connection is opened");
    server.await.expect("no panic").expect("no broken pipe");
}

#[tokio::test]
async fn a_call_that_it_left_out_is_sent_again_even_without_a_request_id() {
    let (listener, port) = listen().await;
    let server = tokio::spawn(async move {
        let mut first = Wire::accept(&listener).await?;
        let stream = first.request().await?;
        first.go_away(stream - 1).await?;
        // The client opens a second connection whether this one is closed or not.
        let mut second = Wire::accept(&listener).await?;
        let stream = second.request().await?;
        second.succeed(stream, &framed(&PreviewInputResponse::default())).await?;
        std::io::Result::Ok((first, second))
    });
    let client = client_for(port).build().expect("a client");
    within(millis(2000), preview(&client)).await.expect("sent again");
    server.await.expect("no panic").expect("no broken pipe");
}

#[tokio::test]
async fn a_call_that_it_includes_completes_while_others_go_elsewhere() {
    let (listener, port) = listen().await;
    let (sent, is_sent) = oneshot::channel();
    let server = tokio::spawn(async move {
        let mut first = Wire::accept(&listener).await?;
        let slow = first.request().await?;
        first.go_away(slow).await?;
        sent.send(()).expect("the test waits");
        // Another call is answered on another connection before the slow one is.
        let mut second = Wire::accept(&listener).await?;
        let quick = second.request().await?;
        second.succeed(quick, &framed(&PreviewInputResponse::default())).await?;
        first.succeed(slow, &framed(&channel())).await?;
        first.closed().await;
        std::io::Result::Ok(second)
    });
    let client = client_for(port).build().expect("a client");
    let slow = tokio::spawn(within(millis(2000), read(&client).retry(Retry::never())));
    is_sent.await.expect("the slow call arrives");
    // The second call may come before the GOAWAY does: then it is left out, and sent again.
    within(millis(2000), preview(&client)).await.expect("goes elsewhere");
    slow.await.expect("no panic").expect("completes");
    server.await.expect("no panic").expect("no broken pipe");
}

#[tokio::test]
async fn a_call_that_it_includes_may_still_be_lost() {
    let (listener, port) = listen().await;
    let server = tokio::spawn(async move {
        for _ in 0..2 {
            let mut wire = Wire::accept(&listener).await?;
            let stream = wire.request().await?;
            wire.go_away(stream).await?;
        }
        let mut wire = Wire::accept(&listener).await?;
        let stream = wire.request().await?;
        wire.succeed(stream, &framed(&operation())).await?;
        std::io::Result::Ok(wire)
    });
    let client = client_for(port).build().expect("a client");
    let error = within(millis(2000), preview(&client)).await.expect_err("cut off");
    assert_failed(&error, Code::Unavailable, 1, true);
    // A keyed mutation survives the same.
    let _started = within(millis(2000), start(&client)).await.expect("sent again");
    server.await.expect("no panic").expect("no broken pipe");
}
