//! Update masks: their paths exist, and the mask of a difference turns the old resource into the
//! new one.

#![allow(clippy::unwrap_used)]

mod draw;

use draw::{Draw, check};
use livestream_client::{
    Error,
    mask::{self, Maskable, Updatable},
    model::{
        Channel, DvrSession, ElementaryStream, Encryption, Input, InputAttachment, InputConfig,
        LogConfig, Manifest, MuxStream, Pool, PreprocessingConfig, SpriteSheet, StaticOverlay,
        TimecodeConfig, channel::Output, dvr_session::DvrWindow, input::SecurityRule,
        pool::NetworkConfig, preprocessing_config,
    },
    proto::FILE_DESCRIPTOR_SET,
};
use prost::{Message, Name};
use prost_reflect::{DescriptorPool, DynamicMessage, Kind, ReflectMessage, Value};
use prost_types::{FieldMask, Timestamp};
use std::{
    sync::LazyLock,
    time::{Duration, UNIX_EPOCH},
};

static POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap());

fn dynamic<T: Message + Name>(message: &T) -> DynamicMessage {
    let descriptor = POOL.get_message_by_name(&T::full_name()).unwrap();
    DynamicMessage::decode(descriptor, &*message.encode_to_vec()).unwrap()
}

/// Applies an update as the service does: each field of the mask takes its value from `new`, which
/// can be empty.
fn apply<T: Message + Name + Default>(old: &T, new: &T, mask: &FieldMask) -> T {
    let (mut old, new) = (dynamic(old), dynamic(new));
    for path in &mask.paths {
        overwrite(&mut old, &new, path);
    }
    T::decode(&*old.encode_to_vec()).unwrap()
}

fn overwrite(old: &mut DynamicMessage, new: &DynamicMessage, path: &str) {
    let (field, rest) = path.split_once('.').map_or((path, None), |(f, rest)| (f, Some(rest)));
    let field = new.descriptor().get_field_by_name(field).unwrap();
    if let Some(rest) = rest {
        let inner = new.get_field(&field);
        let Value::Message(inner) = &*inner else { panic!("{path} is no message") };
        let Value::Message(held) = old.get_field_mut(&field) else { unreachable!("as in new") };
        overwrite(held, inner, rest);
    } else if new.has_field(&field) {
        old.set_field(&field, new.get_field(&field).into_owned());
    } else {
        old.clear_field(&field);
    }
}

#[test]
fn mask_paths_match_the_message_definitions() {
    fn check<T: Updatable>() {
        let message = POOL.get_message_by_name(&T::full_name()).unwrap();
        let find = |path: &str| {
            let (mut message, mut found) = (Some(message.clone()), false);
            for name in path.split('.') {
                let field = message.take().and_then(|message| message.get_field_by_name(name));
                found = field.is_some();
                message =
                    field.filter(|field| !field.is_list()).and_then(|field| match field.kind() {
                        Kind::Message(inner) => Some(inner),
                        _ => None,
                    });
            }
            found
        };
        assert!(T::PATHS.iter().all(|path| find(path)), "{}", T::NAME);
        let top = message.fields().filter(|field| T::PATHS.contains(&field.name())).count();
        assert_eq!(top, message.fields().count(), "{}", T::NAME);
        assert!(T::FIELDS.iter().all(|field| T::PATHS.contains(field)), "{}", T::NAME);
    }
    check::<Channel>();
    check::<Input>();
    check::<DvrSession>();
    check::<Pool>();
    for path in ["output.uri", "labels", "retention_config.retention_window_duration"] {
        assert!(Channel::PATHS.contains(&path), "{path}");
    }
    for path in ["mux_streams.key", "labels.key", "create_time.seconds", "*", ""] {
        assert!(!Channel::PATHS.contains(&path), "{path}");
    }
}

#[test]
fn unknown_mask_paths_are_refused_with_the_nearest_known_path() {
    let cases = [
        ("outputs", Some("output"), "; did you mean `output`?"),
        ("inputAttachments", Some("input_attachments"), "; did you mean `input_attachments`?"),
        ("output.url", Some("output.uri"), "; did you mean `output.uri`?"),
        (
            "mux_streams.key",
            Some("mux_streams"),
            "; a mask can only contain `mux_streams` as a whole",
        ),
        ("manifests[0]", Some("manifests"), "; a mask can only contain `manifests` as a whole"),
        ("labels.show", Some("labels"), "; a mask can only contain `labels` as a whole"),
        ("moon", None, ""),
        ("*", None, ""),
        ("", None, ""),
        ("сигнал", None, ""),
    ];
    for (path, suggestion, rest) in cases {
        let unknown = mask::of::<Channel>(["output", path]).unwrap_err();
        assert_eq!((unknown.path(), unknown.suggestion()), (path, suggestion));
        assert_eq!(unknown.to_string(), format!("`Channel` has no field `{path}`{rest}"));
    }
    let error = Error::from(mask::of::<Pool>(["network"]).unwrap_err());
    assert_eq!(error.field(), Some("update_mask"));
    assert_eq!(error.message(), "`update_mask` is invalid: `Pool` has no field `network`");
}

