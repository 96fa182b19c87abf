//! What runs while a channel runs: its source, its encoder, its distributions.
//!
//! A channel reads from one source at a time: the input of its active attachment or, where it has
//! no attachments, an encoder of its own. Unless told otherwise an encoder connects by itself a few
//! seconds after a channel begins to wait for one, and goes when the channel stops.

use super::world::{Resource as _, World};
use livestream_client::model::{
    AudioFormat, AudioStreamProperty, Channel, Input, InputStreamProperty, VideoFormat,
    VideoStreamProperty, channel::StreamingState, distribution::State as DistributionState,
    input_config::InputSwitchMode,
};
use std::time::Duration;

/// How long a channel takes to notice an encoder that was there before it.
const FIRST_FRAME: Duration = Duration::from_secs(1);

/// What is known of the encoder at a source; of most nothing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Feed {
    /// It sends.
    Connected,
    /// It does not, and shall not connect by itself.
    HeldOff,
}

/// What a channel does beyond what its resource tells.
#[derive(Debug, Default)]
pub(super) struct Pipeline {
    /// Whether it has ever streamed, so that there is content to cut clips from.
    pub(super) has_streamed: bool,
    /// Whether an event chose the input: from then on the service does not.
    pub(super) is_switched: bool,
    /// The event that silenced it.
    pub(super) muted_by: Option<String>,
}

/// Whether a channel was started and not stopped since.
pub(super) fn is_running(channel: &Channel) -> bool {
    use StreamingState as S;
    matches!(
        channel.streaming_state(),
        S::Streaming | S::AwaitingInput | S::StreamingError | S::StreamingNoInput
    )
}

/// What a channel reads from now.
pub(super) fn source(channel: &Channel) -> &str {
    source_at(channel, &channel.active_input)
}

/// What a channel reads from by the attachment of that key.
fn source_at<'a>(channel: &'a Channel, key: &str) -> &'a str {
    let attached = channel.input_attachments.iter().find(|attached| attached.key == key);
    attached.map_or(&channel.name, |attached| &attached.input)
}

/// The pipeline is ready: from now on the channel waits for its encoder.
pub(super) fn await_input(world: &mut World, channel: &str) {
    enter(world, channel, StreamingState::AwaitingInput);
    let Ok(found) = world.find::<Channel>(channel) else { return };
    let is_there = world.feeds.get(source(found)) == Some(&Feed::Connected);
    let delay = world.settings.encoder_delay.or(is_there.then_some(FIRST_FRAME));
    let Some(delay) = delay else { return };
    let name = channel.to_owned();
    world.plan(channel, world.after(delay), move |world| {
        let Ok(channel) = world.find::<Channel>(&name) else { return };
        let source = source(channel).to_owned();
        if world.feeds.get(&source) != Some(&Feed::HeldOff) {
            connect(world, &source);
        }
    });
}

