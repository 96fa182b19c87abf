//! Code that the examples share: it creates resources, and shows long operations.
#![allow(dead_code, reason = "each example uses a part of it")]

use livestream_client::{
    Error, LivestreamClient, Operation,
    ladder::{Ladder, Rendition},
    model::{Channel, Input, input, manifest::ManifestType},
    name::{ChannelName, InputName, LocationName},
    policy::{Backoff, PollPolicy},
    rpc::Payload,
};
use livestream_emulator::{self, Emulator};
use std::{
    io::{self, Write},
    time::{Duration, SystemTime},
};

pub type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// An emulator in this process, a client of it, and a location.
pub struct Studio {
    pub emulator: Emulator,
    pub client: LivestreamClient,
    pub location: LocationName,
}

impl Studio {
    pub fn open() -> Result<Self> {
        Self::with(Emulator::builder())
    }

    /// Uses a clock in which ten minutes pass in half a second.
    pub fn with(emulator: livestream_emulator::Builder) -> Result<Self> {
        Self::at_speed(emulator, 1200)
    }

    /// Uses a clock that runs `speed` times as fast as real time.
    pub fn at_speed(emulator: livestream_emulator::Builder, speed: u32) -> Result<Self> {
        let emulator = emulator.speed(speed).build();
        let client = client_of(&emulator)?;
        Ok(Self { emulator, client, location: LocationName::new("my-project", "us-central1")? })
    }

    /// The emulator's time. With the real service, use `SystemTime::now()`.
    pub fn now(&self) -> SystemTime {
        self.emulator.now()
    }

    /// Prints a step when it begins, and how long it took on the emulator's clock when it is done.
    pub async fn step<T, E>(
        &self,
        what: &str,
        work: impl Future<Output = std::result::Result<T, E>>,
    ) -> std::result::Result<T, E> {
        begin(what);
        let begun = self.now();
        let outcome = work.await;
        let took = self.now().duration_since(begun).unwrap_or_default().as_secs();
        match &outcome {
            Ok(_) if took < 60 => println!("done in {took} s"),
            Ok(_) => println!("done in {} min {:02} s", took / 60, took % 60),
            Err(_) => println!("failed"),
        }
        outcome
    }
}

/// Prints the begin of a line, which the end of the step completes.
fn begin(what: &str) {
    print!("{:<36}", format!("{what} ..."));
    // Without a flush, a step without a terminal shows up only when it is done.
    let _ = io::stdout().flush();
}

/// A client that polls often, because the emulator's clock is fast. With the real service, use
/// `LivestreamClient::new()`.
pub fn client_of(emulator: &Emulator) -> Result<LivestreamClient> {
    let often = Backoff::new(Duration::from_millis(20), Duration::from_millis(20), 1.0);
    let policy = PollPolicy::new(often, Duration::from_secs(60));
    Ok(emulator.client_builder().poll_policy(policy).build()?)
}

/// An input that encoders push RTMP to.
pub fn rtmp_input() -> Input {
    let mut input = Input::default();
    input.set_type(input::Type::RtmpPush);
    input
}

/// A channel with one HD rendition in HLS, which keeps its content for `retention`.
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

/// Says what an operation does, waits for it, and says that it is done.
pub async fn show<T: Payload, M: Payload>(
    what: &str,
    mut operation: Operation<T, M>,
) -> std::result::Result<T, Error> {
    begin(what);
    let outcome = operation.wait().await;
    println!("{}", if outcome.is_ok() { "done" } else { "failed" });
    outcome
}
