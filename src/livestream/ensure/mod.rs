//! Resources by declaration: create, update or delete only what differs.
//!
//! `ensure_…` compares a resource with its declaration and sends the difference. Fields that the
//! declaration leaves unset are not compared, because the service fills in defaults. So a second run
//! changes nothing. If several callers make the same declaration at once, the resource is created,
//! started, stopped or deleted once. An update can be repeated: see [`Ensure`].
//!
//! Nothing is stored between two runs. The state of the resource is all that a run goes by.

mod converge;
mod plan;
mod resources;
mod running;

pub use crate::gax::descriptor::Change;
pub use plan::Plan;
pub use resources::Declared;

use super::LivestreamClient;
use crate::{
    gax::{error::Error, policy::PollPolicy},
    model::{Asset, Channel, Clip, DvrSession, Event, Input},
    name::{AssetName, ChannelName, ClipName, DvrSessionName, EventName, InputName},
};
use converge::Convergence;
use plan::{Update, Wanted};
use std::{fmt, pin::Pin};
use tokio::time::timeout;

/// A declaration of a resource. Awaiting it makes the resource as declared, and returns it.
///
/// - A resource that does not exist is created.
/// - If fields differ, one update changes these fields. Fields that the declaration leaves unset are
///   neither compared nor changed, also in the entries of lists; [`clear`](Self::clear) names fields
///   to unset. Fields that only the service sets do not count. The id and the number of a project
///   mean the same project.
/// - If nothing differs, the declaration only reads the resource.
///
/// A declaration that sets a list declares all of its entries, in their order. Entries with a `key`
/// or an `id` are matched by it. Entries without are matched by position, if both lists have the same
/// length; otherwise the update replaces the list. An entry that matches none is sent as declared.
///
/// The wait ends when the operation is done. If another caller was faster, it ends when the operation
/// of that caller is done. It has the limit of the client's [`PollPolicy`]. Once something has been sent, the wait
/// continues while the service is unavailable. A run that was dropped is continued by the next one.
///
/// **An update of a channel ends its DVR sessions.** [`plan`](Self::plan) names them.
///
/// If several callers declare the same update at once, the service can carry it out more than once:
/// the API has no etag, so it does not refuse an update that was made from an old state. A declaration
/// waits for an operation that is under way, and reads the resource again, before it sends an update.
/// So a repeated update is rare, but a channel then loses the DVR sessions that were created since the
/// first one. Let only one instance of a program declare updates of such a channel.
///
/// # Errors
/// - `INVALID_ARGUMENT`, before anything is changed, if a field differs that no update can change.
///   [`Error::field`] is the first one.
/// - `FAILED_PRECONDITION` if the state of the resource does not allow the update, or if the resource
///   has failed.
/// - `ABORTED` if the resource differs again right after the update, because another caller changed
///   it or because the service keeps another value.
/// - `DEADLINE_EXCEEDED` at the limit of the wait, with the operation if there is one.
/// - The other errors of the calls and of the operation.
#[must_use = "a declaration does nothing until it is awaited"]
pub struct Ensure<N: Declared> {
    client: LivestreamClient,
    wanted: Wanted<N>,
    policy: PollPolicy,
}

impl<N: Declared> Ensure<N> {
    fn new(client: &LivestreamClient, name: &N, resource: N::Resource) -> Self {
        let wanted = Wanted { name: name.clone(), resource, cleared: Vec::new() };
        Self { client: client.clone(), wanted, policy: client.core.poll }
    }

