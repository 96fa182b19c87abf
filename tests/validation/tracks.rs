//! The rules of elementary streams.

use super::{Case, broken, channel::whole, seconds};
use livestream_client::{
    model::{
        AudioStream, Channel, ElementaryStream, TextStream,
        audio_stream::AudioMapping,
        elementary_stream::ElementaryStream as Track,
        text_stream::TextMapping,
        video_stream::{
            CodecSettings, H264CodecSettings, H265CodecSettings, h264_codec_settings::GopMode,
            h265_codec_settings,
        },
    },
    validation::Validate,
};

fn h264(channel: &mut Channel) -> &mut H264CodecSettings {
    let Some(Track::VideoStream(video)) = &mut channel.elementary_streams[0].elementary_stream
    else {
        panic!("video stands first");
    };
    let Some(CodecSettings::H264(settings)) = &mut video.codec_settings else {
        panic!("H.264 stands first");
    };
    settings
}

fn h265(channel: &mut Channel) -> &mut H265CodecSettings {
    let Some(Track::VideoStream(video)) = &mut channel.elementary_streams[1].elementary_stream
    else {
        panic!("video stands second");
    };
    let Some(CodecSettings::H265(settings)) = &mut video.codec_settings else {
        panic!("H.265 stands second");
    };
    settings
}

fn audio(channel: &mut Channel) -> &mut AudioStream {
    let Some(Track::AudioStream(audio)) = &mut channel.elementary_streams[2].elementary_stream
    else {
        panic!("audio stands third");
    };
    audio
}

/// The whole channel with a text track at 3.
fn with_text() -> Channel {
    let mut channel = whole();
    let text = TextStream { codec: "webvtt".into(), ..Default::default() };
    channel.elementary_streams.push(ElementaryStream {
        key: "text".into(),
        elementary_stream: Some(Track::TextStream(text)),
    });
    channel
}

fn text(channel: &mut Channel) -> &mut TextStream {
    let Some(Track::TextStream(text)) = &mut channel.elementary_streams[3].elementary_stream else {
        panic!("text stands fourth");
    };
    text
}

#[test]
fn an_elementary_stream_has_a_kind_and_video_has_a_codec() {
    broken(
        &with_text,
        |c| c.elementary_streams[3].elementary_stream = None,
        &["`elementary_streams[3].elementary_stream` is required: video, audio or text"],
    );
    let none = |channel: &mut Channel| {
        channel.elementary_streams[0].elementary_stream =
            Some(Track::VideoStream(Default::default()));
    };
    broken(
        &whole,
        none,
        &["`elementary_streams[0].video_stream.codec_settings` is required: `h264` or `h265`"],
    );
}

#[test]
fn video_width_and_height_are_even_and_within_limits() {
    let at = |text: &str| format!("`elementary_streams[0].video_stream.h264.{text}");
    let cases: [Case<H264CodecSettings>; 8] = [
        (|v| v.width_pixels = 0, "width_pixels` is required"),
        (|v| v.width_pixels = 641, "width_pixels` is 641, but must be even"),
        (|v| v.width_pixels = 318, "width_pixels` is 318, but must be between 320 and 4096"),
        (|v| v.width_pixels = 4098, "width_pixels` is 4098, but must be between 320 and 4096"),
        (|v| v.height_pixels = 0, "height_pixels` is required"),
        (|v| v.height_pixels = 1079, "height_pixels` is 1079, but must be even"),
        (|v| v.height_pixels = 2162, "height_pixels` is 2162, but must be between 180 and 2160"),
        (
            |v| (v.height_pixels, v.bitrate_bps) = (178, 1_000_000),
            "height_pixels` is 178, but must be between 180 and 2160",
        ),
    ];
    for (edit, text) in cases {
        broken(&whole, |c| edit(h264(c)), &[&at(text)]);
    }
    // H.265 can take its size from the input, but a size must be even.
    broken(
        &whole,
        |c| (h265(c).width_pixels, h265(c).height_pixels) = (0, 361),
        &["`elementary_streams[1].video_stream.h265.height_pixels` is 361, but must be even"],
    );
}

