//! A refused stream is retried in a build without tonic's server feature. A refused request was not
//! carried out, so every request can be retried.
//!
//! Run it with `cargo run --manifest-path tests/client-only/Cargo.toml`; it panics if a check
//! fails.

use bytes::Bytes;
use h2::Reason;
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use livestream_client::{
    LivestreamClient,
    model::{PreviewInputRequest, livestream_service_client::LivestreamServiceClient},
    policy::{Backoff, RetryPolicy},
};
use std::{error::Error, time::Duration};
use tokio::{net::TcpListener, task::JoinHandle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let name = "projects/p/locations/us-central1/inputs/camera".to_owned();

    let (client, server) = refusing_once().await?;
    let error = client.call(PreviewInputRequest { name: name.clone() }).await.err();
    assert!(error.is_none(), "a mutation without a request_id was not retried: {error:?}");
    drop(client);
    assert_eq!(server.await??, 2, "one refusal, one response");

    let (client, server) = refusing_once().await?;
    let mut stub = LivestreamServiceClient::new(client.stack());
    let status = stub.preview_input(PreviewInputRequest { name }).await.err();
    assert!(status.is_none(), "a raw stub's request was not retried: {status:?}");
    drop((client, stub));
    assert_eq!(server.await??, 2, "one refusal, one response");

    println!("refused streams are retried in a client-only build");
    Ok(())
}

/// A server that refuses the first stream of its one connection and answers the others, and a
/// client for it. The task returns the number of streams.
async fn refusing_once()
-> Result<(LivestreamClient, JoinHandle<Result<u32, h2::Error>>), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let client = LivestreamClient::builder()
        .endpoint(format!("http://{}", listener.local_addr()?))
        .retry(RetryPolicy::new(Backoff::new(Duration::ZERO, Duration::ZERO, 1.0)))
        .build()?;
    let server = tokio::spawn(async move {
        let (socket, _) = listener.accept().await.map_err(|_| Reason::CONNECT_ERROR)?;
        let mut connection = h2::server::handshake(socket).await?;
        let mut streams = 0;
        while let Some(accepted) = connection.accept().await {
            let (_request, mut reply) = accepted?;
            streams += 1;
            if streams == 1 {
                reply.send_reset(Reason::REFUSED_STREAM);
                continue;
            }
            let mut head = Response::new(());
            head.headers_mut().extend(headers("content-type", "application/grpc"));
            let mut stream = reply.send_response(head, false)?;
            stream.send_data(Bytes::from_static(&[0; 5]), false)?;
            stream.send_trailers(headers("grpc-status", "0"))?;
        }
        Ok(streams)
    });
    Ok((client, server))
}

fn headers(name: &'static str, value: &'static str) -> HeaderMap {
    let field = (HeaderName::from_static(name), HeaderValue::from_static(value));
    [field].into_iter().collect()
}
