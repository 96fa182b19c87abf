//! Methods for channels. A channel carries one stream in one event.
//!
//! The API can only create a channel. It has no methods to get, list, update or delete one, so the
//! result of the operation is the only copy of the channel that you get.

use super::{
    StreamsClient,
    model::{Channel, MaterializeChannelRequest},
    name::ClusterName,
};
use crate::gax::call::Call;

impl StreamsClient {
    /// Creates a channel, which carries `channel.stream` in `channel.event`. Both fields are
    /// required.
    ///
    /// Awaiting the call returns a long-running operation, whose result is the channel. Keep the
    /// channel: no other method returns it.
    ///
    /// # Errors
    /// - `NOT_FOUND` if the cluster, the stream or the event does not exist.
    /// - `ALREADY_EXISTS` if the id is taken.
    /// - `INVALID_ARGUMENT`, before anything is sent, if no document of the API allows the id.
    ///
    /// # Examples
    /// ```
    /// # use livestream_client::visionai::{StreamsClient, name::ClusterName};
    /// use livestream_client::visionai::model::Channel;
    ///
    /// # async fn example(
    /// #     client: StreamsClient,
    /// #     cluster: ClusterName,
    /// # ) -> Result<(), livestream_client::Error> {
    /// let channel = Channel {
    ///     stream: cluster.stream("entrance")?.to_string(),
    ///     event: cluster.event("opening-hours")?.to_string(),
    ///     ..Default::default()
    /// };
    /// let channel = client.materialize_channel(&cluster, channel, "entrance").wait().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn materialize_channel(
        &self,
        parent: &ClusterName,
        channel: Channel,
        channel_id: impl Into<String>,
    ) -> Call<MaterializeChannelRequest> {
        self.call(MaterializeChannelRequest {
            parent: parent.into(),
            channel: Some(channel),
            channel_id: channel_id.into(),
            ..Default::default()
        })
    }
}
