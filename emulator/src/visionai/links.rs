//! The links between streams and events, by series and by channels.

use crate::{state::State, status};
use livestream_client::visionai::model::{Channel, Series};
use tonic::Status;

/// The cluster of a resource, from its name.
pub(super) fn cluster_of(name: &str) -> &str {
    name.match_indices('/').nth(5).map_or(name, |(end, _)| &name[..end])
}

/// Whether a stream or an event is in no series.
///
/// # Errors
/// `FAILED_PRECONDITION`.
pub(super) fn check_unlinked(state: &State, end: &str) -> Result<(), Status> {
    let mut series = state.children::<Series>(cluster_of(end));
    let link = series.find(|series| series.stream == end || series.event == end);
    link.map_or(Ok(()), |series| {
        let reason = format!("is in '{}': delete that first", series.name);
        Err(status::precondition("RESOURCE_IN_USE", end, reason))
    })
}

/// Removes the channels of a stream or an event.
pub(super) fn remove_channels_of(state: &mut State, end: &str) {
    let channels = state.children::<Channel>(cluster_of(end));
    let linked = channels.filter(|channel| channel.stream == end || channel.event == end);
    for name in linked.map(|channel| channel.name.clone()).collect::<Vec<_>>() {
        state.remove::<Channel>(&name);
    }
}

/// The events of a stream, by series or by channel.
pub(super) fn events_of<'a>(
    state: &'a State,
    stream: &'a str,
) -> impl Iterator<Item = &'a str> + use<'a> {
    let series = state.children::<Series>(cluster_of(stream));
    let series = series.map(|series| (&*series.stream, &*series.event));
    let channels = state.children::<Channel>(cluster_of(stream));
    let channels = channels.map(|channel| (&*channel.stream, &*channel.event));
    series.chain(channels).filter(move |(own, _)| *own == stream).map(|(_, event)| event)
}
