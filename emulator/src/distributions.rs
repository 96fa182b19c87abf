//! Distributions: pushing a channel's output to other servers.

use super::{fault, operations::nothing, settings::Work, world::World};
use livestream_client::{
    model::{
        Channel, ChannelOperationResponse, StartDistributionRequest, StopDistributionRequest,
        channel::StreamingState, distribution::State,
    },
    proto::google::longrunning::Operation,
};
use tonic::Status;

pub(super) fn start(
    world: &mut World,
    request: &StartDistributionRequest,
) -> Result<Operation, Status> {
    let keys = choose(world, &request.name, &request.distribution_keys, "READY", |state| {
        state == State::Ready
    })?;
    let name = request.name.clone();
    let work = world.settings.takes(Work::StartDistribution);
    let finish = move |world: &mut World| {
        let is_streaming =
            world.find::<Channel>(&name)?.streaming_state() == StreamingState::Streaming;
        let state = if is_streaming { State::Distributing } else { State::AwaitingInput };
        // One whose channel has stopped meanwhile is not ready any more, and stays so.
        set(world, &name, &keys, |was| if was == State::Ready { state } else { was })
    };
    world.begin::<StartDistributionRequest>(("start", &request.name), work, finish, nothing)
}

pub(super) fn stop(
    world: &mut World,
    request: &StopDistributionRequest,
) -> Result<Operation, Status> {
    let keys =
        choose(world, &request.name, &request.distribution_keys, "a started one", |state| {
            matches!(state, State::AwaitingInput | State::Distributing | State::Error)
        })?;
    let name = request.name.clone();
    let work = world.settings.takes(Work::StopDistribution);
    let finish = move |world: &mut World| {
        set(world, &name, &keys, |was| if was == State::NotReady { was } else { State::Ready })
    };
    world.begin::<StopDistributionRequest>(("stop", &request.name), work, finish, nothing)
}

/// The keys of the distributions that are meant; each must be in a state that the call needs.
fn choose(
    world: &World,
    name: &str,
    keys: &[String],
    needed: &str,
    is_fit: impl Fn(State) -> bool,
) -> Result<Vec<String>, Status> {
    let channel = world.find::<Channel>(name)?;
    let has = |key: &&String| channel.distributions.iter().any(|d| d.key == **key);
    if let Some(stray) = keys.iter().find(|key| !has(key)) {
        let reason = format!("the channel has no distribution '{stray}'");
        return Err(fault::invalid("distribution_keys", reason));
    }
    if channel.distributions.is_empty() {
        return Err(fault::precondition("NO_DISTRIBUTIONS", name, "has no distributions"));
    }
    let is_meant = |key: &String| keys.is_empty() || keys.contains(key);
    let meant = channel.distributions.iter().filter(|d| is_meant(&d.key));
    meant
        .map(|distribution| match distribution.state() {
            state if is_fit(state) => Ok(distribution.key.clone()),
            state => {
                let subject = format!("{name}/distributions/{}", distribution.key);
                Err(fault::wrong_state(&subject, state.as_str_name(), needed))
            }
        })
        .collect()
}

fn set(
    world: &mut World,
    name: &str,
    keys: &[String],
    next: impl Fn(State) -> State,
) -> Result<ChannelOperationResponse, Status> {
    world.edit::<Channel>(name, |channel| {
        let meant = channel.distributions.iter_mut().filter(|d| keys.contains(&d.key));
        for distribution in meant {
            let next = next(distribution.state());
            distribution.set_state(next);
            if next != State::Error {
                distribution.error = None;
            }
        }
    })?;
    Ok(ChannelOperationResponse {})
}
