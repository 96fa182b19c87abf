//! The rules for elementary streams: video, audio and text.

use super::{Report, parts::Parts, report::Seconds};
use crate::{
    model::{
        AudioStream, Channel, ElementaryStream, TextStream, VideoStream,
        elementary_stream::ElementaryStream as Track,
        video_stream::{CodecSettings, h264_codec_settings, h265_codec_settings},
    },
    time::{self, NANOS_PER_SECOND},
};
use prost_types::Duration;
use std::ops::RangeInclusive;

/// The length of a group of pictures (GOP) in nanoseconds if none is set: 2 s.
const DEFAULT_GOP: i128 = 2 * NANOS_PER_SECOND;

/// The tolerance for comparing GOP and segment lengths: 1 ms. A GOP length that is computed from a
/// frame count is not exact, for example at 29.97 frames per second.
pub(super) const TOLERANCE: i128 = NANOS_PER_SECOND / 1000;

pub(super) fn check_track(
    report: &mut Report,
    track: &ElementaryStream,
    channel: &Channel,
    parts: &Parts<'_>,
) {
    report.key("key", &track.key);
    match &track.elementary_stream {
        None => report.add("elementary_stream", "is required: video, audio or text"),
        Some(Track::VideoStream(video)) => report.within("video_stream", |report| {
            let Some(encoder) = Encoder::of(video) else {
                return report.add("codec_settings", "is required: `h264` or `h265`");
            };
            report.within(encoder.codec, |report| check_encoder(report, &encoder));
            if let Some(CodecSettings::H264(h264)) = &video.codec_settings {
                report.one_of("h264.entropy_coder", &h264.entropy_coder, &["", "cabac", "cavlc"]);
                report.one_of("h264.profile", &h264.profile, &["", "baseline", "main", "high"]);
            }
        }),
        Some(Track::AudioStream(audio)) => {
            report.within("audio_stream", |report| check_audio(report, audio, parts));
        }
        Some(Track::TextStream(text)) => {
            let is_distributed = !parts.distribution_streams.is_known()
                || channel
                    .distribution_streams
                    .iter()
                    .any(|stream| stream.elementary_streams.contains(&track.key));
            report.within("text_stream", |report| check_text(report, text, is_distributed, parts));
        }
    }
}

/// The settings that both codecs share.
struct Encoder {
    codec: &'static str,
    is_size_required: bool,
    max_frame_rate: f64,
    width: i32,
    height: i32,
    frame_rate: f64,
    bitrate: i32,
    gop: Option<Gop>,
    vbv_size: i32,
    vbv_fullness: i32,
    b_frames: i32,
    aq_strength: f64,
}

#[derive(Clone, Copy)]
enum Gop {
    Frames(i32),
    Duration(Duration),
}

impl Encoder {
    fn of(video: &VideoStream) -> Option<Self> {
        /// The messages of both codecs have the same fields, but different types.
        macro_rules! encoder {
            ($settings:ident, $gop_mode:ident, $codec:literal, $($limit:ident: $value:expr),+) => {
                Self {
                    codec: $codec,
                    $($limit: $value,)+
                    width: $settings.width_pixels,
                    height: $settings.height_pixels,
                    frame_rate: $settings.frame_rate,
                    bitrate: $settings.bitrate_bps,
                    gop: $settings.gop_mode.map(|gop| match gop {
                        $gop_mode::GopMode::GopFrameCount(count) => Gop::Frames(count),
                        $gop_mode::GopMode::GopDuration(duration) => Gop::Duration(duration),
                    }),
                    vbv_size: $settings.vbv_size_bits,
                    vbv_fullness: $settings.vbv_fullness_bits,
                    b_frames: $settings.b_frame_count,
                    aq_strength: $settings.aq_strength,
                }
            };
        }
        Some(match video.codec_settings.as_ref()? {
            CodecSettings::H264(settings) => encoder!(
                settings, h264_codec_settings, "h264", is_size_required: true, max_frame_rate: 60.0
            ),
            CodecSettings::H265(settings) => encoder!(
                settings, h265_codec_settings, "h265", is_size_required: false, max_frame_rate: 120.0
            ),
        })
    }

