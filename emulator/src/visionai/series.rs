//! Series and channels: the links between a stream and an event.

use super::{
    children::{create as create_resource, delete as delete_resource, update as update_resource},
    links::cluster_of,
};
use crate::{
    paging::{Page, query},
    state::{Resource, State},
    status,
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
    state: &mut State,
    request: &CreateSeriesRequest,
) -> Result<Operation, Status> {
    let id = ("series_id", &*request.series_id);
    let series = |name| Series { name, ..request.series.clone().unwrap_or_default() };
    create_resource::<CreateSeriesRequest>(state, &request.parent, id, series, check_series)
}

fn check_series(state: &State, series: &Series) -> Result<(), Status> {
    check_end::<StreamName, Stream>(state, &series.name, ("series.stream", &series.stream))?;
    check_end::<EventName, Event>(state, &series.name, ("series.event", &series.event))
}

/// Whether one end of a link exists, in the cluster of the link.
fn check_end<N: ResourceName, T: Resource>(
    state: &State,
    link: &str,
    (field, end): (&str, &str),
) -> Result<(), Status> {
    N::check(end).map_err(|e| status::invalid(field, format!("is {e}")))?;
    let cluster = cluster_of(link);
    if cluster_of(end) != cluster {
        return Err(status::invalid(field, format!("is not in the cluster '{cluster}'")));
    }
    state.find::<T>(end).map(drop)
}

pub(super) fn get(state: &mut State, request: &GetSeriesRequest) -> Result<Series, Status> {
    state.find(&request.name).cloned()
}

pub(super) fn list(
    state: &mut State,
    request: &ListSeriesRequest,
) -> Result<ListSeriesResponse, Status> {
    let Page { items: series, next_page_token, unreachable } = state.list(&query!(request))?;
    Ok(ListSeriesResponse { series, next_page_token, unreachable })
}

pub(super) fn update(
    state: &mut State,
    request: &UpdateSeriesRequest,
) -> Result<Operation, Status> {
    let (from, mask) = (request.series.as_ref(), request.update_mask.as_ref());
    update_resource::<UpdateSeriesRequest>(state, from, mask, UPDATABLE, check_series)
}

pub(super) fn delete(
    state: &mut State,
    request: &DeleteSeriesRequest,
) -> Result<Operation, Status> {
    delete_resource::<DeleteSeriesRequest, Series>(state, &request.name, Duration::ZERO)
}

pub(super) fn materialize(
    state: &mut State,
    request: &MaterializeChannelRequest,
) -> Result<Operation, Status> {
    let id = ("channel_id", &*request.channel_id);
    let channel = |name| Channel { name, ..request.channel.clone().unwrap_or_default() };
    create_resource::<MaterializeChannelRequest>(state, &request.parent, id, channel, check_channel)
}

fn check_channel(state: &State, channel: &Channel) -> Result<(), Status> {
    check_end::<StreamName, Stream>(state, &channel.name, ("channel.stream", &channel.stream))?;
    check_end::<EventName, Event>(state, &channel.name, ("channel.event", &channel.event))
}
