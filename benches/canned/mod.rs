//! Servers that answer from memory, on a core of their own, and the callers that the benches measure.
#![allow(dead_code, reason = "each bench uses a part of it")]

pub mod callers;
mod one_answer;
mod ordinary;

use bytes::{BufMut, Bytes, BytesMut};
use core_affinity::CoreId;
use http::{HeaderMap, HeaderValue, Response};
use livestream_client::model::{
    AudioStream, Channel, ElementaryStream, Manifest, MuxStream, SegmentSettings, VideoStream,
    channel::Output,
    elementary_stream::ElementaryStream as Stream,
    video_stream::{CodecSettings, H264CodecSettings},
};
use prost::Message;
use std::{
    fs,
    net::SocketAddr,
    sync::{LazyLock, mpsc},
    thread,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    task::{AbortHandle, JoinSet},
};

/// The core for servers, if the machine has more than one.
pub const SERVER_CORE: usize = 1;

/// The behaviour of a server.
#[derive(Clone, Copy, Debug)]
pub struct Manners {
    /// The duration of each call.
    pub delay: Duration,
    /// The maximum number of calls at once on one connection.
    pub max_streams: u32,
}

impl Default for Manners {
    fn default() -> Self {
        Self { delay: Duration::ZERO, max_streams: 1000 }
    }
}

/// Answers every call at once with this message, until the process ends. Set `awake` if a bench measures
/// the time of calls, for the reason at [`stay_awake`].
pub fn serve(answer: &impl Message, awake: bool) -> SocketAddr {
    let answer = frame(answer);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    let serve = move |stream: std::io::Result<std::net::TcpStream>| {
        let (stream, answer) = (stream.expect("a connection"), answer.clone());
        thread::spawn(move || {
            pin_to(SERVER_CORE);
            // A client may end its connection in any way.
            let _ = one_answer::serve_connection(stream, &answer, awake);
        });
    };
    thread::spawn(move || listener.incoming().for_each(serve));
    address
}

/// Answers every call at once with this message, as [`serve`] does, but with hyper's server.
pub fn serve_ordinarily(answer: &impl Message) -> SocketAddr {
    let answer = frame(answer);
    listen(move |stream| ordinary::serve_connection(stream, answer.clone()))
}

/// Answers each request with the result of `answer` for its bytes.
pub fn serve_with(
    manners: Manners,
    answer: impl Fn(Bytes) -> Bytes + Clone + Send + Sync + 'static,
) -> SocketAddr {
    listen(move |stream| serve_connection(stream, manners, answer.clone()))
}

/// Serves connections on a separate thread, until the process ends.
pub fn listen<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        pin_to(SERVER_CORE);
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            tell.send(listener.local_addr().expect("bound")).expect("the bench waits");
            loop {
                let (stream, _) = listener.accept().await.expect("a connection");
                stream.set_nodelay(true).expect("a TCP socket");
                tokio::spawn(serve(stream));
            }
        });
    });
    told.recv().expect("the server starts")
}

/// Serves one connection to its end.
pub async fn serve_connection(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    manners: Manners,
    answer: impl Fn(Bytes) -> Bytes + Clone + Send + Sync + 'static,
) {
    let mut connection = h2::server::Builder::new()
        .max_concurrent_streams(manners.max_streams)
        .initial_window_size(1 << 20)
        .initial_connection_window_size(16 << 20)
        .handshake(stream)
        .await
        .expect("an HTTP/2 client");
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        let (answer, trailers) = (answer.clone(), trailers.clone());
        let reply = async move {
            let mut body = request.into_body();
            let mut bytes = BytesMut::new();
            while let Some(Ok(data)) = body.data().await {
                let _ = body.flow_control().release_capacity(data.len());
                bytes.extend_from_slice(&data);
            }
            if !manners.delay.is_zero() {
                tokio::time::sleep(manners.delay).await;
            }
            let head = Response::builder().header("content-type", "application/grpc");
            let head = head.body(()).expect("a valid head");
            let Ok(mut stream) = respond.send_response(head, false) else { return };
            let _ = stream.send_data(answer(bytes.freeze()), false);
            let _ = stream.send_trailers(trailers);
        };
        tokio::spawn(reply);
    }
}

