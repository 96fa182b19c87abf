//! Creates a DVR session for the next two hours, prints its URI and its states, and then extends its
//! window and the retention of its channel.
//!
//! ```sh
//! cargo run --example dvr_window
//! ```
//!
//! To use the real service, make the client with `LivestreamClient::new()?`. The rest stays the same.

mod support;

use livestream_client::{
    Error, LivestreamClient, mask,
    model::{
        Channel, DvrSession, RetentionConfig,
        channel::StreamingState,
        dvr_session::{DvrWindow, State},
    },
    name::DvrSessionName,
};
use livestream_emulator::{Emulator, Latency};
use std::time::Duration;
use support::{Result, Studio, remove_channel, show, start_channel};
use tokio_stream::StreamExt;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

#[tokio::main]
async fn main() -> Result {
    // Some states last only seconds. Here they last minutes, so that the example can print them.
    let emulator = Emulator::builder()
        .latency(Latency::AcceptDvrSession, 10 * MINUTE)
        .latency(Latency::UpdateDvrSession, 10 * MINUTE)
        .latency(Latency::PostProcessDvrSession, 10 * MINUTE);
    let studio = Studio::with(emulator)?;
    let Studio { client, location, .. } = &studio;
    let channel = start_channel(client, location, "match", 24 * HOUR).await?;
    client.wait_until(&channel, StreamingState::Streaming).await?;
    println!("✓ on air, with a retention of 24 hours");

    let begin = studio.now();
    let session = DvrSession::of_manifest("hls", [DvrWindow::next(2 * HOUR, begin)?]);
    let create = client.create_dvr_session(&channel, session, "evening").await?;
    let name = channel.dvr_session("evening")?;
    let states = tokio::spawn(print_states(client.clone(), name.clone()));
    let session = show("Creating the DVR session", create).await?;
    println!("  time-shift at {}", session.dvr_manifests[0].output_uri);

    // The window of a LIVE session can grow, because this does not overwrite its manifest.
    let two_days = DvrWindow::between(begin..begin + 48 * HOUR)?;
    let longer =
        DvrSession { name: (&name).into(), dvr_windows: vec![two_days], ..Default::default() };
    let mask = mask::of::<DvrSession>(["dvr_windows"])?;
    let update = client.update_dvr_session(longer, mask).await?;
    show("Widening the window to 48 hours", update).await?;

    // The retention must be as long as the window. An update of the channel ends its DVR sessions.
    let change = Channel {
        name: (&channel).into(),
        retention_config: Some(RetentionConfig::of(48 * HOUR)?),
        ..Default::default()
    };
    let mask = mask::of::<Channel>(["retention_config"])?;
    let update = client.update_channel(change, mask).await?;
    show("Widening the retention to 48 hours", update).await?;
    states.await??;

    let next = DvrSession::of_manifest("hls", [two_days]);
    let create = client.create_dvr_session(&channel, next, "two-days").await?;
    let next = show("Creating a DVR session of two days", create).await?;
    println!("  time-shift at {}", next.dvr_manifests[0].output_uri);

    for id in ["evening", "two-days"] {
        let delete = client.delete_dvr_session(&channel.dvr_session(id)?).await?;
        show("Deleting the DVR session", delete).await?;
    }
    remove_channel(client, &channel).await?;
    println!("everything is deleted");
    Ok(())
}

/// Prints each state of a session until it ends.
async fn print_states(
    client: LivestreamClient,
    session: DvrSessionName,
) -> std::result::Result<(), Error> {
    let mut changes = client.watch(&session);
    while let Some(session) = changes.next().await {
        let session = session?;
        println!("  session: {}", session.state().as_str_name());
        if matches!(session.state(), State::Finished | State::Failed) {
            break;
        }
    }
    Ok(())
}
