//! Events: what series link streams to. The deletion of an event takes its grace period.

use super::children::{
    create as create_resource, delete as delete_resource, update as update_resource,
};
use crate::{
    paging::{Page, query},
    state::State,
    status,
};
use livestream_client::{
    proto::google::longrunning::Operation,
    visionai::model::{
        CreateEventRequest, DeleteEventRequest, Event, GetEventRequest, ListEventsRequest,
        ListEventsResponse, UpdateEventRequest,
    },
};
use std::time::Duration;
use tonic::Status;

/// The fields that an update can change.
const UPDATABLE: &[&str] = &["labels", "annotations", "alignment_clock", "grace_period"];

pub(super) fn create(state: &mut State, request: &CreateEventRequest) -> Result<Operation, Status> {
    let id = ("event_id", &*request.event_id);
    let event = |name| Event { name, ..request.event.clone().unwrap_or_default() };
    create_resource::<CreateEventRequest>(state, &request.parent, id, event, check)
}

fn check(_: &State, event: &Event) -> Result<(), Status> {
    grace_period(event).map(drop)
}

fn grace_period(event: &Event) -> Result<Duration, Status> {
    let refuse = |_| status::invalid("event.grace_period", "cannot be negative");
    event.grace_period.map_or(Ok(Duration::ZERO), |grace| grace.try_into().map_err(refuse))
}

pub(super) fn get(state: &mut State, request: &GetEventRequest) -> Result<Event, Status> {
    state.find(&request.name).cloned()
}

pub(super) fn list(
    state: &mut State,
    request: &ListEventsRequest,
) -> Result<ListEventsResponse, Status> {
    let Page { items: events, next_page_token, unreachable } = state.list(&query!(request))?;
    Ok(ListEventsResponse { events, next_page_token, unreachable })
}

pub(super) fn update(state: &mut State, request: &UpdateEventRequest) -> Result<Operation, Status> {
    let (from, mask) = (request.event.as_ref(), request.update_mask.as_ref());
    update_resource::<UpdateEventRequest>(state, from, mask, UPDATABLE, check)
}

pub(super) fn delete(state: &mut State, request: &DeleteEventRequest) -> Result<Operation, Status> {
    let grace = grace_period(state.find::<Event>(&request.name)?)?;
    delete_resource::<DeleteEventRequest, Event>(state, &request.name, grace)
}
