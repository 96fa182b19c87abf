//! The resources in a cluster: the common rules of streams, events, series and channels.

use super::links::{self, cluster_of};
use crate::{
    mask,
    operations::{Metadata, no_undo},
    settings::Latency,
    state::{Resource, State},
    status,
};
use livestream_client::{
    mask::Maskable,
    proto::google::longrunning::Operation,
    rpc::LongRunning,
    visionai::model::{Cluster, cluster::State as ClusterState},
};
use prost_types::FieldMask;
use std::time::Duration;
use tonic::Status;

/// A rule of a resource, checked when it is requested and when it is done.
type Check<T> = fn(&State, &T) -> Result<(), Status>;

/// Begins to create a resource in a cluster. It exists once the operation is done.
pub(super) fn create<R>(
    state: &mut State,
    cluster: &str,
    id: (&str, &str),
    named: impl FnOnce(String) -> R::Output,
    check: Check<R::Output>,
) -> Result<Operation, Status>
where
    R: LongRunning<Output: Resource, Metadata: Metadata>,
{
    check_running(state, cluster)?;
    let name = state.new_name::<R::Output>(cluster, id)?;
    let item = named(name.clone());
    check(state, &item)?;
    let work = state.settings.duration_of(Latency::CreateInCluster);
    let finish = move |state: &mut State| {
        check_running(state, cluster_of(Resource::name(&item)))?;
        check(state, &item)?;
        Ok(state.insert(item.clone()))
    };
    state.begin::<R>(("create", &name), work, finish, no_undo)
}

fn check_running(state: &State, cluster: &str) -> Result<(), Status> {
    match state.find::<Cluster>(cluster)?.state() {
        ClusterState::Running => Ok(()),
        current => Err(status::wrong_state(cluster, current.as_str_name(), "a RUNNING cluster")),
    }
}

/// Begins to update the fields of a resource that a mask names.
pub(super) fn update<R>(
    state: &mut State,
    from: Option<&R::Output>,
    mask: Option<&FieldMask>,
    updatable: &'static [&'static str],
    check: Check<R::Output>,
) -> Result<Operation, Status>
where
    R: LongRunning<Output: Resource + Maskable, Metadata: Metadata>,
{
    let from = from.cloned().unwrap_or_default();
    let name = Resource::name(&from).to_owned();
    let chosen = mask::choose(updatable, mask, &from)?;
    let mut changed = state.find::<R::Output>(&name)?.clone();
    mask::apply(&chosen, &from, &mut changed);
    check(state, &changed)?;
    let work = state.settings.duration_of(Latency::UpdateInCluster);
    let target = name.clone();
    let finish = move |state: &mut State| {
        check(state, &changed)?;
        state.edit::<R::Output>(&name, |item| mask::apply(&chosen, &from, item))
    };
    state.begin::<R>(("update", &target), work, finish, no_undo)
}

/// Begins to delete a resource in a cluster that is in no series. It exists until the operation is
/// done.
pub(super) fn delete<R, T>(
    state: &mut State,
    name: &str,
    grace: Duration,
) -> Result<Operation, Status>
where
    R: LongRunning<Output = (), Metadata: Metadata>,
    T: Resource,
{
    state.find::<T>(name)?;
    links::check_unlinked(state, name)?;
    let work = state.settings.duration_of(Latency::DeleteInCluster).max(grace);
    let target = name.to_owned();
    let finish = move |state: &mut State| {
        links::check_unlinked(state, &target)?;
        links::remove_channels_of(state, &target);
        state.remove::<T>(&target);
        Ok(())
    };
    state.begin::<R>(("delete", name), work, finish, no_undo)
}

/// The rule of a resource without a rule of its own.
pub(super) fn no_rule<T>(_: &State, _: &T) -> Result<(), Status> {
    Ok(())
}
