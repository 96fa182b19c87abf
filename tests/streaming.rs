//! Bidirectional streams pass through the client's stack unchanged and without buffering.

use bytes::Bytes;
use futures_util::stream;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use livestream_client::{LivestreamClient, PoolLimits};
use std::{convert::Infallible, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::timeout,
};
use tonic::body::Body;
use tower::{Service, ServiceExt};

/// Responds with headers at once, then sends back all data, and ends with the request.
async fn echo(stream: TcpStream) {
    let mut connection = h2::server::handshake(stream).await.expect("an HTTP/2 client");
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        tokio::spawn(async move {
            let head = Response::builder().header("content-type", "application/grpc").body(());
            let mut answer = respond.send_response(head.expect("valid"), false).expect("open");
            let mut body = request.into_body();
            while let Some(Ok(data)) = body.data().await {
                let _ = body.flow_control().release_capacity(data.len());
                answer.send_data(data, false).expect("open");
            }
            let _ = answer.send_data(Bytes::new(), true);
        });
    }
}

/// A request whose body is the data sent into the channel.
fn chat() -> (mpsc::UnboundedSender<&'static str>, Request<Body>) {
    let (say, said) = mpsc::unbounded_channel::<&'static str>();
    let frames = stream::unfold(said, |mut said| async move {
        let text = said.recv().await?;
        Some((Ok::<_, Infallible>(Frame::data(Bytes::from_static(text.as_bytes()))), said))
    });
    let request = Request::post("/test.Echo/Chat").body(Body::new(StreamBody::new(frames)));
    (say, request.expect("a valid request"))
}

#[tokio::test]
async fn a_bidirectional_stream_alternates_and_a_dropped_call_frees_its_place() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(echo(stream));
        }
    });
    let one = PoolLimits::default().with_max_connections(1).with_max_calls_per_connection(1);
    let client = LivestreamClient::builder().endpoint(format!("http://{address}")).pool(one);
    let stack = client.build().expect("a client").stack();

    for _ in 0..3 {
        let talk = async {
            let (say, request) = chat();
            let mut stack = stack.clone();
            let answer = stack.ready().await.expect("ready").call(request).await.expect("answered");
            let mut body = answer.into_body();
            for text in ["first", "second"] {
                say.send(text).expect("the request goes on");
                let frame = body.frame().await.expect("the stream is open").expect("no error");
                assert_eq!(frame.into_data().expect("data"), text);
            }
            // The request has not ended when the response is dropped.
            drop(body);
            say.closed().await;
        };
        timeout(Duration::from_secs(10), talk).await.expect("neither side waits for the other");
    }
}

#[tokio::test]
async fn a_streamed_body_beyond_the_flow_control_window_is_sent_piece_by_piece() {
    const PIECE: usize = 1 << 20;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(echo(stream));
        }
    });
    let client = LivestreamClient::builder().endpoint(format!("http://{address}"));
    let mut stack = client.build().expect("a client").stack();

    // h2's default window is 64 KiB: the capacity for a whole piece is never granted.
    let pieces = (0..3).map(|_| Ok::<_, Infallible>(Frame::data(Bytes::from(vec![7; PIECE]))));
    let body = Body::new(StreamBody::new(stream::iter(pieces)));
    let request = Request::post("/test.Echo/Chat").body(body).expect("a valid request");
    let echoed = async {
        let response = stack.ready().await.expect("ready").call(request).await.expect("answered");
        let mut body = response.into_body();
        let mut received = 0;
        while received < 3 * PIECE {
            let frame = body.frame().await.expect("the stream is open").expect("no error");
            received += frame.into_data().expect("data").len();
        }
        received
    };
    let received = timeout(Duration::from_secs(10), echoed).await.expect("the stream progresses");
    assert_eq!(received, 3 * PIECE);
}
