//! A DVR session of the next two hours: its time-shift URI, the states that it goes through, and
//! what becomes of it when more is wanted: a longer window, and a longer retention.
//!
//! ```sh
//! cargo run --example dvr_window
//! ```
//!
//! Against the real service, the client comes from `LivestreamClient::new()?`; the rest stays.

mod support;

use livestream_client::{
    Error, LivestreamClient, mask,
    model::{
        Channel, DvrSession, RetentionConfig,
        channel::StreamingState,
        dvr_session::{DvrWindow, State},
    },
    name::DvrSessionName,
    time,
};
use livestream_emulator::{Emulator, Latency};
use std::time::Duration;
use support::{Result, Studio, remove_channel, show, start_channel};
use tokio_stream::StreamExt;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

#[tokio::main]
async fn main() -> Result {
    // Some states pass in seconds; here they last for minutes, to be seen.
    let emulator = Emulator::builder()
        .latency(Latency::AcceptDvrSession, 10 * MINUTE)
        .latency(Latency::UpdateDvrSession, 10 * MINUTE)
        .latency(Latency::PostProcessDvrSession, 10 * MINUTE);
    let studio = Studio::with(emulator)?;
    let Studio { client, location, .. } = &studio;
    let channel = start_channel(client, location, "match", 24 * HOUR).await?;
    client.wait_until(&channel, StreamingState::Streaming).await?;
    println!("✓ on air, with 24 hours kept");

    let begin = studio.now();
    let session = DvrSession::of_manifest("hls", [DvrWindow::next(2 * HOUR, begin)?]);
    let create = client.create_dvr_session(&channel, session, "evening").await?;
    let name = channel.dvr_session("evening")?;
    let states = tokio::spawn(print_states(client.clone(), name.clone()));
    let session = show("Creating the DVR session", create).await?;
    println!("  time-shift at {}", session.dvr_manifests[0].output_uri);

    // A session that is LIVE may end later: nothing of its manifest is overwritten.
    let two_days = DvrWindow::between(begin..begin + 48 * HOUR)?;
    let longer =
        DvrSession { name: (&name).into(), dvr_windows: vec![two_days], ..Default::default() };
    let mask = mask::of::<DvrSession>(["dvr_windows"])?;
    let update = client.update_dvr_session(longer, mask).await?;
    show("Widening the window to 48 hours", update).await?;

    // The past must be kept for as long. A new configuration of the channel ends what it records.
    let change = Channel {
        name: (&channel).into(),
        retention_config: Some(RetentionConfig {
            retention_window_duration: Some(time::duration(48 * HOUR)?),
        }),
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
    println!("nothing is left");
    Ok(())
}

/// Tells of each state of a session, until it is over.
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