/// An encoder connects to a source.
pub(super) fn connect(world: &mut World, source: &str) {
    world.feeds.insert(source.to_owned(), Feed::Connected);
    let since = world.now().into();
    // What a feed is seen to be is no change that anyone made, so `update_time` stays.
    if let Some(input) = Input::table_mut(world).get_mut(source) {
        input.input_stream_property.get_or_insert_with(|| InputStreamProperty {
            last_establish_time: Some(since),
            ..example_feed()
        });
    }
    settle_all(world, source);
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

/// The encoder at a source goes, and shall not come back by itself.
pub(super) fn disconnect(world: &mut World, source: &str) {
    world.feeds.insert(source.to_owned(), Feed::HeldOff);
    forget_stream(world, source);
    settle_all(world, source);
}

fn forget_stream(world: &mut World, source: &str) {
    if let Some(input) = Input::table_mut(world).get_mut(source) {
        input.input_stream_property = None;
    }
}

/// Brings the channels that may read from a source in line with its encoder.
fn settle_all(world: &mut World, at: &str) {
    let may_read = |channel: &&Channel| {
        channel.name == at || channel.input_attachments.iter().any(|attached| attached.input == at)
    };
    let channels = Channel::table(world).values().filter(may_read);
    for channel in channels.map(|channel| channel.name.clone()).collect::<Vec<_>>() {
        settle(world, &channel);
    }
}

/// Brings one channel in line with the encoders: which input it reads from, and whether it streams.
pub(super) fn settle(world: &mut World, name: &str) {
    let Ok(channel) = world.find::<Channel>(name) else { return };
    let was = channel.streaming_state();
    if !matches!(was, StreamingState::AwaitingInput | StreamingState::Streaming) {
        return;
    }
    let has_feed = |key: &str| world.feeds.get(source_at(channel, key)) == Some(&Feed::Connected);
    let candidates = candidates(world, channel);
    let fed = candidates.iter().find(|key| has_feed(key));
    let active = fed.map_or(&*channel.active_input, |key| key).to_owned();
    let is_fed = has_feed(&active);
    if active != channel.active_input {
        edit(world, name, |channel| channel.active_input = active);
    }
    match (was, is_fed) {
        (StreamingState::AwaitingInput, true) => {
            world.pipelines.entry(name.to_owned()).or_default().has_streamed = true;
            enter(world, name, StreamingState::Streaming);
        }
        (StreamingState::Streaming, false) => await_input(world, name),
        _ => {}
    }
}

/// The attachments that a channel may read from, best first.
fn candidates<'a>(world: &World, channel: &'a Channel) -> Vec<&'a str> {
    let is_manual = channel
        .input_config
        .as_ref()
        .is_some_and(|config| config.input_switch_mode() == InputSwitchMode::Manual);
    let is_switched =
        world.pipelines.get(&channel.name).is_some_and(|pipeline| pipeline.is_switched);
    match channel.input_attachments.first() {
        Some(primary) if !is_manual && !is_switched => {
            let backups =
                primary.automatic_failover.iter().flat_map(|failover| &failover.input_keys);
            std::iter::once(&primary.key).chain(backups).map(|key| &**key).collect()
        }
        _ => vec![&*channel.active_input],
    }
}

/// The pipeline is gone, and what came with it.
pub(super) fn release(world: &mut World, name: &str) {
    world.unplan(name);
    enter(world, name, StreamingState::Stopped);
    if let Some(pipeline) = world.pipelines.get_mut(name) {
        pipeline.is_switched = false;
        pipeline.muted_by = None;
    }
    let Ok(channel) = world.find::<Channel>(name) else { return };
    let attached = channel.input_attachments.iter().map(|attached| attached.input.clone());
    let sources: Vec<_> = attached.chain([name.to_owned()]).collect();
    for source in sources {
        if world.feeds.get(&source) == Some(&Feed::Connected) && !is_read(world, &source) {
            world.feeds.remove(&source);
            forget_stream(world, &source);
        }
    }
}

/// Whether a running channel reads from a source.
fn is_read(world: &World, of: &str) -> bool {
    Channel::table(world).values().any(|channel| is_running(channel) && source(channel) == of)
}

/// Puts a channel into a state, and its distributions into theirs.
pub(super) fn enter(world: &mut World, name: &str, state: StreamingState) {
    edit(world, name, |channel| {
        channel.set_streaming_state(state);
        if state != StreamingState::StreamingError {
            channel.streaming_error = None;
        }
        let is_running = is_running(channel);
        for distribution in &mut channel.distributions {
            let next = distribution_state(distribution.state(), is_running, state);
            distribution.set_state(next);
            if next != DistributionState::Error {
                distribution.error = None;
            }
        }
    });
}

/// Where a distribution stands once its channel is in a state.
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
        D::Error | D::Ready | D::AwaitingInput | D::Distributing => was,
    }
}

/// Changes a channel that is there, as the service does by itself.
fn edit(world: &mut World, name: &str, change: impl FnOnce(&mut Channel)) {
    // One that is deleted meanwhile needs no change.
    let _ = world.edit::<Channel>(name, change);
}
