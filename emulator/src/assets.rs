//! Assets: video and image files for slates and overlays.

use super::{
    events, fault,
    paging::query,
    settings::{Limit, Work},
    world::{World, location_of},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use livestream_client::{
    check::Check as _,
    model::{
        Asset, Channel, CreateAssetRequest, DeleteAssetRequest, Event, GetAssetRequest,
        ListAssetsRequest, ListAssetsResponse,
        asset::{Resource, State},
        event::Task,
    },
    proto::google::longrunning::Operation,
};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use tonic::Status;

/// The largest file that an asset may have.
const LARGEST: u64 = 250_000_000;

pub(super) fn create(world: &mut World, request: &CreateAssetRequest) -> Result<Operation, Status> {
    let name = world.new_name::<Asset>(&request.parent, ("asset_id", &request.asset_id))?;
    fault::check(&request.violations())?;
    let mut asset = request.asset.clone().unwrap_or_default();
    world.check_limit::<Asset>(&request.parent, Limit::Assets)?;

    asset.name.clone_from(&name);
    asset.error = None;
    asset.set_state(State::Creating);
    let finish = {
        let name = name.clone();
        move |world: &mut World| finish(world, &name)
    };
    let undo = {
        let name = name.clone();
        move |world: &mut World, status: &Status| fail(world, &name, status)
    };
    let work = world.settings.takes(Work::CreateAsset);
    let operation = world.begin::<CreateAssetRequest>(("create", &name), work, finish, undo)?;
    world.insert(asset);
    Ok(operation)
}

fn uri(asset: &Asset) -> &str {
    match &asset.resource {
        Some(Resource::Video(video)) => &video.uri,
        Some(Resource::Image(image)) => &image.uri,
        None => "",
    }
}

/// Compares the asset with its file. One that nobody described is taken to be as the asset says.
fn finish(world: &mut World, name: &str) -> Result<Asset, Status> {
    let asset = world.find::<Asset>(name)?;
    let object = world.objects.get(uri(asset));
    if object.is_some_and(|object| object.bytes > LARGEST) {
        return Err(fault::precondition("FILE_TOO_LARGE", uri(asset), "has more than 250 MB"));
    }
    let crc = match object {
        Some(object) => STANDARD.encode(object.crc32c.to_be_bytes()),
        None if asset.crc32c.is_empty() => some_checksum(uri(asset)),
        None => asset.crc32c.clone(),
    };
    if !asset.crc32c.is_empty() && asset.crc32c != crc {
        let reason = format!("has the checksum {crc}, and not {}", asset.crc32c);
        return Err(fault::precondition("CHECKSUM_MISMATCH", uri(asset), reason));
    }
    world.edit::<Asset>(name, |asset| {
        asset.crc32c = crc;
        asset.set_state(State::Active);
    })
}

/// A checksum for a file whose content nobody knows.
fn some_checksum(uri: &str) -> String {
    let mut hasher = DefaultHasher::new();
    uri.hash(&mut hasher);
    STANDARD.encode(&hasher.finish().to_be_bytes()[..4])
}

/// Marks an asset that cannot be used.
pub(super) fn fail(world: &mut World, name: &str, status: &Status) {
    // Nobody to tell where the asset is gone.
    let _ = world.edit::<Asset>(name, |asset| {
        asset.set_state(State::Error);
        asset.error = Some(fault::to_message(status));
    });
}

pub(super) fn get(world: &mut World, request: &GetAssetRequest) -> Result<Asset, Status> {
    world.find(&request.name).cloned()
}

pub(super) fn list(
    world: &mut World,
    request: &ListAssetsRequest,
) -> Result<ListAssetsResponse, Status> {
    let (assets, next_page_token) = world.list(&query!(request))?;
    Ok(ListAssetsResponse { assets, next_page_token, unreachable: Vec::new() })
}

pub(super) fn delete(world: &mut World, request: &DeleteAssetRequest) -> Result<Operation, Status> {
    let name = request.name.clone();
    let was = world.find::<Asset>(&name)?.state();
    if let Some(user) = find_user(world, &name) {
        return Err(fault::precondition("RESOURCE_IN_USE", &name, format!("is used by '{user}'")));
    }
    let finish = {
        let name = name.clone();
        move |world: &mut World| {
            world.remove::<Asset>(&name);
            Ok(())
        }
    };
    let undo = move |world: &mut World, _: &Status| {
        // It is there: only this operation would have removed it.
        let _ = world.edit::<Asset>(&name, |asset| asset.set_state(was));
    };
    let work = world.settings.takes(Work::DeleteAsset);
    let operation =
        world.begin::<DeleteAssetRequest>(("delete", &request.name), work, finish, undo)?;
    world.edit::<Asset>(&request.name, |asset| asset.set_state(State::Deleting))?;
    Ok(operation)
}

/// The channel or the event to come that shows an asset.
fn find_user<'a>(world: &'a World, name: &str) -> Option<&'a str> {
    let shows = |event: &&Event| {
        let slate = |task: &Task| matches!(task, Task::Slate(slate) if slate.asset == name);
        event.task.as_ref().is_some_and(slate) && !events::is_over(event)
    };
    world.children::<Channel>(location_of(name)).find_map(|channel| {
        if channel.static_overlays.iter().any(|overlay| overlay.asset == name) {
            return Some(&*channel.name);
        }
        world.children::<Event>(&channel.name).find(shows).map(|event| &*event.name)
    })
}
