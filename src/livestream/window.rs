//! Stretches of a live stream: the windows of DVR sessions and the slices of clips.
//!
//! The messages nest a oneof, an interval and two timestamps, which is much to write for "the last
//! five minutes". The constructors here stand on the generated types themselves, where a reader of
//! the messages finds them. They take the present time as an argument: the clock is the caller's.

use crate::{
    gax::rpc::InvalidField,
    model::{
        Channel, Clip, DvrSession, Manifest, TimeInterval,
        clip::{ClipManifest, Slice, TimeSlice, slice},
        dvr_session::{DvrManifest, DvrWindow, dvr_window},
        manifest::ManifestType,
    },
    name::DvrSessionName,
    time,
};
use prost_types::Timestamp;
use std::{
    ops::{Bound, Range, RangeBounds},
    time::{Duration, SystemTime},
};

impl DvrWindow {
    /// The window between two points in time; either end may be left open, as in `start..`.
    ///
    /// # Errors
    /// The end is not after the start, or one of them is outside of the years 1 to 9999.
    ///
    /// # Examples
    /// ```
    /// use livestream_client::model::dvr_session::DvrWindow;
    /// use std::time::{Duration, SystemTime};
    ///
    /// let kick_off = SystemTime::now() + Duration::from_secs(3600);
    /// let match_time = DvrWindow::between(kick_off..kick_off + Duration::from_secs(2 * 3600))?;
    /// let from_kick_off_on = DvrWindow::between(kick_off..)?;
    /// assert!(DvrWindow::between(kick_off..kick_off).is_err());
    /// # Ok::<(), livestream_client::Error>(())
    /// ```
    pub fn between(range: impl RangeBounds<SystemTime>) -> Result<Self, InvalidField> {
        const ENDS: [&str; 2] = ["time_interval.start_time", "time_interval.end_time"];
        let [start_time, end_time] =
            timestamps(ENDS, given(range.start_bound()), given(range.end_bound()))?;
        Ok(Self {
            kind: Some(dvr_window::Kind::TimeInterval(TimeInterval { start_time, end_time })),
        })
    }

    /// The window that ends now, such as the last two hours.
    ///
    /// # Errors
    /// As [`between`](Self::between); a length of zero is an empty window.
    pub fn last(length: Duration, now: SystemTime) -> Result<Self, InvalidField> {
        Self::between(before(now, length, "time_interval.start_time")?..now)
    }

    /// The window that begins now, such as the next two hours.
    ///
    /// # Errors
    /// As [`between`](Self::between); a length of zero is an empty window.
    pub fn next(length: Duration, now: SystemTime) -> Result<Self, InvalidField> {
        let end = now.checked_add(length).ok_or_else(|| unheard_of("time_interval.end_time"))?;
        Self::between(now..end)
    }
}

impl Slice {
    /// The slice between two points in time.
    ///
    /// # Errors
    /// The end is not after the start, or one of them is outside of the years 1 to 9999.
    pub fn between(range: Range<SystemTime>) -> Result<Self, InvalidField> {
        const ENDS: [&str; 2] = ["time_slice.markin_time", "time_slice.markout_time"];
        let [markin_time, markout_time] = timestamps(ENDS, Some(range.start), Some(range.end))?;
        Ok(Self { kind: Some(slice::Kind::TimeSlice(TimeSlice { markin_time, markout_time })) })
    }

    /// The slice that ends now, such as the last five minutes.
    ///
    /// # Errors
    /// As [`between`](Self::between); a length of zero is an empty slice.
    ///
    /// # Examples
    /// ```
    /// use livestream_client::model::{Clip, clip::Slice};
    /// use std::time::{Duration, SystemTime};
    ///
    /// let goal = Slice::last(Duration::from_secs(300), SystemTime::now())?;
    /// let clip = Clip::of_manifest("hls", "gs://my-bucket/clips/goal", [goal]);
    /// # Ok::<(), livestream_client::Error>(())
    /// ```
    pub fn last(length: Duration, now: SystemTime) -> Result<Self, InvalidField> {
        Self::between(before(now, length, "time_slice.markin_time")?..now)
    }
}

impl Clip {
    /// A clip of these slices, made from the channel's manifest with this key; its files go to a
    /// folder in Cloud Storage, such as `gs://my-bucket/clips/goal`.
    pub fn of_manifest(
        manifest_key: impl Into<String>,
        output_uri: impl Into<String>,
        slices: impl IntoIterator<Item = Slice>,
    ) -> Self {
        let manifest = ClipManifest { manifest_key: manifest_key.into(), ..Default::default() };
        Self {
            output_uri: output_uri.into(),
            slices: slices.into_iter().collect(),
            clip_manifests: vec![manifest],
            ..Default::default()
        }
    }
}

impl DvrSession {
    /// A session that records these windows through the channel's manifest with this key.
    ///
    /// ```
    /// use livestream_client::model::{DvrSession, dvr_session::DvrWindow};
    /// use std::time::{Duration, SystemTime};
    ///
    /// let two_hours = DvrWindow::last(Duration::from_secs(2 * 3600), SystemTime::now())?;
    /// let session = DvrSession::of_manifest("hls", [two_hours]);
    /// # Ok::<(), livestream_client::Error>(())
    /// ```
    pub fn of_manifest(
        manifest_key: impl Into<String>,
        windows: impl IntoIterator<Item = DvrWindow>,
    ) -> Self {
        let manifest = DvrManifest { manifest_key: manifest_key.into(), ..Default::default() };
        Self {
            dvr_manifests: vec![manifest],
            dvr_windows: windows.into_iter().collect(),
            ..Default::default()
        }
    }

