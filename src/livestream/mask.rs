//! Field masks for update requests.
//!
//! A [`FieldMask`] is a list of paths in text form. The service does not report a path that you
//! forget: the field keeps its value. This module builds masks in two ways:
//!
//! - [`of`] checks paths against the service definitions.
//! - [`difference`] compares two resources and lists the fields that differ.
//!
//! A [`Selection`] is a mask of a response: the fields that a caller wants to read.
//!
//! The client never adds a mask to a request, and neither function adds other paths.
//!
//! A difference lists only top-level fields, because the API documents only these for its updates.
//! An update then overwrites lists, maps and messages as a whole. The code that compares fields is
//! generated. Encoded messages cannot be compared, because the order of map entries in them is
//! random.

pub use crate::gax::descriptor::Selection;
use crate::{
    gax::{descriptor::nearest, error::Error, rpc::InvalidField},
    model::{Channel, DvrSession, Input, Pool},
};
use prost_types::FieldMask;
use std::fmt;

/// A resource that can be updated with a field mask.
///
/// The implementations are generated from the service definitions. This trait is sealed.
pub trait Maskable: sealed::Sealed + prost::Name + Clone + PartialEq {
    /// All paths that a mask can contain.
    ///
    /// No path leads into a list or a map: a mask can only contain these as a whole.
    const PATHS: &'static [&'static str];

    /// Clears the fields that only the service sets, such as `update_time`, at any depth.
    fn clear_outputs(&mut self);

    /// Returns the top-level fields in which two resources differ.
    fn differing(&self, other: &Self) -> Vec<&'static str>;

    /// Overwrites a top-level field with its value in another resource, as an update does.
    ///
    /// Returns `false` and changes nothing if the resource has no such field.
    fn overwrite(&mut self, field: &str, from: &Self) -> bool;
}

pub(crate) mod sealed {
    pub trait Sealed {}
}

/// A resource whose changeable fields are documented.
///
/// This trait is sealed.
pub trait Updatable: Maskable {
    /// The top-level fields that an update can change.
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

/// Creates a mask of these paths, in this order and without duplicates.
///
/// # Errors
/// Returns an error for the first path that the resource does not have. The error suggests the most
/// similar path of the resource.
///
/// # Examples
/// ```
/// use livestream_client::{mask, model::Channel};
///
/// let mask = mask::of::<Channel>(["manifests", "output.uri"])?;
/// assert_eq!(mask.paths, ["manifests", "output.uri"]);
///
/// let error = mask::of::<Channel>(["manifest"]).unwrap_err();
/// assert_eq!(error.to_string(), "`Channel` has no field `manifest`; did you mean `manifests`?");
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

/// Creates a mask of the fields that differ, for an update from `old` to `new`.
///
/// Returns `None` if no field differs. Do not send an update in this case: without a mask, the
/// service overwrites all fields that the request contains. Fields that only the service sets, such
/// as `update_time`, are not compared.
///
/// A field that is unset in `new` and set in `old` differs. If `old` comes from the service, `old` also
/// contains the defaults that the service has filled in. To compare with a declaration that leaves
/// fields unset, use [`Ensure::plan`](crate::ensure::Ensure::plan).
///
/// # Errors
/// Returns an error with all differing fields that an update cannot change, if there are any.
///
/// # Examples
/// ```
/// use livestream_client::{mask, model::{Channel, channel::Output}};
///
/// let output = |uri: &str| Some(Output { uri: uri.into(), ..Default::default() });
/// let old = Channel { output: output("gs://a/"), ..Default::default() };
/// let mut new = old.clone();
/// assert_eq!(mask::difference(&old, &new)?, None);
///
/// new.output = output("gs://b/");
/// assert_eq!(mask::difference(&old, &new)?, Some(mask::of::<Channel>(["output"])?));
///
/// new.labels.insert("show".into(), "news".into());
/// assert_eq!(mask::difference(&old, &new).unwrap_err().fields(), ["labels"]);
/// # Ok::<(), livestream_client::Error>(())
/// ```
pub fn difference<T: Updatable>(old: &T, new: &T) -> Result<Option<FieldMask>, FixedFields> {
    let (paths, fixed): (Vec<_>, Vec<_>) =
        inputs(old).differing(&inputs(new)).into_iter().partition(|f| T::FIELDS.contains(f));
    if !fixed.is_empty() {
        return Err(FixedFields { resource: T::NAME, fields: fixed, changeable: T::FIELDS });
    }
    let paths = paths.into_iter().map(str::to_owned).collect::<Vec<_>>();
    Ok((!paths.is_empty()).then_some(FieldMask { paths }))
}

/// The resource without the fields that only the service sets.
fn inputs<T: Maskable>(resource: &T) -> T {
    let mut inputs = resource.clone();
    inputs.clear_outputs();
    inputs
}

/// The error for a path that a resource does not have.
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

    /// The path that is most similar, or `None` if no path is similar.
    pub fn suggestion(&self) -> Option<&'static str> {
        nearest(&self.path, self.known.iter().copied()).or_else(|| self.prefix())
    }

    /// The longest known path that this path begins with, such as `labels` for `labels.show`.
    fn prefix(&self) -> Option<&'static str> {
        let is_prefix = |known: &&&'static str| {
            self.path.strip_prefix(**known).is_some_and(|rest| rest.starts_with(['.', '[']))
        };
        self.known.iter().filter(is_prefix).max_by_key(|known| known.len()).copied()
    }
}

impl fmt::Display for UnknownPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` has no field `{}`", self.resource, self.path)?;
        match self.suggestion() {
            Some(known) if self.prefix() == Some(known) => {
                write!(f, "; a mask can only contain `{known}` as a whole")
            }
            Some(known) => write!(f, "; did you mean `{known}`?"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for UnknownPath {}

impl From<UnknownPath> for Error {
    fn from(unknown: UnknownPath) -> Self {
        InvalidField::new("update_mask", format!("is invalid: {unknown}")).into()
    }
}

/// The error for differing fields that an update cannot change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FixedFields {
    resource: &'static str,
    fields: Vec<&'static str>,
    changeable: &'static [&'static str],
}

impl FixedFields {
    /// The fields, in the order of their field numbers.
    pub fn fields(&self) -> &[&'static str] {
        &self.fields
    }
}

impl fmt::Display for FixedFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |fields: &[&str]| fields.join("`, `");
        let (fields, changeable) = (list(&self.fields), list(self.changeable));
        let resource = self.resource;
        write!(f, "an update of `{resource}` cannot change `{fields}`, only `{changeable}`")
    }
}

impl std::error::Error for FixedFields {}

impl From<FixedFields> for Error {
    fn from(fixed: FixedFields) -> Self {
        let first = fixed.fields.first().copied().unwrap_or_default();
        InvalidField::new(first, format!("cannot be updated: {fixed}")).into()
    }
}
