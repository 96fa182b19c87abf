//! Many resources, watched together.
//!
//! Two hundred channels that are watched one by one are two hundred requests a tick. Here one task
//! lists the parent for all watches and waits. The task runs while there are any.
//!
//! A resource that a listing does not contain is read by itself before it counts as deleted, because
//! a listing can miss a resource while others are deleted.

mod changes;
mod poll;

pub use changes::{Changes, WatchEvent};

use super::{Condition, Watched, error};
use crate::{
    gax::{
        context::require_runtime, error::Error, policy::PollPolicy, transport_error::TransportError,
    },
    livestream::LivestreamClient,
    name::{AssetName, ChannelName, ClipName, DvrSessionName, EventName, LocationName},
};
use poll::Shared;
use std::{fmt, sync::Arc};
use tokio::time::timeout;
use tonic::Code;

/// Watches all resources of one kind below one parent, with one listing for all watches and waits.
/// Clones share the polling.
///
/// The listing is repeated while anybody watches or waits. The intervals follow the client's
/// [`PollPolicy`], and a listing of several pages is followed by a rest, so that one client uses at
/// most half of the 300 listings a minute that a region allows.
///
/// # Examples
/// ```
/// # use livestream_client::{LivestreamClient, name::{ChannelName, LocationName}};
/// # async fn example(
/// #     client: LivestreamClient,
/// #     location: LocationName,
/// #     names: Vec<ChannelName>,
/// # ) -> Result<(), livestream_client::Error> {
/// use livestream_client::model::channel::StreamingState;
///
/// let channels = client.watch_channels(&location);
/// for name in &names {
///     channels.wait_until(name, StreamingState::Streaming).await?;
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is polled until something watches or waits"]
pub struct Watches<N: Watched>(Arc<Shared<N>>);

impl LivestreamClient {
    /// Watches the channels of a location with one listing a tick: see [`Watches`].
    pub fn watch_channels(&self, location: &LocationName) -> Watches<ChannelName> {
        Watches::new(self, location)
    }

    /// Watches the DVR sessions of a channel with one listing a tick: see [`Watches`].
    pub fn watch_dvr_sessions(&self, channel: &ChannelName) -> Watches<DvrSessionName> {
        Watches::new(self, channel)
    }

    /// Watches the clips of a channel with one listing a tick: see [`Watches`].
    pub fn watch_clips(&self, channel: &ChannelName) -> Watches<ClipName> {
        Watches::new(self, channel)
    }

    /// Watches the events of a channel with one listing a tick: see [`Watches`].
    pub fn watch_events(&self, channel: &ChannelName) -> Watches<EventName> {
        Watches::new(self, channel)
    }

    /// Watches the assets of a location with one listing a tick: see [`Watches`].
    pub fn watch_assets(&self, location: &LocationName) -> Watches<AssetName> {
        Watches::new(self, location)
    }
}

impl<N: Watched> Watches<N> {
    fn new(client: &LivestreamClient, parent: &N::Parent) -> Self {
        Self(Shared::new(client.clone(), parent.clone(), Vec::new(), client.core.poll))
    }

    /// Reads only the name, the state and the error of each resource. The other fields are unset, also
    /// for a condition.
    ///
    /// This makes a listing of many channels about ten times smaller, if the service knows
    /// [field masks](crate::Call::fields). The polling is not shared with other clones any more.
    pub fn states_only(self) -> Self {
        self.fields([""; 0])
    }

    /// Reads only these fields, and the name, the state and the error. The other fields of the
    /// resources are unset, also for a condition. See [`Call::fields`](crate::Call::fields).
    ///
    /// The polling is not shared with other clones any more.
    pub fn fields(self, paths: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let Shared { client, parent, policy, .. } = &*self.0;
        let mut fields = N::STATE_FIELDS.iter().map(|&field| field.to_owned()).collect::<Vec<_>>();
        fields.extend(paths.into_iter().map(Into::into));
        Self(Shared::new(client.clone(), parent.clone(), fields, *policy))
    }

    /// Polls with this policy instead of the client's. Its limit is for each wait. The polling is not
    /// shared with other clones any more.
    pub fn poll_policy(self, policy: PollPolicy) -> Self {
        let Shared { client, parent, fields, .. } = &*self.0;
        Self(Shared::new(client.clone(), parent.clone(), fields.clone(), policy))
    }

    /// Returns a stream of all resources as they are at its first poll, and then of each resource after
    /// a change of its state.
    ///
    /// The stream also reports the deletion of a resource that these watches knew when the stream was
    /// created, even if the deletion precedes the first poll of the stream.
    ///
    /// The stream continues while the service is unavailable. It ends after any other error of the
    /// listing. Like [`watch`](LivestreamClient::watch), it does not contain a state that begins and
    /// ends between two polls.
    ///
    /// # Examples
    /// ```
    /// # use livestream_client::{LivestreamClient, name::LocationName};
    /// # async fn example(
    /// #     client: LivestreamClient,
    /// #     location: LocationName,
    /// # ) -> Result<(), livestream_client::Error> {
    /// use livestream_client::WatchEvent;
    /// use tokio_stream::StreamExt;
    ///
    /// let mut changes = client.watch_channels(&location).changes();
    /// while let Some(change) = changes.next().await {
    ///     match change? {
    ///         WatchEvent::Changed(channel) => {
    ///             println!("{} is {}", channel.name, channel.streaming_state())
    ///         }
    ///         WatchEvent::Deleted(name) => println!("{name} is deleted"),
    ///         _ => {}
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn changes(&self) -> Changes<N> {
        Changes::new(self.0.clone())
    }

    /// Waits until a resource meets a condition, and returns the resource. The condition is a state,
    /// an array of states, or a closure that gets the resource. As with
    /// [`LivestreamClient::wait_until`], a closure does not end at `STREAMING_ERROR`.
    ///
    /// # Errors
    /// - `FAILED_PRECONDITION` if the resource fails or reaches another final state first.
    /// - `NOT_FOUND` if the resource does not exist or is deleted.
    /// - `DEADLINE_EXCEEDED` at the limit of the [`PollPolicy`].
    /// - The errors of the listing, unless the service is unavailable.
    pub async fn wait_until(
        &self,
        name: &N,
        condition: impl Condition<N>,
    ) -> Result<N::Resource, Error> {
        require_runtime().map_err(TransportError::into_error)?;
        let wanted = condition.describe();
        let limit = self.0.policy.limit();
        let mut last = None;
        let until = self.0.until(name, condition, &mut last);
        let reached = timeout(limit, until).await;
        reached.unwrap_or_else(|_| {
            let last = match last {
                Some(state) => format!("still {state:?}"),
                None => "unknown".to_owned(),
            };
            let message =
                format!("the wait for {wanted} ended after {limit:?}, and the state is {last}");
            let error = error(name, Code::DeadlineExceeded, message);
            Err(match self.0.ticks.borrow().last_error.clone() {
                Some(source) => error.with_source(source),
                None => error,
            })
        })
    }
}

impl<N: Watched> Clone for Watches<N> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<N: Watched> fmt::Debug for Watches<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watches").field("parent", &self.0.parent).finish_non_exhaustive()
    }
}
