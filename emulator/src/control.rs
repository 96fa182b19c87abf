//! The other side of the service: what happens in the world around it, at a test's command.

use super::{
    Emulator, assets, clips, dvr_sessions, events, fault, streaming,
    world::{Object, World},
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
    /// The virtual time: what the service believes to be now. Times in requests should be reckoned
    /// from here.
    pub fn now(&self) -> SystemTime {
        self.world().now()
    }

    /// Moves virtual time forward, and lets everything happen that is due by then.
    ///
    /// This works at any speed, not only with a manual clock: time then goes on from there. The
    /// caller's own time stays as it is, and with it the client's pauses and deadlines.
    pub fn advance(&self, by: Duration) {
        self.advance_clock(by);
        drop(self.world());
    }

    /// An encoder begins to send to the input that the channel reads from; a channel that awaits it
    /// is `STREAMING` from now on.
    ///
    /// # Errors
    /// `NOT_FOUND` for an unknown channel.
    pub fn connect_encoder(&self, channel: &ChannelName) -> Result<(), Status> {
        let mut world = self.world();
        let source = source_of(&world, channel)?;
        streaming::connect(&mut world, &source);
        Ok(())
    }

    /// The encoder that sends to the channel's input stops, and does not come back until it is
    /// connected again. The channel goes to its backup input or to `AWAITING_INPUT`.
    ///
    /// # Errors
    /// `NOT_FOUND` for an unknown channel.
    pub fn disconnect_encoder(&self, channel: &ChannelName) -> Result<(), Status> {
        let mut world = self.world();
        let source = source_of(&world, channel)?;
        streaming::disconnect(&mut world, &source);
        Ok(())
    }

    /// As [`Emulator::connect_encoder`], for any input: also one that no channel reads from yet.
    ///
    /// # Errors
    /// `NOT_FOUND` for an unknown input.
    pub fn feed_input(&self, input: &InputName) -> Result<(), Status> {
        let mut world = self.world();
        world.find::<Input>(input.as_str())?;
        streaming::connect(&mut world, input.as_str());
        Ok(())
    }

    /// As [`Emulator::disconnect_encoder`], for any input.
    ///
    /// # Errors
    /// `NOT_FOUND` for an unknown input.
    pub fn starve_input(&self, input: &InputName) -> Result<(), Status> {
        let mut world = self.world();
        world.find::<Input>(input.as_str())?;
        streaming::disconnect(&mut world, input.as_str());
        Ok(())
    }

    /// Something goes wrong with a channel, event, clip, DVR session, asset or operation.
    ///
    /// A running channel is in `STREAMING_ERROR` then (see [`Emulator::recover`]), an asset in
    /// `ERROR`, the others are `FAILED`, each with the error. Where an operation works on it, that
    /// ends with the error too; what it was to change or to delete goes on as before. A cluster of
    /// Vision AI is in `ERROR`, and gone an hour later with all that is in it.
    ///
    /// # Errors
    /// `NOT_FOUND` if nothing of that name can fail, `FAILED_PRECONDITION` if it is over.
    pub fn fail(&self, name: &impl ResourceName, error: Status) -> Result<(), Status> {
        fail(&mut self.world(), name.as_str(), &error)
    }

    /// Pushing one of a channel's distributions goes wrong: it is in `ERROR`, until it is stopped.
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
        use distribution::State;
        let mut world = self.world();
        let name = format!("{channel}/distributions/{key}");
        let distributions = &world.find::<Channel>(channel.as_str())?.distributions;
        let found = distributions.iter().find(|distribution| distribution.key == key);
        let state = found.ok_or_else(|| fault::not_found(&name))?.state();
        if !matches!(state, State::AwaitingInput | State::Distributing) {
            return Err(fault::wrong_state(&name, state.as_str_name(), "a started one"));
        }
        world.edit::<Channel>(channel.as_str(), |channel| {
            for failed in channel.distributions.iter_mut().filter(|d| d.key == key) {
                failed.set_state(State::Error);
                failed.error = Some(fault::to_message(&error));
            }
        })?;
        Ok(())
    }

    /// A channel in `STREAMING_ERROR` gets well: it streams, or waits for its encoder.
    ///
    /// # Errors
    /// `NOT_FOUND` for an unknown channel, `FAILED_PRECONDITION` for one in another state.
    pub fn recover(&self, channel: &ChannelName) -> Result<(), Status> {
        let mut world = self.world();
        let found = world.find::<Channel>(channel.as_str())?;
        if found.streaming_state() != StreamingState::StreamingError {
            let state = found.streaming_state().as_str_name();
            return Err(fault::wrong_state(channel.as_str(), state, "STREAMING_ERROR"));
        }
        streaming::await_input(&mut world, channel.as_str());
        streaming::settle(&mut world, channel.as_str());
        Ok(())
    }

    /// Puts a channel into a state, whatever the rules say: for states that no rule leads to, such
    /// as `STREAMING_NO_INPUT`.
    ///
    /// # Errors
    /// `NOT_FOUND` for an unknown channel.
    pub fn set_streaming_state(
        &self,
        channel: &ChannelName,
        state: StreamingState,
    ) -> Result<(), Status> {
        let mut world = self.world();
        world.find::<Channel>(channel.as_str())?;
        streaming::enter(&mut world, channel.as_str(), state);
        Ok(())
    }

    /// Tells what file is at a Cloud Storage URI: how many bytes it has, and their CRC32C. An asset
    /// made from a file that nobody described is taken to be as it says.
    pub fn put_object(&self, uri: impl Into<String>, bytes: u64, crc32c: u32) {
        self.world().objects.insert(uri.into(), Object { bytes, crc32c });
    }

    /// The operation that works on a resource now.
    pub fn operation_on(&self, name: &impl ResourceName) -> Option<OperationName> {
        let world = self.world();
        world.operations.on(name.as_str()).and_then(|operation| operation.parse().ok())
    }
}

