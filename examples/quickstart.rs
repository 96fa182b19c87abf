//! The main job, against a service inside this process: an input and a channel are set up, the
//! channel goes on air, a DVR session records it, a clip is cut, and everything is torn down again.
//!
//! ```sh
//! cargo run --example quickstart
//! ```
//!
//! Against the real service, the client comes from `LivestreamClient::new()?`; the rest stays.

mod support;

use livestream_client::{
    LivestreamClient,
    model::{Clip, DvrSession, channel::StreamingState, clip::Slice, dvr_session::DvrWindow},
    name::{ChannelName, LocationName},
};
use std::time::{Duration, SystemTime};
use support::{Result, Studio, channel, rtmp_input, show};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

#[tokio::main]
async fn main() -> Result {
    let studio = Studio::open()?;
    let Studio { client, location, .. } = &studio;

    let camera = location.input("camera")?;
    let news = location.channel("evening-news")?;
    let create = client.create_input(location, rtmp_input(), camera.id()).await?;
    let input = show("input created", create).await?;
    println!("  point the encoder at {}", input.uri);

    let create = client.create_channel(location, channel(&camera, 24 * HOUR), news.id()).await?;
    show("channel created", create).await?;
    show("channel started", client.start_channel(&news).await?).await?;
    client.wait_until(&news, StreamingState::Streaming).await?;
    println!("✓ on air");

    record(client, &news, studio.now()).await?;
    studio.emulator.advance(5 * MINUTE);
    cut(client, &news, studio.now()).await?;
    print_all(client, location).await?;
    tear_down(client, location).await?;
    println!("nothing is left");
    Ok(())
}

/// A DVR session: viewers can go back to the start of the show for as long as it lasts.
async fn record(client: &LivestreamClient, channel: &ChannelName, now: SystemTime) -> Result {
    let session = DvrSession::of_manifest("hls", [DvrWindow::next(2 * HOUR, now)?]);
    let create = client.create_dvr_session(channel, session, "tonight").await?;
    let session = show("DVR session created", create).await?;
    println!("  time-shift at {}", session.dvr_manifests[0].output_uri);
    Ok(())
}

/// A clip of the last minute: a copy that outlives the channel's retention.
async fn cut(client: &LivestreamClient, channel: &ChannelName, now: SystemTime) -> Result {
    let minute = Slice::last(MINUTE, now)?;
    let clip = Clip::of_manifest("hls", "gs://my-bucket/clips/highlight", [minute]);
    let clip = show("clip cut", client.create_clip(channel, clip, "highlight").await?).await?;
    println!("  it is at {}", clip.clip_manifests[0].output_uri);
    Ok(())
}

async fn print_all(client: &LivestreamClient, location: &LocationName) -> Result {
    println!("\n{:<10} {:<48} state", "kind", "name");
    let row = |kind: &str, name: &str, state: &str| println!("{kind:<10} {name:<48} {state}");
    for input in client.list_inputs(location).items().collect().await? {
        row("input", short(&input.name), "");
    }
    for channel in client.list_channels(location).items().collect().await? {
        row("channel", short(&channel.name), channel.streaming_state().as_str_name());
        let name: ChannelName = channel.name.parse()?;
        for session in client.list_dvr_sessions(&name).items().collect().await? {
            row("DVR", short(&session.name), session.state().as_str_name());
        }
        for clip in client.list_clips(&name).items().collect().await? {
            row("clip", short(&clip.name), clip.state().as_str_name());
        }
    }
    println!();
    Ok(())
}

/// The part of a name below its location.
fn short(name: &str) -> &str {
    name.splitn(5, '/').last().unwrap_or(name)
}

/// Children first: a channel with events, or an input in use, is not deleted.
async fn tear_down(client: &LivestreamClient, location: &LocationName) -> Result {
    for channel in client.list_channels(location).items().collect().await? {
        let name: ChannelName = channel.name.parse()?;
        for session in client.list_dvr_sessions(&name).items().collect().await? {
            let delete = client.delete_dvr_session(&session.name.parse()?).await?;
            show("DVR session deleted", delete).await?;
        }
        for clip in client.list_clips(&name).items().collect().await? {
            show("clip deleted", client.delete_clip(&clip.name.parse()?).await?).await?;
        }
        show("channel stopped", client.stop_channel(&name).await?).await?;
        show("channel deleted", client.delete_channel(&name).await?).await?;
    }
    for input in client.list_inputs(location).items().collect().await? {
        show("input deleted", client.delete_input(&input.name.parse()?).await?).await?;
    }
    Ok(())
}
