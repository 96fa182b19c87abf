//! Channels: each carries one stream in one event.
//!
//! The service can make a channel, and nothing else: no call reads, lists, changes or deletes one.
//! What the operation yields is all that one gets to see.

use super::{
    StreamsClient,
    model::{Channel, MaterializeChannelRequest},
    name::ClusterName,
};
use crate::gax::call::Call;

impl StreamsClient {
    /// Creates a channel, which carries `channel.stream` in `channel.event`: both are required.
    ///
    /// Long-running: awaiting yields the operation, and the operation yields the channel. Keep it:
    /// no other call does.
    ///
    /// # Errors
    /// `NOT_FOUND` where there is no such cluster, stream or event, `ALREADY_EXISTS` where the id is
    /// taken. Refused here, before anything is sent: an id that no document of the API allows.
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
