//! Cuts the last five minutes of a running channel into a clip, which stays after the live stream.
//!
//! ```sh
//! cargo run --example clip
//! ```
//!
//! To use the real service, make the client with `LivestreamClient::new()?`. The rest stays the same.

mod support;

use livestream_client::model::{Clip, channel::StreamingState, clip::Slice};
use std::time::Duration;
use support::{Result, Studio, remove_channel, show, start_channel};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);

#[tokio::main]
async fn main() -> Result {
    let studio = Studio::open()?;
    let Studio { client, location, .. } = &studio;
    let channel = start_channel(client, location, "match", DAY).await?;
    client.wait_until(&channel, StreamingState::Streaming).await?;
    println!("✓ on air");
    studio.emulator.advance(20 * MINUTE);

    // A clip can contain only past content that the channel still retains.
    let now = studio.now();
    let goal = Slice::last(5 * MINUTE, now)?;
    let clip = Clip::of_manifest("hls", "gs://my-bucket/clips/goal", [goal]);
    let clip = show("Cutting the clip", client.create_clip(&channel, clip, "goal").await?).await?;
    println!("  {}: {}", clip.state().as_str_name(), clip.clip_manifests[0].output_uri);

    // The service refuses a clip of future content.
    let ahead = Slice::between(now..now + 60 * MINUTE)?;
    let clip = Clip::of_manifest("hls", "gs://my-bucket/clips/next-hour", [ahead]);
    if let Err(refusal) = client.create_clip(&channel, clip, "next-hour").await {
        println!("refused, as expected: {}", refusal.message());
    }

    show("Deleting the clip", client.delete_clip(&channel.clip("goal")?).await?).await?;
    remove_channel(client, &channel).await?;
    println!("everything is deleted");
    Ok(())
}
