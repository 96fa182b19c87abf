//! Methods for DVR sessions: windows of a channel's stream that viewers can rewind while it runs.
//!
//! A session is a manifest of live segments, not a copy of them. The *channel's* `retention_config`
//! limits how far back a session can reach. The session contains only its windows of time.

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
    /// Creates a DVR session of windows of a channel's stream.
    ///
    /// The session must contain the key of exactly one manifest of the channel. Its `dvr_windows`
    /// can be in the past, the present or the future. The channel must have a `retention_config`.
    /// The service builds the session's name from `parent` and `dvr_session_id`. An id of 1 to 63
    /// lower-case letters, digits and hyphens that does not begin or end with a hyphen is always
    /// valid.
    ///
    /// Awaiting the call returns a long-running operation, whose result is the session.
    ///
    /// # Errors
    /// - `ALREADY_EXISTS` if the id is taken.
    /// - `FAILED_PRECONDITION` if the channel has no retention window.
    /// - `INVALID_ARGUMENT` if the channel does not have the manifest.
    /// - `INVALID_ARGUMENT`, before anything is sent, if no document of the API allows the id.
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

    /// Lists the DVR sessions of a channel.
    ///
    /// Awaiting the call returns one page. [`items`](Call::items) returns a stream of all sessions.
    ///
    /// # Errors
    /// - `INVALID_ARGUMENT` if the filter or the page token is not valid.
    pub fn list_dvr_sessions(&self, parent: &ChannelName) -> Call<ListDvrSessionsRequest> {
        self.call(ListDvrSessionsRequest { parent: parent.into(), ..Default::default() })
    }

    /// Gets a DVR session with its `state`, its `output_uri` and, in the state `FAILED`, the error.
    ///
    /// Awaiting the call returns the session.
    ///
    /// # Errors
    /// - `NOT_FOUND` if the session does not exist.
    pub fn get_dvr_session(&self, name: &DvrSessionName) -> Call<GetDvrSessionRequest> {
        self.call(GetDvrSessionRequest { name: name.into() })
    }

    /// Deletes a DVR session. The session is `DELETING` until the operation ends.
    ///
    /// Awaiting the call returns a long-running operation, whose result is `()`.
    ///
    /// # Errors
    /// - `NOT_FOUND` if the session does not exist.
    pub fn delete_dvr_session(&self, name: &DvrSessionName) -> Call<DeleteDvrSessionRequest> {
        self.call(DeleteDvrSessionRequest { name: name.into(), ..Default::default() })
    }

    /// Updates the windows of the DVR session with the name `dvr_session.name`.
    ///
    /// The mask is required and can contain only `dvr_windows`. No other field of a session can
    /// change.
    ///
    /// While the session is `LIVE`, the service rejects a change that could overwrite its manifest.
    /// There is one exception: you can move the end of a window into the past. The service then
    /// ends the manifest as soon as possible, the session is in `COOLDOWN` for 60 seconds, and the
    /// service creates a new manifest with the new end.
    ///
    /// Awaiting the call returns a long-running operation, whose result is the updated session.
    ///
    /// # Errors
    /// - `NOT_FOUND` if the session does not exist.
    /// - `FAILED_PRECONDITION` if the session's state does not allow the change.
    /// - `INVALID_ARGUMENT` if the mask contains another path.
    /// - `INVALID_ARGUMENT`, before anything is sent, if `dvr_session.name` is not a DVR session
    ///   name.
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
        update_mask: impl Into<Option<FieldMask>>,
    ) -> Call<UpdateDvrSessionRequest> {
        self.call(UpdateDvrSessionRequest {
            update_mask: update_mask.into(),
            dvr_session: Some(dvr_session),
            ..Default::default()
        })
    }
}