#[test]
fn the_frame_rate_is_at_most_60_or_120() {
    let rate =
        |rate: &str, most| format!("is {rate}, but must be greater than 0 and at most {most}");
    for (wrong, text) in
        [(0.0, "is required".into()), (-1.0, rate("-1", 60)), (60.5, rate("60.5", 60))]
    {
        let text = format!("`elementary_streams[0].video_stream.h264.frame_rate` {text}");
        broken(&whole, |c| h264(c).frame_rate = wrong, &[&text]);
    }
    for (wrong, text) in
        [(0.0, "is required".into()), (f64::NAN, rate("NaN", 120)), (121.0, rate("121", 120))]
    {
        let text = format!("`elementary_streams[1].video_stream.h265.frame_rate` {text}");
        broken(&whole, |c| h265(c).frame_rate = wrong, &[&text]);
    }
}

#[test]
fn the_maximum_bit_rate_depends_on_the_resolution() {
    let cases = [
        (720, 0, "is required"),
        (720, 9_999, "is 9999, but must be at least 10000"),
        (718, 3_000_001, "is 3000001, but must be at most 3000000 for a height below 720p"),
        (720, 15_000_001, "is 15000001, but must be at most 15000000 for a height up to 1080p"),
        (1080, 15_000_001, "is 15000001, but must be at most 15000000 for a height up to 1080p"),
        (1082, 25_000_001, "is 25000001, but must be at most 25000000 for a height up to 2160p"),
        (2160, 25_000_001, "is 25000001, but must be at most 25000000 for a height up to 2160p"),
    ];
    for (height, bits, text) in cases {
        let text = |codec: &str, at: usize| {
            format!("`elementary_streams[{at}].video_stream.{codec}.bitrate_bps` {text}")
        };
        let edit = |c: &mut Channel| {
            (h264(c).height_pixels, h264(c).bitrate_bps) = (height, bits);
        };
        broken(&whole, edit, &[&text("h264", 0)]);
        let edit = |c: &mut Channel| {
            (h265(c).height_pixels, h265(c).bitrate_bps) = (height, bits);
        };
        broken(&whole, edit, &[&text("h265", 1)]);
    }
}

#[test]
fn gops_are_2_to_20_seconds_long_and_all_the_same() {
    let both = |c: &mut Channel, gop: GopMode, rate: f64| {
        (h264(c).gop_mode, h264(c).frame_rate) = (Some(gop), rate);
        h265(c).frame_rate = rate;
        h265(c).gop_mode = Some(match gop {
            GopMode::GopFrameCount(count) => h265_codec_settings::GopMode::GopFrameCount(count),
            GopMode::GopDuration(span) => h265_codec_settings::GopMode::GopDuration(span),
            _ => unreachable!("not among the cases"),
        });
    };
    let second = "gop_frame_count` is 1 s at 60 frames per second, but must be between 2 s and \
     20 s";
    let cases = [
        (
            GopMode::GopDuration(seconds(1)),
            30.0,
            "gop_duration` is 1 s, but must be between 2 s and 20 s",
        ),
        (
            GopMode::GopFrameCount(59),
            29.5,
            "gop_frame_count` is 59, but must be between 60 and 600",
        ),
        (GopMode::GopFrameCount(60), 60.0, second),
    ];
    for (gop, rate, reason) in cases {
        broken(
            &whole,
            |c| both(c, gop, rate),
            &[
                &format!("`elementary_streams[0].video_stream.h264.{reason}"),
                &format!("`elementary_streams[1].video_stream.h265.{reason}"),
            ],
        );
    }
    let too_long = GopMode::GopDuration(seconds(21));
    let segment = "segment_settings.segment_duration` is 6 s, but must be a multiple of the GOP of";
    broken(
        &whole,
        |c| both(c, too_long, 30.0),
        &[
            "`elementary_streams[0].video_stream.h264.gop_duration` is 21 s, but must be between \
             2 s and 20 s",
            "`elementary_streams[1].video_stream.h265.gop_duration` is 21 s, but must be between \
             2 s and 20 s",
            &format!("`mux_streams[0].{segment} `video-720p`, which is 21 s"),
            &format!("`mux_streams[1].{segment} `video-360p`, which is 21 s"),
        ],
    );

    broken(
        &whole,
        |c| h265(c).gop_mode = Some(h265_codec_settings::GopMode::GopDuration(seconds(3))),
        &[
            "`elementary_streams[1].video_stream` has a GOP of 3 s, but `elementary_streams[0]` has \
         a GOP of 2 s",
        ],
    );
    // 60 frames at 29.97 frames a second last 2.002 s, so three GOPs make a segment of 6.006 s.
    let mut channel = whole();
    both(&mut channel, GopMode::GopFrameCount(60), 30_000.0 / 1001.0);
    for mux in &mut channel.mux_streams {
        let span = prost_types::Duration { seconds: 6, nanos: 6_000_000 };
        mux.segment_settings.as_mut().unwrap().segment_duration = Some(span);
    }
    broken(&move || channel.clone(), |_| {}, &[]);
}

