//! References: the inputs and assets that a channel or an event uses.
//!
//! Another location is refused, since a resource is deleted only if nothing in its own location uses
//! it.

use super::{
    state::{State, location_of},
    status,
};
use livestream_client::model::{Asset, Channel, Input};
use tonic::Status;

/// Whether the inputs and assets of a channel exist in its location.
///
/// # Errors
/// `INVALID_ARGUMENT` for another location, `NOT_FOUND` for an unknown resource.
pub(super) fn check_channel(state: &State, channel: &Channel) -> Result<(), Status> {
    for (at, attachment) in channel.input_attachments.iter().enumerate() {
        let field = format!("channel.input_attachments[{at}].input");
        check_location(&field, &attachment.input, &channel.name)?;
        state.find::<Input>(&attachment.input)?;
    }
    for (at, overlay) in channel.static_overlays.iter().enumerate() {
        let field = format!("channel.static_overlays[{at}].asset");
        check_asset(state, &field, &overlay.asset, &channel.name)?;
    }
    Ok(())
}

/// Whether an asset exists in the location of the resource that shows it.
///
/// # Errors
/// `INVALID_ARGUMENT` for another location, `NOT_FOUND` for an unknown asset.
pub(super) fn check_asset(
    state: &State,
    field: &str,
    asset: &str,
    user: &str,
) -> Result<(), Status> {
    check_location(field, asset, user)?;
    state.find::<Asset>(asset).map(drop)
}

fn check_location(field: &str, used: &str, user: &str) -> Result<(), Status> {
    if location_of(used) == location_of(user) {
        return Ok(());
    }
    Err(status::invalid(field, format!("is '{used}', in another location")))
}
