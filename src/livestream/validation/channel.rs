//! The rules for channels.

use super::{
    Context, Report, Validate,
    outputs::{
        check_distribution, check_distribution_stream, check_encryption, check_manifest,
        check_mux_stream, check_sprite_sheet,
    },
    parts::Parts,
    tracks::{check_gop_sizes, check_track},
};
use crate::{
    gax::rpc::InvalidField,
    model::{Channel, InputAttachment, StaticOverlay, TimecodeConfig, timecode_config::TimeOffset},
    name::{AssetName, ChannelName, InputName},
};
use prost_types::Duration;

impl Validate for Channel {
    fn violations_in(&self, _: Context<'_>) -> Vec<InvalidField> {
        Report::of(|report| check_channel(report, self, &Parts::of(self)))
    }
}

pub(super) fn check_channel(report: &mut Report, channel: &Channel, parts: &Parts<'_>) {
    report.name::<ChannelName>("name", &channel.name);
    let output = channel.output.as_ref().map_or("", |output| &output.uri);
    report.storage_folder("output.uri", output);

    let inputs = &channel.input_attachments;
    report.unique("input_attachments", "key", inputs.iter().map(|i| &i.key));
    report.each("input_attachments", inputs, |report, input| check_input(report, input, parts));

    let tracks = &channel.elementary_streams;
    report.unique("elementary_streams", "key", tracks.iter().map(|t| &t.key));
    report.each("elementary_streams", tracks, |report, track| {
        check_track(report, track, channel, parts);
    });
    check_gop_sizes(report, tracks);

    let mux_streams = &channel.mux_streams;
    report.unique("mux_streams", "key", mux_streams.iter().map(|m| &m.key));
    report.each("mux_streams", mux_streams, |report, mux| check_mux_stream(report, mux, parts));

    let manifests = &channel.manifests;
    report.unique("manifests", "key", manifests.iter().map(|m| &m.key));
    report.unique("manifests", "file_name", manifests.iter().map(|m| m.output_file_name()));
    report.each("manifests", manifests, |report, manifest| {
        check_manifest(report, manifest, parts);
    });

    let streams = &channel.distribution_streams;
    report.unique("distribution_streams", "key", streams.iter().map(|s| &s.key));
    report.each("distribution_streams", streams, |report, stream| {
        check_distribution_stream(report, stream, parts);
    });
    let distributions = &channel.distributions;
    report.unique("distributions", "key", distributions.iter().map(|d| &d.key));
    report.each("distributions", distributions, |report, distribution| {
        check_distribution(report, distribution, parts);
    });

    let sheets = &channel.sprite_sheets;
    report.unique("sprite_sheets", "file_prefix", sheets.iter().map(|s| &s.file_prefix));
    report.each("sprite_sheets", sheets, check_sprite_sheet);
    report.unique("encryptions", "id", channel.encryptions.iter().map(|e| &e.id));
    report.each("encryptions", &channel.encryptions, check_encryption);
    report.each("static_overlays", &channel.static_overlays, check_overlay);
    if let Some(timecode) = &channel.timecode_config {
        report.within("timecode_config", |report| check_timecode(report, timecode));
    }
    if let Some(retention) = channel.retention_config.and_then(|r| r.retention_window_duration) {
        report.duration_not_negative("retention_config.retention_window_duration", &retention);
    }
}

fn check_input(report: &mut Report, input: &InputAttachment, parts: &Parts<'_>) {
    report.key("key", &input.key);
    report.reference::<InputName>("input", &input.input);
    let Some(failover) = &input.automatic_failover else { return };
    if failover.input_keys.len() > 1 {
        let count = failover.input_keys.len();
        let reason = format!("has {count} backup inputs, but at most 1 is allowed");
        report.add("automatic_failover.input_keys", reason);
    }
    for (at, key) in failover.input_keys.iter().enumerate() {
        let field = format_args!("automatic_failover.input_keys[{at}]");
        parts.inputs.find(report, field, key);
    }
}

fn check_overlay(report: &mut Report, overlay: &StaticOverlay) {
    report.reference::<AssetName>("asset", &overlay.asset);
    if let Some(resolution) = &overlay.resolution {
        report.range("resolution.w", resolution.w, 0.0..=1.0);
        report.range("resolution.h", resolution.h, 0.0..=1.0);
    }
    if let Some(position) = &overlay.position {
        report.range("position.x", position.x, 0.0..=1.0);
        report.range("position.y", position.y, 0.0..=1.0);
    }
    // An unset field is 0, which means fully opaque.
    report.range("opacity", overlay.opacity, 0.0..=1.0);
}

fn check_timecode(report: &mut Report, timecode: &TimecodeConfig) {
    const EIGHTEEN_HOURS: i32 = 18 * 3600;
    if let Some(TimeOffset::UtcOffset(offset)) = &timecode.time_offset {
        report.duration_in("utc_offset", offset, -EIGHTEEN_HOURS..=EIGHTEEN_HOURS);
        if *offset != (Duration { nanos: 0, ..*offset }) {
            report.add("utc_offset", "must be a whole number of seconds");
        }
    }
}
