//! Pools: the network of a location.

use super::{
    mask,
    operations::no_undo,
    settings::Latency,
    state::{State, location_of},
    status,
};
use livestream_client::{
    mask::Updatable as _,
    model::{Channel, GetPoolRequest, Pool, UpdatePoolRequest, channel::StreamingState},
    proto::google::longrunning::Operation,
    validation::Validate as _,
};
use tonic::Status;

pub(super) fn get(state: &mut State, request: &GetPoolRequest) -> Result<Pool, Status> {
    state.find(&request.name).cloned()
}

pub(super) fn update(state: &mut State, request: &UpdatePoolRequest) -> Result<Operation, Status> {
    let from = request.pool.clone().unwrap_or_default();
    let name = from.name.clone();
    let mut changed = state.find::<Pool>(&name)?.clone();
    let chosen = mask::choose(Pool::FIELDS, request.update_mask.as_ref(), &from)?;
    mask::apply(&chosen, &from, &mut changed);
    status::check_in("pool", &changed.violations())?;
    check_all_stopped(state, &name)?;

    let work = state.settings.duration_of(Latency::UpdatePool);
    let target = name.clone();
    let finish = move |state: &mut State| {
        check_all_stopped(state, &name)?;
        state.edit::<Pool>(&name, |pool| mask::apply(&chosen, &from, pool))
    };
    state.begin::<UpdatePoolRequest>(("update", &target), work, finish, no_undo)
}

fn check_all_stopped(state: &State, pool: &str) -> Result<(), Status> {
    let mut channels = state.children::<Channel>(location_of(pool));
    let running = channels.find(|channel| channel.streaming_state() != StreamingState::Stopped);
    running.map_or(Ok(()), |channel| {
        let current = channel.streaming_state().as_str_name();
        Err(status::wrong_state(
            &channel.name,
            current,
            "all channels of the location to be STOPPED",
        ))
    })
}