#[test]
fn encoder_settings_at_their_limits_are_valid() {
    let frames = |count, rate| {
        move |c: &mut Channel| {
            (h264(c).gop_mode, h264(c).frame_rate) = (Some(GopMode::GopFrameCount(count)), rate);
            c.elementary_streams.remove(1);
            c.mux_streams.remove(1);
            c.manifests.iter_mut().for_each(|manifest| drop(manifest.mux_streams.remove(1)));
            for mux in &mut c.mux_streams {
                mux.segment_settings.as_mut().unwrap().segment_duration = Some(seconds(20));
            }
        }
    };
    broken(&whole, frames(600, 30.0), &[]);
    broken(
        &whole,
        frames(600, 29.0),
        &[
            "`elementary_streams[0].video_stream.h264.gop_frame_count` is 20.689655172 s at 29 \
             frames per second, but must be between 2 s and 20 s",
            "`mux_streams[0].segment_settings.segment_duration` is 20 s, but must be a multiple of \
             the GOP of `video-720p`, which is 20.689655172 s",
        ],
    );
    broken(&whole, |c| h264(c).bitrate_bps = 10_000, &[]);
    broken(&whole, |c| (h264(c).height_pixels, h264(c).bitrate_bps) = (718, 3_000_000), &[]);
    broken(&whole, |c| h264(c).frame_rate = 60.0, &[]);
    broken(&whole, |c| h264(c).frame_rate = f64::MIN_POSITIVE, &[]);
}

#[test]
fn gops_may_differ_by_a_millisecond() {
    let gop = |nanos| {
        let span = prost_types::Duration { seconds: 2, nanos };
        move |c: &mut Channel| {
            h265(c).gop_mode = Some(h265_codec_settings::GopMode::GopDuration(span));
        }
    };
    // Three such GOPs are too far from a segment of 6 s.
    let segment = "`mux_streams[1].segment_settings.segment_duration` is 6 s, but must be a \
                   multiple of the GOP of `video-360p`, which is";
    broken(&whole, gop(1_000_000), &[&format!("{segment} 2.001 s")]);
    broken(
        &whole,
        gop(1_000_001),
        &[
            "`elementary_streams[1].video_stream` has a GOP of 2.001000001 s, but \
             `elementary_streams[0]` has a GOP of 2 s",
            &format!("{segment} 2.001000001 s"),
        ],
    );
}