    /// The GOP length in nanoseconds, or `None` if the settings do not define one.
    fn gop_nanos(&self) -> Option<i128> {
        match self.gop {
            None => Some(DEFAULT_GOP),
            Some(Gop::Duration(duration)) => time::duration_nanos(&duration).ok(),
            Some(Gop::Frames(count)) => {
                /// Above this, a length only shows that the frame rate is wrong, which is reported.
                const MAX_SECONDS: f64 = 1e9;
                let seconds = f64::from(count) / self.frame_rate;
                let is_length = (0.0..MAX_SECONDS).contains(&seconds);
                is_length.then_some((seconds * NANOS_PER_SECOND as f64) as i128)
            }
        }
    }

    /// The maximum bitrate for the picture's height, in bits per second. A height of 0 means the
    /// height of the input.
    fn max_bitrate(&self) -> (i32, &'static str) {
        match self.height {
            1..720 => (3_000_000, "below 720p"),
            720..=1080 => (15_000_000, "up to 1080p"),
            _ => (25_000_000, "up to 2160p"),
        }
    }
}

fn check_encoder(report: &mut Report, encoder: &Encoder) {
    let mut side = |field: &str, pixels: i32, range: RangeInclusive<i32>| {
        if pixels == 0 {
            report.require(field, !encoder.is_size_required);
        } else if pixels % 2 != 0 {
            report.must(field, pixels, "be even");
        } else {
            report.range(field, pixels, range);
        }
    };
    side("width_pixels", encoder.width, 320..=4096);
    side("height_pixels", encoder.height, 180..=2160);

    let (rate, max) = (encoder.frame_rate, encoder.max_frame_rate);
    if rate == 0.0 {
        report.add("frame_rate", "is required");
    } else if !(0.0..=max).contains(&rate) {
        report.must("frame_rate", rate, format_args!("be greater than 0 and at most {max}"));
    }

    let (bitrate, (max, height)) = (encoder.bitrate, encoder.max_bitrate());
    if bitrate == 0 {
        report.add("bitrate_bps", "is required");
    } else if bitrate < 10_000 {
        report.must("bitrate_bps", bitrate, "be at least 10000");
    } else if bitrate > max {
        let rule = format!("be at most {max} for a height {height}");
        report.must("bitrate_bps", bitrate, rule);
    }

    match encoder.gop {
        Some(Gop::Duration(duration)) => report.duration_in("gop_duration", &duration, 2..=20),
        Some(Gop::Frames(count)) => {
            report.range("gop_frame_count", count, 60..=600);
            let limits = DEFAULT_GOP - TOLERANCE..=10 * DEFAULT_GOP + TOLERANCE;
            if let Some(nanos) = encoder.gop_nanos().filter(|nanos| !limits.contains(nanos)) {
                let length = format!("{} at {rate} frames per second", Seconds(nanos));
                report.must("gop_frame_count", length, "be between 2 s and 20 s");
            }
            if encoder.b_frames >= count {
                report.must("b_frame_count", encoder.b_frames, "be less than `gop_frame_count`");
            }
        }
        None => {}
    }
    report.not_negative("vbv_size_bits", encoder.vbv_size);
    report.not_negative("vbv_fullness_bits", encoder.vbv_fullness);
    report.not_negative("b_frame_count", encoder.b_frames);
    report.range("aq_strength", encoder.aq_strength, 0.0..=1.0);
}

/// The GOP length of a video track in nanoseconds.
pub(super) fn gop_nanos(track: &ElementaryStream) -> Option<i128> {
    match &track.elementary_stream {
        Some(Track::VideoStream(video)) => Encoder::of(video)?.gop_nanos(),
        _ => None,
    }
}

