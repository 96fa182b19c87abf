//! Methods for clips: copies of past parts of a channel's stream, for playback on demand.
//!
//! A clip stays available after the channel's retention window ends, because it is a copy. A DVR
//! session is not a copy and does not stay available.

use super::LivestreamClient;
use crate::{
    gax::call::Call,
    model::{Clip, CreateClipRequest, DeleteClipRequest, GetClipRequest, ListClipsRequest},
    name::{ChannelName, ClipName},
};

impl LivestreamClient {
    /// Lists the clips of a channel. The service keeps the newest 1000.
    ///
    /// Awaiting the call returns one page. [`items`](Call::items) returns a stream of all clips.
    ///
    /// # Errors
    /// - `INVALID_ARGUMENT` if the filter or the page token is not valid.
    ///
    /// # Examples
    /// ```
    /// # use livestream_client::{LivestreamClient, name::ChannelName};
    /// # async fn example(
    /// #     client: LivestreamClient,
    /// #     channel: ChannelName,
    /// # ) -> Result<(), livestream_client::Error> {
    /// let latest = client.list_clips(&channel).order_by("create_time desc").page_size(10).await?;
    /// for clip in latest.clips {
    ///     println!("{} {:?}", clip.name, clip.state());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn list_clips(&self, parent: &ChannelName) -> Call<ListClipsRequest> {
        self.call(ListClipsRequest { parent: parent.into(), ..Default::default() })
    }

    /// Gets a clip with its `state`, the URIs of its files and, in the state `FAILED`, the error.
    ///
    /// Awaiting the call returns the clip.
    ///
    /// # Errors
    /// - `NOT_FOUND` if the clip does not exist.
    pub fn get_clip(&self, name: &ClipName) -> Call<GetClipRequest> {
        self.call(GetClipRequest { name: name.into() })
    }

    /// Creates a clip of past parts of a channel's stream: a manifest with its segments, or an MP4
    /// file.
    ///
    /// The clip must contain the key of exactly one manifest of the channel. Its `slices` must be
    /// in the past and within the channel's retention window, so the channel must have a
    /// `retention_config`. The service builds the clip's name from `parent` and `clip_id`. An id of
    /// 1 to 63 lower-case letters, digits and hyphens that does not begin or end with a hyphen is
    /// always valid.
    ///
    /// Awaiting the call returns a long-running operation, whose result is the clip.
    ///
    /// # Errors
    /// - `ALREADY_EXISTS` if the id is taken.
    /// - `FAILED_PRECONDITION` if the channel has no retention window.
    /// - `INVALID_ARGUMENT` if a slice is not in the past, or if the channel does not have the
    ///   manifest.
    /// - `INVALID_ARGUMENT`, before anything is sent, if no document of the API allows the id.
    ///
    /// # Examples
    /// ```
    /// # use livestream_client::{LivestreamClient, name::ChannelName};
    /// use livestream_client::model::{Clip, clip::Slice};
    /// use std::time::SystemTime;
    ///
    /// # async fn example(
    /// #     client: LivestreamClient,
    /// #     channel: ChannelName,
    /// #     kick_off: SystemTime,
    /// #     whistle: SystemTime,
    /// # ) -> Result<(), livestream_client::Error> {
    /// let half = Slice::between(kick_off..whistle)?;
    /// let first_half = Clip::of_manifest("hls", "gs://my-bucket/first-half", [half]);
    /// let clip = client.create_clip(&channel, first_half, "first-half").wait().await?;
    /// println!("{}", clip.clip_manifests[0].output_uri);
    /// # Ok(())
    /// # }
    /// ```
    pub fn create_clip(
        &self,
        parent: &ChannelName,
        clip: Clip,
        clip_id: impl Into<String>,
    ) -> Call<CreateClipRequest> {
        self.call(CreateClipRequest {
            parent: parent.into(),
            clip: Some(clip),
            clip_id: clip_id.into(),
            ..Default::default()
        })
    }

    /// Deletes the record of a clip. The files in Cloud Storage are not deleted.
    ///
    /// Awaiting the call returns a long-running operation, whose result is `()`.
    ///
    /// # Errors
    /// - `NOT_FOUND` if the clip does not exist.
    pub fn delete_clip(&self, name: &ClipName) -> Call<DeleteClipRequest> {
        self.call(DeleteClipRequest { name: name.into(), ..Default::default() })
    }
}
