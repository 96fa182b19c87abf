//! Malformed input: an error each, and the server lives.

mod support;

use bytes::Bytes;
use livestream_emulator::Emulator;
use std::time::Duration;
use support::{LOCATION, json::exchange};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

struct Server {
    address: std::net::SocketAddr,
    serving: JoinHandle<std::io::Result<()>>,
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let emulator = Emulator::builder().manual_clock().build();
        Self { address, serving: tokio::spawn(async move { emulator.serve(listener).await }) }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("listening")
    }

    /// Whether it still serves.
    async fn check(&self) {
        let path = format!("/v1/{LOCATION}/channels");
        let answer = exchange(self.connect().await, "GET", &path, &[], "").await;
        assert_eq!(answer.expect("a response").status, 200);
        assert!(!self.serving.is_finished());
    }

    /// What the server answers to some bytes, up to the end of the connection.
    async fn raw(&self, bytes: &[u8]) -> Vec<u8> {
        let mut connection = self.connect().await;
        // It may close the connection first.
        let _ = connection.write_all(bytes).await;
        let _ = connection.shutdown().await;
        let mut answer = Vec::new();
        let read = connection.read_to_end(&mut answer);
        let _ = tokio::time::timeout(Duration::from_secs(20), read).await.expect("it ends");
        answer
    }
}

#[tokio::test]
async fn bytes_that_are_no_http_end_only_their_connection() {
    let server = Server::start().await;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let garbage = [
        &b"\0\0\0\0"[..],
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"GET / HTTP/1.1\r\nhost: e\r\nx: \x01\x02\r\n\r\n",
        preface,
        &[preface, &[0xff; 64][..]].concat(),
        &[preface, &[0, 0, 4, 4, 0, 0, 0, 0, 0][..]].concat(),
        &[0x16, 0x03, 0x01, 0x02, 0x00, 0x01],
    ];
    for bytes in garbage {
        server.raw(bytes).await;
        server.check().await;
    }
    let long = format!("GET /{} HTTP/1.1\r\nhost: e\r\n\r\n", "x".repeat(1 << 20));
    server.raw(long.as_bytes()).await;
    server.check().await;
}

#[tokio::test]
async fn malformed_paths_queries_and_json_are_errors() {
    let server = Server::start().await;
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let deep_object = format!("{}1{}", r#"{"output":"#.repeat(100_000), "}".repeat(100_000));
    let cases: [(&str, String, &str); 10] = [
        ("GET", "/v1/%zz".to_owned(), ""),
        ("GET", "/v1/%00%00".to_owned(), ""),
        ("GET", format!("/v1/{LOCATION}/channels?pageToken=%F0%28"), ""),
        ("GET", format!("/v1/{LOCATION}/channels?pageToken=AAAA&pageSize=99999999999"), ""),
        ("GET", format!("/v1/{LOCATION}/channels?filter={}", "(".repeat(5000)), ""),
        ("GET", format!("/v1/{LOCATION}/channels?orderBy={}", ",".repeat(5000)), ""),
        ("POST", format!("/v1/{LOCATION}/channels?channelId=c"), &deep),
        ("POST", format!("/v1/{LOCATION}/channels?channelId=c"), &deep_object),
        ("POST", format!("/v1/{LOCATION}/channels?channelId=c"), "{\"name\": \"\\ud800\"}"),
        (
            "POST",
            format!("/v1/{LOCATION}/inputs?inputId=c"),
            r#"{"createTime": "99999-01-01T00:00:00Z"}"#,
        ),
    ];
    for (method, path, body) in cases {
        let answer = exchange(server.connect().await, method, &path, &[], body).await;
        let answer = answer.unwrap_or_else(|| panic!("{path}: no response"));
        assert!((400..500).contains(&answer.status), "{path}: {} {}", answer.status, answer.text);
        assert_eq!(answer.json()["error"]["code"], answer.status, "{path}");
    }
    server.check().await;
}

#[tokio::test]
async fn a_body_of_64_mebibytes_is_refused() {
    let server = Server::start().await;
    let path = format!("/v1/{LOCATION}/channels?channelId=c");
    let body = "x".repeat(64 << 20);
    // The server answers and closes before it has read everything, so the answer can be lost.
    let answer = exchange(server.connect().await, "POST", &path, &[], &body).await;
    assert!(answer.is_none_or(|answer| answer.status == 400));
    server.check().await;

    let (mut h2, connection) = h2::client::handshake(server.connect().await).await.expect("HTTP/2");
    tokio::spawn(connection);
    let request = http::Request::post(
        "http://e/google.cloud.video.livestream.v1.LivestreamService/CreateChannel",
    );
    let request = request.header("content-type", "application/grpc").body(()).expect("a request");
    let (answer, mut stream) = h2.send_request(request, false).expect("sent");
    let sending = tokio::spawn(async move {
        let chunk = Bytes::from(vec![0; 16 * 1024]);
        for _ in 0..4096 {
            stream.reserve_capacity(chunk.len());
            match std::future::poll_fn(|cx| stream.poll_capacity(cx)).await {
                Some(Ok(_)) if stream.send_data(chunk.clone(), false).is_ok() => {}
                _ => return,
            }
        }
    });
    let answer = answer.await.expect("an answer");
    assert_eq!(answer.headers()["grpc-status"], "11");
    sending.abort();
    server.check().await;
}

#[tokio::test]
async fn malformed_grpc_frames_are_errors() {
    let server = Server::start().await;
    let path = "http://e/google.cloud.video.livestream.v1.LivestreamService/ListChannels";
    let frames: [&[u8]; 7] = [
        b"",
        b"\0",
        b"\0\0\0\0\x05abc",
        b"\0\0\0\0\x03\xff\xff\xff",
        b"\x01\0\0\0\x03abc",
        b"\x07\0\0\0\0",
        b"\0\xff\xff\xff\xffabc",
    ];
    for frame in frames {
        let (mut h2, connection) =
            h2::client::handshake(server.connect().await).await.expect("HTTP/2");
        tokio::spawn(connection);
        let request = http::Request::post(path).header("content-type", "application/grpc");
        let (answer, mut stream) =
            h2.send_request(request.body(()).expect("a request"), false).expect("sent");
        stream.send_data(Bytes::copy_from_slice(frame), true).expect("sent");
        let answer = answer.await.unwrap_or_else(|error| panic!("{frame:?}: {error}"));
        let status = answer.headers().get("grpc-status").cloned();
        let status = match status {
            Some(status) => status,
            None => {
                let mut body = answer.into_body();
                while body.data().await.is_some() {}
                let trailers = body.trailers().await.expect("trailers").expect("a status");
                trailers["grpc-status"].clone()
            }
        };
        assert_ne!(status, "0", "{frame:?}");
        server.check().await;
    }
}
