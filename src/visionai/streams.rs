//! Streams: what cameras send and applications read.
//!
//! The service keeps a stream's settings; its pictures go through the cluster's data plane, which is
//! not part of this client. Two calls give access to them all the same: a token for playback over
//! HLS, and a thumbnail in Cloud Storage.

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
    /// Lists the streams of one cluster.
    ///
    /// Awaiting yields one page; [`items`](Call::items) yields all streams, one by one.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for a filter, an order or a page token that the service cannot use.
    pub fn list_streams(&self, parent: &ClusterName) -> Call<ListStreamsRequest> {
        self.call(ListStreamsRequest { parent: parent.into(), ..Default::default() })
    }

    /// Reads one stream's settings, not its pictures.
    ///
    /// Awaiting yields the stream.
    ///
    /// # Errors
    /// `NOT_FOUND` where there is no such stream.
    pub fn get_stream(&self, name: &StreamName) -> Call<GetStreamRequest> {
        self.call(GetStreamRequest { name: name.into() })
    }

    /// Creates a stream in a cluster that is `RUNNING`. The call may take 300 s unless told
    /// otherwise.
    ///
    /// Long-running: awaiting yields the operation, and the operation yields the stream.
    ///
    /// # Errors
    /// `NOT_FOUND` where there is no such cluster, `ALREADY_EXISTS` where the id is taken,
    /// `FAILED_PRECONDITION` unless the cluster runs. Refused here, before anything is sent: an id
    /// that no document of the API allows.
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

    /// Changes the stream that `stream.name` says.
    ///
    /// The mask is required and lists the fields to overwrite, among `labels`, `annotations`,
    /// `display_name`, `enable_hls_playback` and `media_warehouse_asset`. A field that is listed and
    /// left out of `stream` is cleared.
    ///
    /// Long-running: awaiting yields the operation, and the operation yields the stream as it is
    /// now.
    ///
    /// # Errors
    /// `NOT_FOUND` where there is no such stream, `INVALID_ARGUMENT` for a mask that the service
    /// does not take. Refused here: a `stream.name` that is not a stream's name.
    pub fn update_stream(
        &self,
        stream: Stream,
        update_mask: FieldMask,
    ) -> Call<UpdateStreamRequest> {
        self.call(UpdateStreamRequest {
            stream: Some(stream),
            update_mask: Some(update_mask),
            ..Default::default()
        })
    }

    /// Deletes a stream. Delete the series that join it to events first.
    ///
    /// Long-running: awaiting yields the operation, and the operation yields `()`.
    ///
    /// # Errors
    /// `NOT_FOUND` where there is no such stream, `FAILED_PRECONDITION` while a series holds it.
    pub fn delete_stream(&self, name: &StreamName) -> Call<DeleteStreamRequest> {
        self.call(DeleteStreamRequest { name: name.into(), ..Default::default() })
    }

    /// Takes a still image from a stream and writes it to an object in Cloud Storage. The image is
    /// of the stream's latest event, unless [`event`](Call::event) names another.
    ///
    /// Long-running, in spite of its name: awaiting yields the operation, and the operation yields
    /// an empty message once the image is stored.
    ///
    /// # Errors
    /// `NOT_FOUND` where there is no such stream or event.
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

    /// Makes a token with which a player may fetch a stream over HLS, until the time that comes
    /// with it. Whoever holds the token can watch: `Debug` does not show it.
    ///
    /// Awaiting yields the token: this is not long-running. The service has no way to recognise a
    /// repeat of this call, so it is sent again only where it surely never arrived.
    ///
    /// # Errors
    /// `NOT_FOUND` where there is no such stream, `FAILED_PRECONDITION` unless its
    /// `enable_hls_playback` is set.
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
    /// Takes the image from this event instead of the stream's latest.
    pub fn event(self, event: &EventName) -> Self {
        self.with(|request| request.event = event.into())
    }
}
