//! Clusters: `PROVISIONING`, then `RUNNING`, and `STOPPING` while they are being deleted. A cluster
//! that failed is in `ERROR`, and the service deletes it by itself.

use super::children::{no_rule, update as update_resource};
use crate::{
    paging::{Page, query},
    settings::Latency,
    state::{Resource, State},
    status,
};
use livestream_client::{
    proto::google::longrunning::Operation,
    visionai::model::{
        Channel, Cluster, CreateClusterRequest, DeleteClusterRequest, Event, GetClusterRequest,
        ListClustersRequest, ListClustersResponse, Series, Stream, UpdateClusterRequest,
        cluster::State as ClusterState,
    },
};
use std::time::Duration;
use tonic::Status;

/// How long the service keeps a failed cluster.
const FAILED_LIFETIME: Duration = Duration::from_secs(60 * 60);

/// The fields that an update can change.
const UPDATABLE: &[&str] = &["labels", "annotations"];

pub(super) fn create(
    state: &mut State,
    request: &CreateClusterRequest,
) -> Result<Operation, Status> {
    let name = state.new_name::<Cluster>(&request.parent, ("cluster_id", &request.cluster_id))?;
    let Cluster { labels, annotations, .. } = request.cluster.clone().unwrap_or_default();
    let mut cluster = Cluster { name: name.clone(), labels, annotations, ..Default::default() };
    cluster.set_state(ClusterState::Provisioning);

    let (finished, failed) = (name.clone(), name.clone());
    let work = state.settings.duration_of(Latency::CreateCluster);
    let operation = state.begin::<CreateClusterRequest>(
        ("create", &name),
        work,
        move |state| finish(state, &finished),
        move |state, _| enter_error(state, &failed),
    )?;
    state.insert(cluster);
    Ok(operation)
}

fn finish(state: &mut State, name: &str) -> Result<Cluster, Status> {
    let host = format!("{:016x}", state.random());
    state.edit::<Cluster>(name, |cluster| {
        cluster.dataplane_service_endpoint = format!("{host}.dataplane.visionai.invalid");
        cluster.psc_target = format!("psc-{host}");
        cluster.set_state(ClusterState::Running);
    })
}

/// Makes a cluster fail. Returns `false` if there is no cluster with this name.
pub(crate) fn fail(state: &mut State, name: &str) -> bool {
    let is_there = state.find::<Cluster>(name).is_ok();
    if is_there {
        enter_error(state, name);
    }
    is_there
}

/// Puts a cluster in `ERROR`, and schedules its deletion.
fn enter_error(state: &mut State, name: &str) {
    if state.edit::<Cluster>(name, |cluster| cluster.set_state(ClusterState::Error)).is_err() {
        return;
    }
    let (name, time) = (name.to_owned(), state.after(FAILED_LIFETIME));
    state.set_next(&name.clone(), time, move |state| {
        remove_children::<Channel>(state, &name);
        remove_children::<Series>(state, &name);
        remove_children::<Event>(state, &name);
        remove_children::<Stream>(state, &name);
        state.remove::<Cluster>(&name);
    });
}

fn remove_children<T: Resource>(state: &mut State, cluster: &str) {
    for name in state.child_names::<T>(cluster) {
        state.remove::<T>(&name);
    }
}

pub(super) fn get(state: &mut State, request: &GetClusterRequest) -> Result<Cluster, Status> {
    state.find(&request.name).cloned()
}

pub(super) fn list(
    state: &mut State,
    request: &ListClustersRequest,
) -> Result<ListClustersResponse, Status> {
    let Page { items: clusters, next_page_token, unreachable } = state.list(&query!(request))?;
    Ok(ListClustersResponse { clusters, next_page_token, unreachable })
}

pub(super) fn update(
    state: &mut State,
    request: &UpdateClusterRequest,
) -> Result<Operation, Status> {
    let (from, mask) = (request.cluster.as_ref(), request.update_mask.as_ref());
    update_resource::<UpdateClusterRequest>(state, from, mask, UPDATABLE, no_rule)
}

pub(super) fn delete(
    state: &mut State,
    request: &DeleteClusterRequest,
) -> Result<Operation, Status> {
    let name = request.name.clone();
    let was = state.find::<Cluster>(&name)?.state();
    check_empty(state, &name)?;
    let (gone, kept) = (name.clone(), name.clone());
    let work = state.settings.duration_of(Latency::DeleteCluster);
    let operation = state.begin::<DeleteClusterRequest>(
        ("delete", &name),
        work,
        move |state| {
            // It is still empty: only a running cluster can get new resources.
            state.remove::<Cluster>(&gone);
            Ok(())
        },
        move |state, _| {
            // The cluster exists: only this operation could have removed it.
            let _ = state.edit::<Cluster>(&kept, |cluster| cluster.set_state(was));
        },
    )?;
    state.edit::<Cluster>(&name, |cluster| cluster.set_state(ClusterState::Stopping))?;
    Ok(operation)
}

fn check_empty(state: &State, name: &str) -> Result<(), Status> {
    fn first<'a, T: Resource>(state: &'a State, cluster: &str) -> Option<&'a str> {
        state.children::<T>(cluster).next().map(Resource::name)
    }
    let prefix = format!("{name}/");
    let child = first::<Series>(state, name)
        .or_else(|| first::<Stream>(state, name))
        .or_else(|| first::<Event>(state, name))
        .or_else(|| first::<Channel>(state, name))
        .or_else(|| state.operations.targets_below(&prefix).next().map(|target| &**target));
    child.map_or(Ok(()), |child| {
        let reason = format!("is not empty: it has '{child}'");
        Err(status::precondition("CLUSTER_NOT_EMPTY", name, reason))
    })
}
