//! Field masks that are right when built.
//!
//! A mask is a list of paths as text, so a typing error reaches the service, and a forgotten path
//! changes nothing, silently. Here a mask comes from paths that were checked against the service
//! definitions ([`of`]), or from what really differs between two resources ([`difference`]).
//! Neither adds a path that was not asked for, and no mask is ever made by the client itself.
//!
//! A difference names top-level fields: those are the paths that the API documents for its updates,
//! and lists, maps and messages are then overwritten whole. The comparison of the fields is
//! generated per resource. Comparing encoded messages would need no generated code, but maps are
//! encoded in any order, so that equal resources could differ.

use crate::{
    gax::{error::Error, rpc::InvalidField},
    model::{Channel, DvrSession, Input, Pool},
};
use prost_types::FieldMask;
use std::fmt;

/// A resource that an update request carries beside its mask; generated from the definitions.
///
/// This trait is sealed: the resources are those of the services.
pub trait Maskable: sealed::Sealed + prost::Name + Clone + PartialEq {
    /// Every path that a mask may name. None goes through a list or a map: these are whole.
    const PATHS: &'static [&'static str];

    /// Clears what the service alone sets, at any depth, such as `update_time`.
    fn clear_outputs(&mut self);

    /// The top-level fields in which two resources differ.
    fn differing(&self, other: &Self) -> Vec<&'static str>;

    /// Overwrites a top-level field with its value in another resource, as an update does.
    ///
    /// Returns `false`, and changes nothing, if the resource has no such field.
    fn overwrite(&mut self, field: &str, from: &Self) -> bool;
}

pub(crate) mod sealed {
    pub trait Sealed {}
}

/// A resource of which the API documents what an update can change.
///
/// This trait is sealed, as [`Maskable`] is.
pub trait Updatable: Maskable {
    /// The fields that the update call takes.
    const FIELDS: &'static [&'static str];
}

impl Updatable for Channel {
    const FIELDS: &'static [&'static str] = &[
        "input_attachments",
        "input_config",
        "output",
        "elementary_streams",
        "mux_streams",
        "manifests",
        "sprite_sheets",
        "log_config",
        "timecode_config",
        "encryptions",
        "retention_config",
    ];
}

impl Updatable for Input {
    const FIELDS: &'static [&'static str] = &["tier", "preprocessing_config", "security_rules"];
}

impl Updatable for DvrSession {
    const FIELDS: &'static [&'static str] = &["dvr_windows"];
}

impl Updatable for Pool {
    const FIELDS: &'static [&'static str] = &["network_config"];
}

/// A mask of these paths, in this order; a path that is given twice is sent once.
///
/// # Errors
/// The first path that the resource does not have, with the nearest one that it has.
///
/// # Examples
/// ```
/// use livestream_client::{mask, model::Channel};
///
/// let mask = mask::of::<Channel>(["manifests", "output.uri"])?;
/// assert_eq!(mask.paths, ["manifests", "output.uri"]);
///
/// let error = mask::of::<Channel>(["manifest"]).unwrap_err();
/// assert_eq!(error.to_string(), "a Channel has no field `manifest`; is it `manifests`?");
/// # Ok::<(), mask::UnknownPath>(())
/// ```
pub fn of<T: Maskable>(
    paths: impl IntoIterator<Item = impl AsRef<str>>,
) -> Result<FieldMask, UnknownPath> {
    let mut mask = FieldMask::default();
    for path in paths {
        let path = path.as_ref();
        check::<T>(path)?;
        if !mask.paths.iter().any(|known| known == path) {
            mask.paths.push(path.to_owned());
        }
    }
    Ok(mask)
}

pub(crate) fn check<T: Maskable>(path: &str) -> Result<(), UnknownPath> {
    if T::PATHS.contains(&path) {
        return Ok(());
    }
    Err(UnknownPath { resource: T::NAME, path: path.to_owned(), known: T::PATHS })
}

