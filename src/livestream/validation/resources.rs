//! The rules for inputs, events, clips, DVR sessions, assets and pools.

use super::{
    Context, Report, Validate,
    outputs::check_secret,
    report::{Index, Seconds},
};
use crate::{
    gax::rpc::InvalidField,
    model::{
        Asset, Channel, Clip, DvrSession, Event, Input, Pool, PreprocessingConfig, asset,
        clip::slice, dvr_session::dvr_window, encryption_update, event::Task, input,
    },
    name::{AssetName, ClipName, DvrSessionName, EventName, InputName, NetworkName, PoolName},
    time::{self, NANOS_PER_SECOND},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use std::{net::IpAddr, time::SystemTime};

impl Validate for Input {
    fn violations_in(&self, _: Context<'_>) -> Vec<InvalidField> {
        Report::of(|report| {
            report.name::<InputName>("name", &self.name);
            if self.r#type == input::Type::Unspecified as i32 {
                report.add("type", "is required: `RTMP_PUSH` or `SRT_PUSH`");
            }
            check_input_settings(report, self);
        })
    }
}

/// Checks the fields of an input that an update can change.
pub(super) fn check_input_settings(report: &mut Report, input: &Input) {
    if let Some(config) = &input.preprocessing_config {
        report.within("preprocessing_config", |report| check_preprocessing(report, config));
    }
    let rules = input.security_rules.iter().flat_map(|rules| &rules.ip_ranges);
    for (at, range) in rules.enumerate().filter(|(_, range)| !is_cidr(range)) {
        let field = format_args!("security_rules.ip_ranges[{at}]");
        report.must(field, format_args!("`{range}`"), "be a CIDR block such as `192.0.1.0/24`");
    }
}

fn check_preprocessing(report: &mut Report, config: &PreprocessingConfig) {
    if let Some(audio) = &config.audio {
        report.range("audio.lufs", audio.lufs, -24.0..=0.0);
    }
    if let Some(crop) = &config.crop {
        report.not_negative("crop.top_pixels", crop.top_pixels);
        report.not_negative("crop.bottom_pixels", crop.bottom_pixels);
        report.not_negative("crop.left_pixels", crop.left_pixels);
        report.not_negative("crop.right_pixels", crop.right_pixels);
    }
    if let Some(pad) = &config.pad {
        report.not_negative("pad.top_pixels", pad.top_pixels);
        report.not_negative("pad.bottom_pixels", pad.bottom_pixels);
        report.not_negative("pad.left_pixels", pad.left_pixels);
        report.not_negative("pad.right_pixels", pad.right_pixels);
    }
}

fn is_cidr(block: &str) -> bool {
    let Some((address, length)) = block.split_once('/') else { return false };
    let max = match address.parse() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    length.bytes().all(|digit| digit.is_ascii_digit())
        && length.parse::<u8>().is_ok_and(|length| length <= max)
}

impl Validate for Event {
    fn violations_in(&self, context: Context<'_>) -> Vec<InvalidField> {
        Report::of(|report| {
            report.name::<EventName>("name", &self.name);
            check_task(report, self.task.as_ref(), context.channel);
            // The service sets the execution time of an event with `execute_now`.
            if self.create_time.is_none() {
                check_schedule(report, self, context.now);
            }
        })
    }
}

fn check_schedule(report: &mut Report, event: &Event, now: Option<SystemTime>) {
    const MIN_LEAD: i128 = 10 * NANOS_PER_SECOND;
    match (event.execute_now, &event.execution_time) {
        (true, Some(_)) => {
            report.add("execution_time", "must not be set together with `execute_now`");
        }
        (false, None) => report.add("execution_time", "is required unless `execute_now` is set"),
        (true, None) => {}
        (false, Some(time)) => {
            let time = report.timestamp("execution_time", Some(time));
            if let (Some(time), Some(now)) = (time, now.and_then(nanos))
                && time < now + MIN_LEAD
            {
                let lead = format!("{} from now", Seconds(time - now));
                report.must("execution_time", lead, "be at least 10 s from now");
            }
        }
    }
}

/// Converts a time to nanoseconds since the Unix epoch. Returns `None` outside of the years 1 to
/// 9999.
fn nanos(time: SystemTime) -> Option<i128> {
    time::timestamp_nanos(&time::timestamp(time).ok()?).ok()
}

