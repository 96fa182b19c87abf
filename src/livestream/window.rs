//! Constructors for time ranges of a live stream: the windows of DVR sessions and the slices of
//! clips.
//!
//! The messages nest a oneof, an interval and two timestamps. These constructors build them from
//! the standard library's types. They are methods of the generated types. The present time is an
//! argument, so a caller can use any clock.

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
    /// Creates a window between two points in time. Either end can be open, as in `start..`.
    ///
    /// # Errors
    /// Returns an error if the end is not after the start, or if either is outside of the years 1
    /// to 9999.
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
            timestamps(ENDS, time_of(range.start_bound()), time_of(range.end_bound()))?;
        Ok(Self {
            kind: Some(dvr_window::Kind::TimeInterval(TimeInterval { start_time, end_time })),
        })
    }

    /// Creates a window of this length that ends now, such as the last two hours.
    ///
    /// # Errors
    /// Returns the same errors as [`between`](Self::between), and an error if the length is zero.
    pub fn last(length: Duration, now: SystemTime) -> Result<Self, InvalidField> {
        Self::between(before(now, length, "time_interval.start_time")?..now)
    }

    /// Creates a window of this length that begins now, such as the next two hours.
    ///
    /// # Errors
    /// Returns the same errors as [`between`](Self::between), and an error if the length is zero.
    pub fn next(length: Duration, now: SystemTime) -> Result<Self, InvalidField> {
        let end = now.checked_add(length).ok_or_else(|| overflow("time_interval.end_time"))?;
        Self::between(now..end)
    }

    /// Returns the times of the window, from its start to its end. An end that is not set is open.
    ///
    /// # Errors
    /// Returns an error if a time is not valid.
    ///
    /// # Examples
    /// ```
    /// use livestream_client::model::dvr_session::DvrWindow;
    /// use std::{ops::RangeBounds, time::SystemTime};
    ///
    /// let kick_off = SystemTime::now();
    /// let range = DvrWindow::between(kick_off..)?.range()?;
    /// assert!(range.contains(&kick_off));
    /// # Ok::<(), livestream_client::Error>(())
    /// ```
    pub fn range(&self) -> Result<(Bound<SystemTime>, Bound<SystemTime>), InvalidField> {
        let Some(dvr_window::Kind::TimeInterval(interval)) = &self.kind else {
            return Err(InvalidField::new("time_interval", "is required"));
        };
        let time = |time: &Option<Timestamp>, field| {
            let time = time.as_ref().map(time::system_time).transpose();
            time.map_err(|e: time::InvalidTime| e.at(field))
        };
        let start = time(&interval.start_time, "time_interval.start_time")?;
        let end = time(&interval.end_time, "time_interval.end_time")?;
        Ok((
            start.map_or(Bound::Unbounded, Bound::Included),
            end.map_or(Bound::Unbounded, Bound::Excluded),
        ))
    }
}

impl Slice {
    /// Creates a slice between two points in time.
    ///
    /// # Errors
    /// Returns an error if the end is not after the start, or if either is outside of the years 1
    /// to 9999.
    pub fn between(range: Range<SystemTime>) -> Result<Self, InvalidField> {
        const ENDS: [&str; 2] = ["time_slice.markin_time", "time_slice.markout_time"];
        let [markin_time, markout_time] = timestamps(ENDS, Some(range.start), Some(range.end))?;
        Ok(Self { kind: Some(slice::Kind::TimeSlice(TimeSlice { markin_time, markout_time })) })
    }

    /// Creates a slice of this length that ends now, such as the last five minutes.
    ///
    /// # Errors
    /// Returns the same errors as [`between`](Self::between), and an error if the length is zero.
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
    /// Creates a clip of these slices from the channel's manifest with this key.
    ///
    /// The service writes the files of the clip to the output URI, a folder in Cloud Storage such
    /// as `gs://my-bucket/clips/goal`.
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
    /// Creates a session that records these windows from the channel's manifest with this key.
    ///
    /// # Examples
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

    /// Returns the URI of the recording's manifest for a session of this channel.
    ///
    /// See [`Channel::dvr_output_uri`].
    ///
    /// # Errors
    /// Returns an error if the session has no valid name or no manifest, or if the channel does not
    /// have this manifest or has no output.
    pub fn output_uri_on(&self, channel: &Channel) -> Result<String, InvalidField> {
        let name = self.name.parse::<DvrSessionName>();
        let name = name.map_err(|e| InvalidField::new("name", format!("is {e}")))?;
        let manifest = self.dvr_manifests.first();
        let manifest = manifest.ok_or_else(|| InvalidField::new("dvr_manifests", "is required"))?;
        channel.dvr_output_uri(name.dvr_session(), &manifest.manifest_key)
    }
}

impl Channel {
    /// Returns the URI of a DVR session's manifest:
    /// `{channel.output.uri}/dvr/{dvrSessionId}/{channel.manifests.fileName}`.
    ///
    /// This format is from the API's reference. Once the session is created, the service returns
    /// the same URI in the session's `dvr_manifests[0].output_uri`.
    ///
    /// # Errors
    /// Returns an error if the channel has no output or no manifest with this key.
    ///
    /// # Examples
    /// ```
    /// use livestream_client::model::{Channel, Manifest, channel::Output};
    ///
    /// let channel = Channel {
    ///     output: Some(Output { uri: "gs://my-bucket/outputs/".into(), ..Default::default() }),
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
    /// Returns the name of the manifest file that the service writes.
    ///
    /// This is `file_name` or, if that is empty, `manifest.m3u8` for HLS and `manifest.mpd` for
    /// DASH, as in the API's reference. A type that is unspecified, or that this version does not
    /// know, has no known extension: the name is then `manifest`. The service rejects a manifest of
    /// unspecified type.
    ///
    /// # Examples
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

fn time_of(bound: Bound<&SystemTime>) -> Option<SystemTime> {
    match bound {
        Bound::Included(time) | Bound::Excluded(time) => Some(*time),
        Bound::Unbounded => None,
    }
}

/// Converts the ends of a range to timestamps. An error contains the field of the invalid end.
fn timestamps(
    fields: [&'static str; 2],
    start: Option<SystemTime>,
    end: Option<SystemTime>,
) -> Result<[Option<Timestamp>; 2], InvalidField> {
    if let (Some(start), Some(end)) = (start, end)
        && end <= start
    {
        return Err(InvalidField::new(fields[1], "must be after the start"));
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
    now.checked_sub(length).ok_or_else(|| overflow(field))
}

fn overflow(field: &'static str) -> InvalidField {
    InvalidField::new(field, "is a time that this system cannot represent")
}
