//! Clusters: `PROVISIONING`, then `RUNNING`, and `STOPPING` until they are gone; one that failed is
//! in `ERROR`, and the service deletes it by itself.

use super::{no_rule, update as update_resource};
use crate::{
    fault,
    paging::query,
    settings::Work,
    world::{Resource, World},
};
use livestream_client::{
    proto::google::longrunning::Operation,
    visionai::model::{
        Channel, Cluster, CreateClusterRequest, DeleteClusterRequest, Event, GetClusterRequest,
        ListClustersRequest, ListClustersResponse, Series, Stream, UpdateClusterRequest,
        cluster::State,
    },
};
use std::time::Duration;
use tonic::Status;

/// How long the service leaves a broken cluster to be looked at.
const WRECK_LIFETIME: Duration = Duration::from_secs(60 * 60);

/// The fields that an update can change.
const UPDATABLE: &[&str] = &["labels", "annotations"];

pub(super) fn create(
    world: &mut World,
    request: &CreateClusterRequest,
) -> Result<Operation, Status> {
    let name = world.new_name::<Cluster>(&request.parent, ("cluster_id", &request.cluster_id))?;
    let Cluster { labels, annotations, .. } = request.cluster.clone().unwrap_or_default();
    let mut cluster = Cluster { name: name.clone(), labels, annotations, ..Default::default() };
    cluster.set_state(State::Provisioning);

    let (finished, failed) = (name.clone(), name.clone());
    let work = world.settings.takes(Work::CreateCluster);
    let operation = world.begin::<CreateClusterRequest>(
        ("create", &name),
        work,
        move |world| finish(world, &finished),
        move |world, _| break_down(world, &failed),
    )?;
    world.insert(cluster);
    Ok(operation)
}

fn finish(world: &mut World, name: &str) -> Result<Cluster, Status> {
    let host = format!("{:016x}", world.random());
    world.edit::<Cluster>(name, |cluster| {
        cluster.dataplane_service_endpoint = format!("{host}.dataplane.visionai.invalid");
        cluster.psc_target = format!("psc-{host}");
        cluster.set_state(State::Running);
    })
}

/// A running cluster breaks; `false` where there is none of that name.
pub(crate) fn fail(world: &mut World, name: &str) -> bool {
    let is_there = world.find::<Cluster>(name).is_ok();
    if is_there {
        break_down(world, name);
    }
    is_there
}

/// Marks a cluster that is of no use any more, and sees to its end.
fn break_down(world: &mut World, name: &str) {
    if world.edit::<Cluster>(name, |cluster| cluster.set_state(State::Error)).is_err() {
        return;
    }
    let (name, time) = (name.to_owned(), world.after(WRECK_LIFETIME));
    world.plan(&name.clone(), time, move |world| {
        remove_children::<Channel>(world, &name);
        remove_children::<Series>(world, &name);
        remove_children::<Event>(world, &name);
        remove_children::<Stream>(world, &name);
        world.remove::<Cluster>(&name);
    });
}

fn remove_children<T: Resource>(world: &mut World, cluster: &str) {
    for name in world.child_names::<T>(cluster) {
        world.remove::<T>(&name);
    }
}

pub(super) fn get(world: &mut World, request: &GetClusterRequest) -> Result<Cluster, Status> {
    world.find(&request.name).cloned()
}

pub(super) fn list(
    world: &mut World,
    request: &ListClustersRequest,
) -> Result<ListClustersResponse, Status> {
    let (clusters, next_page_token) = world.list(&query!(request))?;
    Ok(ListClustersResponse { clusters, next_page_token, unreachable: Vec::new() })
}

pub(super) fn update(
    world: &mut World,
    request: &UpdateClusterRequest,
) -> Result<Operation, Status> {
    let (from, mask) = (request.cluster.as_ref(), request.update_mask.as_ref());
    update_resource::<UpdateClusterRequest>(world, from, mask, UPDATABLE, no_rule)
}

pub(super) fn delete(
    world: &mut World,
    request: &DeleteClusterRequest,
) -> Result<Operation, Status> {
    let name = request.name.clone();
    let was = world.find::<Cluster>(&name)?.state();
    check_empty(world, &name)?;
    let (gone, kept) = (name.clone(), name.clone());
    let work = world.settings.takes(Work::DeleteCluster);
    let operation = world.begin::<DeleteClusterRequest>(
        ("delete", &name),
        work,
        move |world| {
            // Nothing has been made in it meanwhile: that needs a running cluster.
            world.remove::<Cluster>(&gone);
            Ok(())
        },
        move |world, _| {
            // It is there: only this operation would have removed it.
            let _ = world.edit::<Cluster>(&kept, |cluster| cluster.set_state(was));
        },
    )?;
    world.edit::<Cluster>(&name, |cluster| cluster.set_state(State::Stopping))?;
    Ok(operation)
}

fn check_empty(world: &World, name: &str) -> Result<(), Status> {
    fn first<'a, T: Resource>(world: &'a World, cluster: &str) -> Option<&'a str> {
        world.children::<T>(cluster).next().map(Resource::name)
    }
    let prefix = format!("{name}/");
    let child = first::<Series>(world, name)
        .or_else(|| first::<Stream>(world, name))
        .or_else(|| first::<Event>(world, name))
        .or_else(|| first::<Channel>(world, name))
        .or_else(|| world.operations.targets_below(&prefix).next().map(|target| &**target));
    child.map_or(Ok(()), |child| {
        let reason = format!("holds '{child}': delete what is in the cluster first");
        Err(fault::precondition("CLUSTER_NOT_EMPTY", name, reason))
    })
}