/// Checks that all video streams of a channel have the same GOP length.
pub(super) fn check_gop_sizes(report: &mut Report, tracks: &[ElementaryStream]) {
    let sizes = tracks.iter().enumerate().filter_map(|(at, track)| Some((at, gop_nanos(track)?)));
    let mut sizes = sizes.collect::<Vec<_>>().into_iter();
    let Some((first, expected)) = sizes.next() else { return };
    for (at, nanos) in sizes.filter(|(_, nanos)| (nanos - expected).abs() > TOLERANCE) {
        let (own, other) = (Seconds(nanos), Seconds(expected));
        report.add(
            format_args!("elementary_streams[{at}].video_stream"),
            format!("has a GOP of {own}, but `elementary_streams[{first}]` has a GOP of {other}"),
        );
    }
}

fn check_audio(report: &mut Report, audio: &AudioStream, parts: &Parts<'_>) {
    const NAMES: &[&str] = &["fl", "fr", "sl", "sr", "fc", "lfe"];
    // The service passes the audio of a `transmux` stream through and uses only the mapping.
    if !audio.transmux {
        report.one_of("codec", &audio.codec, &["", "aac"]);
        match audio.bitrate_bps {
            0 => report.add("bitrate_bps", "is required"),
            bits => report.range("bitrate_bps", bits, 1..=10_000_000),
        }
        report.range_if_set("channel_count", audio.channel_count, 1..=6);
        for (at, name) in audio.channel_layout.iter().enumerate() {
            report.one_of(format_args!("channel_layout[{at}]"), name, NAMES);
        }
        report.not_negative("sample_rate_hertz", audio.sample_rate_hertz);
    }
    let first_track = audio.mapping.first().map(|mapping| mapping.input_track);
    report.each("mapping", &audio.mapping, |report, mapping| {
        parts.inputs.find(report, "input_key", &mapping.input_key);
        report.not_negative("input_track", mapping.input_track);
        report.not_negative("input_channel", mapping.input_channel);
        report.not_negative("output_channel", mapping.output_channel);
        if let Some(first) = first_track.filter(|first| *first != mapping.input_track) {
            let track = mapping.input_track;
            report.add("input_track", format!("is {track}, but `mapping[0]` uses track {first}"));
        }
    });
}

fn check_text(report: &mut Report, text: &TextStream, is_distributed: bool, parts: &Parts<'_>) {
    match &*text.codec {
        "" => report.add("codec", "is required"),
        codec => report.one_of("codec", codec, &["cea608", "cea708", "webvtt"]),
    }
    let channel = &*text.output_cea_channel;
    if !channel.is_empty() {
        let (is_valid, rule) = match &*text.codec {
            "cea608" => (numbered("CC", channel, 4), "be `CC1` to `CC4`"),
            "cea708" => (numbered("SERVICE", channel, 63), "be `SERVICE1` to `SERVICE63`"),
            _ => (false, "be empty unless the codec is `cea608` or `cea708`"),
        };
        if !is_valid {
            report.must("output_cea_channel", format_args!("`{channel}`"), rule);
        }
        if !is_distributed {
            let reason = "is set, but no distribution stream contains this elementary stream";
            report.add("output_cea_channel", reason);
        }
    }
    report.each("mapping", &text.mapping, |report, mapping| {
        if !mapping.input_key.is_empty() {
            parts.inputs.find(report, "input_key", &mapping.input_key);
        }
        report.not_negative("input_track", mapping.input_track);
        let channel = &*mapping.input_cea_channel;
        if channel.is_empty() {
            return;
        }
        if !numbered("CC", channel, 4) && !numbered("SERVICE", channel, 64) {
            let rule = "be `CC1` to `CC4` or `SERVICE1` to `SERVICE64`";
            report.must("input_cea_channel", format_args!("`{channel}`"), rule);
        }
        if text.codec != "webvtt" {
            let codec = &text.codec;
            let reason = format!("requires the codec `webvtt`, but the codec is `{codec}`");
            report.add("input_cea_channel", reason);
        }
    });
}

/// Whether a text is the prefix and a number from 1 to `max`, such as `CC3`.
fn numbered(prefix: &str, text: &str, max: u32) -> bool {
    let number = text.strip_prefix(prefix).filter(|digits| !digits.starts_with(['0', '+']));
    number.and_then(|digits| digits.parse().ok()).is_some_and(|n: u32| (1..=max).contains(&n))
}
