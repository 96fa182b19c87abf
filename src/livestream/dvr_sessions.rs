//! DVR sessions: windows of a channel's stream that viewers can rewind into while it runs.
//!
//! A session is a longer manifest over the live segments, not a copy of them. How far back it can
//! reach is set by the *channel's* `retention_config`; the session itself says only which windows
//! of time it holds.

use super::LivestreamClient;
use crate::{
    gax::call::Call,
    model::{
        CreateDvrSessionRequest, DeleteDvrSessionRequest, DvrSession, GetDvrSessionRequest,
        ListDvrSessionsRequest, UpdateDvrSessionRequest,
    },
    name::{ChannelName, DvrSessionName},
};
use prost_types::FieldMask;

impl LivestreamClient {
    /// Creates a DVR session, which holds given windows of a channel's stream.
    ///
    /// The session names exactly one manifest of the channel by its key, and its `dvr_windows` may
    /// be past, present or to come. The channel needs a `retention_config`. The session's own name
    /// follows from `parent` and `dvr_session_id`: 1 to 63 lower-case letters, digits and hyphens,
    /// with no hyphen at either end, are safe.
    ///
    /// Long-running: awaiting yields the operation, and the operation yields the session.
    ///
    /// # Errors
    /// `ALREADY_EXISTS` where the id is taken, `FAILED_PRECONDITION` where the channel keeps
    /// nothing, `INVALID_ARGUMENT` for a manifest that the channel does not have. Refused here,
    /// before anything is sent: an id that no document of the API allows.
    ///
    /// # Examples
    /// ```
    /// # use livestream_client::{LivestreamClient, name::ChannelName};
    /// use livestream_client::model::{DvrSession, dvr_session::DvrWindow};
    /// use std::time::SystemTime;
    ///
    /// # async fn example(
    /// #     client: LivestreamClient,
    /// #     channel: ChannelName,
    /// #     start: SystemTime,
    /// #     end: SystemTime,
    /// # ) -> Result<(), livestream_client::Error> {
    /// let evening = DvrWindow::between(start..end)?;
    /// let config = DvrSession::of_manifest("hls", [evening]);
    /// let session = client.create_dvr_session(&channel, config, "evening").wait().await?;
    /// println!("watch it at {}", session.dvr_manifests[0].output_uri);
    /// # Ok(())
    /// # }
    /// ```
    pub fn create_dvr_session(
        &self,
        parent: &ChannelName,
        dvr_session: DvrSession,
        dvr_session_id: impl Into<String>,
    ) -> Call<CreateDvrSessionRequest> {
        self.call(CreateDvrSessionRequest {
            parent: parent.into(),
            dvr_session: Some(dvr_session),
            dvr_session_id: dvr_session_id.into(),
            ..Default::default()
        })
    }

    /// Lists the DVR sessions of one channel.
    ///
    /// Awaiting yields one page; [`items`](Call::items) yields all sessions, one by one.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for a filter or a page token that the service cannot use.
    pub fn list_dvr_sessions(&self, parent: &ChannelName) -> Call<ListDvrSessionsRequest> {
        self.call(ListDvrSessionsRequest { parent: parent.into(), ..Default::default() })
    }

    /// Reads one DVR session: its `state`, where it can be watched, and why it failed.
    ///
    /// Awaiting yields the session.
    ///
    /// # Errors
    /// `NOT_FOUND` where there is no such session.
    pub fn get_dvr_session(&self, name: &DvrSessionName) -> Call<GetDvrSessionRequest> {
        self.call(GetDvrSessionRequest { name: name.into() })
    }

    /// Deletes a DVR session, which is `DELETING` meanwhile.
    ///
    /// Long-running: awaiting yields the operation, and the operation yields `()`.
    ///
    /// # Errors
    /// `NOT_FOUND` where there is no such session.
    pub fn delete_dvr_session(&self, name: &DvrSessionName) -> Call<DeleteDvrSessionRequest> {
        self.call(DeleteDvrSessionRequest { name: name.into(), ..Default::default() })
    }

    /// Changes the windows of the DVR session that `dvr_session.name` says.
    ///
    /// The mask is required, and `dvr_windows` is the only path that it may list: nothing else of a
    /// session can change.
    ///
    /// While the session is `LIVE`, a change that could overwrite its manifest is refused. The one
    /// exception is an end that now lies in the past: the manifest ends as soon as it can, the
    /// session is in `COOLDOWN` for 60 seconds, and then a new manifest with that end is made.
    ///
    /// Long-running: awaiting yields the operation, and the operation yields the session as it is
    /// now.
    ///
    /// # Errors
    /// `NOT_FOUND` where there is no such session, `FAILED_PRECONDITION` for a change that its state
    /// forbids, `INVALID_ARGUMENT` for a mask that lists anything else. Refused here: a
    /// `dvr_session.name` that is not a session's name.
    ///
    /// # Examples
    /// ```
    /// # use livestream_client::LivestreamClient;
    /// use livestream_client::{mask, model::DvrSession};
    ///
    /// # async fn example(
    /// #     client: LivestreamClient,
    /// #     mut session: DvrSession,
    /// # ) -> Result<(), livestream_client::Error> {
    /// session.dvr_windows.truncate(1);
    /// let mask = mask::of::<DvrSession>(["dvr_windows"])?;
    /// let session = client.update_dvr_session(session, mask).wait().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn update_dvr_session(
        &self,
        dvr_session: DvrSession,
        update_mask: FieldMask,
    ) -> Call<UpdateDvrSessionRequest> {
        self.call(UpdateDvrSessionRequest {
            update_mask: Some(update_mask),
            dvr_session: Some(dvr_session),
            ..Default::default()
        })
    }
}
