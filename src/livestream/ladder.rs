//! A channel from a rendition ladder.
//!
//! The renditions of a channel are spread over three lists that refer to each other by key:
//! elementary streams, mux streams and manifests. Written by hand, these drift apart. Here a
//! [`Ladder`] says what to encode, a [`ChannelBuilder`] where it comes from and goes, and the lists
//! follow: one elementary stream and one `fmp4` mux stream under the same key for each rung, and an
//! HLS and a DASH manifest of all of them. The result is plain data, to be changed further at will.
//!
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

/// One rung: a size of the picture, and what is spent on it. H.264 unless told otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct Rendition {
    width: i32,
    height: i32,
    frame_rate: f64,
    bitrate: i32,
    is_h265: bool,
}

impl Rendition {
    /// A picture in pixels, both even, with at most so many frames and bits per second.
    pub fn new(width: i32, height: i32, frame_rate: f64, bitrate_bps: i32) -> Self {
        Self { width, height, frame_rate, bitrate: bitrate_bps, is_h265: false }
    }

    /// Encodes this rung as H.265, which may have up to 120 frames per second.
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

/// The renditions of a channel, and its sound: stereo AAC of 128 kbit/s unless told otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct Ladder {
    renditions: Vec<Rendition>,
    audio: Vec<(String, AudioStream)>,
}

impl Ladder {
    /// A ladder of these renditions, in the order in which manifests shall list them.
    pub fn of(renditions: impl IntoIterator<Item = Rendition>) -> Self {
        let stereo = AudioStream { bitrate_bps: 128_000, channel_count: 2, ..Default::default() };
        Self { renditions: renditions.into_iter().collect(), audio: vec![("audio".into(), stereo)] }
    }

    /// 480p and 360p with 30 frames per second: for an input of tier SD.
    pub fn sd() -> Self {
        Self::of([
            Rendition::new(854, 480, 30.0, 1_400_000),
            Rendition::new(640, 360, 30.0, 800_000),
        ])
    }

    /// 1080p, 720p, 480p and 360p with 30 frames per second: for an input of tier HD.
    pub fn hd() -> Self {
        let mut rungs = Self::sd();
        rungs.renditions.splice(
            0..0,
            [
                Rendition::new(1920, 1080, 30.0, 5_000_000),
                Rendition::new(1280, 720, 30.0, 3_000_000),
            ],
        );
        rungs
    }

    /// 2160p above the rungs of [`hd`](Self::hd): for an input of tier UHD.
    pub fn uhd() -> Self {
        let mut rungs = Self::hd();
        rungs.renditions.insert(0, Rendition::new(3840, 2160, 30.0, 16_000_000));
        rungs
    }

    /// Gives every rung this many frames per second at most; bit rates stay.
    pub fn frame_rate(mut self, frames_per_second: f64) -> Self {
        for rendition in &mut self.renditions {
            rendition.frame_rate = frames_per_second;
        }
        self
    }

    /// The audio tracks by key, in place of the one named `audio`; none makes a silent channel.
    pub fn audio<K: Into<String>>(
        mut self,
        tracks: impl IntoIterator<Item = (K, AudioStream)>,
    ) -> Self {
        self.audio = tracks.into_iter().map(|(key, track)| (key.into(), track)).collect();
        self
    }

    /// A channel of this ladder that writes to a folder in Cloud Storage, such as
    /// `gs://my-bucket/news/`.
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

    /// `video-720p`, with the bit rate where the height alone does not tell the rungs apart.
    fn key(&self, rendition: &Rendition) -> String {
        let Rendition { height, bitrate, .. } = rendition;
        match self.renditions.iter().filter(|other| other.height == *height).count() {
            ..=1 => format!("video-{height}p"),
            _ => format!("video-{height}p-{}k", bitrate / 1000),
        }
    }
}

/// What a channel needs besides its [`Ladder`].
#[derive(Clone, Debug, PartialEq)]
#[must_use = "builds nothing until `build`"]
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
    /// Attaches an input under a key; the first is the source at the start.
    pub fn input(mut self, key: impl Into<String>, input: &InputName) -> Self {
        let (key, input) = (key.into(), input.into());
        self.inputs.push(InputAttachment { key, input, automatic_failover: None });
        self
    }

    /// Attaches an input under a key, which the input before it fails over to.
    pub fn backup(mut self, key: impl Into<String>, input: &InputName) -> Self {
        let key = key.into();
        if let Some(primary) = self.inputs.last_mut() {
            primary.automatic_failover = Some(AutomaticFailover { input_keys: vec![key.clone()] });
        }
        self.input(key, input)
    }

    /// The manifests to write: one of each type, under the keys `hls` and `dash`, in the files
    /// `main.m3u8` and `main.mpd`. Both unless told otherwise.
    pub fn manifests(mut self, types: impl IntoIterator<Item = ManifestType>) -> Self {
        self.manifests = types.into_iter().collect();
        self
    }

    /// The length of a segment, 2 s to 20 s, a whole multiple of the [`gop`](Self::gop). 6 s unless
    /// set.
    pub fn segments(mut self, length: Duration) -> Self {
        self.segment = length;
        self
    }

    /// The distance between key frames, 2 s to 20 s. 2 s unless set.
    pub fn gop(mut self, length: Duration) -> Self {
        self.gop = length;
        self
    }

    /// How long output is kept for clips and DVR sessions; none can be made unless it is set.
    pub fn retention(mut self, length: Duration) -> Self {
        self.retention = Some(length);
        self
    }

    /// The channel, which keeps all documented rules.
    ///
    /// # Errors
    /// Each violation of a rule, by its path in the channel.
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
