//! The controls of a test: the time, the encoders, the files in Cloud Storage, and failures.

#[cfg(feature = "visionai")]
use super::visionai;
use super::{
    assets, clips, dvr_sessions,
    emulator::{Emulator, Snapshot},
    events,
    gate::{Fault, FaultId, LoggedRequest},
    inputs,
    pipeline::Object,
    state::State,
    status, streaming,
};
use livestream_client::{
    model::{
        Asset, Channel, Clip, DvrSession, Event, Input, channel::StreamingState, clip,
        distribution, dvr_session,
    },
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
        self.advance_clock(by);
        drop(self.state());
        self.keep_clock();
    }

    /// Sets the virtual time, which cannot go back, and makes every change that is due by then.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for a time in the past, or after the year 9999.
    pub fn set_time(&self, time: SystemTime) -> Result<(), Status> {
        if !self.clock().set(time) {
            let reason = "is in the past, or after the year 9999: virtual time does not go back";
            return Err(status::invalid("time", reason));
        }
        drop(self.state());
        self.keep_clock();
        Ok(())
    }

    /// Sets how many times faster than real time virtual time runs from now on; 0 stops it.
    pub fn set_speed(&self, speed: u32) {
        self.clock().set_speed(speed);
        self.keep_clock();
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
        self.clock().pause(true);
        self.keep_clock();
    }

    /// Lets a stopped clock run at its speed again.
    pub fn resume(&self) {
        self.clock().pause(false);
        self.keep_clock();
    }

    /// Removes all resources, operations, faults, logged requests and encoders. The clock and the
    /// settings stay.
    pub fn reset(&self) {
        {
            let mut gate = self.gate();
            gate.faults.clear();
            gate.log.clear();
        }
        let mut state = self.state();
        *state = state.emptied();
    }

    /// Keeps a copy of all resources, operations and encoders.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::new(self.state().clone())
    }

    /// Returns to a snapshot of this or another emulator. The time does not go back: the changes that
    /// were due meanwhile happen at once.
    pub fn restore(&self, snapshot: &Snapshot) {
        let mut state = self.state();
        let now = state.now();
        *state = snapshot.state();
        state.advance_to(now);
    }

    /// Connects an encoder to the input that the channel reads from. A channel that waits for it
    /// begins to stream.
    ///
    /// # Errors
    /// `NOT_FOUND` for an unknown channel.
    pub fn connect_encoder(&self, channel: &ChannelName) -> Result<(), Status> {
        connect(&mut self.state(), channel.as_str())
    }

    /// Disconnects the encoder of the channel's input, until it is connected again. The channel
    /// switches to its backup input or waits in `AWAITING_INPUT`.
    ///
    /// # Errors
    /// `NOT_FOUND` for an unknown channel.
    pub fn disconnect_encoder(&self, channel: &ChannelName) -> Result<(), Status> {
        disconnect(&mut self.state(), channel.as_str())
    }

    /// Connects an encoder to any input, even if no channel reads from it yet; see
    /// [`Emulator::connect_encoder`].
    ///
    /// # Errors
    /// `NOT_FOUND` for an unknown input.
    pub fn feed_input(&self, input: &InputName) -> Result<(), Status> {
        connect(&mut self.state(), input.as_str())
    }

    /// Disconnects the encoder of any input; see [`Emulator::disconnect_encoder`].
    ///
    /// # Errors
    /// `NOT_FOUND` for an unknown input.
    pub fn starve_input(&self, input: &InputName) -> Result<(), Status> {
        disconnect(&mut self.state(), input.as_str())
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
        fail(&mut self.state(), name.as_str(), &error)
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
        fail_distribution(&mut self.state(), channel.as_str(), key, &error)
    }

    /// Ends the error of a channel in `STREAMING_ERROR`: it streams, or waits for its encoder.
    ///
    /// # Errors
    /// `NOT_FOUND` for an unknown channel, `FAILED_PRECONDITION` for one in another state.
    pub fn recover(&self, channel: &ChannelName) -> Result<(), Status> {
        recover(&mut self.state(), channel.as_str())
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
        set_streaming_state(&mut self.state(), channel.as_str(), streaming_state)
    }

    /// Adds a file in Cloud Storage: its URI, its size in bytes and its CRC32C. For an asset with a
    /// file that was not added here, the emulator assumes a small file with the checksum of the asset.
    pub fn put_object(&self, uri: impl Into<String>, bytes: u64, crc32c: u32) {
        self.state().objects.insert(uri.into(), Object { bytes, crc32c });
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
        state.operations.on(name.as_str()).and_then(|operation| operation.parse().ok())
    }
}

