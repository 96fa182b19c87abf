//! The rules of elementary streams: encoders for video and audio, and text.

use super::{
    Report,
    parts::Parts,
    report::{Seconds, list},
};
use crate::{
    model::{
        AudioStream, Channel, ElementaryStream, TextStream, VideoStream,
        elementary_stream::ElementaryStream as Track,
        video_stream::{
            CodecSettings, H264CodecSettings, H265CodecSettings, h264_codec_settings,
            h265_codec_settings,
        },
    },
    time::{self, NANOS_PER_SECOND},
};
use prost_types::Duration;
use std::ops::RangeInclusive;

/// Two seconds: the size of a group of pictures where none is given.
const DEFAULT_GOP: i128 = 2 * NANOS_PER_SECOND;

/// Sizes that come from frame counts are compared to the millisecond: at 29.97 frames a second no
/// duration is exact.
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

/// What the settings of both codecs have in common.
struct Encoder {
    codec: &'static str,
    is_size_required: bool,
    most_frames: f64,
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
        Some(match video.codec_settings.as_ref()? {
            CodecSettings::H264(settings) => Self::of_h264(settings),
            CodecSettings::H265(settings) => Self::of_h265(settings),
        })
    }

    fn of_h264(settings: &H264CodecSettings) -> Self {
        use h264_codec_settings::GopMode;
        Self {
            codec: "h264",
            is_size_required: true,
            most_frames: 60.0,
            width: settings.width_pixels,
            height: settings.height_pixels,
            frame_rate: settings.frame_rate,
            bitrate: settings.bitrate_bps,
            gop: settings.gop_mode.map(|gop| match gop {
                GopMode::GopFrameCount(count) => Gop::Frames(count),
                GopMode::GopDuration(duration) => Gop::Duration(duration),
            }),
            vbv_size: settings.vbv_size_bits,
            vbv_fullness: settings.vbv_fullness_bits,
            b_frames: settings.b_frame_count,
            aq_strength: settings.aq_strength,
        }
    }

    fn of_h265(settings: &H265CodecSettings) -> Self {
        use h265_codec_settings::GopMode;
        Self {
            codec: "h265",
            is_size_required: false,
            most_frames: 120.0,
            width: settings.width_pixels,
            height: settings.height_pixels,
            frame_rate: settings.frame_rate,
            bitrate: settings.bitrate_bps,
            gop: settings.gop_mode.map(|gop| match gop {
                GopMode::GopFrameCount(count) => Gop::Frames(count),
                GopMode::GopDuration(duration) => Gop::Duration(duration),
            }),
            vbv_size: settings.vbv_size_bits,
            vbv_fullness: settings.vbv_fullness_bits,
            b_frames: settings.b_frame_count,
            aq_strength: settings.aq_strength,
        }
    }

    /// The size of a group of pictures in nanoseconds, where it can be told.
    fn gop_nanos(&self) -> Option<i128> {
        match self.gop {
            None => Some(DEFAULT_GOP),
            Some(Gop::Duration(duration)) => time::duration_nanos(&duration).ok(),
            Some(Gop::Frames(count)) => {
                let seconds = f64::from(count) / self.frame_rate;
                seconds.is_finite().then_some((seconds * NANOS_PER_SECOND as f64) as i128)
            }
        }
    }

    /// The most bits per second for the picture's height; a height of 0 follows the input's.
    fn most_bits(&self) -> (i32, &'static str) {
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
            report.add(field, format!("is {pixels}, and must be even"));
        } else {
            report.range(field, pixels, range);
        }
    };
    side("width_pixels", encoder.width, 320..=4096);
    side("height_pixels", encoder.height, 180..=2160);

    let (rate, most) = (encoder.frame_rate, encoder.most_frames);
    if rate == 0.0 {
        report.add("frame_rate", "is required");
    } else if !(rate > 0.0 && rate <= most) {
        report.add("frame_rate", format!("is {rate}, and must be above 0 and at most {most}"));
    }

    let (bits, (most, size)) = (encoder.bitrate, encoder.most_bits());
    if bits == 0 {
        report.add("bitrate_bps", "is required");
    } else if bits < 10_000 {
        report.add("bitrate_bps", format!("is {bits}, and 10000 is the least"));
    } else if bits > most {
        report.add("bitrate_bps", format!("is {bits}, and {most} is the most {size}"));
    }

    match encoder.gop {
        Some(Gop::Duration(duration)) => report.duration_in("gop_duration", &duration, 2..=20),
        Some(Gop::Frames(count)) => {
            report.range("gop_frame_count", count, 60..=600);
            let limits = DEFAULT_GOP - TOLERANCE..=10 * DEFAULT_GOP + TOLERANCE;
            if let Some(nanos) = encoder.gop_nanos().filter(|nanos| !limits.contains(nanos)) {
                let span = Seconds(nanos);
                let reason =
                    format!("makes {span} at {rate} frames a second, outside of 2 s to 20 s");
                report.add("gop_frame_count", reason);
            }
            if encoder.b_frames >= count {
                let frames = encoder.b_frames;
                report.add("b_frame_count", format!("is {frames}, not below `gop_frame_count`"));
            }
        }
        None => {}
    }
    report.not_negative("vbv_size_bits", encoder.vbv_size);
    report.not_negative("vbv_fullness_bits", encoder.vbv_fullness);
    report.not_negative("b_frame_count", encoder.b_frames);
    report.range("aq_strength", encoder.aq_strength, 0.0..=1.0);
}