    /// Clears these fields where the declaration leaves them unset.
    ///
    /// A path goes through messages and lists: `mux_streams.encryption_id` clears the field of each
    /// mux stream that is declared without it.
    ///
    /// # Examples
    /// ```
    /// # use livestream_client::{LivestreamClient, model::Channel, name::ChannelName};
    /// # async fn example(
    /// #     client: LivestreamClient,
    /// #     name: ChannelName,
    /// #     wanted: Channel,
    /// # ) -> Result<(), livestream_client::Error> {
    /// client.ensure_channel(&name, wanted).clear(["log_config"]).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn clear(mut self, paths: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.wanted.cleared.extend(paths.into_iter().map(Into::into));
        self
    }

    /// Waits with this policy instead of the client's.
    pub fn poll_policy(mut self, policy: PollPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Returns what awaiting the declaration would do. Reads, and changes nothing.
    ///
    /// # Errors
    /// - `INVALID_ARGUMENT` if a field differs that no update can change.
    /// - The errors of the calls that read the resource and the DVR sessions of a channel.
    pub async fn plan(self) -> Result<Plan, Error> {
        let Self { client, mut wanted, .. } = self;
        wanted.check()?;
        let name = wanted.name.as_str().to_owned();
        let actual = match wanted.name.get(&client).await {
            Err(e) if e.is_not_found() => return Ok(Plan::Create { name }),
            actual => actual?,
        };
        let Some(Update { resource, mask, changes }) = wanted.update(&actual)? else {
            return Ok(Plan::Nothing { name });
        };
        let effects = wanted.name.effects(&client, &actual, &resource).await?;
        let (ended_sessions, refusal) = (effects.ended_sessions, effects.refusal);
        Ok(Plan::Update { name, mask, changes, ended_sessions, refusal })
    }
}

impl<N: Declared> IntoFuture for Ensure<N> {
    type Output = Result<N::Resource, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { client, mut wanted, policy } = self;
        Box::pin(async move {
            wanted.check()?;
            let mut way = Convergence::new(&client, &wanted.name, policy);
            let ended = timeout(way.limit()?, way.apply(&wanted)).await;
            way.end(ended)
        })
    }
}

impl<N: Declared> fmt::Debug for Ensure<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ensure")
            .field("name", &self.wanted.name)
            .field("resource", &self.wanted.resource)
            .field("cleared", &self.wanted.cleared)
            .finish_non_exhaustive()
    }
}

