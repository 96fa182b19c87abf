//! Vision AI's streams, emulated in the same world: its clock, its operations, its listings.
//!
//! What is made in a cluster is made by one set of rules: the cluster runs, the id is free, what the
//! new resource joins is there. What holds something else up is not deleted: a cluster while
//! anything is in it, a stream or an event while a series joins it. Nothing in the API deletes a
//! channel, and there is no data plane here that would keep one active, so a channel goes with its
//! stream or its event.

mod clusters;
mod events;
mod joins;
mod service;
mod streams;

use super::{
    Emulator, fault, mask,
    operations::{Metadata, nothing},
    settings::Work,
    world::{Resource, Table, World, resources},
};
use livestream_client::{
    Builder as ClientBuilder,
    mask::Maskable,
    model::OperationMetadata,
    proto::google::longrunning::Operation,
    rpc::LongRunning,
    visionai::{
        StreamsClient,
        model::{self, Channel, Cluster, Event, Series, Stream, cluster::State},
    },
};
use prost_types::FieldMask;
use std::time::Duration;
use tonic::Status;

pub(super) use clusters::fail;

/// All that Vision AI has.
#[derive(Default)]
pub(super) struct Tables {
    clusters: Table<Cluster>,
    streams: Table<Stream>,
    events: Table<Event>,
    series: Table<Series>,
    channels: Table<Channel>,
}

resources! {
    Cluster in vision.clusters as "clusters", |cluster| cluster.state().as_str_name();
    Stream in vision.streams as "streams", |_| "", [display_name, media_warehouse_asset];
    Event in vision.events as "events", |_| "";
    Series in vision.series as "series", |_| "", [stream, event];
    Channel in vision.channels as "channels", |_| "", [stream, event];
}

impl Metadata for model::OperationMetadata {
    fn of(metadata: &OperationMetadata) -> Self {
        let OperationMetadata {
            create_time,
            end_time,
            target,
            verb,
            requested_cancellation,
            api_version,
        } = metadata.clone();
        let status_message = String::new();
        Self {
            create_time,
            end_time,
            target,
            verb,
            status_message,
            requested_cancellation,
            api_version,
        }
    }
}

impl Emulator {
    /// A client of this emulator's Vision AI, connected within the process.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), livestream_client::Error> {
    /// use livestream_emulator::Emulator;
    /// use livestream_client::{name::LocationName, visionai::model::Cluster};
    ///
    /// let client = Emulator::builder().speed(100_000).build().streams_client();
    /// let location = LocationName::new("my-project", "us-central1")?;
    /// let create = client.create_cluster(&location, Cluster::default(), "shop");
    /// assert!(create.wait().await?.name.ends_with("/clusters/shop"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn streams_client(&self) -> StreamsClient {
        self.streams_client_builder().build().expect("nothing of it can be refused")
    }

    /// Builds a client of this emulator's Vision AI, connected within the process, with settings of
    /// your own.
    pub fn streams_client_builder(&self) -> ClientBuilder<StreamsClient> {
        self.builder_of()
    }

    /// Whether there is a file of that name in Cloud Storage: one that someone described
    /// ([`Emulator::put_object`]), or a thumbnail that was taken.
    pub fn has_object(&self, name: &str) -> bool {
        self.world().objects.contains_key(name)
    }
}

/// A rule that a resource keeps, when it is asked for and when it is made.
type Check<T> = fn(&World, &T) -> Result<(), Status>;

/// Begins to create something in a cluster: it is there once the operation is done.
fn create<R>(
    world: &mut World,
    cluster: &str,
    id: (&str, &str),
    named: impl FnOnce(String) -> R::Output,
    check: Check<R::Output>,
) -> Result<Operation, Status>
where
    R: LongRunning<Output: Resource, Metadata: Metadata>,
{
    check_running(world, cluster)?;
    let name = world.new_name::<R::Output>(cluster, id)?;
    let item = named(name.clone());
    check(world, &item)?;
    let work = world.settings.takes(Work::CreateInCluster);
    let finish = move |world: &mut World| {
        check_running(world, cluster_of(Resource::name(&item)))?;
        check(world, &item)?;
        Ok(world.insert(item))
    };
    world.begin::<R>(("create", &name), work, finish, nothing)
}

fn check_running(world: &World, cluster: &str) -> Result<(), Status> {
    match world.find::<Cluster>(cluster)?.state() {
        State::Running => Ok(()),
        state => Err(fault::wrong_state(cluster, state.as_str_name(), "a RUNNING cluster")),
    }
}

/// Begins to change what a mask says of a resource.
fn update<R>(
    world: &mut World,
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
    let mut changed = world.find::<R::Output>(&name)?.clone();
    mask::apply(&chosen, &from, &mut changed);
    check(world, &changed)?;
    let work = world.settings.takes(Work::UpdateInCluster);
    let target = name.clone();
    let finish = move |world: &mut World| {
        check(world, &changed)?;
        world.edit::<R::Output>(&name, |item| mask::apply(&chosen, &from, item))
    };
    world.begin::<R>(("update", &target), work, finish, nothing)
}

/// Begins to delete something in a cluster that no series joins; it is there until the operation is
/// done.
fn delete<R, T>(world: &mut World, name: &str, grace: Duration) -> Result<Operation, Status>
where
    R: LongRunning<Output = (), Metadata: Metadata>,
    T: Resource,
{
    world.find::<T>(name)?;
    joins::check_apart(world, name)?;
    let work = world.settings.takes(Work::DeleteInCluster).max(grace);
    let target = name.to_owned();
    let finish = move |world: &mut World| {
        joins::check_apart(world, &target)?;
        joins::remove_channels_of(world, &target);
        world.remove::<T>(&target);
        Ok(())
    };
    world.begin::<R>(("delete", name), work, finish, nothing)
}

/// What has no rule of its own.
fn no_rule<T>(_: &World, _: &T) -> Result<(), Status> {
    Ok(())
}

/// The cluster that a resource's name is below.
fn cluster_of(name: &str) -> &str {
    name.match_indices('/').nth(5).map_or(name, |(end, _)| &name[..end])
}
