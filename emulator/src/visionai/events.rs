//! Events: what streams are joined by. Deleting one takes its grace period.

use super::{create as create_resource, delete as delete_resource, update as update_resource};
use crate::{fault, paging::query, world::World};
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

pub(super) fn create(world: &mut World, request: &CreateEventRequest) -> Result<Operation, Status> {
    let id = ("event_id", &*request.event_id);
    let event = |name| Event { name, ..request.event.clone().unwrap_or_default() };
    create_resource::<CreateEventRequest>(world, &request.parent, id, event, check)
}

fn check(_: &World, event: &Event) -> Result<(), Status> {
    grace_period(event).map(drop)
}

fn grace_period(event: &Event) -> Result<Duration, Status> {
    let refuse = |_| fault::invalid("event.grace_period", "cannot be negative");
    event.grace_period.map_or(Ok(Duration::ZERO), |grace| grace.try_into().map_err(refuse))
}

pub(super) fn get(world: &mut World, request: &GetEventRequest) -> Result<Event, Status> {
    world.find(&request.name).cloned()
}

pub(super) fn list(
    world: &mut World,
    request: &ListEventsRequest,
) -> Result<ListEventsResponse, Status> {
    let (events, next_page_token) = world.list(&query!(request))?;
    Ok(ListEventsResponse { events, next_page_token, unreachable: Vec::new() })
}

pub(super) fn update(world: &mut World, request: &UpdateEventRequest) -> Result<Operation, Status> {
    let (from, mask) = (request.event.as_ref(), request.update_mask.as_ref());
    update_resource::<UpdateEventRequest>(world, from, mask, UPDATABLE, check)
}

pub(super) fn delete(world: &mut World, request: &DeleteEventRequest) -> Result<Operation, Status> {
    let grace = grace_period(world.find::<Event>(&request.name)?)?;
    delete_resource::<DeleteEventRequest, Event>(world, &request.name, grace)
}
