//! The controls of a test: the time, the encoders, the files in Cloud Storage, and failures.

use super::{
    changes::{Change, set_time},
    emulator::{Emulator, Snapshot},
    gate::{Fault, FaultId, LoggedRequest},
    inputs,
    pipeline::Object,
};
use livestream_client::{
    model::channel::StreamingState,
    name::{ChannelName, InputName, OperationName, ResourceName},
};
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};
use tonic::Status;

impl Emulator {
    /// The virtual time: the present time of the service. Compute the times in requests from it.
    pub fn now(&self) -> SystemTime {
        self.state().now()
    }

    /// Moves virtual time forward, and makes every change that is due by then.
    ///
    /// This works at any speed, not only with a manual clock: time goes on from there. It does not
    /// move the time of the caller, nor the pauses and deadlines of the client.
    pub fn advance(&self, by: Duration) {
        let _ = self.change_clock(|clock| {
            clock.advance(by);
            Ok(())
        });
    }

    /// Sets the virtual time, which cannot go back, and makes every change that is due by then.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for a time in the past, or after the year 9999.
    pub fn set_time(&self, time: SystemTime) -> Result<(), Status> {
        self.change_clock(|clock| set_time(clock, time)).0
    }

    /// Sets how many times faster than real time virtual time runs from now on; 0 stops it.
    pub fn set_speed(&self, speed: u32) {
        let _ = self.change_clock(|clock| {
            clock.set_speed(speed);
            Ok(())
        });
    }

    /// How many times faster than real time virtual time runs.
    pub fn speed(&self) -> u32 {
        self.clock().speed()
    }

    /// Whether the clock is stopped: by [`Emulator::pause`], or by a speed of 0.
    pub fn is_paused(&self) -> bool {
        let clock = self.clock();
        clock.is_paused() || clock.speed() == 0
    }

    /// Stops the clock, until [`Emulator::resume`]. [`Emulator::advance`] still moves the time.
    pub fn pause(&self) {
        self.set_paused(true);
    }

    /// Lets a stopped clock run at its speed again.
    pub fn resume(&self) {
        self.set_paused(false);
    }

    fn set_paused(&self, is_paused: bool) {
        let _ = self.change_clock(|clock| {
            clock.pause(is_paused);
            Ok(())
        });
    }

    /// Removes all resources, operations, faults, logged requests and encoders. The clock and the
    /// settings stay.
    pub fn reset(&self) {
        let _ = self.change(Change::Reset);
    }

