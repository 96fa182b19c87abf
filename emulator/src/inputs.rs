//! Inputs: the endpoints that encoders send to. The first input of a location creates its pool.

use super::{
    ids::check_labels,
    mask,
    operations::no_undo,
    paging::{Page, query},
    settings::{Latency, Limit},
    state::{State, location_of},
    status,
};
use livestream_client::{
    mask::Updatable as _,
    model::{
        Channel, CreateInputRequest, DeleteInputRequest, GetInputRequest, Input, ListInputsRequest,
        ListInputsResponse, Pool, PreviewInputRequest, PreviewInputResponse, UpdateInputRequest,
        input,
    },
    proto::google::longrunning::Operation,
    validation::Validate as _,
};
use std::time::{Duration, SystemTime};
use tonic::Status;

pub(super) fn create(state: &mut State, request: &CreateInputRequest) -> Result<Operation, Status> {
    let parent = request.parent.clone();
    let name = state.new_name::<Input>(&parent, ("input_id", &request.input_id))?;
    status::check(&request.violations())?;
    let mut input = request.input.clone().unwrap_or_default();
    check_labels("input.labels", &input.labels)?;
    state.check_limit::<Input>(&parent, Limit::Inputs)?;

    if input.tier() == input::Tier::Unspecified {
        input.set_tier(input::Tier::Hd);
    }
    input.uri = address(&input, state.random())?;
    input.input_stream_property = None;
    input.name.clone_from(&name);
    let work = state.settings.duration_of(Latency::CreateInput);
    state.begin::<CreateInputRequest>(
        ("create", &name),
        work,
        move |state| {
            let pool = format!("{parent}/pools/default");
            if state.find::<Pool>(&pool).is_err() {
                state.insert(Pool { name: pool, ..Default::default() });
            }
            Ok(state.insert(input.clone()))
        },
        no_undo,
    )
}

/// The URI that encoders push to. Its host is one of the addresses for documentation (RFC 5737).
///
/// # Errors
/// `INVALID_ARGUMENT` for an unknown type.
fn address(input: &Input, random: u64) -> Result<String, Status> {
    let host = format!("192.0.2.{}", 1 + random % 254);
    match input.r#type() {
        input::Type::SrtPush => Ok(format!("srt://{host}:4201?streamid={random:016x}")),
        input::Type::RtmpPush | input::Type::Unspecified => {
            Ok(format!("rtmp://{host}/live/{random:016x}"))
        }
        _ => Err(status::unknown_variant("input.type")),
    }
}

pub(super) fn get(state: &mut State, request: &GetInputRequest) -> Result<Input, Status> {
    state.find(&request.name).cloned()
}

pub(super) fn list(
    state: &mut State,
    request: &ListInputsRequest,
) -> Result<ListInputsResponse, Status> {
    let Page { items: inputs, next_page_token, unreachable } = state.list(&query!(request))?;
    Ok(ListInputsResponse { inputs, next_page_token, unreachable })
}

pub(super) fn update(state: &mut State, request: &UpdateInputRequest) -> Result<Operation, Status> {
    let from = request.input.clone().unwrap_or_default();
    let name = from.name.clone();
    let mut changed = state.find::<Input>(&name)?.clone();
    let chosen = mask::choose(Input::FIELDS, request.update_mask.as_ref(), &from)?;
    mask::apply(&chosen, &from, &mut changed);
    status::check_in("input", &changed.violations())?;
    check_labels("input.labels", &changed.labels)?;

    let work = state.settings.duration_of(Latency::UpdateInput);
    let target = name.clone();
    state.begin::<UpdateInputRequest>(
        ("update", &target),
        work,
        move |state| {
            state.edit::<Input>(&name, |input| {
                mask::apply(&chosen, &from, input);
                if input.tier() == input::Tier::Unspecified {
                    input.set_tier(input::Tier::Hd);
                }
            })
        },
        no_undo,
    )
}

pub(super) fn delete(state: &mut State, request: &DeleteInputRequest) -> Result<Operation, Status> {
    let name = request.name.clone();
    state.find::<Input>(&name)?;
    check_unused(state, &name)?;
    let work = state.settings.duration_of(Latency::DeleteInput);
    state.begin::<DeleteInputRequest>(
        ("delete", &request.name),
        work,
        move |state| {
            check_unused(state, &name)?;
            state.remove::<Input>(&name);
            state.feeds.remove(&name);
            Ok(())
        },
        no_undo,
    )
}

/// Whether no channel uses an input.
///
/// # Errors
/// `FAILED_PRECONDITION`.
fn check_unused(state: &State, name: &str) -> Result<(), Status> {
    let mut channels = state.children::<Channel>(location_of(name));
    let user = channels.find(|c| c.input_attachments.iter().any(|attached| attached.input == name));
    user.map_or(Ok(()), |channel| {
        let reason = format!("is used by '{}'", channel.name);
        Err(status::precondition("RESOURCE_IN_USE", name, reason))
    })
}

/// How long the token for a preview is valid.
const PREVIEW_LIFETIME: Duration = Duration::from_secs(60 * 60);

/// Whether a token with an end is valid at a time.
pub(super) fn is_valid_until(end: SystemTime, now: SystemTime) -> bool {
    end > now
}

/// Returns a new random token, which is valid for an hour.
pub(super) fn preview(
    state: &mut State,
    request: &PreviewInputRequest,
) -> Result<PreviewInputResponse, Status> {
    let id = {
        let input = state.find::<Input>(&request.name)?;
        input.name.rsplit('/').next().unwrap_or_default().to_owned()
    };
    let (stream, one, two) = (state.random(), state.random(), state.random());
    let bearer_token = format!("{one:016x}{two:016x}");
    let (now, end) = (state.now(), state.after(PREVIEW_LIFETIME));
    state.preview_tokens.retain(|_, end| is_valid_until(*end, now));
    state.preview_tokens.insert(bearer_token.clone(), end);
    let uri = format!("https://preview.livestream.invalid/{id}/{stream:016x}/main.m3u8");
    Ok(PreviewInputResponse { uri, bearer_token })
}
