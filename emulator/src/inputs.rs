//! Inputs: where encoders send their feeds, and the pool that comes with the first of them.

use super::{
    fault, mask,
    operations::nothing,
    paging::query,
    settings::{Limit, Work},
    world::{World, location_of},
};
use livestream_client::{
    check::Check as _,
    mask::Changeable as _,
    model::{
        Channel, CreateInputRequest, DeleteInputRequest, GetInputRequest, Input, ListInputsRequest,
        ListInputsResponse, Pool, PreviewInputRequest, PreviewInputResponse, UpdateInputRequest,
        input,
    },
    proto::google::longrunning::Operation,
};
use tonic::Status;

pub(super) fn create(world: &mut World, request: &CreateInputRequest) -> Result<Operation, Status> {
    let parent = request.parent.clone();
    let name = world.new_name::<Input>(&parent, ("input_id", &request.input_id))?;
    fault::check(&request.violations())?;
    let mut input = request.input.clone().unwrap_or_default();
    world.check_limit::<Input>(&parent, Limit::Inputs)?;

    if input.tier() == input::Tier::Unspecified {
        input.set_tier(input::Tier::Hd);
    }
    input.uri = address(&input, world.random());
    input.input_stream_property = None;
    input.name.clone_from(&name);
    let work = world.settings.takes(Work::CreateInput);
    world.begin::<CreateInputRequest>(
        ("create", &name),
        work,
        move |world| {
            let pool = format!("{parent}/pools/default");
            if world.find::<Pool>(&pool).is_err() {
                world.insert(Pool { name: pool, ..Default::default() });
            }
            Ok(world.insert(input))
        },
        nothing,
    )
}

/// Where to push; the address is one of those reserved for documentation (RFC 5737).
fn address(input: &Input, random: u64) -> String {
    let host = format!("192.0.2.{}", 1 + random % 254);
    match input.r#type() {
        input::Type::SrtPush => format!("srt://{host}:4201?streamid={random:016x}"),
        input::Type::RtmpPush | input::Type::Unspecified => {
            format!("rtmp://{host}/live/{random:016x}")
        }
    }
}

pub(super) fn get(world: &mut World, request: &GetInputRequest) -> Result<Input, Status> {
    world.find(&request.name).cloned()
}

pub(super) fn list(
    world: &mut World,
    request: &ListInputsRequest,
) -> Result<ListInputsResponse, Status> {
    let (inputs, next_page_token) = world.list(&query!(request))?;
    Ok(ListInputsResponse { inputs, next_page_token, unreachable: Vec::new() })
}

pub(super) fn update(world: &mut World, request: &UpdateInputRequest) -> Result<Operation, Status> {
    let from = request.input.clone().unwrap_or_default();
    let name = from.name.clone();
    let mut changed = world.find::<Input>(&name)?.clone();
    let chosen = mask::choose(Input::CHANGEABLE, request.update_mask.as_ref(), &from)?;
    mask::apply(&chosen, &from, &mut changed);
    fault::check_in("input", &changed.violations())?;

    let work = world.settings.takes(Work::UpdateInput);
    let target = name.clone();
    world.begin::<UpdateInputRequest>(
        ("update", &target),
        work,
        move |world| {
            world.edit::<Input>(&name, |input| {
                mask::apply(&chosen, &from, input);
                if input.tier() == input::Tier::Unspecified {
                    input.set_tier(input::Tier::Hd);
                }
            })
        },
        nothing,
    )
}

pub(super) fn delete(world: &mut World, request: &DeleteInputRequest) -> Result<Operation, Status> {
    let name = request.name.clone();
    world.find::<Input>(&name)?;
    check_unused(world, &name)?;
    let work = world.settings.takes(Work::DeleteInput);
    world.begin::<DeleteInputRequest>(
        ("delete", &request.name),
        work,
        move |world| {
            check_unused(world, &name)?;
            world.remove::<Input>(&name);
            world.feeds.remove(&name);
            Ok(())
        },
        nothing,
    )
}

/// An input stays as long as a channel is attached to it.
fn check_unused(world: &World, name: &str) -> Result<(), Status> {
    let mut channels = world.children::<Channel>(location_of(name));
    let user = channels.find(|c| c.input_attachments.iter().any(|attached| attached.input == name));
    user.map_or(Ok(()), |channel| {
        let reason = format!("is used by '{}': delete that first", channel.name);
        Err(fault::precondition("RESOURCE_IN_USE", name, reason))
    })
}

/// The token is drawn anew for each call; nothing here checks it.
pub(super) fn preview(
    world: &mut World,
    request: &PreviewInputRequest,
) -> Result<PreviewInputResponse, Status> {
    let id = {
        let input = world.find::<Input>(&request.name)?;
        input.name.rsplit('/').next().unwrap_or_default().to_owned()
    };
    let (stream, one, two) = (world.random(), world.random(), world.random());
    Ok(PreviewInputResponse {
        uri: format!("https://preview.livestream.invalid/{id}/{stream:016x}/main.m3u8"),
        bearer_token: format!("{one:016x}{two:016x}"),
    })
}