fn check_task(report: &mut Report, task: Option<&Task>, channel: Option<&Channel>) {
    match task {
        None => report.add("task", "is required"),
        Some(Task::InputSwitch(switch)) => {
            let inputs = channel.map(|channel| {
                Index::new("input attachment", &channel.input_attachments, |input| &input.key)
            });
            check_key(report, "input_switch.input_key", &switch.input_key, inputs.as_ref());
        }
        Some(Task::AdBreak(ad_break)) => match &ad_break.duration {
            None => report.add("ad_break.duration", "is required"),
            Some(duration) => report.duration_above_zero("ad_break.duration", duration),
        },
        Some(Task::Slate(slate)) => {
            if let Some(duration) = &slate.duration {
                report.duration_above_zero("slate.duration", duration);
            }
            report.reference::<AssetName>("slate.asset", &slate.asset);
        }
        Some(Task::Mute(mute)) => {
            if let Some(duration) = &mute.duration {
                report.duration_not_negative("mute.duration", duration);
            }
        }
        Some(Task::UpdateEncryptions(update)) => {
            report.require("update_encryptions.encryptions", !update.encryptions.is_empty());
            let known = channel.map(|channel| {
                Index::new("encryption", &channel.encryptions, |encryption| &encryption.id)
            });
            let ids = update.encryptions.iter().map(|change| &change.id);
            report.unique("update_encryptions.encryptions", "id", ids);
            report.each("update_encryptions.encryptions", &update.encryptions, |report, change| {
                check_key(report, "id", &change.id, known.as_ref());
                if let Some(encryption_update::SecretSource::SecretManagerKeySource(source)) =
                    &change.secret_source
                {
                    check_secret(report, source);
                }
            });
        }
        Some(Task::ReturnToProgram(_) | Task::Unmute(_)) => {}
    }
}

/// Checks a required key, and looks it up if the channel is known.
fn check_key<T>(report: &mut Report, field: &str, key: &str, known: Option<&Index<'_, T>>) {
    match known {
        Some(known) => _ = known.find(report, field, key),
        None => report.require(field, !key.is_empty()),
    }
}

impl Validate for Clip {
    fn violations_in(&self, Context { channel, now }: Context<'_>) -> Vec<InvalidField> {
        Report::of(|report| {
            report.name::<ClipName>("name", &self.name);
            if !self.output_uri.is_empty() {
                report.storage_folder("output_uri", &self.output_uri);
            }
            let keys = self.clip_manifests.iter().map(|manifest| &*manifest.manifest_key);
            check_one_manifest(report, "clip_manifests", keys, channel);

            let retention = channel.and_then(|channel| check_retention(report, "slices", channel));
            let now = now.and_then(nanos);
            let oldest = now.zip(retention).map(|(now, retention)| now - retention);
            // From the start of the first slice to the end of the last.
            let mut span: Option<(i128, i128)> = None;
            report.each("slices", &self.slices, |report, slice| {
                let Some(slice::Kind::TimeSlice(slice)) = &slice.kind else {
                    return report.add("kind", "is required: `time_slice`");
                };
                report.within("time_slice", |report| {
                    report.require("markin_time", slice.markin_time.is_some());
                    report.require("markout_time", slice.markout_time.is_some());
                    let start = report.timestamp("markin_time", slice.markin_time.as_ref());
                    let end = report.timestamp("markout_time", slice.markout_time.as_ref());
                    if end.zip(now).is_some_and(|(end, now)| end > now) {
                        let rule = "a clip contains only past content";
                        report.add("markout_time", format!("is in the future, but {rule}"));
                    }
                    if start.zip(oldest).is_some_and(|(start, oldest)| start < oldest) {
                        report.add("markin_time", "is before the channel's retention window");
                    }
                    let Some((start, end)) = start.zip(end) else { return };
                    if end <= start {
                        return report.add("markout_time", "must be after `markin_time`");
                    }
                    let (first, last) = span.unwrap_or((start, end));
                    span = Some((first.min(start), last.max(end)));
                });
            });
            if let (Some((start, end)), Some(retention)) = (span, retention)
                && end - start > retention
            {
                let (span, retention) = (Seconds(end - start), Seconds(retention));
                let reason = format!("span {span}, but the channel retains only {retention}");
                report.add("slices", reason);
            }
        })
    }
}

