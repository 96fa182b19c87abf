//! Retention: the past content that a channel keeps for clips and DVR sessions.

use super::{clock::to_time, state::State, status};
use livestream_client::model::Channel;
use prost_types::Timestamp;
use std::time::{Duration, SystemTime};
use tonic::Status;

/// Whether a channel keeps its content since the first of some times.
///
/// # Errors
/// `FAILED_PRECONDITION` if the channel keeps no past content at all, or none that old.
pub(super) fn check_kept(
    state: &State,
    channel: &Channel,
    starts: impl IntoIterator<Item = Timestamp>,
) -> Result<(), Status> {
    let kept = channel.retention_config.and_then(|config| config.retention_window_duration);
    let kept = kept.and_then(|kept| Duration::try_from(kept).ok()).unwrap_or_default();
    if kept.is_zero() {
        let reason = "has no `retention_config`, so it keeps no past content";
        return Err(status::precondition("NO_RETENTION", &channel.name, reason));
    }
    let oldest = state.now().checked_sub(kept).unwrap_or(SystemTime::UNIX_EPOCH);
    if starts.into_iter().map(to_time).any(|start| start < oldest) {
        let reason = "the content is older than the channel keeps it";
        return Err(status::precondition("CONTENT_NOT_KEPT", &channel.name, reason));
    }
    Ok(())
}

/// Whether a channel has video between two times: it was on air then, and still keeps the content.
///
/// # Errors
/// `FAILED_PRECONDITION`.
pub(super) fn check_video(
    state: &State,
    channel: &Channel,
    from: SystemTime,
    to: SystemTime,
) -> Result<(), Status> {
    if state.settings.assume_video {
        return Ok(());
    }
    let kept = channel.retention_config.and_then(|config| config.retention_window_duration);
    let kept = kept.and_then(|kept| Duration::try_from(kept).ok()).unwrap_or_default();
    let oldest = state.now().checked_sub(kept).unwrap_or(SystemTime::UNIX_EPOCH);
    let pipeline = state.pipelines.get(&channel.name);
    if pipeline.is_some_and(|pipeline| pipeline.was_on_air(from.max(oldest), to)) {
        return Ok(());
    }
    let (from, to) = (Timestamp::from(from), Timestamp::from(to));
    let reason = format!("was not on air from {from} to {to}, or no longer keeps the content");
    Err(status::precondition("NO_CONTENT", &channel.name, reason))
}
