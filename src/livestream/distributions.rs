//! Distributions: a running channel's output, pushed to remote SRT or RTMP endpoints.
//!
//! They are configured in the channel's `distributions`, each under a key of its own, and started
//! and stopped here by that key. They are no resources, so there is nothing to create or to list:
//! read the channel to see how each one stands.

use super::LivestreamClient;
use crate::{
    gax::call::Call,
    model::{StartDistributionRequest, StopDistributionRequest},
    name::ChannelName,
};

impl LivestreamClient {
    /// Starts to push a channel's output to the endpoints of the distributions that are named by
    /// their keys; without any key, to all of them.
    ///
    /// A distribution can be started once it is `READY`. It is then `AWAITING_INPUT`,
    /// `DISTRIBUTING`, or `ERROR` where its output cannot be made or delivered.
    ///
    /// Long-running: awaiting yields the operation, and the operation yields an empty response; read
    /// the channel for the state of its distributions.
    ///
    /// # Errors
    /// `NOT_FOUND` where there is no such channel, `FAILED_PRECONDITION` where one of the
    /// distributions is not `READY`.
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

    /// Stops pushing a channel's output to the endpoints of the distributions that are named by
    /// their keys; without any key, to all of them. The channel runs on.
    ///
    /// Long-running: awaiting yields the operation, and the operation yields an empty response.
    ///
    /// # Errors
    /// `NOT_FOUND` where there is no such channel, `FAILED_PRECONDITION` where one of the
    /// distributions has not been started.
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
