//! What the examples share: the resources that they set up, and how they show a long operation.
#![allow(dead_code, reason = "each example uses a part of it")]

use indicatif::{ProgressBar, ProgressStyle};
use livestream_client::{
    Error, LivestreamClient, Operation,
    ladder::{Ladder, Rendition},
    model::{Channel, Input, input, manifest::ManifestType},
    name::{ChannelName, InputName, LocationName},
    policy::{Backoff, PollPolicy},
};
use livestream_emulator::{self, Emulator};
use prost::{Message, Name};
use std::time::{Duration, SystemTime};
use tokio_stream::StreamExt;

pub type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// A service in this process, a client of it, and a place to work in.
pub struct Studio {
    pub emulator: Emulator,
    pub client: LivestreamClient,
    pub location: LocationName,
}

impl Studio {
    pub fn open() -> Result<Self> {
        Self::with(Emulator::builder())
    }

    /// Ten minutes of the service's time pass in half a second of ours.
    pub fn with(emulator: livestream_emulator::Builder) -> Result<Self> {
        let emulator = emulator.speed(1200).build();
        let client = client_of(&emulator)?;
        Ok(Self { emulator, client, location: LocationName::new("my-project", "us-central1")? })
    }

    /// The service's time: it runs faster than ours. Against the real service: `SystemTime::now()`.
    pub fn now(&self) -> SystemTime {
        self.emulator.now()
    }
}

/// A client that polls as often as the service's time runs fast. Against the real service:
/// `LivestreamClient::new()`.
pub fn client_of(emulator: &Emulator) -> Result<LivestreamClient> {
    let often = Backoff::new(Duration::from_millis(50), Duration::from_millis(250), 1.5);
    let policy = PollPolicy::new(often, Duration::from_secs(60));
    Ok(emulator.client_builder().poll_policy(policy).build()?)
}

/// An input that encoders push RTMP to.
pub fn rtmp_input() -> Input {
    let mut input = Input::default();
    input.set_type(input::Type::RtmpPush);
    input
}

/// A channel with one HD rendition in HLS, whose past is kept for `retention`.
pub fn channel(input: &InputName, retention: Duration) -> Channel {
    Ladder::of([Rendition::new(1280, 720, 30.0, 3_000_000)])
        .channel("gs://my-bucket/evening-news")
        .input("camera", input)
        .manifests([ManifestType::Hls])
        .segments(Duration::from_secs(2))
        .retention(retention)
        .build()
        .expect("the ladder keeps the rules")
}

/// Creates an input and a channel that uses it, and starts the channel.
pub async fn start_channel(
    client: &LivestreamClient,
    location: &LocationName,
    id: &str,
    retention: Duration,
) -> Result<ChannelName> {
    let input = location.input(format!("{id}-camera"))?;
    client.create_input(location, rtmp_input(), input.id()).wait().await?;
    client.create_channel(location, channel(&input, retention), id).wait().await?;
    let channel = location.channel(id)?;
    client.start_channel(&channel).wait().await?;
    Ok(channel)
}

/// Stops a channel, and deletes it with its input.
pub async fn remove_channel(client: &LivestreamClient, channel: &ChannelName) -> Result {
    client.stop_channel(channel).wait().await?;
    client.delete_channel(channel).force(true).wait().await?;
    let input = channel.parent().input(format!("{}-camera", channel.id()))?;
    client.delete_input(&input).wait().await?;
    Ok(())
}

/// Waits for an operation behind a progress bar.
pub async fn show<T, M>(what: &str, operation: Operation<T, M>) -> std::result::Result<T, Error>
where
    T: Message + Name + Default + 'static,
    M: Message + Name + Default + 'static,
{
    let style =
        ProgressStyle::with_template("{spinner} {msg} {elapsed}").expect("a valid template");
    let bar = ProgressBar::new_spinner().with_style(style).with_message(what.to_owned());
    bar.enable_steady_tick(Duration::from_millis(100));
    let mut progress = operation.progress();
    while let Some(step) = progress.next().await {
        if let Some(result) = step?.result {
            bar.finish_and_clear();
            println!("✓ {what}");
            return Ok(result);
        }
    }
    unreachable!("the progress of an operation ends with its result or an error")
}
