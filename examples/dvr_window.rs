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
    Error, LivestreamClient,
    emulator::{Emulator, Work},
    model::{
        Channel, DvrSession, RetentionConfig,
        channel::StreamingState,
        dvr_session::{DvrManifest, DvrWindow, State, dvr_window},
    },
    name::{ChannelName, DvrSessionName},
};
use std::time::{Duration, SystemTime};
use support::{Result, Studio, interval, mask, remove_channel, seconds, show, start_channel};
use tokio_stream::StreamExt;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

#[tokio::main]
async fn main() -> Result {
    // Some states pass in seconds; here they last for minutes, to be seen.
    let works = [Work::AcceptDvrSession, Work::UpdateDvrSession, Work::PostProcessDvrSession];
    let emulator =
        works.into_iter().fold(Emulator::builder(), |all, work| all.takes(work, 10 * MINUTE));
    let studio = Studio::with(emulator)?;
    let Studio { emulator, client, location } = &studio;
    let channel = start_channel(client, location, "match", 24 * HOUR).await?;
    client.wait_until(&channel, StreamingState::Streaming).await?;
    println!("✓ on air, with 24 hours kept");

    let begin = studio.now();
    let session = DvrSession {
        dvr_manifests: vec![DvrManifest { manifest_key: "hls".into(), ..Default::default() }],
        dvr_windows: window(begin, begin + 2 * HOUR),
        ..Default::default()
    };
    let create = client.create_dvr_session(&channel, session, "evening").await?;
    let name = channel.dvr_session("evening")?;
    let states = tokio::spawn(print_states(client.clone(), name.clone()));
    let session = show("DVR session created", create).await?;
    println!("  time-shift at {}", session.dvr_manifests[0].output_uri);

    // A session that is LIVE may end later: nothing of its manifest is overwritten.
    let longer = DvrSession {
        name: (&name).into(),
        dvr_windows: window(begin, begin + 48 * HOUR),
        ..Default::default()
    };
    let update = client.update_dvr_session(longer, mask("dvr_windows")).await?;
    show("window widened to 48 hours", update).await?;
    let kept_longer = keep(client, &channel, 48 * HOUR).await?;

    // Two days later.
    emulator.advance((begin + 48 * HOUR).duration_since(studio.now())?);
    states.await??;
    show("DVR session deleted", client.delete_dvr_session(&name).await?).await?;
    remove_channel(client, &channel).await?;
    if let Some(successor) = kept_longer {
        remove_channel(client, &successor).await?;
    }
    println!("nothing is left");
    Ok(())
}

fn window(start: SystemTime, end: SystemTime) -> Vec<DvrWindow> {
    vec![DvrWindow { kind: Some(dvr_window::Kind::TimeInterval(interval(start, end))) }]
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

/// Has a channel keep its past for longer. The service documents which fields of a channel can be
/// updated, and its retention is none of them; a channel made anew has what it is given.
async fn keep(
    client: &LivestreamClient,
    channel: &ChannelName,
    retention: Duration,
) -> Result<Option<ChannelName>> {
    let change = Channel {
        name: channel.into(),
        retention_config: Some(RetentionConfig {
            retention_window_duration: seconds(retention.as_secs()),
        }),
        ..Default::default()
    };
    match client.update_channel(change, mask("retention_config")).await {
        Ok(update) => {
            show("retention widened to 48 hours", update).await?;
            Ok(None)
        }
        Err(refusal) => {
            println!("✗ {}", refusal.message());
            let id = format!("{}-48h", channel.id());
            let successor = start_channel(client, &channel.parent(), &id, retention).await?;
            println!("✓ a second channel started, with 48 hours kept");
            Ok(Some(successor))
        }
    }
}
