//! Moves the endpoints of a location into a peered network. This is possible only while every channel is
//! stopped. The service names the running channels; the program stops them and then starts them again.
//!
//! ```sh
//! cargo run --example pool_peering
//! ```
//!
//! To use the real service, make the client with `LivestreamClient::new()?`. The rest stays the same.

mod support;

use livestream_client::{
    Error, LivestreamClient, mask,
    model::{Pool, channel::StreamingState, pool::NetworkConfig},
    name::{ChannelName, LocationName, NetworkName, PoolName},
};
use std::time::Duration;
use support::{Result, Studio, remove_channel, show, start_channel};

const DAY: Duration = Duration::from_secs(24 * 3600);

#[tokio::main]
async fn main() -> Result {
    let studio = Studio::open()?;
    let Studio { client, location, .. } = &studio;
    let channel = start_channel(client, location, "news", DAY).await?;
    println!("✓ channel started");
    // The service made the pool with the first input.
    let pool = location.pool("default")?;
    let network = NetworkName::new("123456789", "studio")?;

    match peer(client, &pool, &network).await {
        Err(e) if e.is_failed_precondition() => explain(&e),
        other => other?,
    }
    let stopped = stop_all(client, location).await?;
    peer(client, &pool, &network).await?;
    let peered = client.get_pool(&pool).await?.network_config.unwrap_or_default();
    println!("  {} is peered with {}", pool.id(), peered.peered_network);
    for name in &stopped {
        show("Starting the channel again", client.start_channel(name).await?).await?;
    }

    remove_channel(client, &channel).await?;
    println!("everything is deleted");
    Ok(())
}

async fn peer(
    client: &LivestreamClient,
    pool: &PoolName,
    network: &NetworkName,
) -> std::result::Result<(), Error> {
    let change = Pool {
        name: pool.into(),
        network_config: Some(NetworkConfig { peered_network: network.into() }),
        ..Default::default()
    };
    let mask = mask::of::<Pool>(["network_config"])?;
    show("Updating the pool", client.update_pool(change, mask).await?).await?;
    Ok(())
}

/// Prints the reasons of the service.
fn explain(refusal: &Error) {
    println!("refused, as expected: every channel of the location must be stopped first");
    let violations = refusal.details().precondition_failure().map(|failure| &failure.violations);
    for violation in violations.into_iter().flatten() {
        println!("  {} {}", violation.subject, violation.description);
    }
}

/// Stops all running channels, and returns their names.
async fn stop_all(client: &LivestreamClient, location: &LocationName) -> Result<Vec<ChannelName>> {
    let mut stopped = Vec::new();
    for channel in client.list_channels(location).items().collect().await? {
        if channel.streaming_state() != StreamingState::Stopped {
            let name: ChannelName = channel.name.parse()?;
            show("Stopping the channel", client.stop_channel(&name).await?).await?;
            stopped.push(name);
        }
    }
    Ok(stopped)
}
