//! The rules for a channel's outputs: mux streams, manifests, distributions, sprite sheets and
//! encryptions.

use super::{
    Report,
    parts::Parts,
    report::{Seconds, list},
    tracks::{TOLERANCE, gop_nanos},
};
use crate::{
    model::{
        Distribution, DistributionStream, ElementaryStream, Encryption, Manifest, MuxStream,
        SpriteSheet,
        distribution::Endpoint,
        elementary_stream::ElementaryStream as Track,
        encryption::{DrmSystems, EncryptionMode, SecretManagerSource, SecretSource},
        manifest::ManifestType,
        srt_push_output_endpoint::PassphraseSource,
    },
    name::SecretVersionName,
    time::{self, NANOS_PER_SECOND},
};

/// The length of a segment in nanoseconds if `segment_duration` is not set: 6 s.
const DEFAULT_SEGMENT: i128 = 6 * NANOS_PER_SECOND;

pub(super) fn check_mux_stream(report: &mut Report, mux: &MuxStream, parts: &Parts<'_>) {
    report.key("key", &mux.key);
    report.one_of("container", &mux.container, &["", "fmp4", "ts"]);
    let tracks = check_tracks(report, &mux.elementary_streams, parts);
    if let Some(Tracks { video, audio, text }) = Tracks::count(&tracks) {
        let field = "elementary_streams";
        match container(mux) {
            "fmp4" if video + audio + text != 1 => {
                let count = video + audio + text;
                report.add(field, format!("has {count} streams, but `fmp4` requires exactly 1"));
            }
            "ts" if audio != 1 || video > 1 => {
                let rule = "`ts` requires exactly 1 audio and at most 1 video stream";
                let reason = format!("has {audio} audio and {video} video streams, but {rule}");
                report.add(field, reason);
            }
            _ => {}
        }
    }
    check_segments(report, mux, &tracks);
    if !mux.encryption_id.is_empty() {
        let encryption = parts.encryptions.find(report, "encryption_id", &mux.encryption_id);
        let needed = match encryption.and_then(|encryption| encryption.encryption_mode.as_ref()) {
            Some(EncryptionMode::Aes128(_) | EncryptionMode::SampleAes(_)) => "ts",
            Some(EncryptionMode::MpegCenc(_)) => "fmp4",
            None => return,
        };
        if container(mux) != needed {
            let (id, own) = (&mux.encryption_id, container(mux));
            let reason = format!(
                "is `{id}`, which encrypts `{needed}` streams, but the container is `{own}`"
            );
            report.add("encryption_id", reason);
        }
    }
}

/// The container of a mux stream. The default is `fmp4`.
fn container(mux: &MuxStream) -> &str {
    if mux.container.is_empty() { "fmp4" } else { &mux.container }
}

/// Looks up the tracks in a list of keys. A track that is not found is `None`.
fn check_tracks<'a>(
    report: &mut Report,
    keys: &[String],
    parts: &Parts<'a>,
) -> Vec<Option<&'a ElementaryStream>> {
    report.unique("elementary_streams", "", keys);
    let tracks = keys
        .iter()
        .enumerate()
        .map(|(at, key)| parts.tracks.find(report, format_args!("elementary_streams[{at}]"), key));
    tracks.collect()
}

#[derive(Default)]
struct Tracks {
    video: usize,
    audio: usize,
    text: usize,
}

impl Tracks {
    /// Counts tracks by kind. Returns `None` if the kind of any track is not known.
    fn count(tracks: &[Option<&ElementaryStream>]) -> Option<Self> {
        let mut count = Self::default();
        for track in tracks {
            match track.as_ref()?.elementary_stream.as_ref()? {
                Track::VideoStream(_) => count.video += 1,
                Track::AudioStream(_) => count.audio += 1,
                Track::TextStream(_) => count.text += 1,
            }
        }
        Some(count)
    }
}

fn check_segments(report: &mut Report, mux: &MuxStream, tracks: &[Option<&ElementaryStream>]) {
    const FIELD: &str = "segment_settings.segment_duration";
    if let Some(duration) = mux.segment_settings.and_then(|settings| settings.segment_duration) {
        report.duration_in(FIELD, &duration, 2..=20);
    }
    let Some(segment) = segment_nanos(mux) else { return };
    for track in tracks.iter().flatten() {
        let Some(gop) = gop_nanos(track).filter(|gop| *gop > 0) else { continue };
        let rest = segment.rem_euclid(gop);
        if rest.min(gop - rest) > TOLERANCE {
            let (segment, gop, key) = (Seconds(segment), Seconds(gop), &track.key);
            let rule = format!("be a multiple of the GOP of `{key}`, which is {gop}");
            report.must(FIELD, segment, rule);
        }
    }
}

