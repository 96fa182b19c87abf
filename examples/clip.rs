//! The last five minutes of a running channel, cut into a clip that outlives the live stream.
//!
//! ```sh
//! cargo run --example clip
//! ```
//!
//! Against the real service, the client comes from `LivestreamClient::new()?`; the rest stays.

mod support;

use livestream_client::model::{
    Clip,
    channel::StreamingState,
    clip::{ClipManifest, Slice, TimeSlice, slice},
};
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

    // Only the past can be cut, and only as far back as the channel retains it.
    let now = studio.now();
    let last_minutes =
        TimeSlice { markin_time: Some((now - 5 * MINUTE).into()), markout_time: Some(now.into()) };
    let clip = Clip {
        output_uri: "gs://my-bucket/clips/goal".into(),
        slices: vec![Slice { kind: Some(slice::Kind::TimeSlice(last_minutes)) }],
        clip_manifests: vec![ClipManifest { manifest_key: "hls".into(), ..Default::default() }],
        ..Default::default()
    };
    let clip = show("clip cut", client.create_clip(&channel, clip, "goal").await?).await?;
    println!("  {}: {}", clip.state().as_str_name(), clip.clip_manifests[0].output_uri);

    // What lies ahead cannot be cut: the service says so before it begins.
    let ahead =
        TimeSlice { markin_time: Some(now.into()), markout_time: Some((now + 60 * MINUTE).into()) };
    let clip = Clip {
        slices: vec![Slice { kind: Some(slice::Kind::TimeSlice(ahead)) }],
        clip_manifests: clip.clip_manifests,
        ..Default::default()
    };
    if let Err(refusal) = client.create_clip(&channel, clip, "next-hour").await {
        println!("✗ {}", refusal.message());
    }

    show("clip deleted", client.delete_clip(&channel.clip("goal")?).await?).await?;
    remove_channel(client, &channel).await?;
    println!("nothing is left");
    Ok(())
}