    /// Keeps a copy of all resources, operations and encoders.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::new(self.state().clone())
    }

    /// Returns to a snapshot of this or another emulator. The settings stay. The time does not go back:
    /// the changes that were due meanwhile happen at once.
    ///
    /// # Errors
    /// `FAILED_PRECONDITION` while a state file is open, which cannot hold the snapshot. Use the
    /// snapshots of the control service then.
    pub fn restore(&self, snapshot: &Snapshot) -> Result<(), Status> {
        self.check_no_file()?;
        self.put_back(snapshot);
        Ok(())
    }

    /// Returns to a snapshot.
    pub(super) fn put_back(&self, snapshot: &Snapshot) {
        let mut state = self.state();
        let (now, settings) = (state.now(), state.settings.clone());
        *state = snapshot.state();
        state.settings = settings;
        state.advance_to(now);
    }

    /// Connects an encoder to the input that the channel reads from. A channel that waits for it
    /// begins to stream.
    ///
    /// # Errors
    /// `NOT_FOUND` for an unknown channel.
    pub fn connect_encoder(&self, channel: &ChannelName) -> Result<(), Status> {
        self.change(Change::Connect(channel.to_string()))
    }

    /// Disconnects the encoder of the channel's input, until it is connected again. The channel
    /// switches to its backup input or waits in `AWAITING_INPUT`.
    ///
    /// # Errors
    /// `NOT_FOUND` for an unknown channel.
    pub fn disconnect_encoder(&self, channel: &ChannelName) -> Result<(), Status> {
        self.change(Change::Disconnect(channel.to_string()))
    }

    /// Connects an encoder to any input, even if no channel reads from it yet; see
    /// [`Emulator::connect_encoder`].
    ///
    /// # Errors
    /// `NOT_FOUND` for an unknown input.
    pub fn feed_input(&self, input: &InputName) -> Result<(), Status> {
        self.change(Change::Connect(input.to_string()))
    }

    /// Disconnects the encoder of any input; see [`Emulator::disconnect_encoder`].
    ///
    /// # Errors
    /// `NOT_FOUND` for an unknown input.
    pub fn starve_input(&self, input: &InputName) -> Result<(), Status> {
        self.change(Change::Disconnect(input.to_string()))
    }

    /// Makes a channel, event, clip, DVR session, asset or operation fail.
    ///
    /// A running channel goes to `STREAMING_ERROR` (see [`Emulator::recover`]), an asset to `ERROR`,
    /// the others to `FAILED`, each with the error. An operation that works on the resource ends with
    /// the error too; a resource that it should update or delete stays as before. A cluster of
    /// Vision AI goes to `ERROR`, and is deleted an hour later with everything in it.
    ///
    /// # Errors
    /// `NOT_FOUND` if nothing with this name can fail, `FAILED_PRECONDITION` if it has ended.
    pub fn fail(&self, name: &impl ResourceName, error: Status) -> Result<(), Status> {
        self.change(Change::Fail { name: name.as_str().to_owned(), key: String::new(), error })
    }

    /// Makes one of a channel's distributions fail. It stays in `ERROR` until it is stopped.
    ///
    /// # Errors
    /// `NOT_FOUND` for an unknown channel or key, `FAILED_PRECONDITION` if the distribution is not
    /// started.
    pub fn fail_distribution(
        &self,
        channel: &ChannelName,
        key: &str,
        error: Status,
    ) -> Result<(), Status> {
        self.change(Change::Fail { name: channel.to_string(), key: key.to_owned(), error })
    }

    /// Ends the error of a channel in `STREAMING_ERROR`: it streams, or waits for its encoder.
    ///
    /// # Errors
    /// `NOT_FOUND` for an unknown channel, `FAILED_PRECONDITION` for one in another state.
    pub fn recover(&self, channel: &ChannelName) -> Result<(), Status> {
        self.change(Change::Recover(channel.to_string()))
    }

    /// Sets the state of a channel without any rules: for states that the emulator does not enter by
    /// itself, such as `STREAMING_NO_INPUT`.
    ///
    /// # Errors
    /// `NOT_FOUND` for an unknown channel.
    pub fn set_streaming_state(
        &self,
        channel: &ChannelName,
        streaming_state: StreamingState,
    ) -> Result<(), Status> {
        self.change(Change::SetStreamingState(channel.to_string(), streaming_state))
    }

    /// Adds a file in Cloud Storage: its URI, its size in bytes and its CRC32C. For an asset with a
    /// file that was not added here, the emulator assumes a small file with the checksum of the asset.
    /// Does nothing for a URI that does not begin with `gs://`.
    pub fn put_object(&self, uri: impl Into<String>, bytes: u64, crc32c: u32) {
        let _ = self.change(Change::PutObject(uri.into(), Object { bytes, crc32c }));
    }

    /// Adds a fault for the requests of all clients; see [`Fault`].
    pub fn inject(&self, fault: Fault) -> FaultId {
        self.gate().faults.add(fault)
    }

    /// Removes a fault. Returns `false` if it has ended or was removed before.
    pub fn remove_fault(&self, id: FaultId) -> bool {
        self.gate().faults.remove(id)
    }

    /// Removes all faults.
    pub fn clear_faults(&self) {
        self.gate().faults.clear();
    }

    /// The last 1,000 requests of all clients, oldest first.
    pub fn requests(&self) -> Vec<LoggedRequest> {
        self.gate().log.requests().cloned().collect()
    }

    /// Calls `sink` with a line of text for each request that has ended.
    pub fn log_to(&self, sink: impl Fn(&str) + Send + Sync + 'static) {
        self.gate().sink = Some(Arc::new(sink));
    }

    /// Forgets the requests so far.
    pub fn clear_requests(&self) {
        self.gate().log.clear();
    }

    /// The end of a token for the preview of an input, an hour after it was given out; `None` for a
    /// token that is not valid, or not any more.
    pub fn preview_token_end(&self, token: &str) -> Option<SystemTime> {
        let state = self.state();
        let end = state.preview_tokens.get(token).copied();
        end.filter(|end| inputs::is_valid_until(*end, state.now()))
    }

    /// The operation that works on a resource now.
    pub fn operation_on(&self, name: &impl ResourceName) -> Option<OperationName> {
        let state = self.state();
        let by_id = state.settings.projects.with_id(name.as_str());
        let name = by_id.as_deref().unwrap_or(name.as_str());
        state.operations.on(name).and_then(|operation| operation.parse().ok())
    }
}
