//! Starts two hundred channels, and watches all of them with one listing at a time.
//!
//! ```sh
//! cargo run --example watch_many
//! ```
//!
//! On the real service you need a higher quota first: the default is ten channels in a location.

mod support;

use livestream_client::{
    WatchEvent,
    model::channel::StreamingState,
    name::{ChannelName, InputName},
};
use livestream_emulator::{Emulator, Limit};
use std::{collections::HashMap, time::Duration};
use support::{Result, Studio, channel, rtmp_input};
use tokio_stream::StreamExt;

const CHANNELS: usize = 200;
/// Prints a line after this many changes.
const LINE: usize = 100;
const DAY: Duration = Duration::from_secs(24 * 3600);

#[tokio::main]
async fn main() -> Result {
    let emulator = Emulator::builder()
        .limit(Limit::Channels, CHANNELS)
        .limit(Limit::RunningChannels, CHANNELS)
        .limit(Limit::HdStreams, CHANNELS);
    let studio = Studio::with(emulator)?;
    let Studio { client, location, .. } = &studio;
    let camera: InputName = location.input("camera")?;
    client.ensure_input(&camera, rtmp_input()).await?;
    let names = (1..=CHANNELS).map(|number| location.channel(format!("channel-{number}")));
    let names = names.collect::<std::result::Result<Vec<ChannelName>, _>>()?;

    // Only the name and the state of each channel are read.
    let channels = client.watch_channels(location).states_only();
    let mut changes = channels.changes();
    let waits = client.shared_waits(location);
    let mut creations = tokio::task::JoinSet::new();
    for name in &names {
        let create = client.create_channel(location, channel(&camera, DAY), name.id());
        creations.spawn(waits.wait(create.await?));
    }
    for created in creations.join_all().await {
        created?;
    }
    for name in &names {
        let _start = client.start_channel(name).await?;
    }

    let mut states = HashMap::<String, StreamingState>::new();
    let mut changed = 0;
    loop {
        let count = |state| states.values().filter(|other| **other == state).count();
        if changed % LINE == 0 || count(StreamingState::Streaming) == CHANNELS {
            println!(
                "{:>3} stopped  {:>3} starting  {:>3} waiting for input  {:>3} streaming",
                count(StreamingState::Stopped),
                count(StreamingState::Starting),
                count(StreamingState::AwaitingInput),
                count(StreamingState::Streaming),
            );
        }
        if count(StreamingState::Streaming) == CHANNELS {
            break;
        }
        let Some(change) = changes.next().await else { break };
        if let WatchEvent::Changed(channel) = change? {
            states.insert(channel.name.clone(), channel.streaming_state());
            changed += 1;
        }
    }
    let idle = changes.without_input(Duration::ZERO);
    println!("{} channels run without input", idle.len());
    Ok(())
}
