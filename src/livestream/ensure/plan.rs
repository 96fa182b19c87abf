//! The difference between a resource and its declaration, and what follows from it.

use super::resources::Declared;
use crate::{
    gax::{
        descriptor::{
            Change, Clearing, Described as _, Selection, difference, is_same_name, merge,
        },
        error::Error,
        rpc::{InvalidField, Rpc as _},
    },
    name::DvrSessionName,
};
use prost::Message as _;
use prost_types::FieldMask;
use std::fmt;

/// The steps that make a resource as declared.
///
/// `Display` shows it, with one line for each change:
///
/// ```text
/// update projects/p/locations/us-central1/channels/news
///   retention_config.retention_window_duration: 3600s -> 7200s
///   ends the DVR session projects/p/locations/us-central1/channels/news/dvrSessions/evening
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Plan {
    /// The resource does not exist and is to be created.
    #[non_exhaustive]
    Create {
        /// The name of the resource.
        name: String,
    },
    /// The resource is to be updated.
    #[non_exhaustive]
    Update {
        /// The name of the resource.
        name: String,
        /// The top-level fields that the update overwrites.
        mask: FieldMask,
        /// The fields that differ, in the order of the service definition.
        changes: Vec<Change>,
        /// The DVR sessions that the update of a channel ends.
        ended_sessions: Vec<DvrSessionName>,
        /// Why the service would refuse the update of a DVR session in its present state, by the
        /// documentation and the system's clock. Inputs and channels have no such state.
        refusal: Option<String>,
    },
    /// The resource is as declared.
    #[non_exhaustive]
    Nothing {
        /// The name of the resource.
        name: String,
    },
}

impl Plan {
    /// Whether the resource is as declared.
    pub fn is_nothing(&self) -> bool {
        matches!(self, Self::Nothing { .. })
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create { name } => write!(f, "create {name}"),
            Self::Nothing { name } => write!(f, "nothing to change in {name}"),
            Self::Update { name, changes, ended_sessions, refusal, .. } => {
                write!(f, "update {name}")?;
                for change in changes {
                    write!(f, "\n  {change}")?;
                }
                for session in ended_sessions {
                    write!(f, "\n  ends the DVR session {session}")?;
                }
                match refusal {
                    Some(reason) => write!(f, "\n  the service would refuse it: {reason}"),
                    None => Ok(()),
                }
            }
        }
    }
}

/// A resource as it is wanted: what is set in it, and the fields to clear.
pub(super) struct Wanted<N: Declared> {
    pub(super) name: N,
    pub(super) resource: N::Resource,
    pub(super) cleared: Vec<String>,
}

/// An update that makes a resource as wanted.
pub(super) struct Update<T> {
    pub(super) resource: T,
    pub(super) mask: FieldMask,
    pub(super) changes: Vec<Change>,
}

impl<N: Declared> Wanted<N> {
    /// Checks what can be checked before anything is read.
    pub(super) fn check(&mut self) -> Result<(), Error> {
        Selection::<N::Resource>::of(&self.cleared).map_err(|unknown| {
            self.refuse(InvalidField::new("clear", unknown.reason().to_owned()))
        })?;
        let name = N::name_mut(&mut self.resource);
        if !name.is_empty() && !is_same_name(name, self.name.as_str()) {
            let reason = format!("is {name:?}, but the resource is declared as {}", self.name);
            return Err(self.refuse(InvalidField::new("name", reason)));
        }
        name.clear();
        Ok(())
    }

    fn refuse(&self, invalid: InvalidField) -> Error {
        Error::from(invalid).with_subject(N::Get::METHOD, self.name.as_str())
    }

    /// The update that an existing resource needs, or `None` if it is as wanted.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` if fields differ that no update can change.
    pub(super) fn update(
        &self,
        actual: &N::Resource,
    ) -> Result<Option<Update<N::Resource>>, Error> {
        let (wanted, actual) = (self.resource.encode_to_vec(), actual.encode_to_vec());
        let (descriptor, cleared) = (N::Resource::DESCRIPTOR, Clearing(&self.cleared));
        let changes = difference(descriptor, &wanted, &actual, cleared);
        let is_fixed = |change: &&Change| !N::CHANGEABLE.contains(&change.top);
        let fixed = changes.iter().filter(is_fixed).collect::<Vec<_>>();
        if let Some(first) = fixed.first() {
            let fixed = fixed.iter().map(|change| change.to_string()).collect::<Vec<_>>();
            let reason = format!("cannot be changed by an update ({})", fixed.join("; "));
            return Err(self.refuse(InvalidField::new(first.path.clone(), reason)));
        }
        if changes.is_empty() {
            return Ok(None);
        }
        let mut tops = changes.iter().map(|change| change.top).collect::<Vec<_>>();
        tops.dedup();
        let merged = merge(descriptor, &wanted, &actual, cleared, &tops);
        let mut resource =
            N::Resource::decode(&*merged).expect("made of the records of such messages");
        *N::name_mut(&mut resource) = String::from(self.name.as_str());
        let paths = tops.into_iter().map(str::to_owned).collect();
        Ok(Some(Update { resource, mask: FieldMask { paths }, changes }))
    }
}

/// The message for a resource that is not as wanted after its update.
pub(super) fn not_kept<T>(rest: &Update<T>) -> String {
    let changes = rest.changes.iter().map(ToString::to_string).collect::<Vec<_>>();
    format!(
        "the resource differs again right after its update: the service keeps another value, or \
         another caller has changed it ({})",
        changes.join("; ")
    )
}
