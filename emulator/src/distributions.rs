//! Distributions: a channel's output, pushed to other servers.

use super::{operations::no_undo, settings::Latency, state::State, status};
use livestream_client::{
    model::{
        Channel, ChannelOperationResponse, StartDistributionRequest, StopDistributionRequest,
        channel::StreamingState, distribution::State as DistributionState,
    },
    proto::google::longrunning::Operation,
};
use tonic::Status;

pub(super) fn start(
    state: &mut State,
    request: &StartDistributionRequest,
) -> Result<Operation, Status> {
    let keys = choose(state, &request.name, &request.distribution_keys, "READY", |current| {
        current == DistributionState::Ready
    })?;
    let name = request.name.clone();
    let work = state.settings.duration_of(Latency::StartDistribution);
    let finish = move |state: &mut State| {
        let is_streaming =
            state.find::<Channel>(&name)?.streaming_state() == StreamingState::Streaming;
        let started = if is_streaming {
            DistributionState::Distributing
        } else {
            DistributionState::AwaitingInput
        };
        // If the channel has stopped in the meantime, its distributions stay NOT_READY.
        set(state, &name, &keys, |was| if was == DistributionState::Ready { started } else { was })
    };
    state.begin::<StartDistributionRequest>(("start", &request.name), work, finish, no_undo)
}

pub(super) fn stop(
    state: &mut State,
    request: &StopDistributionRequest,
) -> Result<Operation, Status> {
    let keys = choose(
        state,
        &request.name,
        &request.distribution_keys,
        "a started distribution",
        |current| {
            matches!(
                current,
                DistributionState::AwaitingInput
                    | DistributionState::Distributing
                    | DistributionState::Error
            )
        },
    )?;
    let name = request.name.clone();
    let work = state.settings.duration_of(Latency::StopDistribution);
    let finish = move |state: &mut State| {
        set(state, &name, &keys, |was| {
            if was == DistributionState::NotReady { was } else { DistributionState::Ready }
        })
    };
    state.begin::<StopDistributionRequest>(("stop", &request.name), work, finish, no_undo)
}

/// The keys of the requested distributions; without any, of all. Each must be in a state that the
/// call needs.
fn choose(
    state: &State,
    name: &str,
    keys: &[String],
    needed: &str,
    is_fit: impl Fn(DistributionState) -> bool,
) -> Result<Vec<String>, Status> {
    let channel = state.find::<Channel>(name)?;
    let has = |key: &&String| channel.distributions.iter().any(|d| d.key == **key);
    if let Some(stray) = keys.iter().find(|key| !has(key)) {
        let reason = format!("the channel has no distribution '{stray}'");
        return Err(status::invalid("distribution_keys", reason));
    }
    if channel.distributions.is_empty() {
        return Err(status::precondition("NO_DISTRIBUTIONS", name, "has no distributions"));
    }
    let is_meant = |key: &String| keys.is_empty() || keys.contains(key);
    let meant = channel.distributions.iter().filter(|d| is_meant(&d.key));
    meant
        .map(|distribution| match distribution.state() {
            current if is_fit(current) => Ok(distribution.key.clone()),
            current => {
                let subject = format!("{name}/distributions/{}", distribution.key);
                Err(status::wrong_state(&subject, current.as_str_name(), needed))
            }
        })
        .collect()
}

fn set(
    state: &mut State,
    name: &str,
    keys: &[String],
    next: impl Fn(DistributionState) -> DistributionState,
) -> Result<ChannelOperationResponse, Status> {
    state.edit::<Channel>(name, |channel| {
        let meant = channel.distributions.iter_mut().filter(|d| keys.contains(&d.key));
        for distribution in meant {
            let next = next(distribution.state());
            distribution.set_state(next);
            if next != DistributionState::Error {
                distribution.error = None;
            }
        }
    })?;
    Ok(ChannelOperationResponse {})
}
