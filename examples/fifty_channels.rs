//! Fifty channels, started at once: one line that counts, and one task that asks for all of them.
//!
//! Polling each operation by itself would cost fifty requests a tick, which the API counts; shared
//! waits read a page of operations instead.
//!
//! ```sh
//! cargo run --example fifty_channels
//! ```
//!
//! Against the real service, ask for the quota first: a location has ten channels at most.

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
    let studio = Studio::with(Emulator::builder().limit(Limit::Channels, CHANNELS))?;
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
    println!("nothing is left");
    Ok(())
}

/// Sends all calls, and waits for what they started.
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
        // Each count takes the place of the one before.
        print!("\r{count} of {CHANNELS} channels {done}");
        io::stdout().flush().expect("somebody reads");
    }
    println!();
    Ok(())
}
