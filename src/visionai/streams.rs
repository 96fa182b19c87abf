//! Methods for streams, which cameras send and applications read.
//!
//! The service stores the settings of a stream. The video goes through the cluster's data plane,
//! which this client does not support. Two methods give access to the video: one returns a token
//! for playback over HLS, and one writes a thumbnail to Cloud Storage.

use super::{
    StreamsClient,
    model::{
        CreateStreamRequest, DeleteStreamRequest, GenerateStreamHlsTokenRequest, GetStreamRequest,
        GetStreamThumbnailRequest, ListStreamsRequest, Stream, UpdateStreamRequest,
    },
    name::{ClusterName, EventName, StreamName},
};
use crate::gax::call::Call;
use prost_types::FieldMask;

impl StreamsClient {
    /// Lists the streams of a cluster.
    ///
    /// Awaiting the call returns one page. [`items`](Call::items) returns a stream of all streams.
    ///
    /// # Errors
    /// - `INVALID_ARGUMENT` if the filter, the order or the page token is not valid.
    pub fn list_streams(&self, parent: &ClusterName) -> Call<ListStreamsRequest> {
        self.call(ListStreamsRequest { parent: parent.into(), ..Default::default() })
    }

    /// Gets the settings of a stream.
    ///
    /// Awaiting the call returns the stream.
    ///
    /// # Errors
    /// - `NOT_FOUND` if the stream does not exist.
    pub fn get_stream(&self, name: &StreamName) -> Call<GetStreamRequest> {
        self.call(GetStreamRequest { name: name.into() })
    }

    /// Creates a stream in a cluster that is `RUNNING`. The default timeout of the call is 300 s.
    ///
    /// Awaiting the call returns a long-running operation, whose result is the stream.
    ///
    /// # Errors
    /// - `NOT_FOUND` if the cluster does not exist.
    /// - `ALREADY_EXISTS` if the id is taken.
    /// - `FAILED_PRECONDITION` if the cluster is not running.
    /// - `INVALID_ARGUMENT`, before anything is sent, if no document of the API allows the id.
    ///
    /// # Examples
    /// ```
    /// # use livestream_client::visionai::{StreamsClient, name::ClusterName};
    /// use livestream_client::visionai::model::Stream;
    ///
    /// # async fn example(
    /// #     client: StreamsClient,
    /// #     cluster: ClusterName,
    /// # ) -> Result<(), livestream_client::Error> {
    /// let camera = Stream {
    ///     display_name: "Camera at the entrance".into(),
    ///     enable_hls_playback: true,
    ///     ..Default::default()
    /// };
    /// let stream = client.create_stream(&cluster, camera, "entrance").wait().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn create_stream(
        &self,
        parent: &ClusterName,
        stream: Stream,
        stream_id: impl Into<String>,
    ) -> Call<CreateStreamRequest> {
        self.call(CreateStreamRequest {
            parent: parent.into(),
            stream: Some(stream),
            stream_id: stream_id.into(),
            ..Default::default()
        })
    }

    /// Updates the stream with the name `stream.name`.
    ///
    /// The mask is required and lists the fields to overwrite. It can contain `labels`,
    /// `annotations`, `display_name`, `enable_hls_playback` and `media_warehouse_asset`. The
    /// service clears a listed field that is not set in `stream`.
    ///
    /// Awaiting the call returns a long-running operation, whose result is the updated stream.
    ///
    /// # Errors
    /// - `NOT_FOUND` if the stream does not exist.
    /// - `INVALID_ARGUMENT` if the mask is not valid.
    /// - `INVALID_ARGUMENT`, before anything is sent, if `stream.name` is not a stream name.
    pub fn update_stream(
        &self,
        stream: Stream,
        update_mask: impl Into<Option<FieldMask>>,
    ) -> Call<UpdateStreamRequest> {
        self.call(UpdateStreamRequest {
            stream: Some(stream),
            update_mask: update_mask.into(),
            ..Default::default()
        })
    }

    /// Deletes a stream. You must first delete the series that refer to the stream.
    ///
    /// Awaiting the call returns a long-running operation, whose result is `()`.
    ///
    /// # Errors
    /// - `NOT_FOUND` if the stream does not exist.
    /// - `FAILED_PRECONDITION` if a series refers to the stream.
    pub fn delete_stream(&self, name: &StreamName) -> Call<DeleteStreamRequest> {
        self.call(DeleteStreamRequest { name: name.into(), ..Default::default() })
    }

    /// Writes a still image of a stream to an object in Cloud Storage. The image is from the
    /// stream's latest event, or from the event that [`event`](Call::event) sets.
    ///
    /// Awaiting the call returns a long-running operation, whose result is an empty response. The
    /// operation ends when the image is stored.
    ///
    /// # Errors
    /// - `NOT_FOUND` if the stream or the event does not exist.
    ///
    /// # Examples
    /// ```
    /// # use livestream_client::visionai::{StreamsClient, name::StreamName};
    /// # async fn example(
    /// #     client: StreamsClient,
    /// #     stream: StreamName,
    /// # ) -> Result<(), livestream_client::Error> {
    /// let object = "gs://my-bucket/thumbnails/entrance.jpg";
    /// client.get_stream_thumbnail(&stream, object).wait().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn get_stream_thumbnail(
        &self,
        stream: &StreamName,
        gcs_object_name: impl Into<String>,
    ) -> Call<GetStreamThumbnailRequest> {
        self.call(GetStreamThumbnailRequest {
            stream: stream.into(),
            gcs_object_name: gcs_object_name.into(),
            ..Default::default()
        })
    }

    /// Creates a token with which a player can play a stream over HLS until the token expires. The
    /// token is a secret, and `Debug` does not show it.
    ///
    /// This method is not long-running: awaiting the call returns the token. The service cannot
    /// recognise a repeated request, because this method has no `request_id`. The client therefore
    /// retries only if the request did not reach the service.
    ///
    /// # Errors
    /// - `NOT_FOUND` if the stream does not exist.
    /// - `FAILED_PRECONDITION` if the stream's `enable_hls_playback` is not set.
    ///
    /// # Examples
    /// ```
    /// # use livestream_client::visionai::{StreamsClient, name::StreamName};
    /// # async fn example(
    /// #     client: StreamsClient,
    /// #     stream: StreamName,
    /// # ) -> Result<(), livestream_client::Error> {
    /// let playback = client.generate_stream_hls_token(&stream).await?;
    /// let header = format!("Bearer {}", playback.token);
    /// if let Some(until) = playback.expiration_time {
    ///     println!("good until {until}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn generate_stream_hls_token(
        &self,
        stream: &StreamName,
    ) -> Call<GenerateStreamHlsTokenRequest> {
        self.call(GenerateStreamHlsTokenRequest { stream: stream.into() })
    }
}

impl Call<GetStreamThumbnailRequest> {
    /// Takes the image from this event instead of the stream's latest event.
    pub fn event(self, event: &EventName) -> Self {
        self.with(|request| request.event = event.into())
    }
}
