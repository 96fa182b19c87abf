//! Running channels: their sources, encoders and distributions.
//!
//! A channel reads from one source at a time: the input of its active attachment or, where it has
//! no attachments, an encoder of its own. By default an encoder connects by itself a few seconds
//! after a channel begins to wait for one, and disconnects when the channel stops.

use super::{
    pipeline::Feed,
    state::{Resource as _, State},
};
use livestream_client::model::{
    AudioFormat, AudioStreamProperty, Channel, Input, InputStreamProperty, VideoFormat,
    VideoStreamProperty, channel::StreamingState, distribution::State as DistributionState,
    input_config::InputSwitchMode,
};
use std::time::Duration;

/// How long a channel takes to notice an encoder that connected before the channel started.
const FIRST_FRAME: Duration = Duration::from_secs(1);

/// Whether a channel is started.
pub(super) fn is_running(channel: &Channel) -> bool {
    use StreamingState as S;
    matches!(
        channel.streaming_state(),
        S::Streaming | S::AwaitingInput | S::StreamingError | S::StreamingNoInput
    )
}

/// The source that a channel reads from now.
pub(super) fn source(channel: &Channel) -> &str {
    source_at(channel, &channel.active_input)
}

/// The source of a channel by the attachment with a key.
fn source_at<'a>(channel: &'a Channel, key: &str) -> &'a str {
    let attached = channel.input_attachments.iter().find(|attached| attached.key == key);
    attached.map_or(&channel.name, |attached| &attached.input)
}

/// Lets a channel wait for its encoder.
pub(super) fn await_input(state: &mut State, channel: &str) {
    enter(state, channel, StreamingState::AwaitingInput);
    let Ok(found) = state.find::<Channel>(channel) else { return };
    let is_there = state.feeds.get(source(found)) == Some(&Feed::Connected);
    let delay = state.settings.encoder_delay().or(is_there.then_some(FIRST_FRAME));
    let Some(delay) = delay else { return };
    let name = channel.to_owned();
    state.set_next(channel, state.after(delay), move |state| {
        let Ok(channel) = state.find::<Channel>(&name) else { return };
        let source = source(channel).to_owned();
        if state.feeds.get(&source) != Some(&Feed::Disconnected) {
            connect(state, &source);
        }
    });
}

/// Begins a session of a running channel, which the service restarts when it is over.
pub(super) fn begin_session(state: &mut State, channel: &str) {
    let Some(length) = state.settings.session() else { return };
    let (time, name) = (state.after(length), channel.to_owned());
    state.set_next(&session_key(channel), time, move |state| {
        let Ok(found) = state.find::<Channel>(&name) else { return };
        let is_due = matches!(
            found.streaming_state(),
            StreamingState::Streaming | StreamingState::AwaitingInput
        );
        if is_due {
            // Its encoder connects again.
            await_input(state, &name);
        }
        begin_session(state, &name);
    });
}

/// The session of a channel is a change beside those of the channel itself.
fn session_key(channel: &str) -> String {
    format!("{channel}/session")
}

/// Connects an encoder to a source.
pub(super) fn connect(state: &mut State, source: &str) {
    state.feeds.insert(source.to_owned(), Feed::Connected);
    let since = state.now().into();
    // The properties of the feed are observed and not updated, so `update_time` stays.
    if let Some(input) = Input::table_mut(state).get_mut(source) {
        input.input_stream_property.get_or_insert_with(|| InputStreamProperty {
            last_establish_time: Some(since),
            ..example_feed()
        });
    }
    settle_all(state, source);
}

fn example_feed() -> InputStreamProperty {
    let video_format = VideoFormat {
        codec: "h264".to_owned(),
        width_pixels: 1920,
        height_pixels: 1080,
        frame_rate: 30.0,
    };
    let audio_format = AudioFormat {
        codec: "aac".to_owned(),
        channel_count: 2,
        channel_layout: vec!["FL".to_owned(), "FR".to_owned()],
    };
    InputStreamProperty {
        last_establish_time: None,
        video_streams: vec![VideoStreamProperty { index: 0, video_format: Some(video_format) }],
        audio_streams: vec![AudioStreamProperty { index: 1, audio_format: Some(audio_format) }],
    }
}

/// Disconnects the encoder at a source. It does not connect again by itself.
pub(super) fn disconnect(state: &mut State, source: &str) {
    state.feeds.insert(source.to_owned(), Feed::Disconnected);
    forget_stream(state, source);
    settle_all(state, source);
}

fn forget_stream(state: &mut State, source: &str) {
    if let Some(input) = Input::table_mut(state).get_mut(source) {
        input.input_stream_property = None;
    }
}