impl Validate for DvrSession {
    fn violations_in(&self, Context { channel, .. }: Context<'_>) -> Vec<InvalidField> {
        Report::of(|report| {
            report.name::<DvrSessionName>("name", &self.name);
            let keys = self.dvr_manifests.iter().map(|manifest| &*manifest.manifest_key);
            check_one_manifest(report, "dvr_manifests", keys, channel);
            if let Some(channel) = channel {
                check_retention(report, "dvr_windows", channel);
            }
            check_windows(report, self);
        })
    }
}

/// Checks the fields of a DVR session that an update can change.
pub(super) fn check_windows(report: &mut Report, session: &DvrSession) {
    report.require("dvr_windows", !session.dvr_windows.is_empty());
    report.each("dvr_windows", &session.dvr_windows, |report, window| {
        let Some(dvr_window::Kind::TimeInterval(interval)) = &window.kind else {
            return report.add("kind", "is required: `time_interval`");
        };
        report.within("time_interval", |report| {
            let start = report.timestamp("start_time", interval.start_time.as_ref());
            let end = report.timestamp("end_time", interval.end_time.as_ref());
            if start.zip(end).is_some_and(|(start, end)| end <= start) {
                report.add("end_time", "must be after `start_time`");
            }
        });
    });
}

/// Checks that a clip or DVR session refers to exactly one manifest of its channel.
fn check_one_manifest<'a>(
    report: &mut Report,
    field: &str,
    keys: impl ExactSizeIterator<Item = &'a str>,
    channel: Option<&Channel>,
) {
    match keys.len() {
        1 => {}
        0 => report.add(field, "is required: exactly one manifest"),
        count => report.add(field, format!("has {count} manifests, but must have exactly 1")),
    }
    let known = channel.map(|c| Index::new("manifest", &c.manifests, |manifest| &manifest.key));
    for (at, key) in keys.enumerate() {
        let field = format!("{field}[{at}].manifest_key");
        check_key(report, &field, key, known.as_ref());
    }
}

/// Returns the channel's retention window in nanoseconds. Clips and DVR sessions require one.
fn check_retention(report: &mut Report, field: &str, channel: &Channel) -> Option<i128> {
    let window = channel.retention_config.and_then(|config| config.retention_window_duration);
    let nanos = window.and_then(|window| time::duration_nanos(&window).ok()).filter(|n| *n > 0);
    if nanos.is_none() {
        report.add(field, "require a channel with `retention_config.retention_window_duration`");
    }
    nanos
}

impl Validate for Asset {
    fn violations_in(&self, _: Context<'_>) -> Vec<InvalidField> {
        Report::of(|report| {
            report.name::<AssetName>("name", &self.name);
            match &self.resource {
                None => report.add("resource", "is required: `video` or `image`"),
                Some(asset::Resource::Video(video)) => {
                    report.storage_object("video.uri", &video.uri);
                }
                Some(asset::Resource::Image(image)) => {
                    report.storage_object("image.uri", &image.uri);
                }
            }
            let crc32c = &*self.crc32c;
            if !crc32c.is_empty() && STANDARD.decode(crc32c).map_or(0, |sum| sum.len()) != 4 {
                let rule = "be the Base64 encoding of 4 bytes";
                report.must("crc32c", format_args!("`{crc32c}`"), rule);
            }
        })
    }
}

impl Validate for Pool {
    fn violations_in(&self, _: Context<'_>) -> Vec<InvalidField> {
        Report::of(|report| {
            report.name::<PoolName>("name", &self.name);
            let network = self.network_config.as_ref().map_or("", |config| &config.peered_network);
            report.name::<NetworkName>("network_config.peered_network", network);
            if let Ok(name) = network.parse::<NetworkName>()
                && !name.project().bytes().all(|digit| digit.is_ascii_digit())
            {
                let project = name.project();
                let reason = format!("has the project `{project}`, but must have its number");
                report.add("network_config.peered_network", reason);
            }
        })
    }
}
