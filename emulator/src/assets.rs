//! Assets: video and image files for slates and overlays.

use super::{
    events,
    ids::check_labels,
    paging::{Page, query},
    settings::{Latency, Limit},
    state::{State, location_of},
    status,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use livestream_client::{
    model::{
        Asset, Channel, CreateAssetRequest, DeleteAssetRequest, Event, GetAssetRequest,
        ListAssetsRequest, ListAssetsResponse,
        asset::{Resource, State as AssetState},
        event::Task,
    },
    proto::google::longrunning::Operation,
    validation::Validate as _,
};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use tonic::Status;

/// The maximum size of an asset's file, in bytes.
const MAX_BYTES: u64 = 250_000_000;

pub(super) fn create(state: &mut State, request: &CreateAssetRequest) -> Result<Operation, Status> {
    let name = state.new_name::<Asset>(&request.parent, ("asset_id", &request.asset_id))?;
    status::check(&request.violations())?;
    let mut asset = request.asset.clone().unwrap_or_default();
    check_labels("asset.labels", &asset.labels)?;
    if !matches!(asset.resource, Some(Resource::Video(_) | Resource::Image(_))) {
        return Err(status::unknown_variant("asset.resource"));
    }
    state.check_limit::<Asset>(&request.parent, Limit::Assets)?;

    asset.name.clone_from(&name);
    asset.error = None;
    asset.set_state(AssetState::Creating);
    let finish = {
        let name = name.clone();
        move |state: &mut State| finish(state, &name)
    };
    let undo = {
        let name = name.clone();
        move |state: &mut State, status: &Status| fail(state, &name, status)
    };
    let work = state.settings.duration_of(Latency::CreateAsset);
    let operation = state.begin::<CreateAssetRequest>(("create", &name), work, finish, undo)?;
    state.insert(asset);
    Ok(operation)
}

fn uri(asset: &Asset) -> &str {
    match &asset.resource {
        Some(Resource::Video(video)) => &video.uri,
        Some(Resource::Image(image)) => &image.uri,
        _ => "",
    }
}

/// Compares the asset with its file. For a file that was not added the asset is taken as correct.
fn finish(state: &mut State, name: &str) -> Result<Asset, Status> {
    let asset = state.find::<Asset>(name)?;
    let object = state.objects.get(uri(asset));
    if object.is_some_and(|object| object.bytes > MAX_BYTES) {
        return Err(status::precondition("FILE_TOO_LARGE", uri(asset), "has more than 250 MB"));
    }
    let crc = match object {
        Some(object) => STANDARD.encode(object.crc32c.to_be_bytes()),
        None if asset.crc32c.is_empty() => some_checksum(uri(asset)),
        None => asset.crc32c.clone(),
    };
    if !asset.crc32c.is_empty() && asset.crc32c != crc {
        let reason = format!("has the checksum {crc}, but the asset has {}", asset.crc32c);
        return Err(status::precondition("CHECKSUM_MISMATCH", uri(asset), reason));
    }
    state.edit::<Asset>(name, |asset| {
        asset.crc32c = crc;
        asset.set_state(AssetState::Active);
    })
}

/// A checksum for a file that was not added.
fn some_checksum(uri: &str) -> String {
    let mut hasher = DefaultHasher::new();
    uri.hash(&mut hasher);
    STANDARD.encode(&hasher.finish().to_be_bytes()[..4])
}

/// Puts an asset in `ERROR`.
pub(super) fn fail(state: &mut State, name: &str, status: &Status) {
    // The asset may have been deleted.
    let _ = state.edit::<Asset>(name, |asset| {
        asset.set_state(AssetState::Error);
        asset.error = Some(status::to_message(status));
    });
}

pub(super) fn get(state: &mut State, request: &GetAssetRequest) -> Result<Asset, Status> {
    state.find(&request.name).cloned()
}

pub(super) fn list(
    state: &mut State,
    request: &ListAssetsRequest,
) -> Result<ListAssetsResponse, Status> {
    let Page { items: assets, next_page_token, unreachable } = state.list(&query!(request))?;
    Ok(ListAssetsResponse { assets, next_page_token, unreachable })
}

pub(super) fn delete(state: &mut State, request: &DeleteAssetRequest) -> Result<Operation, Status> {
    let name = request.name.clone();
    let (was, error) = {
        let asset = state.find::<Asset>(&name)?;
        (asset.state(), asset.error.clone())
    };
    check_unused(state, &name)?;
    let finish = {
        let name = name.clone();
        move |state: &mut State| {
            check_unused(state, &name)?;
            state.remove::<Asset>(&name);
            Ok(())
        }
    };
    let undo = move |state: &mut State, _: &Status| {
        // The asset exists: only this operation could have removed it.
        let _ = state.edit::<Asset>(&name, |asset| {
            asset.set_state(was);
            asset.error.clone_from(&error);
        });
    };
    let work = state.settings.duration_of(Latency::DeleteAsset);
    let operation =
        state.begin::<DeleteAssetRequest>(("delete", &request.name), work, finish, undo)?;
    state.edit::<Asset>(&request.name, |asset| {
        asset.set_state(AssetState::Deleting);
        // The error is set only in `ERROR`.
        asset.error = None;
    })?;
    Ok(operation)
}

/// Whether no channel shows an asset, and no event will.
///
/// # Errors
/// `FAILED_PRECONDITION`.
fn check_unused(state: &State, name: &str) -> Result<(), Status> {
    find_user(state, name).map_or(Ok(()), |user| {
        Err(status::precondition("RESOURCE_IN_USE", name, format!("is used by '{user}'")))
    })
}

/// The channel that shows an asset, or the event that will.
fn find_user<'a>(state: &'a State, name: &str) -> Option<&'a str> {
    let shows = |event: &&Event| {
        let slate = |task: &Task| matches!(task, Task::Slate(slate) if slate.asset == name);
        event.task.as_ref().is_some_and(slate) && !events::has_ended(event)
    };
    state.children::<Channel>(location_of(name)).find_map(|channel| {
        if channel.static_overlays.iter().any(|overlay| overlay.asset == name) {
            return Some(&*channel.name);
        }
        state.children::<Event>(&channel.name).find(shows).map(|event| &*event.name)
    })
}
