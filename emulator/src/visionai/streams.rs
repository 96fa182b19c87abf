//! Streams: their settings, thumbnails of them, and tokens to watch them.

use super::{
    create as create_resource, delete as delete_resource, joins, no_rule, update as update_resource,
};
use crate::{
    fault,
    operations::nothing,
    paging::query,
    settings::Work,
    world::{Object, World},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use livestream_client::{
    name::ResourceName as _,
    proto::google::longrunning::Operation,
    visionai::{
        model::{
            CreateStreamRequest, DeleteStreamRequest, Event, GenerateStreamHlsTokenRequest,
            GenerateStreamHlsTokenResponse, GetStreamRequest, GetStreamThumbnailRequest,
            GetStreamThumbnailResponse, ListStreamsRequest, ListStreamsResponse, Stream,
            UpdateStreamRequest,
        },
        name::{EventName, StreamName},
    },
};
use std::time::{Duration, SystemTime};
use tonic::Status;

/// How long a token for playback is good.
const TOKEN_LIFETIME: Duration = Duration::from_secs(60 * 60);

/// The fields that an update can change.
const UPDATABLE: &[&str] =
    &["labels", "annotations", "display_name", "enable_hls_playback", "media_warehouse_asset"];

pub(super) fn create(
    world: &mut World,
    request: &CreateStreamRequest,
) -> Result<Operation, Status> {
    let id = ("stream_id", &*request.stream_id);
    let stream = |name| Stream { name, ..request.stream.clone().unwrap_or_default() };
    create_resource::<CreateStreamRequest>(world, &request.parent, id, stream, no_rule)
}

pub(super) fn get(world: &mut World, request: &GetStreamRequest) -> Result<Stream, Status> {
    world.find(&request.name).cloned()
}

pub(super) fn list(
    world: &mut World,
    request: &ListStreamsRequest,
) -> Result<ListStreamsResponse, Status> {
    let (streams, next_page_token) = world.list(&query!(request))?;
    Ok(ListStreamsResponse { streams, next_page_token, unreachable: Vec::new() })
}

pub(super) fn update(
    world: &mut World,
    request: &UpdateStreamRequest,
) -> Result<Operation, Status> {
    let (from, mask) = (request.stream.as_ref(), request.update_mask.as_ref());
    update_resource::<UpdateStreamRequest>(world, from, mask, UPDATABLE, no_rule)
}

pub(super) fn delete(
    world: &mut World,
    request: &DeleteStreamRequest,
) -> Result<Operation, Status> {
    delete_resource::<DeleteStreamRequest, Stream>(world, &request.name, Duration::ZERO)
}

/// The image is of an event that the stream takes part in; only that there is a file can be seen.
pub(super) fn get_thumbnail(
    world: &mut World,
    request: &GetStreamThumbnailRequest,
) -> Result<Operation, Status> {
    find(world, &request.stream)?;
    check_event(world, request)?;
    let (bytes, crc32c) = (20_000 + world.random() % 20_000, world.random() as u32);
    let object = request.gcs_object_name.clone();
    let work = world.settings.takes(Work::TakeThumbnail);
    let finish = move |world: &mut World| {
        world.objects.insert(object, Object { bytes, crc32c });
        Ok(GetStreamThumbnailResponse {})
    };
    let target = ("get_thumbnail", &*request.stream);
    world.begin::<GetStreamThumbnailRequest>(target, work, finish, nothing)
}

/// Whether the event that is asked for is one of the stream's; without one, whether there is any.
fn check_event(world: &World, request: &GetStreamThumbnailRequest) -> Result<(), Status> {
    let mut events = joins::events_of(world, &request.stream);
    if request.event.is_empty() {
        let reason = "takes part in no event, so there is nothing to take an image from";
        let refuse = || fault::precondition("NO_EVENT", &request.stream, reason);
        return events.next().map(drop).ok_or_else(refuse);
    }
    EventName::check(&request.event).map_err(|e| fault::invalid("event", format!("is {e}")))?;
    world.find::<Event>(&request.event)?;
    let reason = || format!("takes no part in '{}': join them by a series first", request.event);
    let refuse = || fault::precondition("NOT_IN_EVENT", &request.stream, reason());
    events.any(|event| event == request.event).then_some(()).ok_or_else(refuse)
}

/// The token has the form of a JWT, drawn anew for each call; nothing here checks it.
pub(super) fn generate_hls_token(
    world: &mut World,
    request: &GenerateStreamHlsTokenRequest,
) -> Result<GenerateStreamHlsTokenResponse, Status> {
    if !find(world, &request.stream)?.enable_hls_playback {
        let reason = "cannot be played: set its `enable_hls_playback` first";
        return Err(fault::precondition("HLS_PLAYBACK_DISABLED", &request.stream, reason));
    }
    let expiry = world.after(TOKEN_LIFETIME);
    let seconds = expiry.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
    let claims = format!(r#"{{"sub":"{}","exp":{seconds}}}"#, request.stream);
    let claims = URL_SAFE_NO_PAD.encode(claims);
    let signature = URL_SAFE_NO_PAD.encode(world.random().to_be_bytes());
    Ok(GenerateStreamHlsTokenResponse {
        token: format!("{header}.{claims}.{signature}"),
        expiration_time: Some(expiry.into()),
    })
}

/// These two requests say no kind of resource in their definition, so nobody has checked the name.
fn find<'a>(world: &'a World, name: &str) -> Result<&'a Stream, Status> {
    StreamName::check(name).map_err(|e| fault::invalid("stream", format!("is {e}")))?;
    world.find(name)
}
