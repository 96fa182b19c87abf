//! The controls of a test: the time, the encoders, the files in Cloud Storage, and failures.

#[cfg(feature = "visionai")]
use super::visionai;
use super::{
    assets, clips, dvr_sessions, emulator::Emulator, events, pipeline::Object, state::State,
    status, streaming,
};
use livestream_client::{
    model::{
        Asset, Channel, Clip, DvrSession, Event, Input, channel::StreamingState, clip,
        distribution, dvr_session,
    },
    name::{ChannelName, InputName, OperationName, ResourceName},
};
use std::time::{Duration, SystemTime};
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
    }

    /// Connects an encoder to the input that the channel reads from. A channel that waits for it
    /// begins to stream.
    ///
    /// # Errors
    /// `NOT_FOUND` for an unknown channel.
    pub fn connect_encoder(&self, channel: &ChannelName) -> Result<(), Status> {
        let mut state = self.state();
        let source = source_of(&state, channel)?;
        streaming::connect(&mut state, &source);
        Ok(())
    }

    /// Disconnects the encoder of the channel's input, until it is connected again. The channel
    /// switches to its backup input or waits in `AWAITING_INPUT`.
    ///
    /// # Errors
    /// `NOT_FOUND` for an unknown channel.
    pub fn disconnect_encoder(&self, channel: &ChannelName) -> Result<(), Status> {
        let mut state = self.state();
        let source = source_of(&state, channel)?;
        streaming::disconnect(&mut state, &source);
        Ok(())
    }

    /// Connects an encoder to any input, even if no channel reads from it yet; see
    /// [`Emulator::connect_encoder`].
    ///
    /// # Errors
    /// `NOT_FOUND` for an unknown input.
    pub fn feed_input(&self, input: &InputName) -> Result<(), Status> {
        let mut state = self.state();
        state.find::<Input>(input.as_str())?;
        streaming::connect(&mut state, input.as_str());
        Ok(())
    }

    /// Disconnects the encoder of any input; see [`Emulator::disconnect_encoder`].
    ///
    /// # Errors
    /// `NOT_FOUND` for an unknown input.
    pub fn starve_input(&self, input: &InputName) -> Result<(), Status> {
        let mut state = self.state();
        state.find::<Input>(input.as_str())?;
        streaming::disconnect(&mut state, input.as_str());
        Ok(())
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
        let mut state = self.state();
        let name = format!("{channel}/distributions/{key}");
        let distributions = &state.find::<Channel>(channel.as_str())?.distributions;
        let found = distributions.iter().find(|distribution| distribution.key == key);
        let current = found.ok_or_else(|| status::not_found(&name))?.state();
        if !matches!(
            current,
            distribution::State::AwaitingInput | distribution::State::Distributing
        ) {
            return Err(status::wrong_state(
                &name,
                current.as_str_name(),
                "a started distribution",
            ));
        }
        state.edit::<Channel>(channel.as_str(), |channel| {
            for failed in channel.distributions.iter_mut().filter(|d| d.key == key) {
                failed.set_state(distribution::State::Error);
                failed.error = Some(status::to_message(&error));
            }
        })?;
        Ok(())
    }

    /// Ends the error of a channel in `STREAMING_ERROR`: it streams, or waits for its encoder.
    ///
    /// # Errors
    /// `NOT_FOUND` for an unknown channel, `FAILED_PRECONDITION` for one in another state.
    pub fn recover(&self, channel: &ChannelName) -> Result<(), Status> {
        let mut state = self.state();
        let found = state.find::<Channel>(channel.as_str())?;
        if found.streaming_state() != StreamingState::StreamingError {
            let current = found.streaming_state().as_str_name();
            return Err(status::wrong_state(channel.as_str(), current, "STREAMING_ERROR"));
        }
        streaming::await_input(&mut state, channel.as_str());
        streaming::settle(&mut state, channel.as_str());
        Ok(())
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
        let mut state = self.state();
        state.find::<Channel>(channel.as_str())?;
        streaming::enter(&mut state, channel.as_str(), streaming_state);
        Ok(())
    }

    /// Adds a file in Cloud Storage: its URI, its size in bytes and its CRC32C. For an asset with a
    /// file that was not added here, the emulator assumes a small file with the checksum of the asset.
    pub fn put_object(&self, uri: impl Into<String>, bytes: u64, crc32c: u32) {
        self.state().objects.insert(uri.into(), Object { bytes, crc32c });
    }

    /// The operation that works on a resource now.
    pub fn operation_on(&self, name: &impl ResourceName) -> Option<OperationName> {
        let state = self.state();
        state.operations.on(name.as_str()).and_then(|operation| operation.parse().ok())
    }
}

fn source_of(state: &State, channel: &ChannelName) -> Result<String, Status> {
    state.find::<Channel>(channel.as_str()).map(|channel| streaming::source(channel).to_owned())
}

fn fail(state: &mut State, name: &str, error: &Status) -> Result<(), Status> {
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
