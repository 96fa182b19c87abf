//! An emulator on tokio's paused clock, a client whose requests are logged, and functions that
//! bring resources into a state.

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

    /// The emulator's time follows tokio's clock, which stands still unless a test waits.
    pub(crate) fn with(emulator: Builder) -> Self {
        let emulator = emulator.speed(1).build();
        let observed = Observed::new(emulator.service());
        let client = observed
            .client_builder()
            .poll_policy(frequent_polls())
            .build()
            .expect("valid settings");
        let location = LocationName::new("p", "us-central1").expect("a valid name");
        let channel = location.channel("news").expect("a valid name");
        Self { emulator, client, log: observed.log(), location, channel }
    }

    /// Creates the channel with a retention window. Its state is `STOPPED`.
    pub(crate) async fn create_channel(&self) {
        let config = channel();
        let create = self.client.create_channel(&self.location, config, self.channel.id());
        create.wait().await.expect("a valid channel");
    }

    /// Creates the channel and starts it. Its state is `STREAMING`.
    pub(crate) async fn create_streaming_channel(&self) {
        self.create_channel().await;
        self.client.start_channel(&self.channel).wait().await.expect("it is stopped");
        let streaming = self.client.wait_until(&self.channel, StreamingState::Streaming);
        streaming.await.expect("the emulator connects an encoder");
    }

    /// Waits until a resource is in a state, and one second longer so that every watch sees it.
    pub(crate) async fn reach<N: Watched>(&self, name: &N, state: N::State) -> N::Resource {
        let reached =
            self.client.wait_until(name, state).await.expect("the resource reaches the state");
        sleep_seconds(1).await;
        reached
    }

    /// The time `seconds` from now; a negative number is in the past.
    pub(crate) fn at(&self, seconds: i64) -> Option<prost_types::Timestamp> {
        let mut time = prost_types::Timestamp::from(self.emulator.now());
        time.seconds += seconds;
        Some(time)
    }

    pub(crate) fn window(&self, from: i64, to: i64) -> DvrWindow {
        let interval = TimeInterval { start_time: self.at(from), end_time: self.at(to) };
        DvrWindow { kind: Some(dvr_window::Kind::TimeInterval(interval)) }
    }

    /// A DVR session between two times, in seconds from now.
    pub(crate) fn session(&self, from: i64, to: i64) -> DvrSession {
        DvrSession {
            dvr_manifests: vec![DvrManifest { manifest_key: "main".into(), ..Default::default() }],
            dvr_windows: vec![self.window(from, to)],
            ..Default::default()
        }
    }

    /// A clip of the last `seconds`.
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

    /// Watches the state of a resource in the background until the watch ends.
    pub(crate) fn follow<N: Watched>(&self, name: &N) -> Followed<N::State> {
        self.follow_by(name, N::state)
    }

    /// Watches another property of a resource.
    pub(crate) fn follow_by<N: Watched, S: Send + 'static>(
        &self,
        name: &N,
        property: fn(&N::Resource) -> S,
    ) -> Followed<S> {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (changes, written) = (self.client.watch(name), seen.clone());
        let task = tokio::spawn(async move {
            let mut changes = changes;
            loop {
                match changes.next().await.expect("a watch ends with an error") {
                    Ok(resource) => written.lock().expect("not poisoned").push(property(&resource)),
                    Err(end) => return end,
                }
            }
        });
        Followed { seen, task }
    }
}

/// The values that a watch has seen so far.
pub(crate) struct Followed<S> {
    seen: Arc<Mutex<Vec<S>>>,
    task: JoinHandle<livestream_client::Error>,
}

impl<S: Clone> Followed<S> {
    pub(crate) fn states(&self) -> Vec<S> {
        self.seen.lock().expect("not poisoned").clone()
    }

    /// All states, and the error that ended the watch.
    pub(crate) async fn end(self) -> (Vec<S>, livestream_client::Error) {
        let end = self.task.await.expect("the watch does not panic");
        let states = self.seen.lock().expect("not poisoned").clone();
        (states, end)
    }
}

/// Polls several times a second, so that a watch misses no state that lasts a second.
pub(crate) fn frequent_polls() -> PollPolicy {
    let backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(400), 1.5);
    PollPolicy::new(backoff, Duration::from_secs(3600))
}

/// Sleeps in virtual time.
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
