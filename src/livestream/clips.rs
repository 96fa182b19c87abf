//! Clips: past parts of a channel's stream, copied for on-demand viewing.
//!
//! A clip is a copy, so it outlives the channel's retention window; a DVR session is none, and does
//! not.

use super::LivestreamClient;
use crate::{
    gax::call::Call,
    model::{Clip, CreateClipRequest, DeleteClipRequest, GetClipRequest, ListClipsRequest},
    name::{ChannelName, ClipName},
};

impl LivestreamClient {
    /// Lists the clips of one channel, of which the service keeps the newest 1000.
    ///
    /// Awaiting yields one page; [`items`](Call::items) yields all clips, one by one.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for a filter or a page token that the service cannot use.
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

    /// Reads one clip: its `state`, where its files are, and why it failed.
    ///
    /// Awaiting yields the clip.
    ///
    /// # Errors
    /// `NOT_FOUND` where there is no such clip.
    pub fn get_clip(&self, name: &ClipName) -> Call<GetClipRequest> {
        self.call(GetClipRequest { name: name.into() })
    }

    /// Copies past parts of a channel's stream into a clip: a manifest with its segments, or an MP4
    /// file.
    ///
    /// The clip names exactly one manifest of the channel by its key. Its `slices` lie in the past
    /// and within what the channel still keeps, so the channel needs a `retention_config`. Its own
    /// name follows from `parent` and `clip_id`: 1 to 63 lower-case letters, digits and hyphens,
    /// with no hyphen at either end, are safe.
    ///
    /// Long-running: awaiting yields the operation, and the operation yields the clip.
    ///
    /// # Errors
    /// `ALREADY_EXISTS` where the id is taken, `FAILED_PRECONDITION` where the channel keeps
    /// nothing, `INVALID_ARGUMENT` for a slice that is not past or a manifest that the channel does
    /// not have. Refused here, before anything is sent: an id that no document of the API allows.
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

    /// Deletes the record of a clip; its files in Cloud Storage stay.
    ///
    /// Long-running: awaiting yields the operation, and the operation yields `()`.
    ///
    /// # Errors
    /// `NOT_FOUND` where there is no such clip.
    pub fn delete_clip(&self, name: &ClipName) -> Call<DeleteClipRequest> {
        self.call(DeleteClipRequest { name: name.into(), ..Default::default() })
    }
}
