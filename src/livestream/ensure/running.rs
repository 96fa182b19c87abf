//! Channels that run, and channels that are stopped.

use super::{
    converge::{Convergence, OUTDATED},
    resources::start,
};
use crate::{
    gax::error::Error,
    livestream::LivestreamClient,
    model::{Channel, channel::StreamingState as S},
    name::ChannelName,
};
use tokio::time::timeout;
use tonic::Code;

impl LivestreamClient {
    /// Makes a channel run: starts it, joins a start that is under way, or does nothing. Returns the
    /// channel, which then is `AWAITING_INPUT`, `STREAMING` or `STREAMING_NO_INPUT`.
    ///
    /// You can call it again at any time, and from several programs at once: the channel is started
    /// once. A channel that is being stopped is started after that. The wait has the limit of the
    /// client's [`PollPolicy`](crate::policy::PollPolicy), and continues while the service is
    /// unavailable.
    ///
    /// # Errors
    /// - `NOT_FOUND` if the channel does not exist.
    /// - `FAILED_PRECONDITION` if the channel is in `STREAMING_ERROR`. The message contains the
    ///   reason.
    /// - `ABORTED` if another caller stops the channel right after its start.
    /// - `DEADLINE_EXCEEDED` at the limit of the wait.
    /// - The other errors of the calls and of the operation.
    ///
    /// # Examples
    /// ```
    /// # async fn example(client: livestream_client::LivestreamClient) -> Result<(), livestream_client::Error> {
    /// # let news = livestream_client::name::ChannelName::new("p", "us-central1", "news")?;
    /// let channel = client.ensure_running(&news).await?;
    /// # Ok(()) }
    /// ```
    pub async fn ensure_running(&self, name: &ChannelName) -> Result<Channel, Error> {
        let mut way = Convergence::new(self, name, self.core.poll);
        let ended = timeout(way.limit()?, way.run(true)).await;
        way.end(ended)
    }

    /// Makes a channel stop: stops it, joins a stop that is under way, or does nothing. Returns the
    /// channel, which then is `STOPPED`.
    ///
    /// A channel that is being started is stopped after that.
    ///
    /// # Errors
    /// - `NOT_FOUND` if the channel does not exist.
    /// - `ABORTED` if another caller starts the channel right after its stop.
    /// - `DEADLINE_EXCEEDED` at the limit of the wait.
    /// - The other errors of the calls and of the operation.
    pub async fn ensure_stopped(&self, name: &ChannelName) -> Result<Channel, Error> {
        let mut way = Convergence::new(self, name, self.core.poll);
        let ended = timeout(way.limit()?, way.run(false)).await;
        way.end(ended)
    }
}

impl Convergence<'_, ChannelName> {
    async fn run(&mut self, wants_running: bool) -> Result<Channel, Error> {
        let mut is_done = false;
        loop {
            let Some(channel) = self.read().await? else {
                return Err(self.error(Code::NotFound, "the channel does not exist".to_owned()));
            };
            let is_running = match channel.streaming_state() {
                S::Stopped => false,
                S::Streaming | S::AwaitingInput | S::StreamingNoInput => true,
                S::StreamingError if wants_running => {
                    let reason = channel.streaming_error.map(|status| status.message);
                    let reason = reason.as_deref().unwrap_or("the service gives no reason");
                    let message = format!("the channel cannot publish its output: {reason}");
                    return Err(self.error(Code::FailedPrecondition, message));
                }
                S::StreamingError => true,
                S::Starting | S::Stopping | S::Unspecified => {
                    self.pause().await;
                    continue;
                }
            };
            if is_running == wants_running {
                return Ok(channel);
            }
            if is_done {
                let state = channel.streaming_state().as_str_name();
                let message = format!("the channel is {state} again: another caller changed it");
                return Err(self.error(Code::Aborted, message));
            }
            let (client, policy) = (self.client, self.policy());
            let step = match wants_running {
                true => start(client.start_channel(self.name), policy),
                false => start(client.stop_channel(self.name), policy),
            };
            is_done = self.take(step, &OUTDATED).await?.is_some();
        }
    }
}
