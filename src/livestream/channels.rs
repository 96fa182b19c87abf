//! Channels: live transcoders, each with a life of its own.
//!
//! A channel is created `STOPPED`. Starting builds its pipeline, which takes minutes; from then on
//! it reads its input, encodes and writes live output until it is stopped. Deleting wants it
//! stopped again.

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
    /// Creates a channel, which is then `STOPPED`: [`start_channel`](Self::start_channel) runs it.
    ///
    /// The channel needs an `output`, and its inputs must exist. Its own name follows from `parent`
    /// and `channel_id`: 1 to 63 lower-case letters, digits and hyphens, with no hyphen at either
    /// end. A location holds at most 10 channels.
    ///
    /// Long-running: awaiting yields the operation, and the operation yields the channel.
    ///
    /// # Errors
    /// `ALREADY_EXISTS` where the id is taken, `RESOURCE_EXHAUSTED` where the location is full,
    /// `INVALID_ARGUMENT` for a configuration that cannot run. Refused here, before anything is
    /// sent: an id that no document of the API allows.
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
    ///     output: Some(Output { uri: "gs://my-bucket/news/".into() }),
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

    /// Lists the channels of one location.
    ///
    /// Awaiting yields one page; [`items`](Call::items) yields all channels, one by one.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for a filter, an order or a page token that the service cannot use.
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

    /// Reads one channel, with its `streaming_state` and, in state `STREAMING_ERROR`, the reason.
    ///
    /// Awaiting yields the channel.
    ///
    /// # Errors
    /// `NOT_FOUND` where there is no such channel.
    pub fn get_channel(&self, name: &ChannelName) -> Call<GetChannelRequest> {
        self.call(GetChannelRequest { name: name.into() })
    }

    /// Deletes a channel that is stopped and has no events; with [`force`](Call::force), its events
    /// go with it.
    ///
    /// If the channel has a retention window, its output files are then deleted too, in the
    /// background. What becomes of the channel's clips and DVR sessions, the documents do not tell;
    /// the emulator deletes their records too.
    ///
    /// Long-running: awaiting yields the operation, and the operation yields `()`.
    ///
    /// # Errors
    /// `NOT_FOUND` where there is no such channel, `FAILED_PRECONDITION` unless it is `STOPPED`, or
    /// while it has events.
    pub fn delete_channel(&self, name: &ChannelName) -> Call<DeleteChannelRequest> {
        self.call(DeleteChannelRequest { name: name.into(), ..Default::default() })
    }

    /// Changes the channel that `channel.name` says.
    ///
    /// The mask lists the fields to overwrite, among `input_attachments`, `input_config`, `output`,
    /// `elementary_streams`, `mux_streams`, `manifests`, `sprite_sheets`, `log_config`,
    /// `timecode_config`, `encryptions` and `retention_config`. A field that is listed and left out
    /// of `channel` is cleared. With `None` no mask is sent, and those of these fields that
    /// `channel` has are overwritten.
    ///
    /// The channel's DVR sessions move to `STOPPING`.
    ///
    /// Long-running: awaiting yields the operation, and the operation yields the channel as it is
    /// now.
    ///
    /// # Errors
    /// `NOT_FOUND` where there is no such channel, `FAILED_PRECONDITION` in a state that forbids the
    /// change, `INVALID_ARGUMENT` for a mask or a value that the service does not take. Refused
    /// here: a `channel.name` that is not a channel's name.
    ///
    /// # Examples
    /// Logs warnings, and touches nothing else:
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
    ///     log_config: Some(LogConfig { log_severity: LogSeverity::Warning.into() }),
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

    /// Starts a stopped channel: the service builds its pipeline and waits for input.
    ///
    /// The channel is `STARTING`, after about 10 minutes `AWAITING_INPUT`, and `STREAMING` once its
    /// input receives a feed. Give the wait more than a few minutes.
    ///
    /// Long-running: awaiting yields the operation, and the operation yields an empty response; read
    /// the channel for its state.
    ///
    /// # Errors
    /// `NOT_FOUND` where there is no such channel, `FAILED_PRECONDITION` unless it is `STOPPED`.
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

    /// Stops a running channel: its live streams end and its pipeline is freed.
    ///
    /// The channel is `STOPPING`, then `STOPPED`, and can be started again or deleted.
    ///
    /// Long-running: awaiting yields the operation, and the operation yields an empty response.
    ///
    /// # Errors
    /// `NOT_FOUND` where there is no such channel, `FAILED_PRECONDITION` unless it is running.
    pub fn stop_channel(&self, name: &ChannelName) -> Call<StopChannelRequest> {
        self.call(StopChannelRequest { name: name.into(), ..Default::default() })
    }
}

impl Call<DeleteChannelRequest> {
    /// Deletes the channel's events as well; without it (the default) they forbid the deletion.
    pub fn force(self, force: bool) -> Self {
        self.with(|request| request.force = force)
    }
}
