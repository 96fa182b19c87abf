//! Without the feature `adc`, a client sends the tokens of the program, and one without credentials
//! fails before anything is sent, with advice.
//!
//! Run it with `cargo run --manifest-path tests/own-token/Cargo.toml`; it panics if that fails.

use http::header::AUTHORIZATION;
use livestream_client::{
    LivestreamClient, credentials::Token, name::ChannelName, policy::RetryPolicy,
};
use std::error::Error;
use tokio::net::TcpListener;
use tonic::Code;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let error = LivestreamClient::builder().build().expect_err("there are no credentials");
    assert_eq!(error.code(), Code::Unauthenticated, "{error:?}");
    for advice in ["token source", "`credentials`", "feature `adc`"] {
        assert!(error.message().contains(advice), "{error}");
    }
    let elsewhere = LivestreamClient::builder().endpoint("https://service.test");
    elsewhere.build().expect_err("there are no credentials for another host either");
    LivestreamClient::builder().anonymous().build().expect("none are asked for");
    let token = || async { Token::bearer("of-the-program") };
    LivestreamClient::builder().credentials(token).build().expect("no credentials are looked for");

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let client = LivestreamClient::builder()
        .endpoint(format!("http://{}", listener.local_addr()?))
        .credentials(token)
        .retry(RetryPolicy::never())
        .build()?;
    let server = tokio::spawn(async move {
        let (socket, _) = listener.accept().await.expect("a connection");
        let mut connection = h2::server::handshake(socket).await.expect("HTTP/2");
        let (request, mut reply) = connection.accept().await.expect("a call").expect("a call");
        let answer = http::Response::builder()
            .header("content-type", "application/grpc")
            .header("grpc-status", "5");
        let answer = answer.body(()).expect("valid headers");
        reply.send_response(answer, true).expect("the stream is open");
        // The answer goes out while the connection is driven, until the client is gone.
        while connection.accept().await.is_some() {}
        request.headers().get(AUTHORIZATION).cloned()
    });
    let error = client.get_channel(&ChannelName::new("p", "us-central1", "c")?).await;
    assert!(error.expect_err("there is no such channel").is_not_found());
    drop(client);
    let sent = server.await?.expect("a token");
    assert_eq!(sent, "Bearer of-the-program");

    println!("a program's own token is sent, in a build without google-cloud-auth");
    Ok(())
}
