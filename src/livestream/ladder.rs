//! Builders of channels with a rendition ladder.
//!
//! The renditions of a channel are in three lists that refer to each other by key: elementary
//! streams, mux streams and manifests. The builders keep these lists consistent. A [`Ladder`] defines
//! the renditions and the audio tracks. A [`ChannelBuilder`] adds the inputs and the output.
//!
//! The channel contains an elementary stream and an `fmp4` mux stream with the same key for each
//! rendition and each audio track. It contains an HLS and a DASH manifest with all mux streams. You
//! can change the channel before you send it.
//!
//! # Examples
//! ```
//! use livestream_client::{ladder::Ladder, name::InputName};
//! use std::time::Duration;
//!
//! let studio = InputName::new("my-project", "us-central1", "studio")?;
//! let channel = Ladder::hd()
//!     .channel("gs://my-bucket/news/")
//!     .input("studio", &studio)
//!     .retention(Duration::from_secs(4 * 3600))
//!     .build()?;
//! assert_eq!(channel.elementary_streams[0].key, "video-1080p");
//! assert_eq!(channel.manifests[0].key, "hls");
//! # Ok::<(), livestream_client::Error>(())
//! ```

use super::validation::{Validate, Violations};
use crate::{
    model::{
        AudioStream, Channel, ElementaryStream, InputAttachment, Manifest, MuxStream,
        RetentionConfig, SegmentSettings, VideoStream,
        channel::Output,
        elementary_stream::ElementaryStream as Track,
        input_attachment::AutomaticFailover,
        manifest::ManifestType,
        video_stream::{
            CodecSettings, H264CodecSettings, H265CodecSettings, h264_codec_settings,
            h265_codec_settings,
        },
    },
    name::InputName,
    time,
};
use std::time::Duration;

/// One video rendition: its size, frame rate and bitrate. The default codec is H.264.
#[derive(Clone, Debug, PartialEq)]
pub struct Rendition {
    width: i32,
    height: i32,
    frame_rate: f64,
    bitrate: i32,
    is_h265: bool,
}

impl Rendition {
    /// Creates a rendition.
    ///
    /// Width and height are in pixels and must be even. `frame_rate` is the maximum number of frames
    /// per second: at most 60 for H.264. `bitrate_bps` is in bits per second.
    pub fn new(width: i32, height: i32, frame_rate: f64, bitrate_bps: i32) -> Self {
        Self { width, height, frame_rate, bitrate: bitrate_bps, is_h265: false }
    }

    /// Encodes this rendition as H.265, which allows up to 120 frames per second.
    pub fn h265(self) -> Self {
        Self { is_h265: true, ..self }
    }

    fn encode(&self, gop: prost_types::Duration) -> VideoStream {
        let codec_settings = if self.is_h265 {
            CodecSettings::H265(H265CodecSettings {
                width_pixels: self.width,
                height_pixels: self.height,
                frame_rate: self.frame_rate,
                bitrate_bps: self.bitrate,
                gop_mode: Some(h265_codec_settings::GopMode::GopDuration(gop)),
                ..Default::default()
            })
        } else {
            CodecSettings::H264(H264CodecSettings {
                width_pixels: self.width,
                height_pixels: self.height,
                frame_rate: self.frame_rate,
                bitrate_bps: self.bitrate,
                gop_mode: Some(h264_codec_settings::GopMode::GopDuration(gop)),
                ..Default::default()
            })
        };
        VideoStream { codec_settings: Some(codec_settings) }
    }
}

/// The renditions and audio tracks of a channel. The default audio is stereo AAC at 128 kbit/s.
#[derive(Clone, Debug, PartialEq)]
pub struct Ladder {
    renditions: Vec<Rendition>,
    audio: Vec<(String, AudioStream)>,
}

impl Ladder {
    /// Creates a ladder of these renditions. Manifests list them in this order.
    pub fn of(renditions: impl IntoIterator<Item = Rendition>) -> Self {
        let stereo = AudioStream { bitrate_bps: 128_000, channel_count: 2, ..Default::default() };
        Self { renditions: renditions.into_iter().collect(), audio: vec![("audio".into(), stereo)] }
    }

    /// A ladder for an input of tier SD: 480p and 360p at 30 frames per second.
    pub fn sd() -> Self {
        Self::of([
            Rendition::new(854, 480, 30.0, 1_400_000),
            Rendition::new(640, 360, 30.0, 800_000),
        ])
    }

    /// A ladder for an input of tier HD: 1080p, 720p, 480p and 360p at 30 frames per second.
    pub fn hd() -> Self {
        let hd = [
            Rendition::new(1920, 1080, 30.0, 5_000_000),
            Rendition::new(1280, 720, 30.0, 3_000_000),
        ];
        Self::of(hd.into_iter().chain(Self::sd().renditions))
    }

    /// A ladder for an input of tier UHD: 2160p and the renditions of [`hd`](Self::hd).
    pub fn uhd() -> Self {
        let mut ladder = Self::hd();
        ladder.renditions.insert(0, Rendition::new(3840, 2160, 30.0, 16_000_000));
        ladder
    }

    /// Sets the maximum frame rate of every rendition. The bitrates do not change.
    pub fn frame_rate(mut self, frames_per_second: f64) -> Self {
        for rendition in &mut self.renditions {
            rendition.frame_rate = frames_per_second;
        }
        self
    }

    /// Replaces the default audio track, whose key is `audio`, with these tracks and keys.
    ///
    /// Without any track, the channel has no audio.
    pub fn audio<K: Into<String>>(
        mut self,
        tracks: impl IntoIterator<Item = (K, AudioStream)>,
    ) -> Self {
        self.audio = tracks.into_iter().map(|(key, track)| (key.into(), track)).collect();
        self
    }

