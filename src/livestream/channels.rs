//! Methods for channels: live transcoders that can be started and stopped.
//!
//! A new channel is `STOPPED`. When you start it, the service builds its pipeline, which takes
//! minutes. The channel then reads its input, encodes it and writes live output until you stop it.
//! You can only delete a stopped channel.

use super::LivestreamClient;
use crate::{
    gax::call::Call,
    model::{
        Channel, CreateChannelRequest, DeleteChannelRequest, GetChannelRequest,
        ListChannelsRequest, StartChannelRequest, StopChannelRequest, UpdateChannelRequest,
    },
    name::{ChannelName, LocationName},
};
use prost_types::FieldMask;

impl LivestreamClient {
    /// Creates a channel. A new channel is `STOPPED`; [`start_channel`](Self::start_channel) starts
    /// it.
    ///
    /// The field `output` is required, and the inputs must exist. The service builds the channel's
    /// name from `parent` and `channel_id`. The id has 1 to 63 lower-case letters, digits and
    /// hyphens, and does not begin or end with a hyphen. A location can have at most 10 channels.
    ///
    /// Awaiting the call returns a long-running operation, whose result is the channel.
    ///
    /// # Errors
    /// - `ALREADY_EXISTS` if the id is taken.
    /// - `RESOURCE_EXHAUSTED` if the location has the maximum number of channels.
    /// - `INVALID_ARGUMENT` if the configuration is not valid.
    /// - `INVALID_ARGUMENT`, before anything is sent, if no document of the API allows the id.
    ///
    /// # Examples
    /// ```
    /// # use livestream_client::{LivestreamClient, name::LocationName};
    /// use livestream_client::model::{Channel, InputAttachment, channel::Output};
    ///
    /// # async fn example(
    /// #     client: LivestreamClient,
    /// #     location: LocationName,
    /// # ) -> Result<(), livestream_client::Error> {
    /// let config = Channel {
    ///     input_attachments: vec![InputAttachment {
    ///         key: "studio".into(),
    ///         input: format!("{location}/inputs/studio"),
    ///         ..Default::default()
    ///     }],
    ///     output: Some(Output { uri: "gs://my-bucket/news/".into(), ..Default::default() }),
    ///     ..Default::default()
    /// };
    /// let channel = client.create_channel(&location, config, "news").wait().await?;
    /// assert!(channel.name.ends_with("/channels/news"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn create_channel(
        &self,
        parent: &LocationName,
        channel: Channel,
        channel_id: impl Into<String>,
    ) -> Call<CreateChannelRequest> {
        self.call(CreateChannelRequest {
            parent: parent.into(),
            channel: Some(channel),
            channel_id: channel_id.into(),
            ..Default::default()
        })
    }

    /// Lists the channels of a location.
    ///
    /// Awaiting the call returns one page. [`items`](Call::items) returns a stream of all channels.
    ///
    /// # Errors
    /// - `INVALID_ARGUMENT` if the filter, the order or the page token is not valid.
    ///
    /// # Examples
    /// ```
    /// # use livestream_client::{LivestreamClient, name::LocationName};
    /// use livestream_client::model::channel::StreamingState;
    /// use tokio_stream::StreamExt;
    ///
    /// # async fn example(
    /// #     client: LivestreamClient,
    /// #     location: LocationName,
    /// # ) -> Result<(), livestream_client::Error> {
    /// let mut channels = client.list_channels(&location).order_by("create_time desc").items();
    /// while let Some(channel) = channels.next().await {
    ///     let channel = channel?;
    ///     if channel.streaming_state() == StreamingState::StreamingError {
    ///         eprintln!("{}: {:?}", channel.name, channel.streaming_error);
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn list_channels(&self, parent: &LocationName) -> Call<ListChannelsRequest> {
        self.call(ListChannelsRequest { parent: parent.into(), ..Default::default() })
    }

    /// Gets a channel with its `streaming_state`. In the state `STREAMING_ERROR`, the field
    /// `streaming_error` contains the reason.
    ///
    /// Awaiting the call returns the channel.
    ///
    /// # Errors
    /// - `NOT_FOUND` if the channel does not exist.
    pub fn get_channel(&self, name: &ChannelName) -> Call<GetChannelRequest> {
        self.call(GetChannelRequest { name: name.into() })
    }

    /// Deletes a channel that is stopped and has no events. With [`force`](Call::force), the
    /// service also deletes its events.
    ///
    /// If the channel has a retention window, the service also deletes its output files in the
    /// background. The API's documentation does not say whether the service deletes the channel's
    /// clips and DVR sessions. The emulator deletes their records.
    ///
    /// Awaiting the call returns a long-running operation, whose result is `()`.
    ///
    /// # Errors
    /// - `NOT_FOUND` if the channel does not exist.
    /// - `FAILED_PRECONDITION` if the channel is not `STOPPED` or has events.
    pub fn delete_channel(&self, name: &ChannelName) -> Call<DeleteChannelRequest> {
        self.call(DeleteChannelRequest { name: name.into(), ..Default::default() })
    }

    /// Updates the channel with the name `channel.name`.
    ///
    /// The mask lists the fields to overwrite. It can contain `input_attachments`, `input_config`,
    /// `output`, `elementary_streams`, `mux_streams`, `manifests`, `sprite_sheets`, `log_config`,
    /// `timecode_config`, `encryptions` and `retention_config`. The service clears a listed field
    /// that is not set in `channel`. Without a mask (`None`), the service overwrites those of these
    /// fields that are set in `channel`.
    ///
    /// An update moves the channel's DVR sessions to the state `STOPPING`.
    ///
    /// Awaiting the call returns a long-running operation, whose result is the updated channel.
    ///
    /// # Errors
    /// - `NOT_FOUND` if the channel does not exist.
    /// - `FAILED_PRECONDITION` if the channel's state does not allow the change.
    /// - `INVALID_ARGUMENT` if the mask or a value is not valid.
    /// - `INVALID_ARGUMENT`, before anything is sent, if `channel.name` is not a channel name.
    ///
    /// # Examples
    /// Change the log severity and no other field:
    /// ```
    /// # use livestream_client::{LivestreamClient, name::ChannelName};
    /// use livestream_client::{
    ///     mask,
    ///     model::{Channel, LogConfig, log_config::LogSeverity},
    /// };
    ///
    /// # async fn example(
    /// #     client: LivestreamClient,
    /// #     name: ChannelName,
    /// # ) -> Result<(), livestream_client::Error> {
    /// let change = Channel {
    ///     name: name.to_string(),
    ///     log_config: Some(LogConfig {
    ///         log_severity: LogSeverity::Warning.into(),
    ///         ..Default::default()
    ///     }),
    ///     ..Default::default()
    /// };
    /// let mask = mask::of::<Channel>(["log_config"])?;
    /// let channel = client.update_channel(change, mask).wait().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn update_channel(
        &self,
        channel: Channel,
        update_mask: impl Into<Option<FieldMask>>,
    ) -> Call<UpdateChannelRequest> {
        self.call(UpdateChannelRequest {
            update_mask: update_mask.into(),
            channel: Some(channel),
            ..Default::default()
        })
    }

    /// Starts a stopped channel.
    ///
    /// The channel is `STARTING` while the service builds its pipeline, which takes about 10
    /// minutes. It is then `AWAITING_INPUT`, and `STREAMING` once its input receives a feed. Choose
    /// a limit of more than a few minutes for the wait.
    ///
    /// Awaiting the call returns a long-running operation, whose result is an empty response. Call
    /// [`get_channel`](Self::get_channel) for the state of the channel.
    ///
    /// # Errors
    /// - `NOT_FOUND` if the channel does not exist.
    /// - `FAILED_PRECONDITION` if the channel is not `STOPPED`.
    ///
    /// # Examples
    /// ```
    /// # use livestream_client::{LivestreamClient, name::ChannelName};
    /// # async fn example(
    /// #     client: LivestreamClient,
    /// #     name: ChannelName,
    /// # ) -> Result<(), livestream_client::Error> {
    /// client.start_channel(&name).wait().await?;
    /// println!("{:?}", client.get_channel(&name).await?.streaming_state());
    /// # Ok(())
    /// # }
    /// ```
    pub fn start_channel(&self, name: &ChannelName) -> Call<StartChannelRequest> {
        self.call(StartChannelRequest { name: name.into(), ..Default::default() })
    }

    /// Stops a running channel. The service ends its live streams and releases its pipeline.
    ///
    /// The channel is `STOPPING` and then `STOPPED`. You can then start it again or delete it.
    ///
    /// Awaiting the call returns a long-running operation, whose result is an empty response.
    ///
    /// # Errors
    /// - `NOT_FOUND` if the channel does not exist.
    /// - `FAILED_PRECONDITION` if the channel is not running.
    pub fn stop_channel(&self, name: &ChannelName) -> Call<StopChannelRequest> {
        self.call(StopChannelRequest { name: name.into(), ..Default::default() })
    }
}

impl Call<DeleteChannelRequest> {
    /// Sets whether to delete the channel's events too. The default is `false`: the call then fails
    /// if the channel has events.
    pub fn force(self, force: bool) -> Self {
        self.with(|request| request.force = force)
    }
}
