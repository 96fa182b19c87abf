//! The rules of requests that carry a resource: those of the resource, and what an update may hold.
//!
//! An update need not carry the whole resource. Then only the fields that it changes are checked,
//! and a key is taken as known where the list that would have it is left out.

use super::{
    Context, Report, Validate,
    channel::check_channel,
    parts::Parts,
    resources::{check_treatment_and_rules, check_windows},
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

macro_rules! check_create {
    ($($request:ident: $field:ident),+ $(,)?) => {$(
        impl Validate for $request {
            fn violations_in(&self, context: Context<'_>) -> Vec<InvalidField> {
                let resource = self.$field.as_ref();
                let found = resource.map(|resource| resource.violations_in(context));
                found.map_or_else(
                    || vec![InvalidField::new(stringify!($field), "is required")],
                    |found| below(stringify!($field), found),
                )
            }
        }
    )+};
}

check_create! {
    CreateAssetRequest: asset,
    CreateChannelRequest: channel,
    CreateClipRequest: clip,
    CreateDvrSessionRequest: dvr_session,
    CreateEventRequest: event,
    CreateInputRequest: input,
}

macro_rules! check_update {
    ($($request:ident: $field:ident),+ $(,)?) => {$(
        impl Validate for $request {
            fn violations_in(&self, _: Context<'_>) -> Vec<InvalidField> {
                let Some(resource) = &self.$field else {
                    return vec![InvalidField::new(stringify!($field), "is required")];
                };
                let mut found = check_mask(resource, self.update_mask.as_ref());
                let changed = resource.update_violations();
                let changed = changed
                    .into_iter()
                    .filter(|violation| is_sent(resource, self.update_mask.as_ref(), violation));
                found.extend(below(stringify!($field), changed.collect()));
                found
            }
        }
    )+};
}

check_update! {
    UpdateChannelRequest: channel,
    UpdateDvrSessionRequest: dvr_session,
    UpdateInputRequest: input,
    UpdatePoolRequest: pool,
}

/// A resource that an update may carry in part.
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
        Report::of(|report| check_treatment_and_rules(report, self))
    }
}

impl CheckUpdate for Pool {
    fn update_violations(&self) -> Vec<InvalidField> {
        self.violations()
    }
}

fn check_mask<T: CheckUpdate>(_: &T, mask: Option<&FieldMask>) -> Vec<InvalidField> {
    Report::of(|report| {
        let Some(mask) = mask else {
            return report.require("update_mask", !T::IS_MASK_REQUIRED);
        };
        report.require("update_mask.paths", !mask.paths.is_empty());
        report.unique("update_mask.paths", "", &mask.paths);
        for (at, path) in mask.paths.iter().enumerate() {
            let field = format_args!("update_mask.paths[{at}]");
            if let Err(unknown) = mask::check::<T>(path) {
                report.add(field, format!("is wrong: {unknown}"));
            } else if !T::FIELDS.contains(&top(path)) {
                let allowed = super::report::list(T::FIELDS.iter().copied());
                report.add(field, format!("is `{path}`, but an update can change only {allowed}"));
            }
        }
    })
}

/// Whether the update would change the field of a violation: without a mask, all fields that are
/// present are changed.
fn is_sent<T: CheckUpdate>(
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

/// The top-level field of a path: `manifests[0].key` stands in `manifests`.
fn top(path: &str) -> &str {
    path.split(['.', '[']).next().unwrap_or(path)
}

/// The violations of a resource, told from the request that holds it.
fn below(field: &'static str, found: Vec<InvalidField>) -> Vec<InvalidField> {
    let below = |violation: InvalidField| {
        let path = format!("{field}.{}", violation.field());
        InvalidField::new(path, violation.reason().to_owned())
    };
    found.into_iter().map(below).collect()
}