/// Connects an encoder to an input, or to the input that a channel reads from.
pub(super) fn connect(state: &mut State, name: &str) -> Result<(), Status> {
    let source = source_of(state, name)?;
    streaming::connect(state, &source);
    Ok(())
}

/// Disconnects the encoder of an input, or of the input that a channel reads from.
pub(super) fn disconnect(state: &mut State, name: &str) -> Result<(), Status> {
    let source = source_of(state, name)?;
    streaming::disconnect(state, &source);
    Ok(())
}

fn source_of(state: &State, name: &str) -> Result<String, Status> {
    if state.find::<Input>(name).is_ok() {
        return Ok(name.to_owned());
    }
    state.find::<Channel>(name).map(|channel| streaming::source(channel).to_owned())
}

/// Makes one of a channel's distributions fail.
pub(super) fn fail_distribution(
    state: &mut State,
    channel: &str,
    key: &str,
    error: &Status,
) -> Result<(), Status> {
    use distribution::State as D;
    let name = format!("{channel}/distributions/{key}");
    let distributions = &state.find::<Channel>(channel)?.distributions;
    let found = distributions.iter().find(|distribution| distribution.key == key);
    let current = found.ok_or_else(|| status::not_found(&name))?.state();
    if !matches!(current, D::AwaitingInput | D::Distributing) {
        return Err(status::wrong_state(&name, current.as_str_name(), "a started distribution"));
    }
    state.edit::<Channel>(channel, |channel| {
        for failed in channel.distributions.iter_mut().filter(|d| d.key == key) {
            failed.set_state(D::Error);
            failed.error = Some(status::to_message(error));
        }
    })?;
    Ok(())
}

/// Ends the error of a channel.
pub(super) fn recover(state: &mut State, channel: &str) -> Result<(), Status> {
    let found = state.find::<Channel>(channel)?;
    if found.streaming_state() != StreamingState::StreamingError {
        let current = found.streaming_state().as_str_name();
        return Err(status::wrong_state(channel, current, "STREAMING_ERROR"));
    }
    streaming::await_input(state, channel);
    streaming::settle(state, channel);
    Ok(())
}

/// Sets the state of a channel without any rules.
pub(super) fn set_streaming_state(
    state: &mut State,
    channel: &str,
    next: StreamingState,
) -> Result<(), Status> {
    state.find::<Channel>(channel)?;
    streaming::enter(state, channel, next);
    Ok(())
}

/// Makes a resource or an operation fail.
pub(super) fn fail(state: &mut State, name: &str, error: &Status) -> Result<(), Status> {
    let operation = state.operations.on(name).unwrap_or(name).to_owned();
    let had_operation = state.end_operation(&operation, Some(error.clone()));
    if let Ok(channel) = state.find::<Channel>(name) {
        if !streaming::is_running(channel) && !had_operation {
            let current = channel.streaming_state().as_str_name();
            return Err(status::wrong_state(name, current, "a running channel"));
        }
        if streaming::is_running(channel) {
            state.clear_next(name);
            streaming::enter(state, name, StreamingState::StreamingError);
            state.edit::<Channel>(name, |channel| {
                channel.streaming_error = Some(status::to_message(error));
            })?;
        }
        return Ok(());
    }
    if had_operation {
        return Ok(());
    }
    let ended =
        |current: &str| Err(status::wrong_state(name, current, "a resource that has not ended"));
    if let Ok(event) = state.find::<Event>(name) {
        if events::has_ended(event) {
            return ended(event.state().as_str_name());
        }
        events::fail(state, name, error);
    } else if let Ok(clip) = state.find::<Clip>(name) {
        if matches!(clip.state(), clip::State::Succeeded | clip::State::Failed) {
            return ended(clip.state().as_str_name());
        }
        clips::fail(state, name, error);
    } else if let Ok(session) = state.find::<DvrSession>(name) {
        if matches!(session.state(), dvr_session::State::Finished | dvr_session::State::Failed) {
            return ended(session.state().as_str_name());
        }
        dvr_sessions::fail(state, name, error);
    } else if state.find::<Asset>(name).is_ok() {
        assets::fail(state, name, error);
    } else {
        #[cfg(feature = "visionai")]
        if visionai::fail(state, name) {
            return Ok(());
        }
        return Err(status::not_found(name));
    }
    Ok(())
}
