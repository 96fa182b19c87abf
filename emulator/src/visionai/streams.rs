//! Streams: their settings, their thumbnails, and tokens for playback.

use super::{
    children::{
        create as create_resource, delete as delete_resource, no_rule, update as update_resource,
    },
    links,
};
use crate::{
    clock,
    operations::no_undo,
    paging::{Page, query},
    pipeline::Object,
    settings::Latency,
    state::State,
    status,
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

/// How long a token for playback is valid.
const TOKEN_LIFETIME: Duration = Duration::from_secs(60 * 60);

/// The fields that an update can change.
const UPDATABLE: &[&str] =
    &["labels", "annotations", "display_name", "enable_hls_playback", "media_warehouse_asset"];

pub(super) fn create(
    state: &mut State,
    request: &CreateStreamRequest,
) -> Result<Operation, Status> {
    let id = ("stream_id", &*request.stream_id);
    let stream = |name| Stream { name, ..request.stream.clone().unwrap_or_default() };
    create_resource::<CreateStreamRequest>(state, &request.parent, id, stream, no_rule)
}

pub(super) fn get(state: &mut State, request: &GetStreamRequest) -> Result<Stream, Status> {
    state.find(&request.name).cloned()
}

pub(super) fn list(
    state: &mut State,
    request: &ListStreamsRequest,
) -> Result<ListStreamsResponse, Status> {
    let Page { items: streams, next_page_token, unreachable } = state.list(&query!(request))?;
    Ok(ListStreamsResponse { streams, next_page_token, unreachable })
}

pub(super) fn update(
    state: &mut State,
    request: &UpdateStreamRequest,
) -> Result<Operation, Status> {
    let (from, mask) = (request.stream.as_ref(), request.update_mask.as_ref());
    update_resource::<UpdateStreamRequest>(state, from, mask, UPDATABLE, no_rule)
}

pub(super) fn delete(
    state: &mut State,
    request: &DeleteStreamRequest,
) -> Result<Operation, Status> {
    delete_resource::<DeleteStreamRequest, Stream>(state, &request.name, Duration::ZERO)
}

/// Takes a thumbnail for an event of the stream: the file exists afterwards, without content.
pub(super) fn get_thumbnail(
    state: &mut State,
    request: &GetStreamThumbnailRequest,
) -> Result<Operation, Status> {
    find(state, &request.stream)?;
    check_event(state, request)?;
    let (bytes, crc32c) = (20_000 + state.random() % 20_000, state.random() as u32);
    let object = request.gcs_object_name.clone();
    let work = state.settings.duration_of(Latency::TakeThumbnail);
    let finish = move |state: &mut State| {
        state.objects.insert(object.clone(), Object { bytes, crc32c });
        Ok(GetStreamThumbnailResponse {})
    };
    let target = ("get_thumbnail", &*request.stream);
    state.begin::<GetStreamThumbnailRequest>(target, work, finish, no_undo)
}

/// Whether the requested event is one of the stream's; without an event, whether it has any.
fn check_event(state: &State, request: &GetStreamThumbnailRequest) -> Result<(), Status> {
    let mut events = links::events_of(state, &request.stream);
    if request.event.is_empty() {
        let reason = "is in no event, so there is nothing to take an image from";
        let refuse = || status::precondition("NO_EVENT", &request.stream, reason);
        return events.next().map(drop).ok_or_else(refuse);
    }
    EventName::check(&request.event).map_err(|e| status::invalid("event", format!("is {e}")))?;
    state.find::<Event>(&request.event)?;
    let reason = || format!("is not in '{}': create a series of the two first", request.event);
    let refuse = || status::precondition("NOT_IN_EVENT", &request.stream, reason());
    events.any(|event| event == request.event).then_some(()).ok_or_else(refuse)
}

/// Returns a new random token in the form of a JWT. Nothing here checks it.
pub(super) fn generate_hls_token(
    state: &mut State,
    request: &GenerateStreamHlsTokenRequest,
) -> Result<GenerateStreamHlsTokenResponse, Status> {
    if !find(state, &request.stream)?.enable_hls_playback {
        let reason = "cannot be played: set its `enable_hls_playback` first";
        return Err(status::precondition("HLS_PLAYBACK_DISABLED", &request.stream, reason));
    }
    let expiry = clock::after(state.now(), TOKEN_LIFETIME);
    let seconds = expiry.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
    let claims = format!(r#"{{"sub":"{}","exp":{seconds}}}"#, request.stream);
    let claims = URL_SAFE_NO_PAD.encode(claims);
    let signature = URL_SAFE_NO_PAD.encode(state.random().to_be_bytes());
    Ok(GenerateStreamHlsTokenResponse {
        token: format!("{header}.{claims}.{signature}"),
        expiration_time: Some(expiry.into()),
    })
}

/// Finds a stream. The definitions of two requests have no resource type, so their check does not
/// cover the name.
fn find<'a>(state: &'a State, name: &str) -> Result<&'a Stream, Status> {
    StreamName::check(name).map_err(|e| status::invalid("stream", format!("is {e}")))?;
    state.find(name)
}