#[test]
fn other_encoder_settings_are_within_limits() {
    let at = |text: &str| format!("`elementary_streams[0].video_stream.h264.{text}");
    let cases: [Case<H264CodecSettings>; 8] = [
        (|v| v.vbv_size_bits = -1, "vbv_size_bits` is -1, but must not be negative"),
        (|v| v.vbv_fullness_bits = -1, "vbv_fullness_bits` is -1, but must not be negative"),
        (|v| v.b_frame_count = -1, "b_frame_count` is -1, but must not be negative"),
        (
            |v| {
                v.gop_mode = Some(GopMode::GopFrameCount(60));
                v.b_frame_count = 60;
            },
            "b_frame_count` is 60, but must be less than `gop_frame_count`",
        ),
        (|v| v.aq_strength = 1.5, "aq_strength` is 1.5, but must be between 0 and 1"),
        (|v| v.aq_strength = -0.5, "aq_strength` is -0.5, but must be between 0 and 1"),
        (
            |v| v.entropy_coder = "huff".into(),
            "entropy_coder` is `huff`, but must be one of `cabac`, `cavlc`",
        ),
        (
            |v| v.profile = "best".into(),
            "profile` is `best`, but must be one of `baseline`, `main`, `high`",
        ),
    ];
    for (edit, text) in cases {
        broken(&whole, |c| edit(h264(c)), &[&at(text)]);
    }
    broken(
        &whole,
        |c| h265(c).aq_strength = 2.0,
        &["`elementary_streams[1].video_stream.h265.aq_strength` is 2, but must be between 0 and \
         1"],
    );
}

#[test]
fn audio_settings_are_within_limits_unless_passed_through() {
    let cases: [Case<AudioStream>; 7] = [
        (|a| a.codec = "mp3".into(), "codec` is `mp3`, but must be one of `aac`"),
        (|a| a.bitrate_bps = 0, "bitrate_bps` is required"),
        (
            |a| a.bitrate_bps = 10_000_001,
            "bitrate_bps` is 10000001, but must be between 1 and 10000000",
        ),
        (|a| a.bitrate_bps = -1, "bitrate_bps` is -1, but must be between 1 and 10000000"),
        (|a| a.channel_count = 7, "channel_count` is 7, but must be between 1 and 6"),
        (
            |a| a.channel_layout = vec!["fl".into(), "middle".into()],
            "channel_layout[1]` is `middle`, but must be one of `fl`, `fr`, `sl`, `sr`, `fc`, \
             `lfe`",
        ),
        (|a| a.sample_rate_hertz = -1, "sample_rate_hertz` is -1, but must not be negative"),
    ];
    for (edit, text) in cases {
        let text = format!("`elementary_streams[2].audio_stream.{text}");
        broken(&whole, |c| edit(audio(c)), &[&text]);
        let passed = |c: &mut Channel| {
            edit(audio(c));
            audio(c).transmux = true;
        };
        broken(&whole, passed, &[]);
    }
}

#[test]
fn audio_is_mapped_from_one_track_of_known_inputs() {
    let mapping = |input: &str, input_track| AudioMapping {
        input_key: input.into(),
        input_track,
        ..Default::default()
    };
    let at = "`elementary_streams[2].audio_stream.mapping";
    broken(
        &whole,
        |c| audio(c).mapping = vec![mapping("", 0), mapping("moon", 0)],
        &[
            &format!("{at}[0].input_key` is required"),
            &format!(
                "{at}[1].input_key` is `moon`, but the channel has no such input attachment; it \
                 has `studio`, `backup`"
            ),
        ],
    );
    broken(
        &whole,
        |c| audio(c).mapping = vec![mapping("studio", 0), mapping("backup", 1)],
        &[&format!("{at}[1].input_track` is 1, but `mapping[0]` uses track 0")],
    );
    let negative = AudioMapping { input_channel: -1, output_channel: -2, ..mapping("studio", -3) };
    broken(
        &whole,
        |c| audio(c).mapping = vec![negative],
        &[
            &format!("{at}[0].input_track` is -3, but must not be negative"),
            &format!("{at}[0].input_channel` is -1, but must not be negative"),
            &format!("{at}[0].output_channel` is -2, but must not be negative"),
        ],
    );
}

