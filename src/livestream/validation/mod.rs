//! Whether a resource keeps the documented rules, told before anything is sent.
//!
//! The service refuses a wrong configuration with its first fault, after a round trip, or takes it
//! and fails minutes later. [`Validate`] finds all faults at once, each with the path of its field.
//! It holds only the rules that the API's documents state, so what it passes may still be refused
//! for what the service alone knows (states, quotas, other resources), and enum values that this
//! version does not know are let through. A client checks by choice: see
//! [`Call::validated`](crate::Call::validated).
//!
//! ```
//! use livestream_client::{
//!     model::{Channel, MuxStream},
//!     validation::Validate,
//! };
//!
//! let channel = Channel {
//!     mux_streams: vec![MuxStream {
//!         key: "hd".into(),
//!         elementary_streams: vec!["video".into()],
//!         ..Default::default()
//!     }],
//!     ..Default::default()
//! };
//! let violations = channel.violations();
//! assert_eq!(violations[0].to_string(), "`output.uri` is required");
//! assert_eq!(violations[1].field(), "mux_streams[0].elementary_streams[0]");
//! ```

mod call;
mod channel;
mod outputs;
mod parts;
mod report;
mod requests;
mod resources;
mod tracks;

use crate::{
    gax::{error::Error, rpc::InvalidField},
    model::Channel,
};
use report::Report;
use std::{fmt, time::SystemTime};

/// A message whose documented rules this crate knows: a resource, or a request that carries one.
pub trait Validate {
    /// All violations of the rules, given what else is known; empty where there is none.
    ///
    /// Paths begin at this message, such as `mux_streams[1].elementary_streams[0]`.
    fn violations_in(&self, context: Context<'_>) -> Vec<InvalidField>;

    /// All violations that the message shows by itself.
    fn violations(&self) -> Vec<InvalidField> {
        self.violations_in(Context::new())
    }

    /// All violations of a clip, an event or a DVR session of this channel: those that it shows by
    /// itself, and what the channel does not allow.
    ///
    /// ```
    /// use livestream_client::{
    ///     model::{Channel, DvrSession},
    ///     validation::Validate,
    /// };
    ///
    /// let violations = DvrSession::of_manifest("hls", []).violations_on(&Channel::default());
    /// let text = violations.iter().map(|v| v.to_string()).collect::<Vec<_>>();
    /// assert!(text[0].starts_with("`dvr_manifests[0].manifest_key` is `hls`, "));
    /// ```
    fn violations_on(&self, channel: &Channel) -> Vec<InvalidField> {
        self.violations_in(Context::new().on(channel))
    }

    /// Refuses a message with violations.
    ///
    /// # Errors
    /// All violations at once.
    fn validate(&self) -> Result<(), Violations> {
        Violations::of(self.violations())
    }
}

/// What is known besides the message that is checked: more rules can then be applied.
#[derive(Clone, Copy, Debug, Default)]
pub struct Context<'a> {
    channel: Option<&'a Channel>,
    now: Option<SystemTime>,
}

impl<'a> Context<'a> {
    /// Nothing but the message.
    pub fn new() -> Self {
        Self::default()
    }

    /// The channel that a clip, an event or a DVR session belongs to.
    pub fn on(mut self, channel: &'a Channel) -> Self {
        self.channel = Some(channel);
        self
    }

    /// The present time: a clip can hold only the past, and an event must lie 10 s ahead.
    pub fn at(mut self, now: SystemTime) -> Self {
        self.now = Some(now);
        self
    }
}

/// All that is wrong with one message; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violations(Vec<InvalidField>);

impl Violations {
    pub(crate) fn of(found: Vec<InvalidField>) -> Result<(), Self> {
        if found.is_empty() { Ok(()) } else { Err(Self(found)) }
    }

    pub(crate) fn one(violation: InvalidField) -> Self {
        Self(vec![violation])
    }
}

impl std::ops::Deref for Violations {
    type Target = [InvalidField];

    fn deref(&self) -> &[InvalidField] {
        &self.0
    }
}

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, violation) in self.0.iter().enumerate() {
            let separator = if at == 0 { "" } else { "; " };
            write!(f, "{separator}{violation}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Violations {}

/// An error that names all fields in its message, and in [`field`](Error::field) the first.
impl From<Violations> for Error {
    fn from(Violations(mut found): Violations) -> Self {
        let first = found.remove(0);
        let mut reason = first.reason().to_owned();
        for other in found {
            reason.push_str("; ");
            reason.push_str(&other.to_string());
        }
        InvalidField::new(first.field().to_owned(), reason).into()
    }
}