/// The size of a video track's groups of pictures in nanoseconds.
pub(super) fn gop_nanos(track: &ElementaryStream) -> Option<i128> {
    match &track.elementary_stream {
        Some(Track::VideoStream(video)) => Encoder::of(video)?.gop_nanos(),
        _ => None,
    }
}

/// All video streams of a channel have groups of one size.
pub(super) fn check_gop_sizes(report: &mut Report, tracks: &[ElementaryStream]) {
    let sizes = tracks.iter().enumerate().filter_map(|(at, track)| Some((at, gop_nanos(track)?)));
    let mut sizes = sizes.collect::<Vec<_>>().into_iter();
    let Some((first, expected)) = sizes.next() else { return };
    for (at, nanos) in sizes.filter(|(_, nanos)| (nanos - expected).abs() > TOLERANCE) {
        let (own, other) = (Seconds(nanos), Seconds(expected));
        report.add(
            format_args!("elementary_streams[{at}].video_stream"),
            format!("has a GOP of {own}, but that of `elementary_streams[{first}]` is {other}"),
        );
    }
}

fn check_audio(report: &mut Report, audio: &AudioStream, parts: &Parts<'_>) {
    const NAMES: &[&str] = &["fl", "fr", "sl", "sr", "fc", "lfe"];
    // Passed through: nothing but the mapping counts.
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
            report.add("input_track", format!("is {track}, but `mapping[0]` takes track {first}"));
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
        let known = match &*text.codec {
            "cea608" => numbered("CC", channel, 4).then_some(()).ok_or("`CC1` to `CC4`"),
            "cea708" => {
                numbered("SERVICE", channel, 63).then_some(()).ok_or("`SERVICE1` to `SERVICE63`")
            }
            _ => Err("a channel that its codec has: only `cea608` and `cea708` have any"),
        };
        if let Err(expected) = known {
            report.add("output_cea_channel", format!("is `{channel}`, not {expected}"));
        }
        if !is_distributed {
            report.add("output_cea_channel", "is set, but no distribution stream has this track");
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
            let reason = format!("is `{channel}`, not `CC1` to `CC4` or `SERVICE1` to `SERVICE64`");
            report.add("input_cea_channel", reason);
        }
        if text.codec != "webvtt" {
            let codec = list([&*text.codec]);
            report.add("input_cea_channel", format!("needs the codec `webvtt`, not {codec}"));
        }
    });
}

/// Whether a text is the prefix and a number from 1 to the most, such as `CC3`.
fn numbered(prefix: &str, text: &str, most: u32) -> bool {
    let number = text.strip_prefix(prefix).filter(|digits| !digits.starts_with(['0', '+']));
    number.and_then(|digits| digits.parse().ok()).is_some_and(|n: u32| (1..=most).contains(&n))
}