#[test]
fn text_has_a_codec_and_the_caption_channels_of_its_codec() {
    let at = "`elementary_streams[3].text_stream";
    broken(&with_text, |c| text(c).codec = String::new(), &[&format!("{at}.codec` is required")]);
    broken(
        &with_text,
        |c| text(c).codec = "srt".into(),
        &[&format!("{at}.codec` is `srt`, but must be one of `cea608`, `cea708`, `webvtt`")],
    );
    let output = |codec: &'static str, channel: &'static str, is_distributed: bool| {
        move |c: &mut Channel| {
            text(c).codec = codec.into();
            text(c).output_cea_channel = channel.into();
            if is_distributed {
                c.distribution_streams[0].elementary_streams.push("text".into());
            }
        }
    };
    for (codec, channel, expected) in [
        ("cea608", "CC5", "`CC1` to `CC4`"),
        ("cea608", "SERVICE1", "`CC1` to `CC4`"),
        ("cea708", "SERVICE64", "`SERVICE1` to `SERVICE63`"),
        ("cea708", "SERVICE01", "`SERVICE1` to `SERVICE63`"),
        ("webvtt", "CC1", "empty unless the codec is `cea608` or `cea708`"),
    ] {
        let text = format!("{at}.output_cea_channel` is `{channel}`, but must be {expected}");
        broken(&with_text, output(codec, channel, true), &[&text]);
    }
    broken(&with_text, output("cea608", "CC4", true), &[]);
    broken(&with_text, output("cea708", "SERVICE63", true), &[]);
    broken(
        &with_text,
        output("cea608", "CC1", false),
        &[&format!(
            "{at}.output_cea_channel` is set, but no distribution stream contains this \
         elementary stream"
        )],
    );
}

#[test]
fn text_is_mapped_from_known_inputs_and_caption_channels() {
    let at = "`elementary_streams[3].text_stream.mapping[0]";
    let mapping = |input: &str, channel: &str| {
        vec![TextMapping {
            input_key: input.into(),
            input_cea_channel: channel.into(),
            ..Default::default()
        }]
    };
    broken(&with_text, |c| text(c).mapping = mapping("studio", "SERVICE64"), &[]);
    broken(
        &with_text,
        |c| text(c).mapping = mapping("moon", ""),
        &[&format!(
            "{at}.input_key` is `moon`, but the channel has no such input attachment; it has \
             `studio`, `backup`"
        )],
    );
    broken(
        &with_text,
        |c| text(c).mapping = mapping("", "SERVICE65"),
        &[&format!(
            "{at}.input_cea_channel` is `SERVICE65`, but must be `CC1` to `CC4` or `SERVICE1` to \
             `SERVICE64`"
        )],
    );
    broken(
        &with_text,
        |c| {
            text(c).codec = "cea608".into();
            text(c).mapping = mapping("", "CC1");
        },
        &[&format!(
            "{at}.input_cea_channel` requires the codec `webvtt`, but the codec is `cea608`"
        )],
    );
}

#[test]
fn a_frame_rate_near_zero_is_refused_without_overflow() {
    for rate in [-1e-300, 1e-300, f64::NAN, f64::NEG_INFINITY] {
        let mut channel = whole();
        (h264(&mut channel).gop_mode, h264(&mut channel).frame_rate) =
            (Some(GopMode::GopFrameCount(60)), rate);
        let violations = channel.violations();
        let frame_rate = "elementary_streams[0].video_stream.h264.frame_rate";
        let is_refused = violations.iter().any(|violation| violation.field() == frame_rate);
        assert_eq!(is_refused, rate != 1e-300, "{rate}: {violations:?}");
    }
}