    /// Where the recording's manifest is, from the session's name and the channel that it records:
    /// see [`Channel::dvr_output_uri`].
    ///
    /// # Errors
    /// The session has no whole name or no manifest, or the channel lacks that manifest or an
    /// output.
    pub fn output_uri_on(&self, channel: &Channel) -> Result<String, InvalidField> {
        let name = self.name.parse::<DvrSessionName>();
        let name = name.map_err(|e| InvalidField::new("name", format!("is {e}")))?;
        let manifest = self.dvr_manifests.first();
        let manifest = manifest.ok_or_else(|| InvalidField::new("dvr_manifests", "is required"))?;
        channel.dvr_output_uri(name.dvr_session(), &manifest.manifest_key)
    }
}

impl Channel {
    /// Where the service puts the manifest of a DVR session:
    /// `{channel.output.uri}/dvr/{dvrSessionId}/{channel.manifests.fileName}`.
    ///
    /// The service says the same in the session's `dvr_manifests[0].output_uri`, once it is made;
    /// this tells it before.
    ///
    /// # Errors
    /// The channel has no output, or no manifest with this key.
    ///
    /// # Examples
    /// ```
    /// use livestream_client::model::{Channel, Manifest, channel::Output};
    ///
    /// let channel = Channel {
    ///     output: Some(Output { uri: "gs://my-bucket/outputs/".into() }),
    ///     manifests: vec![Manifest {
    ///         key: "hls".into(),
    ///         file_name: "main.m3u8".into(),
    ///         ..Default::default()
    ///     }],
    ///     ..Default::default()
    /// };
    /// let uri = channel.dvr_output_uri("my-dvr-session", "hls")?;
    /// assert_eq!(uri, "gs://my-bucket/outputs/dvr/my-dvr-session/main.m3u8");
    /// # Ok::<(), livestream_client::Error>(())
    /// ```
    pub fn dvr_output_uri(
        &self,
        dvr_session_id: &str,
        manifest_key: &str,
    ) -> Result<String, InvalidField> {
        let output = self.output.as_ref().map(|output| output.uri.trim_end_matches('/'));
        let output = output.filter(|uri| !uri.is_empty());
        let output = output.ok_or_else(|| InvalidField::new("output.uri", "is required"))?;
        let manifest = self.manifests.iter().find(|manifest| manifest.key == manifest_key);
        let manifest = manifest.filter(|_| !manifest_key.is_empty()).ok_or_else(|| {
            InvalidField::new("manifests", format!("has no manifest with the key `{manifest_key}`"))
        })?;
        Ok(format!("{output}/dvr/{dvr_session_id}/{}", manifest.output_file_name()))
    }
}

impl Manifest {
    /// The name of the file that the service writes: `file_name` or, if that is empty,
    /// `manifest.m3u8` for HLS and `manifest.mpd` for DASH.
    ///
    /// The API's reference takes the extension from the type. A type that is unspecified, or newer
    /// than this version, has no known extension: the name is `manifest` then. The service refuses a
    /// manifest of unspecified type.
    ///
    /// ```
    /// use livestream_client::model::{Manifest, manifest::ManifestType};
    ///
    /// let mut manifest = Manifest { r#type: ManifestType::Dash.into(), ..Default::default() };
    /// assert_eq!(manifest.output_file_name(), "manifest.mpd");
    /// manifest.file_name = "main.mpd".into();
    /// assert_eq!(manifest.output_file_name(), "main.mpd");
    /// ```
    pub fn output_file_name(&self) -> &str {
        match (&*self.file_name, self.r#type()) {
            ("", ManifestType::Hls) => "manifest.m3u8",
            ("", ManifestType::Dash) => "manifest.mpd",
            ("", ManifestType::Unspecified) => "manifest",
            (name, _) => name,
        }
    }
}

fn given(bound: Bound<&SystemTime>) -> Option<SystemTime> {
    match bound {
        Bound::Included(time) | Bound::Excluded(time) => Some(*time),
        Bound::Unbounded => None,
    }
}

/// Both ends of a stretch in the API's form; an error names the field that would hold it.
fn timestamps(
    fields: [&'static str; 2],
    start: Option<SystemTime>,
    end: Option<SystemTime>,
) -> Result<[Option<Timestamp>; 2], InvalidField> {
    if let (Some(start), Some(end)) = (start, end)
        && end <= start
    {
        return Err(InvalidField::new(fields[1], "is not after the start"));
    }
    let convert = |time: Option<SystemTime>, field| {
        time.map(|time| time::timestamp(time).map_err(|e| e.at(field))).transpose()
    };
    Ok([convert(start, fields[0])?, convert(end, fields[1])?])
}

fn before(
    now: SystemTime,
    length: Duration,
    field: &'static str,
) -> Result<SystemTime, InvalidField> {
    now.checked_sub(length).ok_or_else(|| unheard_of(field))
}

fn unheard_of(field: &'static str) -> InvalidField {
    InvalidField::new(field, "is a time that this system cannot hold")
}
