//! The pool of a location: its network.

use super::{
    fault, mask,
    operations::nothing,
    settings::Work,
    world::{World, location_of},
};
use livestream_client::{
    check::Check as _,
    mask::Changeable as _,
    model::{Channel, GetPoolRequest, Pool, UpdatePoolRequest, channel::StreamingState},
    proto::google::longrunning::Operation,
};
use tonic::Status;

pub(super) fn get(world: &mut World, request: &GetPoolRequest) -> Result<Pool, Status> {
    world.find(&request.name).cloned()
}

pub(super) fn update(world: &mut World, request: &UpdatePoolRequest) -> Result<Operation, Status> {
    let from = request.pool.clone().unwrap_or_default();
    let name = from.name.clone();
    let mut changed = world.find::<Pool>(&name)?.clone();
    let chosen = mask::choose(Pool::CHANGEABLE, request.update_mask.as_ref(), &from)?;
    mask::apply(&chosen, &from, &mut changed);
    fault::check_in("pool", &changed.violations())?;
    check_all_stopped(world, &name)?;

    let work = world.settings.takes(Work::UpdatePool);
    let target = name.clone();
    let finish = move |world: &mut World| {
        check_all_stopped(world, &name)?;
        world.edit::<Pool>(&name, |pool| mask::apply(&chosen, &from, pool))
    };
    world.begin::<UpdatePoolRequest>(("update", &target), work, finish, nothing)
}

fn check_all_stopped(world: &World, pool: &str) -> Result<(), Status> {
    let mut channels = world.children::<Channel>(location_of(pool));
    let running = channels.find(|channel| channel.streaming_state() != StreamingState::Stopped);
    running.map_or(Ok(()), |channel| {
        let state = channel.streaming_state().as_str_name();
        Err(fault::wrong_state(&channel.name, state, "every channel of the location to be STOPPED"))
    })
}
