//! The main job: creates an input and a channel, puts the channel on air, records it with a DVR session,
//! cuts a clip, and deletes everything again.
//!
//! ```sh
//! cargo run --example quickstart
//! ```
//!
//! The service is an emulator in this process, so you need no account and pay nothing. For the real
//! service, create the client with `LivestreamClient::new()?`. The calls stay the same.

mod support;

use livestream_client::{
    model::{Clip, DvrSession, channel::StreamingState, clip::Slice, dvr_session::DvrWindow},
    name::ChannelName,
};
use livestream_emulator::Emulator;
use std::time::Duration;
use support::{Result, Studio, channel, rtmp_input};

/// The speed of the emulator's clock, as a multiple of real time.
const SPEED: u32 = 600;
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

#[tokio::main]
async fn main() -> Result {
    println!(
        "The service is an emulator in this process. Its clock runs {SPEED} times as fast as real"
    );
    println!("time, and measures the steps below.\n");
    let studio = Studio::at_speed(Emulator::builder(), SPEED)?;

    let news = go_on_air(&studio).await?;
    record(&studio, &news).await?;
    println!("The channel stays on air. The emulator's clock is advanced by 5 minutes.");
    studio.emulator.advance(5 * MINUTE);
    cut(&studio, &news).await?;
    print_all(&studio).await?;
    delete_all(&studio).await?;
    println!("\nAll resources are deleted.");
    Ok(())
}

/// Creates an input, to which an encoder sends, and a channel that makes it a stream for viewers.
async fn go_on_air(studio: &Studio) -> Result<ChannelName> {
    let Studio { client, location, .. } = studio;
    let camera = location.input("camera")?;
    let create = client.create_input(location, rtmp_input(), camera.id());
    let input = studio.step("Creating the input", create.wait()).await?;
    println!("  An encoder would send to {}", input.uri);

    let news = location.channel("evening-news")?;
    let create = client.create_channel(location, channel(&camera, 24 * HOUR), news.id());
    studio.step("Creating the channel", create.wait()).await?;
    studio.step("Starting the channel", client.start_channel(&news).wait()).await?;
    let on_air = client.wait_until(&news, StreamingState::Streaming);
    studio.step("Waiting for the stream", on_air).await?;
    println!("  The channel is on air.");
    Ok(news)
}

/// Creates a DVR session: viewers can go back to its start.
async fn record(studio: &Studio, channel: &ChannelName) -> Result {
    let session = DvrSession::of_manifest("hls", [DvrWindow::next(2 * HOUR, studio.now())?]);
    let create = studio.client.create_dvr_session(channel, session, "tonight");
    let session = studio.step("Creating the DVR session", create.wait()).await?;
    println!("  Its manifest is {}", session.dvr_manifests[0].output_uri);
    Ok(())
}

/// Creates a clip of the last minute: a copy that stays when the channel's retention ends.
async fn cut(studio: &Studio, channel: &ChannelName) -> Result {
    let minute = Slice::last(MINUTE, studio.now())?;
    let clip = Clip::of_manifest("hls", "gs://my-bucket/clips/highlight", [minute]);
    let create = studio.client.create_clip(channel, clip, "highlight");
    let clip = studio.step("Cutting a clip", create.wait()).await?;
    println!("  Its manifest is {}", clip.clip_manifests[0].output_uri);
    Ok(())
}

async fn print_all(studio: &Studio) -> Result {
    let Studio { client, location, .. } = studio;
    let row = |name: &str, state: &str| println!("  {:<42} {state}", short(name));
    println!("\nResources:");
    for input in client.list_inputs(location).items().collect().await? {
        row(&input.name, "");
    }
    for channel in client.list_channels(location).items().collect().await? {
        row(&channel.name, channel.streaming_state().as_str_name());
        let name: ChannelName = channel.name.parse()?;
        for session in client.list_dvr_sessions(&name).items().collect().await? {
            row(&session.name, session.state().as_str_name());
        }
        for clip in client.list_clips(&name).items().collect().await? {
            row(&clip.name, clip.state().as_str_name());
        }
    }
    println!();
    Ok(())
}

/// The part of a name below its location.
fn short(name: &str) -> &str {
    name.splitn(5, '/').last().unwrap_or(name)
}

/// Deletes the children of the channel first, then the channel, then the input that it uses.
async fn delete_all(studio: &Studio) -> Result {
    let Studio { client, location, .. } = studio;
    let (camera, news) = (location.input("camera")?, location.channel("evening-news")?);
    let delete = client.delete_dvr_session(&news.dvr_session("tonight")?);
    studio.step("Deleting the DVR session", delete.wait()).await?;
    let delete = client.delete_clip(&news.clip("highlight")?);
    studio.step("Deleting the clip", delete.wait()).await?;
    studio.step("Stopping the channel", client.stop_channel(&news).wait()).await?;
    studio.step("Deleting the channel", client.delete_channel(&news).wait()).await?;
    studio.step("Deleting the input", client.delete_input(&camera).wait()).await?;
    Ok(())
}