fn segment_nanos(mux: &MuxStream) -> Option<i128> {
    match mux.segment_settings.and_then(|settings| settings.segment_duration) {
        None => Some(DEFAULT_SEGMENT),
        Some(duration) => time::duration_nanos(&duration).ok(),
    }
}

pub(super) fn check_manifest(report: &mut Report, manifest: &Manifest, parts: &Parts<'_>) {
    let kind = ManifestType::try_from(manifest.r#type);
    report.require("type", kind != Ok(ManifestType::Unspecified));
    report.require("mux_streams", !manifest.mux_streams.is_empty());
    report.unique("mux_streams", "", &manifest.mux_streams);
    if manifest.max_segment_count != 0 && manifest.max_segment_count < 3 {
        report.must("max_segment_count", manifest.max_segment_count, "be at least 3");
    }
    if let Some(keep) = &manifest.segment_keep_duration {
        report.duration_not_negative("segment_keep_duration", keep);
    }

    let mut first: Option<&MuxStream> = None;
    for (at, key) in manifest.mux_streams.iter().enumerate() {
        let field = format!("mux_streams[{at}]");
        let Some(mux) = parts.mux_streams.find(report, &field, key) else { continue };
        let own = container(mux);
        if kind == Ok(ManifestType::Dash) && own != "fmp4" {
            let rule = "DASH supports only `fmp4`";
            report.add(&field, format!("is `{key}`, whose container is `{own}`, but {rule}"));
        }
        if let Some(encryption) = parts.encryptions.get(&mux.encryption_id)
            && let Some(reason) = unplayable(encryption, kind)
        {
            report.add(&field, format!("is `{key}`, whose {reason}"));
        }
        let Some(first) = first else {
            first = Some(mux);
            continue;
        };
        if kind == Ok(ManifestType::Hls) && container(first) != own {
            let (other, key) = (container(first), &first.key);
            let reason = format!("has the container `{own}`, but `{key}` has `{other}`");
            report.add(&field, reason);
        }
        if let (Some(own), Some(other)) = (segment_nanos(mux), segment_nanos(first))
            && own != other
        {
            let (own, other, key) = (Seconds(own), Seconds(other), &first.key);
            let reason = format!("has segments of {own}, but `{key}` has segments of {other}");
            report.add(&field, reason);
        }
    }
}

/// Returns why players of this kind of manifest cannot decrypt a stream, or `None` if they can.
fn unplayable(
    encryption: &Encryption,
    kind: Result<ManifestType, prost::UnknownEnumValue>,
) -> Option<&'static str> {
    let systems = encryption.drm_systems.as_ref()?;
    let is_for_both = systems.widevine.is_some() || systems.playready.is_some();
    match (encryption.encryption_mode.as_ref()?, kind) {
        (EncryptionMode::Aes128(_) | EncryptionMode::SampleAes(_), Ok(ManifestType::Dash)) => {
            Some("encryption works only with HLS")
        }
        (EncryptionMode::MpegCenc(_), Ok(ManifestType::Hls))
            if systems.clearkey.is_some() && !is_for_both && systems.fairplay.is_none() =>
        {
            Some("ClearKey encryption works only with DASH")
        }
        (EncryptionMode::MpegCenc(_), Ok(ManifestType::Dash))
            if systems.fairplay.is_some() && !is_for_both && systems.clearkey.is_none() =>
        {
            Some("FairPlay encryption works only with HLS")
        }
        _ => None,
    }
}

pub(super) fn check_distribution_stream(
    report: &mut Report,
    stream: &DistributionStream,
    parts: &Parts<'_>,
) {
    report.key("key", &stream.key);
    match &*stream.container {
        "" => report.add("container", "is required"),
        container => report.one_of("container", container, &["ts", "flv"]),
    }
    let tracks = check_tracks(report, &stream.elementary_streams, parts);
    // `ts` allows exactly one audio stream and `flv` at most one. Both require one.
    if let Some(Tracks { video, audio, .. }) = Tracks::count(&tracks)
        && (audio != 1 || video > 1)
    {
        let rule = "a distribution stream requires exactly 1 audio and at most 1 video stream";
        let reason = format!("has {audio} audio and {video} video streams, but {rule}");
        report.add("elementary_streams", reason);
    }
}