/// The mask of what differs, to update `old` to `new`; `None` where nothing does.
///
/// What only the service sets, such as `update_time`, is not compared. Send no update for
/// `None`: without a mask the service overwrites all that the request holds.
///
/// # Errors
/// The fields that differ although no update can change them; nothing of `new` is dropped silently.
///
/// # Examples
/// ```
/// use livestream_client::{mask, model::{Channel, channel::Output}};
///
/// let old = Channel { output: Some(Output { uri: "gs://a/".into() }), ..Default::default() };
/// let mut new = old.clone();
/// assert_eq!(mask::difference(&old, &new)?, None);
///
/// new.output = Some(Output { uri: "gs://b/".into() });
/// assert_eq!(mask::difference(&old, &new)?, Some(mask::of::<Channel>(["output"])?));
///
/// new.labels.insert("show".into(), "news".into());
/// assert_eq!(mask::difference(&old, &new).unwrap_err().fields(), ["labels"]);
/// # Ok::<(), livestream_client::Error>(())
/// ```
pub fn difference<T: Updatable>(old: &T, new: &T) -> Result<Option<FieldMask>, FixedFields> {
    let (paths, fixed): (Vec<_>, Vec<_>) =
        given(old).differing(&given(new)).into_iter().partition(|field| T::FIELDS.contains(field));
    if !fixed.is_empty() {
        return Err(FixedFields { resource: T::NAME, fields: fixed, changeable: T::FIELDS });
    }
    let paths = paths.into_iter().map(str::to_owned).collect::<Vec<_>>();
    Ok((!paths.is_empty()).then_some(FieldMask { paths }))
}

/// What a caller may have set of a resource.
fn given<T: Maskable>(resource: &T) -> T {
    let mut given = resource.clone();
    given.clear_outputs();
    given
}

/// A path that a resource does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownPath {
    resource: &'static str,
    path: String,
    known: &'static [&'static str],
}

impl UnknownPath {
    /// The path as it was given.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The path that was probably meant.
    pub fn suggestion(&self) -> Option<&'static str> {
        let meant = snake_case(&self.path);
        // A third of the letters may be wrong; beyond that, a guess misleads.
        let most = meant.len() / 3;
        let known = self.known.iter().map(|known| (distance(known, &meant), *known));
        let nearest = known.min().filter(|(distance, _)| *distance <= most);
        nearest.map(|(_, known)| known).or_else(|| self.whole())
    }

    /// The longest beginning of the path that there is: masks go through no list and no map.
    fn whole(&self) -> Option<&'static str> {
        let begins = |known: &&&'static str| {
            self.path.strip_prefix(**known).is_some_and(|rest| rest.starts_with(['.', '[']))
        };
        self.known.iter().filter(begins).max_by_key(|known| known.len()).copied()
    }
}

impl fmt::Display for UnknownPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a {} has no field `{}`", self.resource, self.path)?;
        match self.suggestion() {
            Some(meant) if self.whole() == Some(meant) => {
                write!(f, "; a mask can name `{meant}` as a whole")
            }
            Some(meant) => write!(f, "; is it `{meant}`?"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for UnknownPath {}

impl From<UnknownPath> for Error {
    fn from(unknown: UnknownPath) -> Self {
        InvalidField::new("update_mask", format!("is wrong: {unknown}")).into()
    }
}

/// `inputAttachments`, as the JSON form has it, is `input_attachments` here.
fn snake_case(path: &str) -> String {
    let mut snake = String::with_capacity(path.len());
    for c in path.chars() {
        if c.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}

/// How many letters must be put in, taken out or replaced to make one text of the other.
fn distance(a: &str, b: &str) -> usize {
    let mut row = (0..=b.len()).collect::<Vec<_>>();
    for (i, from) in a.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, to) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

/// Fields that two resources differ in although no update can change them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FixedFields {
    resource: &'static str,
    fields: Vec<&'static str>,
    changeable: &'static [&'static str],
}

impl FixedFields {
    /// The fields, in the order of their numbers in the definition.
    pub fn fields(&self) -> &[&'static str] {
        &self.fields
    }
}

impl fmt::Display for FixedFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |fields: &[&str]| fields.join("`, `");
        let (fields, changeable) = (list(&self.fields), list(self.changeable));
        let resource = self.resource;
        write!(f, "no update can change `{fields}` of a {resource}, only `{changeable}`")
    }
}

impl std::error::Error for FixedFields {}

impl From<FixedFields> for Error {
    fn from(fixed: FixedFields) -> Self {
        let first = fixed.fields.first().copied().unwrap_or_default();
        InvalidField::new(first, format!("cannot be sent: {fixed}")).into()
    }
}