fn source_of(world: &World, channel: &ChannelName) -> Result<String, Status> {
    world.find::<Channel>(channel.as_str()).map(|channel| streaming::source(channel).to_owned())
}

fn fail(world: &mut World, name: &str, error: &Status) -> Result<(), Status> {
    let operation = world.operations.on(name).unwrap_or(name).to_owned();
    let had_operation = world.end_operation(&operation, Some(error.clone()));
    if let Ok(channel) = world.find::<Channel>(name) {
        if !streaming::is_running(channel) && !had_operation {
            let state = channel.streaming_state().as_str_name();
            return Err(fault::wrong_state(name, state, "a running channel"));
        }
        if streaming::is_running(channel) {
            world.unplan(name);
            streaming::enter(world, name, StreamingState::StreamingError);
            world.edit::<Channel>(name, |channel| {
                channel.streaming_error = Some(fault::to_message(error));
            })?;
        }
        return Ok(());
    }
    if had_operation {
        return Ok(());
    }
    let over = |state: &str| Err(fault::wrong_state(name, state, "one that is not over"));
    if let Ok(event) = world.find::<Event>(name) {
        if events::is_over(event) {
            return over(event.state().as_str_name());
        }
        events::fail(world, name, error);
    } else if let Ok(clip) = world.find::<Clip>(name) {
        if matches!(clip.state(), clip::State::Succeeded | clip::State::Failed) {
            return over(clip.state().as_str_name());
        }
        clips::fail(world, name, error);
    } else if let Ok(session) = world.find::<DvrSession>(name) {
        if matches!(session.state(), dvr_session::State::Finished | dvr_session::State::Failed) {
            return over(session.state().as_str_name());
        }
        dvr_sessions::fail(world, name, error);
    } else if world.find::<Asset>(name).is_ok() {
        assets::fail(world, name, error);
    } else {
        #[cfg(feature = "visionai")]
        if super::visionai::fail(world, name) {
            return Ok(());
        }
        return Err(fault::not_found(name));
    }
    Ok(())
}
