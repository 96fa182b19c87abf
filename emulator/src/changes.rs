//! The changes that a test makes beside the requests of the API: by methods of the handle and by the
//! control service, in one way. A state file has them as requests of the control service.

#[cfg(feature = "http")]
use super::control_proto::{
    ConnectEncoderRequest, DisconnectEncoderRequest, FailResourceRequest, PutObjectRequest,
    RecoverChannelRequest, ResetRequest, SetStreamingStateRequest,
};
#[cfg(feature = "visionai")]
use super::visionai;
use super::{
    assets, clips, clock::Clock, dvr_sessions, emulator::Emulator, events, pipeline::Object,
    state::State, status, streaming,
};
use livestream_client::model::{
    Asset, Channel, Clip, DvrSession, Event, Input, channel::StreamingState, clip, distribution,
    dvr_session,
};
use std::time::SystemTime;
use tonic::{Code, Status};

/// A change. Names can have the number of their project.
pub(super) enum Change {
    /// Connects an encoder to an input, or to the input that a channel reads from.
    Connect(String),
    /// Disconnects the encoder of an input, or of the input that a channel reads from.
    Disconnect(String),
    /// Adds a file in Cloud Storage.
    PutObject(String, Object),
    /// Makes a resource or an operation fail, or the distribution of a channel with a key.
    Fail { name: String, key: String, error: Status },
    /// Ends the error of a channel.
    Recover(String),
    /// Sets the state of a channel without any rules.
    SetStreamingState(String, StreamingState),
    /// Removes everything.
    Reset,
}

impl Change {
    /// Makes the change.
    pub(super) fn apply(self, emulator: &Emulator) -> Result<(), Status> {
        if let Self::Reset = self {
            let mut gate = emulator.gate();
            gate.faults.clear();
            gate.log.clear();
        }
        let mut state = emulator.state();
        let state = &mut *state;
        let by_id = |name: String| state.settings.projects.with_id(&name).unwrap_or(name);
        match self {
            Self::Connect(name) => connect(state, &by_id(name)),
            Self::Disconnect(name) => disconnect(state, &by_id(name)),
            Self::PutObject(uri, object) if uri.starts_with("gs://") => {
                state.objects.insert(uri, object);
                Ok(())
            }
            Self::PutObject(..) => Err(status::invalid("uri", "must begin with `gs://`")),
            Self::Fail { name, key, error } => {
                let name = by_id(name);
                let error = match error.code() {
                    Code::Ok => Status::internal(error.message()),
                    _ => error,
                };
                match &*key {
                    "" => fail(state, &name, &error),
                    key => fail_distribution(state, &name, key, &error),
                }
            }
            Self::Recover(name) => recover(state, &by_id(name)),
            Self::SetStreamingState(name, next) => set_streaming_state(state, &by_id(name), next),
            Self::Reset => {
                *state = state.emptied();
                Ok(())
            }
        }
    }
}

impl Emulator {
    /// Makes a change by a method of the handle.
    pub(super) fn change(&self, change: Change) -> Result<(), Status> {
        #[cfg(feature = "http")]
        if self.journal().is_some() {
            return self.keep(change);
        }
        change.apply(self)
    }

    /// Makes a change, and adds the request of the control service for it to the journal.
    #[cfg(feature = "http")]
    fn keep(&self, change: Change) -> Result<(), Status> {
        macro_rules! keep {
            ($method:literal, $request:expr) => {{
                let path = concat!("/livestream.emulator.v1.Control/", $method);
                let request = $request;
                self.control(path, request, |_| change.apply(self)).0
            }};
        }
        match &change {
            Change::Connect(name) => {
                keep!("ConnectEncoder", ConnectEncoderRequest { name: name.clone() })
            }
            Change::Disconnect(name) => {
                keep!("DisconnectEncoder", DisconnectEncoderRequest { name: name.clone() })
            }
            Change::PutObject(uri, Object { bytes, crc32c }) => {
                let (bytes, crc32c) = (*bytes, *crc32c);
                keep!("PutObject", PutObjectRequest { uri: uri.clone(), bytes, crc32c })
            }
            Change::Fail { name, key, error } => {
                let error = Some(status::to_message(error));
                let (name, distribution_key) = (name.clone(), key.clone());
                keep!("FailResource", FailResourceRequest { name, error, distribution_key })
            }
            Change::Recover(name) => {
                keep!("RecoverChannel", RecoverChannelRequest { name: name.clone() })
            }
            Change::SetStreamingState(name, next) => {
                let (name, state) = (name.clone(), next.as_str_name().to_owned());
                keep!("SetStreamingState", SetStreamingStateRequest { name, state })
            }
            Change::Reset => keep!("Reset", ResetRequest {}),
        }
    }

    /// Whether no state file is open.
    ///
    /// # Errors
    /// `FAILED_PRECONDITION`.
    pub(super) fn check_no_file(&self) -> Result<(), Status> {
        #[cfg(feature = "http")]
        if self.journal().is_some() {
            let reason = "a state file is open, and would not have this change";
            return Err(status::precondition("STATE_FILE_OPEN", "state", reason));
        }
        Ok(())
    }
}

/// Sets the time of a clock.
pub(super) fn set_time(clock: &mut Clock, time: SystemTime) -> Result<(), Status> {
    if clock.set(time) {
        return Ok(());
    }
    let reason = "is in the past, or after the year 9999: virtual time does not go back";
    Err(status::invalid("time", reason))
}

/// Connects an encoder to an input, or to the input that a channel reads from.
fn connect(state: &mut State, name: &str) -> Result<(), Status> {
    let source = source_of(state, name)?;
    streaming::connect(state, &source);
    Ok(())
}

/// Disconnects the encoder of an input, or of the input that a channel reads from.
fn disconnect(state: &mut State, name: &str) -> Result<(), Status> {
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
fn fail_distribution(
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
fn recover(state: &mut State, channel: &str) -> Result<(), Status> {
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
fn set_streaming_state(
    state: &mut State,
    channel: &str,
    next: StreamingState,
) -> Result<(), Status> {
    state.find::<Channel>(channel)?;
    streaming::enter(state, channel, next);
    Ok(())
}

/// Makes a resource or an operation fail.
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
