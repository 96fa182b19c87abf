//! An emulator on tokio's paused time, a client of it whose requests are counted, and short ways to
//! resources in some state.

use super::{Log, Observed};
use livestream_client::{
    LivestreamClient, Watched,
    model::{
        AudioStream, Channel, Clip, DvrSession, ElementaryStream, Manifest, MuxStream,
        RetentionConfig, TimeInterval,
        channel::{Output, StreamingState},
        clip::{ClipManifest, Slice, TimeSlice, slice},
        dvr_session::{DvrManifest, DvrWindow, dvr_window},
        elementary_stream::ElementaryStream as Track,
        manifest::ManifestType,
    },
    name::{ChannelName, LocationName},
    policy::{Backoff, PollPolicy},
};
use livestream_emulator::{Builder, Emulator};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::task::JoinHandle;
use tokio_stream::StreamExt;

pub(crate) struct Fixture {
    pub(crate) emulator: Emulator,
    pub(crate) client: LivestreamClient,
    pub(crate) log: Log,
    pub(crate) location: LocationName,
    pub(crate) channel: ChannelName,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        Self::with(Emulator::builder())
    }

    /// Virtual time is tokio's, which stands still unless a test waits.
    pub(crate) fn with(emulator: Builder) -> Self {
        let emulator = emulator.speed(1).build();
        let observed = Observed::new(emulator.service());
        let client =
            observed.client_builder().poll_policy(frequent_polls()).build().expect("good settings");
        let location = LocationName::new("p", "us-central1").expect("a name");
        let channel = location.channel("news").expect("a name");
        Self { emulator, client, log: observed.log(), location, channel }
    }

    /// The channel, `STOPPED`, with retention and an encoder of its own.
    pub(crate) async fn create_channel(&self) {
        let config = channel();
        let create = self.client.create_channel(&self.location, config, self.channel.id());
        create.wait().await.expect("a good channel");
    }

    /// The same, `STREAMING`.
    pub(crate) async fn create_streaming_channel(&self) {
        self.create_channel().await;
        self.client.start_channel(&self.channel).wait().await.expect("it is stopped");
        let streaming = self.client.wait_until(&self.channel, StreamingState::Streaming);
        streaming.await.expect("an encoder comes");
    }

    /// A resource once it is in a state, and whoever follows it has had time to see that.
    pub(crate) async fn reach<N: Watched>(&self, name: &N, state: N::State) -> N::Resource {
        let reached = self.client.wait_until(name, state).await.expect("it comes to that");
        sleep_seconds(1).await;
        reached
    }

    /// A time some seconds from now, or before now.
    pub(crate) fn at(&self, seconds: i64) -> Option<prost_types::Timestamp> {
        let mut time = prost_types::Timestamp::from(self.emulator.now());
        time.seconds += seconds;
        Some(time)
    }

    pub(crate) fn window(&self, from: i64, to: i64) -> DvrWindow {
        let interval = TimeInterval { start_time: self.at(from), end_time: self.at(to) };
        DvrWindow { kind: Some(dvr_window::Kind::TimeInterval(interval)) }
    }

    /// A recording between two times, in seconds from now.
    pub(crate) fn session(&self, from: i64, to: i64) -> DvrSession {
        DvrSession {
            dvr_manifests: vec![DvrManifest { manifest_key: "main".into(), ..Default::default() }],
            dvr_windows: vec![self.window(from, to)],
            ..Default::default()
        }
    }

    /// A clip of the last seconds.
    pub(crate) fn clip(&self, seconds: i64) -> Clip {
        let slice = TimeSlice { markin_time: self.at(-seconds), markout_time: self.at(0) };
        Clip {
            slices: vec![Slice { kind: Some(slice::Kind::TimeSlice(slice)) }],
            clip_manifests: vec![ClipManifest {
                manifest_key: "main".into(),
                ..Default::default()
            }],
            ..Default::default()
        }
    }

    /// Watches a resource in the background, from its first state to its end.
    pub(crate) fn follow<N: Watched>(&self, name: &N) -> Followed<N::State> {
        self.follow_by(name, N::state)
    }

    /// Watches something else of a resource.
    pub(crate) fn follow_by<N: Watched, S: Send + 'static>(
        &self,
        name: &N,
        look: fn(&N::Resource) -> S,
    ) -> Followed<S> {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (changes, written) = (self.client.watch(name), seen.clone());
        let task = tokio::spawn(async move {
            let mut changes = changes;
            loop {
                match changes.next().await.expect("a watch ends with an error") {
                    Ok(resource) => written.lock().expect("not poisoned").push(look(&resource)),
                    Err(end) => return end,
                }
            }
        });
        Followed { seen, task }
    }
}

/// What a watch has told so far.
pub(crate) struct Followed<S> {
    seen: Arc<Mutex<Vec<S>>>,
    task: JoinHandle<livestream_client::Error>,
}

impl<S: Clone> Followed<S> {
    pub(crate) fn states(&self) -> Vec<S> {
        self.seen.lock().expect("not poisoned").clone()
    }

    /// The states up to the end of the resource, and the error that the watch ended with.
    pub(crate) async fn end(self) -> (Vec<S>, livestream_client::Error) {
        let end = self.task.await.expect("the watch does not panic");
        let states = self.seen.lock().expect("not poisoned").clone();
        (states, end)
    }
}

/// Polls some times a second, so that no state of a second or more is missed.
pub(crate) fn frequent_polls() -> PollPolicy {
    let backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(400), 1.5);
    PollPolicy::new(backoff, Duration::from_secs(3600))
}

/// Lets seconds pass.
pub(crate) async fn sleep_seconds(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

/// A small valid channel without inputs: the audio stream `sound` in an HLS manifest `main`.
pub(crate) fn channel() -> Channel {
    let audio = AudioStream { bitrate_bps: 128_000, ..Default::default() };
    let sound = ElementaryStream {
        key: "sound".to_owned(),
        elementary_stream: Some(Track::AudioStream(audio)),
    };
    let mux_stream = MuxStream {
        key: "sound".to_owned(),
        elementary_streams: vec!["sound".to_owned()],
        ..Default::default()
    };
    let manifest = Manifest {
        key: "main".to_owned(),
        file_name: "main.m3u8".to_owned(),
        r#type: ManifestType::Hls.into(),
        mux_streams: vec!["sound".to_owned()],
        ..Default::default()
    };
    let window = prost_types::Duration { seconds: 86_400, nanos: 0 };
    Channel {
        output: Some(Output { uri: "gs://bucket/outputs/".to_owned() }),
        elementary_streams: vec![sound],
        mux_streams: vec![mux_stream],
        manifests: vec![manifest],
        retention_config: Some(RetentionConfig { retention_window_duration: Some(window) }),
        ..Default::default()
    }
}