impl LivestreamClient {
    /// Declares a channel: creates it, or updates what differs. A new channel is `STOPPED`.
    ///
    /// See [`Ensure`] for what is compared. An update ends the channel's DVR sessions.
    ///
    /// # Examples
    /// ```
    /// # use livestream_client::{LivestreamClient, model::Channel, name::ChannelName};
    /// # async fn example(
    /// #     client: LivestreamClient,
    /// #     name: ChannelName,
    /// #     wanted: Channel,
    /// # ) -> Result<(), livestream_client::Error> {
    /// let channel = client.ensure_channel(&name, wanted).await?;
    /// client.ensure_running(&name).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn ensure_channel(&self, name: &ChannelName, wanted: Channel) -> Ensure<ChannelName> {
        Ensure::new(self, name, wanted)
    }

    /// Returns what [`ensure_channel`](Self::ensure_channel) would do. Nothing is changed.
    ///
    /// # Errors
    /// Returns the same errors as [`Ensure::plan`].
    ///
    /// # Examples
    /// ```
    /// # use livestream_client::{LivestreamClient, model::Channel, name::ChannelName};
    /// # async fn example(
    /// #     client: LivestreamClient,
    /// #     name: ChannelName,
    /// #     wanted: Channel,
    /// # ) -> Result<(), livestream_client::Error> {
    /// println!("{}", client.plan_channel(&name, &wanted).await?);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn plan_channel(&self, name: &ChannelName, wanted: &Channel) -> Result<Plan, Error> {
        self.ensure_channel(name, wanted.clone()).plan().await
    }

    /// Declares an input: creates it, or updates what differs.
    ///
    /// See [`Ensure`] for what is compared.
    pub fn ensure_input(&self, name: &InputName, wanted: Input) -> Ensure<InputName> {
        Ensure::new(self, name, wanted)
    }

    /// Returns what [`ensure_input`](Self::ensure_input) would do. Nothing is changed.
    ///
    /// # Errors
    /// Returns the same errors as [`Ensure::plan`].
    pub async fn plan_input(&self, name: &InputName, wanted: &Input) -> Result<Plan, Error> {
        self.ensure_input(name, wanted.clone()).plan().await
    }

    /// Declares an asset: creates it if it does not exist, and waits until it is `ACTIVE`. The API
    /// cannot update an asset.
    ///
    /// See [`Ensure`] for what is compared.
    pub fn ensure_asset(&self, name: &AssetName, wanted: Asset) -> Ensure<AssetName> {
        Ensure::new(self, name, wanted)
    }

    /// Returns what [`ensure_asset`](Self::ensure_asset) would do. Nothing is changed.
    ///
    /// # Errors
    /// Returns the same errors as [`Ensure::plan`].
    pub async fn plan_asset(&self, name: &AssetName, wanted: &Asset) -> Result<Plan, Error> {
        self.ensure_asset(name, wanted.clone()).plan().await
    }

    /// Declares a DVR session: creates it, or updates its windows if they differ.
    ///
    /// See [`Ensure`] for what is compared. The open end of a window is a field that is not set: to
    /// open the end of an existing window, [`clear`](Ensure::clear)
    /// `dvr_windows.time_interval.end_time`.
    pub fn ensure_dvr_session(
        &self,
        name: &DvrSessionName,
        wanted: DvrSession,
    ) -> Ensure<DvrSessionName> {
        Ensure::new(self, name, wanted)
    }

    /// Returns what [`ensure_dvr_session`](Self::ensure_dvr_session) would do. Nothing is changed.
    ///
    /// # Errors
    /// Returns the same errors as [`Ensure::plan`].
    pub async fn plan_dvr_session(
        &self,
        name: &DvrSessionName,
        wanted: &DvrSession,
    ) -> Result<Plan, Error> {
        self.ensure_dvr_session(name, wanted.clone()).plan().await
    }

    /// Declares a clip: creates it if it does not exist, and waits until it has `SUCCEEDED`. The API
    /// cannot update a clip.
    ///
    /// See [`Ensure`] for what is compared.
    pub fn ensure_clip(&self, name: &ClipName, wanted: Clip) -> Ensure<ClipName> {
        Ensure::new(self, name, wanted)
    }

    /// Declares an event: creates it if it does not exist. The API cannot update an event.
    ///
    /// The service deletes an event 7 days after its execution. A declaration after that creates the
    /// event again, so do not repeat the declaration of an event with `execute_now`.
    ///
    /// See [`Ensure`] for what is compared.
    pub fn ensure_event(&self, name: &EventName, wanted: Event) -> Ensure<EventName> {
        Ensure::new(self, name, wanted)
    }

    /// Removes a resource if it exists, and waits until it is removed.
    ///
    /// **A running channel is stopped first, and its events are deleted with it.** A resource whose
    /// creation is under way is removed after that.
    ///
    /// # Errors
    /// - `FAILED_PRECONDITION` if the resource is in use, such as an input that a channel uses.
    /// - `DEADLINE_EXCEEDED` at the limit of the client's [`PollPolicy`].
    /// - The other errors of the calls and of the operation.
    ///
    /// # Examples
    /// ```
    /// # use livestream_client::{LivestreamClient, name::{ChannelName, InputName}};
    /// # async fn example(
    /// #     client: LivestreamClient,
    /// #     channel: ChannelName,
    /// #     input: InputName,
    /// # ) -> Result<(), livestream_client::Error> {
    /// client.ensure_absent(&channel).await?;
    /// client.ensure_absent(&input).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn ensure_absent<N: Declared>(&self, name: &N) -> Result<(), Error> {
        let mut way = Convergence::new(self, name, self.core.poll);
        let ended = timeout(way.limit()?, way.remove()).await;
        way.end(ended)
    }
}
