//! Methods for distributions, which push a running channel's output to remote SRT or RTMP
//! endpoints.
//!
//! You configure distributions in the channel's field `distributions`, and start and stop them by
//! key. They are not resources, so you cannot create or list them. The channel contains their
//! states.

use super::LivestreamClient;
use crate::{
    gax::call::Call,
    model::{StartDistributionRequest, StopDistributionRequest},
    name::ChannelName,
};

impl LivestreamClient {
    /// Starts the distributions with these keys, or all distributions of the channel if there are
    /// no keys.
    ///
    /// A distribution must be `READY`. It is then `AWAITING_INPUT` or `DISTRIBUTING`, or `ERROR` if
    /// the service cannot produce or deliver its output.
    ///
    /// Awaiting the call returns a long-running operation, whose result is an empty response. Call
    /// [`get_channel`](Self::get_channel) for the states of the distributions.
    ///
    /// # Errors
    /// - `NOT_FOUND` if the channel does not exist.
    /// - `FAILED_PRECONDITION` if one of the distributions is not `READY`.
    ///
    /// # Examples
    /// ```
    /// # use livestream_client::{LivestreamClient, name::ChannelName};
    /// # async fn example(
    /// #     client: LivestreamClient,
    /// #     name: ChannelName,
    /// # ) -> Result<(), livestream_client::Error> {
    /// client.start_distribution(&name, ["partner-a", "partner-b"]).wait().await?;
    ///
    /// let all: [&str; 0] = [];
    /// client.stop_distribution(&name, all).wait().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn start_distribution(
        &self,
        name: &ChannelName,
        distribution_keys: impl IntoIterator<Item = impl Into<String>>,
    ) -> Call<StartDistributionRequest> {
        self.call(StartDistributionRequest {
            name: name.into(),
            distribution_keys: distribution_keys.into_iter().map(Into::into).collect(),
            ..Default::default()
        })
    }

    /// Stops the distributions with these keys, or all distributions of the channel if there are no
    /// keys. The channel continues to run.
    ///
    /// Awaiting the call returns a long-running operation, whose result is an empty response.
    ///
    /// # Errors
    /// - `NOT_FOUND` if the channel does not exist.
    /// - `FAILED_PRECONDITION` if one of the distributions has not been started.
    pub fn stop_distribution(
        &self,
        name: &ChannelName,
        distribution_keys: impl IntoIterator<Item = impl Into<String>>,
    ) -> Call<StopDistributionRequest> {
        self.call(StopDistributionRequest {
            name: name.into(),
            distribution_keys: distribution_keys.into_iter().map(Into::into).collect(),
            ..Default::default()
        })
    }
}
