//! The rules for requests that carry a resource: the rules for the resource, and those for update
//! masks.
//!
//! An update can carry a part of the resource. Only the fields that it changes are then checked. A
//! key that refers to an entry of an omitted list is accepted, because the service may have the
//! entry.

use super::{
    Context, Report, Validate,
    channel::check_channel,
    parts::Parts,
    resources::{check_input_settings, check_windows},
};
use crate::{
    gax::rpc::InvalidField,
    livestream::mask::{self, Updatable},
    model::{
        Channel, CreateAssetRequest, CreateChannelRequest, CreateClipRequest,
        CreateDvrSessionRequest, CreateEventRequest, CreateInputRequest, DvrSession, Input, Pool,
        UpdateChannelRequest, UpdateDvrSessionRequest, UpdateInputRequest, UpdatePoolRequest,
    },
};
use prost_types::FieldMask;

macro_rules! create_requests {
    ($($request:ident: $field:ident),+ $(,)?) => {$(
        impl Validate for $request {
            fn violations_in(&self, context: Context<'_>) -> Vec<InvalidField> {
                check_create(stringify!($field), self.$field.as_ref(), context)
            }
        }
    )+};
}

create_requests! {
    CreateAssetRequest: asset,
    CreateChannelRequest: channel,
    CreateClipRequest: clip,
    CreateDvrSessionRequest: dvr_session,
    CreateEventRequest: event,
    CreateInputRequest: input,
}

fn check_create<T: Validate>(
    field: &'static str,
    resource: Option<&T>,
    context: Context<'_>,
) -> Vec<InvalidField> {
    match resource {
        Some(resource) => in_request(field, resource.violations_in(context)).collect(),
        None => vec![InvalidField::new(field, "is required")],
    }
}

macro_rules! update_requests {
    ($($request:ident: $field:ident),+ $(,)?) => {$(
        impl Validate for $request {
            fn violations_in(&self, _: Context<'_>) -> Vec<InvalidField> {
                let mask = self.update_mask.as_ref();
                check_update(stringify!($field), self.$field.as_ref(), mask)
            }
        }
    )+};
}

update_requests! {
    UpdateChannelRequest: channel,
    UpdateDvrSessionRequest: dvr_session,
    UpdateInputRequest: input,
    UpdatePoolRequest: pool,
}

fn check_update<T: CheckUpdate>(
    field: &'static str,
    resource: Option<&T>,
    mask: Option<&FieldMask>,
) -> Vec<InvalidField> {
    let Some(resource) = resource else {
        return vec![InvalidField::new(field, "is required")];
    };
    let mut violations = check_mask::<T>(mask);
    let mut changed = resource.update_violations();
    changed.retain(|violation| is_changed(resource, mask, violation));
    violations.extend(in_request(field, changed));
    violations
}

/// A resource that an update request carries, whole or in part.
trait CheckUpdate: Updatable + Default {
    const IS_MASK_REQUIRED: bool = false;

    fn update_violations(&self) -> Vec<InvalidField>;
}

impl CheckUpdate for Channel {
    fn update_violations(&self) -> Vec<InvalidField> {
        Report::of(|report| check_channel(report, self, &Parts::of_update(self)))
    }
}

impl CheckUpdate for DvrSession {
    const IS_MASK_REQUIRED: bool = true;

    fn update_violations(&self) -> Vec<InvalidField> {
        Report::of(|report| check_windows(report, self))
    }
}

impl CheckUpdate for Input {
    fn update_violations(&self) -> Vec<InvalidField> {
        Report::of(|report| check_input_settings(report, self))
    }
}

impl CheckUpdate for Pool {
    fn update_violations(&self) -> Vec<InvalidField> {
        self.violations()
    }
}

fn check_mask<T: CheckUpdate>(mask: Option<&FieldMask>) -> Vec<InvalidField> {
    Report::of(|report| {
        let Some(mask) = mask else {
            return report.require("update_mask", !T::IS_MASK_REQUIRED);
        };
        report.require("update_mask.paths", !mask.paths.is_empty());
        report.unique("update_mask.paths", "", &mask.paths);
        for (at, path) in mask.paths.iter().enumerate() {
            let field = format_args!("update_mask.paths[{at}]");
            if let Err(unknown) = mask::check::<T>(path) {
                report.add(field, format!("is invalid: {unknown}"));
            } else if !T::FIELDS.contains(&top(path)) {
                let allowed = super::report::list(T::FIELDS.iter().copied());
                report.add(field, format!("is `{path}`, but an update can change only {allowed}"));
            }
        }
    })
}

/// Whether the update changes the field of a violation. An update without a mask changes all fields
/// that are present.
fn is_changed<T: CheckUpdate>(
    resource: &T,
    mask: Option<&FieldMask>,
    violation: &InvalidField,
) -> bool {
    let field = top(violation.field());
    if field == "name" {
        return true;
    }
    match mask {
        Some(mask) => mask.paths.iter().any(|path| top(path) == field),
        None => T::FIELDS.contains(&field) && resource.differing(&T::default()).contains(&field),
    }
}

/// The top-level field of a path, such as `manifests` for `manifests[0].key`.
fn top(path: &str) -> &str {
    path.split(['.', '[']).next().unwrap_or(path)
}

/// The violations of a resource, with their paths from the request that carries it.
fn in_request(
    field: &'static str,
    violations: Vec<InvalidField>,
) -> impl Iterator<Item = InvalidField> {
    violations.into_iter().map(move |violation| {
        let path = format!("{field}.{}", violation.field());
        InvalidField::new(path, violation.reason().to_owned())
    })
}
