//! The defaults that the service fills in where a channel leaves a field unset. They are in the
//! documentation of the fields.

use livestream_client::model::{
    AudioStream, Channel, ElementaryStream, VideoStream,
    elementary_stream::ElementaryStream as Track,
    input_config::InputSwitchMode,
    video_stream::{
        CodecSettings, H264CodecSettings, H265CodecSettings, h264_codec_settings,
        h265_codec_settings,
    },
};
use prost_types::Duration;

pub(super) fn fill_in(channel: &mut Channel) {
    let input_config = channel.input_config.get_or_insert_default();
    if input_config.input_switch_mode() == InputSwitchMode::Unspecified {
        input_config.set_input_switch_mode(InputSwitchMode::FailoverPreferPrimary);
    }
    for stream in &mut channel.elementary_streams {
        fill_in_track(stream);
    }
    for stream in &mut channel.mux_streams {
        or_text(&mut stream.container, "fmp4");
        let settings = stream.segment_settings.get_or_insert_default();
        settings.segment_duration.get_or_insert(seconds(6));
    }
    for manifest in &mut channel.manifests {
        if manifest.max_segment_count == 0 {
            manifest.max_segment_count = 5;
        }
        manifest.segment_keep_duration.get_or_insert(seconds(60));
    }
    for overlay in &mut channel.static_overlays {
        if overlay.opacity == 0.0 {
            overlay.opacity = 1.0;
        }
    }
}

fn fill_in_track(stream: &mut ElementaryStream) {
    match &mut stream.elementary_stream {
        Some(Track::VideoStream(VideoStream { codec_settings })) => match codec_settings {
            Some(CodecSettings::H264(h264)) => fill_in_h264(h264),
            Some(CodecSettings::H265(h265)) => fill_in_h265(h265),
            _ => {}
        },
        Some(Track::AudioStream(audio)) if !audio.transmux => fill_in_audio(audio),
        _ => {}
    }
}

fn fill_in_h264(h264: &mut H264CodecSettings) {
    let mode = h264_codec_settings::GopMode::GopDuration(seconds(2));
    h264.gop_mode.get_or_insert(mode);
    or_text(&mut h264.entropy_coder, "cabac");
    or_text(&mut h264.profile, "main");
}

fn fill_in_h265(h265: &mut H265CodecSettings) {
    let mode = h265_codec_settings::GopMode::GopDuration(seconds(2));
    h265.gop_mode.get_or_insert(mode);
}

fn fill_in_audio(audio: &mut AudioStream) {
    or_text(&mut audio.codec, "aac");
    if audio.channel_count == 0 {
        audio.channel_count = 2;
    }
    if audio.channel_layout.is_empty() && audio.channel_count == 2 {
        audio.channel_layout = vec!["fl".to_owned(), "fr".to_owned()];
    }
    if audio.sample_rate_hertz == 0 {
        audio.sample_rate_hertz = 48_000;
    }
}

fn or_text(field: &mut String, default: &str) {
    if field.is_empty() {
        *field = default.to_owned();
    }
}

const fn seconds(seconds: i64) -> Duration {
    Duration { seconds, nanos: 0 }
}