/// Updates the channels that may read from a source; see [`settle`].
fn settle_all(state: &mut State, at: &str) {
    let may_read = |channel: &&Channel| {
        channel.name == at || channel.input_attachments.iter().any(|attached| attached.input == at)
    };
    let channels = Channel::table(state).values().filter(may_read);
    for channel in channels.map(|channel| channel.name.clone()).collect::<Vec<_>>() {
        settle(state, &channel);
    }
}

/// Updates a channel after a change of its encoders: the input that it reads from, and whether it
/// streams.
pub(super) fn settle(state: &mut State, name: &str) {
    let Ok(channel) = state.find::<Channel>(name) else { return };
    let was = channel.streaming_state();
    if !matches!(was, StreamingState::AwaitingInput | StreamingState::Streaming) {
        return;
    }
    let has_feed = |key: &str| state.feeds.get(source_at(channel, key)) == Some(&Feed::Connected);
    let candidates = candidates(state, channel);
    let fed = candidates.iter().find(|key| has_feed(key));
    let active = fed.map_or(&*channel.active_input, |key| key).to_owned();
    let is_fed = has_feed(&active);
    if active != channel.active_input {
        edit(state, name, |channel| channel.active_input = active);
    }
    match (was, is_fed) {
        (StreamingState::AwaitingInput, true) => {
            enter(state, name, StreamingState::Streaming);
        }
        (StreamingState::Streaming, false) => await_input(state, name),
        _ => {}
    }
}

/// The attachments that a channel may read from, in the order of preference.
fn candidates<'a>(state: &State, channel: &'a Channel) -> Vec<&'a str> {
    let is_manual = channel
        .input_config
        .as_ref()
        .is_some_and(|config| config.input_switch_mode() == InputSwitchMode::Manual);
    let is_switched =
        state.pipelines.get(&channel.name).is_some_and(|pipeline| pipeline.is_switched);
    match channel.input_attachments.first() {
        Some(primary) if !is_manual && !is_switched => {
            let backups =
                primary.automatic_failover.iter().flat_map(|failover| &failover.input_keys);
            std::iter::once(&primary.key).chain(backups).map(|key| &**key).collect()
        }
        _ => vec![&*channel.active_input],
    }
}

/// Stops the pipeline of a channel, and disconnects the encoders that no channel reads from.
pub(super) fn release(state: &mut State, name: &str) {
    state.clear_next(name);
    state.clear_next(&session_key(name));
    enter(state, name, StreamingState::Stopped);
    if let Some(pipeline) = state.pipelines.get_mut(name) {
        pipeline.is_switched = false;
        pipeline.muted_by = None;
    }
    let Ok(channel) = state.find::<Channel>(name) else { return };
    let attached = channel.input_attachments.iter().map(|attached| attached.input.clone());
    let sources: Vec<_> = attached.chain([name.to_owned()]).collect();
    for source in sources {
        if state.feeds.get(&source) == Some(&Feed::Connected) && !is_read(state, &source) {
            state.feeds.remove(&source);
            forget_stream(state, &source);
        }
    }
}

/// Whether a running channel reads from a source.
fn is_read(state: &State, of: &str) -> bool {
    Channel::table(state).values().any(|channel| is_running(channel) && source(channel) == of)
}

/// Puts a channel in a state, and its distributions in the states that follow.
pub(super) fn enter(state: &mut State, name: &str, next: StreamingState) {
    let now = state.now();
    let pipeline = state.pipelines.entry(name.to_owned()).or_default();
    pipeline.set_on_air(next == StreamingState::Streaming, now);
    edit(state, name, |channel| {
        channel.set_streaming_state(next);
        if next != StreamingState::StreamingError {
            channel.streaming_error = None;
        }
        let is_running = is_running(channel);
        for distribution in &mut channel.distributions {
            let state = distribution_state(distribution.state(), is_running, next);
            distribution.set_state(state);
            if state != DistributionState::Error {
                distribution.error = None;
            }
        }
    });
}

/// The next state of a distribution whose channel enters a state.
fn distribution_state(
    was: DistributionState,
    is_running: bool,
    channel: StreamingState,
) -> DistributionState {
    use DistributionState as D;
    match was {
        _ if !is_running => D::NotReady,
        D::Unspecified | D::NotReady => D::Ready,
        D::AwaitingInput if channel == StreamingState::Streaming => D::Distributing,
        D::Distributing if channel != StreamingState::Streaming => D::AwaitingInput,
        _ => was,
    }
}

/// Changes a channel, if it exists.
fn edit(state: &mut State, name: &str, change: impl FnOnce(&mut Channel)) {
    // The channel may have been deleted.
    let _ = state.edit::<Channel>(name, change);
}