#[test]
fn a_mask_keeps_the_order_and_drops_duplicates() {
    let mask = mask::of::<Channel>(["retention_config", "output.uri", "retention_config"]).unwrap();
    assert_eq!(mask.paths, ["retention_config", "output.uri"]);
    assert_eq!(mask::of::<Channel>([""; 0]).unwrap().paths, [""; 0]);
}

#[test]
fn output_only_fields_are_left_out_of_a_mask() {
    let old = Channel { active_input: "studio".into(), ..Default::default() };
    let mut new = Channel { update_time: Some(Timestamp::default()), ..Default::default() };
    new.set_streaming_state(livestream_client::model::channel::StreamingState::Streaming);
    assert_eq!(mask::difference(&old, &new), Ok(None));

    // The same holds inside of fields that the caller sets.
    let mut old = DvrSession::of_manifest("hls", []);
    let mut new = old.clone();
    old.dvr_manifests[0].output_uri = "gs://bucket/dvr/evening/main.m3u8".into();
    new.dvr_windows.push(DvrWindow::default());
    let mask = mask::difference(&old, &new).unwrap().unwrap();
    assert_eq!(mask.paths, ["dvr_windows"]);
    old.clear_outputs();
    assert_eq!(old, DvrSession::of_manifest("hls", []));
}

#[test]
fn overwrite_copies_one_top_level_field() {
    let from = Channel {
        output: Some(Output { uri: "gs://new/".into() }),
        labels: [("show".to_owned(), "news".to_owned())].into(),
        ..Default::default()
    };
    let mut to = Channel { active_input: "studio".into(), ..Default::default() };
    assert!(to.overwrite("output", &from));
    assert_eq!(to.differing(&from), ["labels", "active_input"]);
    // A field that is empty in the other resource becomes empty.
    assert!(to.overwrite("active_input", &from));
    assert_eq!(to.active_input, "");
    for unknown in ["output.uri", "outputs", ""] {
        assert!(!to.overwrite(unknown, &from), "{unknown}");
    }
    for field in Channel::PATHS.iter().filter(|path| !path.contains('.')) {
        assert!(to.overwrite(field, &from), "{field}");
    }
    assert_eq!(to, from);
}

#[test]
fn a_difference_in_an_immutable_field_is_named_in_the_mask_error() {
    let mut new = Channel {
        name: "projects/p/locations/l/channels/c".into(),
        static_overlays: vec![StaticOverlay::default()],
        output: Some(Output::default()),
        ..Default::default()
    };
    new.labels.insert("show".into(), "news".into());
    let fixed = mask::difference(&Channel::default(), &new).unwrap_err();
    assert_eq!(fixed.fields(), ["name", "labels", "static_overlays"]);
    assert_eq!(Error::from(fixed).field(), Some("name"));

    let old = DvrSession::of_manifest("hls", []);
    let fixed = mask::difference(&old, &DvrSession::of_manifest("dash", [])).unwrap_err();
    assert_eq!(
        fixed.to_string(),
        "an update of `DvrSession` cannot change `dvr_manifests`, only `dvr_windows`"
    );
}

#[test]
fn a_mask_covers_field_presence_and_ignores_map_order() {
    let none = Channel::default();
    let empty = Channel { log_config: Some(LogConfig::default()), ..Default::default() };
    for (old, new) in [(&none, &empty), (&empty, &none)] {
        let mask = mask::difference(old, new).unwrap().unwrap();
        assert_eq!(mask.paths, ["log_config"]);
        assert_eq!(&apply(old, new, &mask), new);
    }
    let labels = |keys: &mut dyn Iterator<Item = u32>| Channel {
        labels: keys.map(|key| (key.to_string(), "x".to_owned())).collect(),
        ..Default::default()
    };
    let difference = mask::difference(&labels(&mut (0..50)), &labels(&mut (0..50).rev()));
    assert_eq!(difference, Ok(None));
}

/// One of few texts, so that two values are often equal.
fn text(draw: &mut Draw) -> String {
    draw.of("abc", 0..3)
}

fn channel(draw: &mut Draw) -> Channel {
    fn list<T>(draw: &mut Draw, make: impl Fn(String) -> T) -> Vec<T> {
        draw.list(0..3, |draw| make(text(draw)))
    }
    Channel {
        input_attachments: list(draw, |key| InputAttachment { key, ..Default::default() }),
        elementary_streams: list(draw, |key| ElementaryStream { key, ..Default::default() }),
        mux_streams: list(draw, |key| MuxStream { key, ..Default::default() }),
        manifests: list(draw, |key| Manifest { key, ..Default::default() }),
        sprite_sheets: list(draw, |format| SpriteSheet { format, ..Default::default() }),
        encryptions: list(draw, |id| Encryption { id, ..Default::default() }),
        output: draw.option(|draw| Output { uri: text(draw) }),
        log_config: draw.option(|draw| LogConfig { log_severity: draw.0.i32(0..3) }),
        input_config: draw.option(|draw| InputConfig { input_switch_mode: draw.0.i32(0..3) }),
        timecode_config: draw
            .option(|draw| TimecodeConfig { source: draw.0.i32(0..3), ..Default::default() }),
        labels: draw.list(0..2, |draw| (text(draw), String::new())),
        ..Default::default()
    }
}