pub(super) fn check_distribution(
    report: &mut Report,
    distribution: &Distribution,
    parts: &Parts<'_>,
) {
    report.key("key", &distribution.key);
    let key = &distribution.distribution_stream;
    let stream = parts.distribution_streams.find(report, "distribution_stream", key);
    let needed = match &distribution.endpoint {
        None => return report.add("endpoint", "is required: `srt_push` or `rtmp_push`"),
        Some(Endpoint::SrtPush(srt)) => {
            report.require("srt_push.uri", !srt.uri.is_empty());
            if let Some(PassphraseSource::PassphraseSecretVersion(name)) = &srt.passphrase_source {
                report.reference::<SecretVersionName>("srt_push.passphrase_secret_version", name);
            }
            "ts"
        }
        Some(Endpoint::RtmpPush(rtmp)) => {
            report.require("rtmp_push.uri", !rtmp.uri.is_empty());
            report.require("rtmp_push.stream_key", !rtmp.stream_key.is_empty());
            "flv"
        }
    };
    if let Some(stream) = stream.filter(|stream| !["", needed].contains(&&*stream.container)) {
        let own = &stream.container;
        let rule = format!("the endpoint requires `{needed}`");
        let reason = format!("is `{key}`, whose container is `{own}`, but {rule}");
        report.add("distribution_stream", reason);
    }
}

pub(super) fn check_sprite_sheet(report: &mut Report, sheet: &SpriteSheet) {
    report.one_of("format", &sheet.format, &["", "jpeg"]);
    report.require("file_prefix", !sheet.file_prefix.is_empty());
    let sides = [
        ("sprite_width_pixels", sheet.sprite_width_pixels),
        ("sprite_height_pixels", sheet.sprite_height_pixels),
    ];
    for (field, pixels) in sides {
        match pixels {
            0 => report.add(field, "is required"),
            ..0 => report.not_negative(field, pixels),
            _ if pixels % 2 != 0 => report.must(field, pixels, "be even"),
            _ => {}
        }
    }
    report.range_if_set("column_count", sheet.column_count, 1..=10);
    report.range_if_set("row_count", sheet.row_count, 1..=10);
    report.range_if_set("quality", sheet.quality, 1..=100);
    if let Some(interval) = &sheet.interval {
        report.duration_in("interval", interval, 1..=3600);
    }
}

pub(super) fn check_encryption(report: &mut Report, encryption: &Encryption) {
    report.key("id", &encryption.id);
    match &encryption.secret_source {
        Some(SecretSource::SecretManagerKeySource(source)) => check_secret(report, source),
        None => report.add("secret_source", "is required: `secret_manager_key_source`"),
    }
    let allowed = match &encryption.encryption_mode {
        None => {
            return report
                .add("encryption_mode", "is required: `aes128`, `sample_aes` or `mpeg_cenc`");
        }
        Some(EncryptionMode::Aes128(_)) => &["clearkey"][..],
        Some(EncryptionMode::SampleAes(_)) => &["clearkey", "fairplay"],
        Some(EncryptionMode::MpegCenc(cenc)) => {
            match &*cenc.scheme {
                "" => report.add("mpeg_cenc.scheme", "is required"),
                scheme => report.one_of("mpeg_cenc.scheme", scheme, &["cenc", "cbcs"]),
            }
            match &*cenc.scheme {
                "cenc" => &["widevine", "playready", "clearkey"][..],
                _ => &["widevine", "playready", "clearkey", "fairplay"],
            }
        }
    };
    let systems = encryption.drm_systems.as_ref().map(enabled_systems).unwrap_or_default();
    if systems.is_empty() {
        report.add("drm_systems", "is required: enable at least one DRM system");
    }
    for system in systems.into_iter().filter(|system| !allowed.contains(system)) {
        let allowed = list(allowed.iter().copied());
        let reason = format!("is not supported in this encryption mode, which supports {allowed}");
        report.add(format_args!("drm_systems.{system}"), reason);
    }
}

pub(super) fn check_secret(report: &mut Report, source: &SecretManagerSource) {
    let field = "secret_manager_key_source.secret_version";
    report.reference::<SecretVersionName>(field, &source.secret_version);
}

fn enabled_systems(systems: &DrmSystems) -> Vec<&'static str> {
    let DrmSystems { widevine, fairplay, playready, clearkey } = systems;
    let all = [
        ("widevine", widevine.is_some()),
        ("fairplay", fairplay.is_some()),
        ("playready", playready.is_some()),
        ("clearkey", clearkey.is_some()),
    ];
    all.into_iter().filter(|(_, is_enabled)| *is_enabled).map(|(system, _)| system).collect()
}