    /// Returns a builder of a channel with this ladder.
    ///
    /// The channel writes to a folder in Cloud Storage, such as `gs://my-bucket/news/`.
    pub fn channel(self, output_uri: impl Into<String>) -> ChannelBuilder {
        ChannelBuilder {
            ladder: self,
            output: output_uri.into(),
            inputs: Vec::new(),
            manifests: vec![ManifestType::Hls, ManifestType::Dash],
            gop: Duration::from_secs(2),
            segment: Duration::from_secs(6),
            retention: None,
        }
    }

    /// The key of a rendition, such as `video-720p`. It includes the bitrate if several renditions
    /// have the same height.
    fn key(&self, rendition: &Rendition) -> String {
        let Rendition { height, bitrate, .. } = rendition;
        match self.renditions.iter().filter(|other| other.height == *height).count() {
            ..=1 => format!("video-{height}p"),
            _ => format!("video-{height}p-{}k", bitrate / 1000),
        }
    }
}

/// Builds a channel with a [`Ladder`].
#[derive(Clone, Debug, PartialEq)]
#[must_use = "call `build` to get the channel"]
pub struct ChannelBuilder {
    ladder: Ladder,
    output: String,
    inputs: Vec<InputAttachment>,
    manifests: Vec<ManifestType>,
    gop: Duration,
    segment: Duration,
    retention: Option<Duration>,
}

impl ChannelBuilder {
    /// Attaches an input with a key. The channel starts with the first input.
    pub fn input(mut self, key: impl Into<String>, input: &InputName) -> Self {
        let (key, input) = (key.into(), input.into());
        self.inputs.push(InputAttachment { key, input, automatic_failover: None });
        self
    }

    /// Attaches a backup input with a key. The previously attached input fails over to it.
    pub fn backup(mut self, key: impl Into<String>, input: &InputName) -> Self {
        let key = key.into();
        if let Some(primary) = self.inputs.last_mut() {
            primary.automatic_failover = Some(AutomaticFailover { input_keys: vec![key.clone()] });
        }
        self.input(key, input)
    }

    /// Sets the types of the manifests. The default is HLS and DASH.
    ///
    /// The keys are `hls` and `dash`. The files are `main.m3u8` and `main.mpd`.
    pub fn manifests(mut self, types: impl IntoIterator<Item = ManifestType>) -> Self {
        self.manifests = types.into_iter().collect();
        self
    }

    /// Sets the length of a segment: 2 s to 20 s, and a multiple of [`gop`](Self::gop). The default
    /// is 6 s.
    pub fn segments(mut self, length: Duration) -> Self {
        self.segment = length;
        self
    }

    /// Sets the length of a group of pictures, which is the time between two key frames: 2 s to 20 s.
    /// The default is 2 s.
    pub fn gop(mut self, length: Duration) -> Self {
        self.gop = length;
        self
    }

    /// Sets how long the service keeps the output for clips and DVR sessions.
    ///
    /// Without it, you cannot create clips or DVR sessions of the channel.
    pub fn retention(mut self, length: Duration) -> Self {
        self.retention = Some(length);
        self
    }

    /// Builds the channel and checks it against the [documented rules](crate::validation).
    ///
    /// # Errors
    /// Returns all violations of the rules, with their paths in the channel.
    pub fn build(self) -> Result<Channel, Violations> {
        let length =
            |length, field| time::duration(length).map_err(|e| Violations::one(e.at(field)));
        let gop = length(self.gop, "elementary_streams[0].video_stream")?;
        let segment = length(self.segment, "mux_streams[0].segment_settings.segment_duration")?;
        let retention = self
            .retention
            .map(|retention| length(retention, "retention_config.retention_window_duration"));

        let video = self.ladder.renditions.iter().map(|rendition| {
            (self.ladder.key(rendition), Track::VideoStream(rendition.encode(gop)))
        });
        let audio = self.ladder.audio.iter().cloned();
        let audio = audio.map(|(key, audio)| (key, Track::AudioStream(audio)));
        let elementary_streams = video
            .chain(audio)
            .map(|(key, track)| ElementaryStream { key, elementary_stream: Some(track) });
        let elementary_streams = elementary_streams.collect::<Vec<_>>();

        let keys = || elementary_streams.iter().map(|track| track.key.clone());
        let mux_streams = keys().map(|key| MuxStream {
            elementary_streams: vec![key.clone()],
            key,
            container: "fmp4".into(),
            segment_settings: Some(SegmentSettings { segment_duration: Some(segment) }),
            ..Default::default()
        });
        let manifests = self.manifests.into_iter().map(|kind| Manifest {
            r#type: kind.into(),
            mux_streams: keys().collect(),
            ..manifest_names(kind)
        });
        let channel = Channel {
            input_attachments: self.inputs,
            output: Some(Output { uri: self.output }),
            mux_streams: mux_streams.collect(),
            manifests: manifests.collect(),
            retention_config: retention
                .transpose()?
                .map(|window| RetentionConfig { retention_window_duration: Some(window) }),
            elementary_streams,
            ..Default::default()
        };
        channel.validate().map(|()| channel)
    }
}

fn manifest_names(kind: ManifestType) -> Manifest {
    let (key, file_name) = match kind {
        ManifestType::Hls => ("hls", "main.m3u8"),
        ManifestType::Dash => ("dash", "main.mpd"),
        ManifestType::Unspecified => ("", ""),
    };
    Manifest { key: key.into(), file_name: file_name.into(), ..Default::default() }
}
