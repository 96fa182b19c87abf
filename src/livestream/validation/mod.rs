//! Validation of resources and requests against the documented rules of the Live Stream API.
//!
//! The service reports only the first error of an invalid configuration, after a round trip. It can
//! also accept the configuration and fail minutes later. [`Validate`] reports all violations at
//! once, each with the path of its field, before anything is sent.
//!
//! [`Validate`] checks only the rules that the API's documentation states. The service can still
//! reject a valid message because of state that only the service knows, such as quotas and other
//! resources. Enum values that this version does not know are accepted.
//!
//! The client validates a call only if you ask for it with
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
    model::{self, Channel},
};
use report::Report;
use sealed::Sealed;
use std::{fmt, time::SystemTime};

/// A message that can be checked against the documented rules: a resource, or a request that
/// carries one.
///
/// This trait is sealed: it is implemented for the messages of the Live Stream API that have rules.
pub trait Validate: Sealed {
    /// Returns all violations of the rules, or an empty list if there are none.
    ///
    /// The context adds rules that depend on a channel or on the present time. Paths begin at this
    /// message, such as `mux_streams[1].elementary_streams[0]`.
    fn violations_in(&self, context: Context<'_>) -> Vec<InvalidField>;

    /// Returns all violations of the rules that need no context.
    fn violations(&self) -> Vec<InvalidField> {
        self.violations_in(Context::new())
    }

    /// Returns all violations of a clip, an event or a DVR session that belongs to this channel.
    ///
    /// These include the violations of rules that depend on the channel, such as a manifest key that
    /// the channel does not have.
    ///
    /// # Examples
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

    /// Checks the rules that need no context.
    ///
    /// # Errors
    /// Returns all violations if there are any.
    fn validate(&self) -> Result<(), Violations> {
        Violations::of(self.violations())
    }
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! seal {
    ($($message:ident),+ $(,)?) => {$(impl Sealed for model::$message {})+};
}

seal! {
    Asset, Channel, Clip, DvrSession, Event, Input, Pool,
    CreateAssetRequest, CreateChannelRequest, CreateClipRequest, CreateDvrSessionRequest,
    CreateEventRequest, CreateInputRequest, UpdateChannelRequest, UpdateDvrSessionRequest,
    UpdateInputRequest, UpdatePoolRequest,
}

/// Facts outside of the checked message that more rules depend on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Context<'a> {
    channel: Option<&'a Channel>,
    now: Option<SystemTime>,
}

impl<'a> Context<'a> {
    /// An empty context: only rules that depend on nothing but the message are checked.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the channel that a clip, an event or a DVR session belongs to.
    pub fn on(mut self, channel: &'a Channel) -> Self {
        self.channel = Some(channel);
        self
    }

    /// Sets the present time: a clip can contain only past content, and an event must be at least
    /// 10 s in the future.
    pub fn at(mut self, now: SystemTime) -> Self {
        self.now = Some(now);
        self
    }
}

/// All violations of the rules in one message. The list is never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violations(Vec<InvalidField>);

impl Violations {
    pub(crate) fn of(violations: Vec<InvalidField>) -> Result<(), Self> {
        if violations.is_empty() { Ok(()) } else { Err(Self(violations)) }
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

/// Converts violations into an error whose message contains all of them and whose
/// [`field`](Error::field) is the first.
impl From<Violations> for Error {
    fn from(Violations(mut violations): Violations) -> Self {
        let first = violations.remove(0);
        let mut reason = first.reason().to_owned();
        for other in violations {
            reason.push_str("; ");
            reason.push_str(&other.to_string());
        }
        InvalidField::new(first.field().to_owned(), reason).into()
    }
}