/// A gRPC frame.
pub fn frame(message: &impl Message) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.encoded_len()).expect("a small message"));
    message.encode(&mut frame).expect("the buffer grows");
    frame.freeze()
}

/// Makes calls, with a number of them in flight, and returns their results in the order of completion.
pub async fn keep_in_flight<F>(
    calls: usize,
    in_flight: usize,
    call: impl Fn() -> F,
) -> Vec<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    let mut yielded = Vec::with_capacity(calls);
    let mut running = JoinSet::new();
    for _ in 0..calls {
        if running.len() == in_flight {
            yielded.push(running.join_next().await.expect("one runs").expect("no panic"));
        }
        running.spawn(call());
    }
    while let Some(done) = running.join_next().await {
        yielded.push(done.expect("no panic"));
    }
    yielded
}

/// Returns the duration of a call.
pub async fn timed(call: impl Future<Output = ()>) -> Duration {
    let begun = Instant::now();
    call.await;
    begun.elapsed()
}

/// Keeps the core of a current-thread runtime awake until the handle is aborted.
///
/// Waking a core takes longer than a call, especially in a virtual machine, and the time grows with the
/// length of the sleep. A client that finishes sooner would therefore look slower.
pub fn stay_awake() -> AbortHandle {
    let spinning = async {
        loop {
            tokio::task::yield_now().await;
        }
    };
    tokio::spawn(spinning).abort_handle()
}

/// Returns the CPU time of this thread, from the kernel's accounts.
pub fn cpu_time() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    let nanos = text.split(' ').next().and_then(|text| text.parse().ok()).expect("nanoseconds");
    Duration::from_nanos(nanos)
}

pub fn pin_to(core: usize) {
    // Read the list before the first thread is pinned. A pinned thread and its children see only one core.
    static CORES: LazyLock<Vec<CoreId>> =
        LazyLock::new(|| core_affinity::get_core_ids().unwrap_or_default());
    if let Some(core) = CORES.get(core % CORES.len().max(1)) {
        core_affinity::set_for_current(*core);
    }
}

/// A channel of six renditions, about 1.1 kB.
pub fn channel(id: usize) -> Channel {
    let renditions = [(1920, 1080, 6), (1280, 720, 4), (960, 540, 3), (640, 360, 2), (480, 270, 1)];
    let mut elementary = Vec::new();
    let mut muxes = Vec::new();
    for (width, height, mbit) in renditions {
        let h264 = H264CodecSettings {
            width_pixels: width,
            height_pixels: height,
            frame_rate: 30.0,
            bitrate_bps: mbit * 1_000_000,
            profile: "high".into(),
            ..Default::default()
        };
        let codec_settings = Some(CodecSettings::H264(h264));
        elementary.push((
            format!("video-{height}p"),
            Stream::VideoStream(VideoStream { codec_settings }),
        ));
    }
    let audio = AudioStream {
        codec: "aac".into(),
        bitrate_bps: 160_000,
        channel_count: 2,
        ..Default::default()
    };
    elementary.push(("audio-stereo".into(), Stream::AudioStream(audio)));
    for (key, _) in &elementary {
        muxes.push(MuxStream {
            key: format!("mux-{key}"),
            container: "fmp4".into(),
            elementary_streams: vec![key.clone()],
            segment_settings: Some(SegmentSettings {
                segment_duration: Some(prost_types::Duration { seconds: 2, nanos: 0 }),
            }),
            ..Default::default()
        });
    }
    let manifest = |key: &str, file: &str| Manifest {
        key: key.into(),
        file_name: file.into(),
        mux_streams: muxes.iter().map(|mux| mux.key.clone()).collect(),
        max_segment_count: 5,
        ..Default::default()
    };
    Channel {
        name: format!("projects/my-project/locations/us-central1/channels/channel-{id}"),
        output: Some(Output { uri: "gs://my-bucket/live/channel".into() }),
        manifests: vec![manifest("hls", "main.m3u8"), manifest("dash", "main.mpd")],
        elementary_streams: elementary
            .into_iter()
            .map(|(key, stream)| ElementaryStream { key, elementary_stream: Some(stream) })
            .collect(),
        mux_streams: muxes,
        ..Default::default()
    }
}