fn input(draw: &mut Draw) -> Input {
    Input {
        tier: draw.0.i32(0..3),
        r#type: draw.0.i32(0..2),
        preprocessing_config: draw.option(|draw| PreprocessingConfig {
            audio: draw
                .option(|draw| preprocessing_config::Audio { lufs: draw.0.i32(-24..0).into() }),
            ..Default::default()
        }),
        security_rules: draw.option(|draw| SecurityRule { ip_ranges: draw.list(0..2, text) }),
        ..Default::default()
    }
}

fn session(draw: &mut Draw) -> DvrSession {
    let windows: Vec<_> = draw.list(0..3, |draw| {
        let end = UNIX_EPOCH + Duration::from_secs(draw.0.u64(1..5));
        DvrWindow::between(UNIX_EPOCH..end).unwrap()
    });
    DvrSession::of_manifest(text(draw), windows)
}

fn pool(draw: &mut Draw) -> Pool {
    Pool {
        network_config: draw.option(|draw| NetworkConfig { peered_network: text(draw) }),
        labels: draw.list(0..2, |draw| (text(draw), String::new())),
        ..Default::default()
    }
}

/// Checks that the mask of a difference turns `old` into `new` and names only mutable fields that
/// differ, and that a difference in any other field is an error.
fn check_difference<T>(old: &T, new: &T)
where
    T: Updatable + Message + Name + Default + std::fmt::Debug,
{
    let (held, wanted) = (dynamic(old), dynamic(new));
    let differs = |field: &str| {
        let field = held.descriptor().get_field_by_name(field).unwrap();
        held.has_field(&field) != wanted.has_field(&field)
            || held.get_field(&field) != wanted.get_field(&field)
    };
    match mask::difference(old, new) {
        Ok(None) => assert_eq!(old, new),
        Ok(Some(mask)) => {
            assert_eq!(&apply(old, new, &mask), new);
            assert!(mask.paths.iter().all(|path| T::FIELDS.contains(&&**path)));
            assert!(mask.paths.iter().all(|path| differs(path)));
            assert_eq!(mask::of::<T>(&mask.paths).unwrap(), mask);
        }
        Err(fixed) => {
            assert!(!fixed.fields().is_empty());
            assert!(fixed.fields().iter().all(|field| differs(field)));
            assert!(!fixed.fields().iter().any(|field| T::FIELDS.contains(field)));
        }
    }
}

#[test]
fn the_mask_between_two_channels_turns_one_into_the_other() {
    check(|draw| {
        let (old, mut new) = (channel(draw), channel(draw));
        check_difference(&old, &new);
        new.labels = old.labels.clone();
        assert!(mask::difference(&old, &new).is_ok());
        check_difference(&old, &new);
    });
}

#[test]
fn the_mask_between_two_inputs_turns_one_into_the_other() {
    check(|draw| {
        let (old, mut new) = (input(draw), input(draw));
        check_difference(&old, &new);
        new.r#type = old.r#type;
        assert!(mask::difference(&old, &new).is_ok());
        check_difference(&old, &new);
    });
}

#[test]
fn the_mask_between_two_dvr_sessions_turns_one_into_the_other() {
    check(|draw| {
        let (old, mut new) = (session(draw), session(draw));
        check_difference(&old, &new);
        new.dvr_manifests = old.dvr_manifests.clone();
        assert!(mask::difference(&old, &new).is_ok());
        check_difference(&old, &new);
    });
}

#[test]
fn the_mask_between_two_pools_turns_one_into_the_other() {
    check(|draw| {
        let (old, mut new) = (pool(draw), pool(draw));
        check_difference(&old, &new);
        new.labels = old.labels.clone();
        assert!(mask::difference(&old, &new).is_ok());
        check_difference(&old, &new);
    });
}

#[test]
fn known_mask_paths_round_trip() {
    check(|draw| {
        let one_in = draw.0.usize(1..8);
        let mut paths = Channel::PATHS.to_vec();
        paths.retain(|_| draw.0.usize(..one_in) == 0);
        let mask = mask::of::<Channel>(&paths).unwrap();
        assert_eq!(&mask.paths, &paths);
        assert_eq!(mask::of::<Channel>(&mask.paths).unwrap(), mask);
    });
}

#[test]
fn any_text_is_a_known_mask_path_or_an_error_that_quotes_it() {
    check(|draw| {
        let path = draw.text(0..31);
        match mask::of::<Channel>([&path]) {
            Ok(mask) => assert!(Channel::PATHS.contains(&&*mask.paths[0])),
            Err(unknown) => assert_eq!(unknown.path(), path),
        }
    });
}
