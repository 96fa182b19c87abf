//! Quotas of running channels and of their output streams.
//!
//! The numbers are those of the public page on quotas.

use super::{
    settings::Limit,
    state::{State, location_of},
    status,
};
use livestream_client::model::{
    Channel, ElementaryStream, channel::StreamingState,
    elementary_stream::ElementaryStream as Track, video_stream::CodecSettings,
};
use std::collections::BTreeMap;
use tonic::Status;

/// The kind of an output stream; `None` for sound, texts and codecs without a quota.
fn kind(stream: &ElementaryStream) -> Option<Limit> {
    let Some(Track::VideoStream(video)) = &stream.elementary_stream else { return None };
    let (height, is_h265) = match video.codec_settings.as_ref()? {
        CodecSettings::H264(h264) => (h264.height_pixels, false),
        CodecSettings::H265(h265) => (h265.height_pixels, true),
        _ => return None,
    };
    Some(match (height, is_h265) {
        (..720, false) => Limit::SdStreams,
        (720..=1080, false) => Limit::HdStreams,
        (_, false) => Limit::UhdStreams,
        (..720, true) => Limit::SdStreamsH265,
        (720..=1080, true) => Limit::HdStreamsH265,
        (_, true) => Limit::UhdStreamsH265,
    })
}

/// Whether the quotas of a location allow a channel to run beside those that do.
///
/// # Errors
/// `RESOURCE_EXHAUSTED`.
pub(super) fn check_running(state: &State, channel: &str) -> Result<(), Status> {
    let location = location_of(channel);
    let is_other = |other: &&Channel| {
        other.name != channel && other.streaming_state() != StreamingState::Stopped
    };
    let max = state.settings.max(Limit::RunningChannels);
    if state.children::<Channel>(location).filter(is_other).count() >= max {
        return Err(status::exhausted(location, "running channels", max));
    }
    let mut used: BTreeMap<String, (Limit, usize)> = BTreeMap::new();
    for other in state.children::<Channel>(location) {
        let is_counted =
            other.name == channel || other.streaming_state() != StreamingState::Stopped;
        for limit in other.elementary_streams.iter().filter_map(kind).filter(|_| is_counted) {
            used.entry(limit.to_string()).or_insert((limit, 0)).1 += 1;
        }
    }
    let over = used.iter().find(|(_, (limit, count))| *count > state.settings.max(*limit));
    over.map_or(Ok(()), |(name, (limit, _))| {
        Err(status::exhausted(location, &name.replace('-', " "), state.settings.max(*limit)))
    })
}
