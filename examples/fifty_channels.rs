//! Starts fifty channels at once, and waits for all of them with one task.
//!
//! To poll fifty operations separately would cost fifty requests each time, and these count towards
//! the quota. Shared waits read a page of operations instead.
//!
//! ```sh
//! cargo run --example fifty_channels
//! ```
//!
//! On the real service you need a higher quota first: the default is ten channels in a location.

mod support;

use livestream_client::{
    Call, Error, SharedWaits, model::OperationMetadata, name::ChannelName, rpc::LongRunning,
};
use livestream_emulator::{Emulator, Limit};
use std::{
    io::{self, Write},
    time::Duration,
};
use support::{Result, Studio, channel, rtmp_input};
use tokio::task::JoinSet;

const CHANNELS: usize = 50;
const DAY: Duration = Duration::from_secs(24 * 3600);

#[tokio::main]
async fn main() -> Result {
    let limits = Emulator::builder()
        .limit(Limit::Channels, CHANNELS)
        .limit(Limit::RunningChannels, CHANNELS)
        .limit(Limit::HdStreams, CHANNELS);
    let studio = Studio::with(limits)?;
    let Studio { client, location, .. } = &studio;
    let camera = location.input("camera")?;
    client.create_input(location, rtmp_input(), camera.id()).wait().await?;

    let names: Vec<ChannelName> = (1..=CHANNELS)
        .map(|number| location.channel(format!("channel-{number}")))
        .collect::<std::result::Result<_, _>>()?;
    let waits = client.shared_waits(location);
    let config = channel(&camera, DAY);
    let create = |name: &ChannelName| client.create_channel(location, config.clone(), name.id());
    all("created", &waits, names.iter().map(create)).await?;
    all("started", &waits, names.iter().map(|name| client.start_channel(name))).await?;
    all("stopped", &waits, names.iter().map(|name| client.stop_channel(name))).await?;
    all("deleted", &waits, names.iter().map(|name| client.delete_channel(name))).await?;

    client.delete_input(&camera).wait().await?;
    println!("everything is deleted");
    Ok(())
}

/// Sends all calls, and waits for their operations.
async fn all<R>(
    done: &str,
    waits: &SharedWaits,
    calls: impl IntoIterator<Item = Call<R>>,
) -> std::result::Result<(), Error>
where
    R: LongRunning<Metadata = OperationMetadata, Output: Send>,
{
    let mut pending = JoinSet::new();
    for call in calls {
        pending.spawn(waits.wait(call.await?));
    }
    let mut count = 0;
    while let Some(end) = pending.join_next().await {
        end.expect("no wait panics")?;
        count += 1;
        // `\r` overwrites the previous count.
        print!("\r{count} of {CHANNELS} channels {done}");
        io::stdout().flush().expect("the output is open");
    }
    println!();
    Ok(())
}
