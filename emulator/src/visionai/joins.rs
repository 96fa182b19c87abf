//! Series and channels: what joins a stream to an event.

use super::{
    cluster_of, create as create_resource, delete as delete_resource, update as update_resource,
};
use crate::{
    fault,
    paging::query,
    world::{Resource, World},
};
use livestream_client::{
    name::ResourceName,
    proto::google::longrunning::Operation,
    visionai::{
        model::{
            Channel, CreateSeriesRequest, DeleteSeriesRequest, Event, GetSeriesRequest,
            ListSeriesRequest, ListSeriesResponse, MaterializeChannelRequest, Series, Stream,
            UpdateSeriesRequest,
        },
        name::{EventName, StreamName},
    },
};
use std::time::Duration;
use tonic::Status;

/// The fields that an update can change.
const UPDATABLE: &[&str] = &["labels", "annotations", "stream", "event"];

pub(super) fn create(
    world: &mut World,
    request: &CreateSeriesRequest,
) -> Result<Operation, Status> {
    let id = ("series_id", &*request.series_id);
    let series = |name| Series { name, ..request.series.clone().unwrap_or_default() };
    create_resource::<CreateSeriesRequest>(world, &request.parent, id, series, check_series)
}

fn check_series(world: &World, series: &Series) -> Result<(), Status> {
    check_end::<StreamName, Stream>(world, &series.name, ("series.stream", &series.stream))?;
    check_end::<EventName, Event>(world, &series.name, ("series.event", &series.event))
}

/// Whether what is to be joined is there, in the cluster of what joins it.
fn check_end<N: ResourceName, T: Resource>(
    world: &World,
    join: &str,
    (field, end): (&str, &str),
) -> Result<(), Status> {
    N::check(end).map_err(|e| fault::invalid(field, format!("is {e}")))?;
    let cluster = cluster_of(join);
    if cluster_of(end) != cluster {
        return Err(fault::invalid(field, format!("is not in the cluster '{cluster}'")));
    }
    world.find::<T>(end).map(drop)
}

pub(super) fn get(world: &mut World, request: &GetSeriesRequest) -> Result<Series, Status> {
    world.find(&request.name).cloned()
}

pub(super) fn list(
    world: &mut World,
    request: &ListSeriesRequest,
) -> Result<ListSeriesResponse, Status> {
    let (series, next_page_token) = world.list(&query!(request))?;
    Ok(ListSeriesResponse { series, next_page_token, unreachable: Vec::new() })
}

pub(super) fn update(
    world: &mut World,
    request: &UpdateSeriesRequest,
) -> Result<Operation, Status> {
    let (from, mask) = (request.series.as_ref(), request.update_mask.as_ref());
    update_resource::<UpdateSeriesRequest>(world, from, mask, UPDATABLE, check_series)
}

pub(super) fn delete(
    world: &mut World,
    request: &DeleteSeriesRequest,
) -> Result<Operation, Status> {
    delete_resource::<DeleteSeriesRequest, Series>(world, &request.name, Duration::ZERO)
}

pub(super) fn materialize(
    world: &mut World,
    request: &MaterializeChannelRequest,
) -> Result<Operation, Status> {
    let id = ("channel_id", &*request.channel_id);
    let channel = |name| Channel { name, ..request.channel.clone().unwrap_or_default() };
    create_resource::<MaterializeChannelRequest>(world, &request.parent, id, channel, check_channel)
}

fn check_channel(world: &World, channel: &Channel) -> Result<(), Status> {
    check_end::<StreamName, Stream>(world, &channel.name, ("channel.stream", &channel.stream))?;
    check_end::<EventName, Event>(world, &channel.name, ("channel.event", &channel.event))
}

/// Whether no series joins a stream or an event to anything.
///
/// # Errors
/// `FAILED_PRECONDITION`.
pub(super) fn check_apart(world: &World, end: &str) -> Result<(), Status> {
    let mut series = world.children::<Series>(cluster_of(end));
    let join = series.find(|series| series.stream == end || series.event == end);
    join.map_or(Ok(()), |series| {
        let reason = format!("is joined by '{}': delete that first", series.name);
        Err(fault::precondition("RESOURCE_IN_USE", end, reason))
    })
}

/// Takes away the channels that carry a stream, or that are in an event.
pub(super) fn remove_channels_of(world: &mut World, end: &str) {
    let channels = world.children::<Channel>(cluster_of(end));
    let doomed = channels.filter(|channel| channel.stream == end || channel.event == end);
    for name in doomed.map(|channel| channel.name.clone()).collect::<Vec<_>>() {
        world.remove::<Channel>(&name);
    }
}

/// The events that a stream takes part in, by series or by channel.
pub(super) fn events_of<'a>(
    world: &'a World,
    stream: &'a str,
) -> impl Iterator<Item = &'a str> + use<'a> {
    let series = world.children::<Series>(cluster_of(stream));
    let series = series.map(|series| (&*series.stream, &*series.event));
    let channels = world.children::<Channel>(cluster_of(stream));
    let channels = channels.map(|channel| (&*channel.stream, &*channel.event));
    series.chain(channels).filter(move |(own, _)| *own == stream).map(|(_, event)| event)
}
