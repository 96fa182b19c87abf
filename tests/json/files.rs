//! The configurations of the examples and the resources from the service are valid.

use livestream_client::{
    json,
    model::{Asset, Channel, Clip, DvrSession, Event, Input, Pool},
    validation::Validate,
};
use std::{fs, path::Path};

#[track_caller]
fn check<T: Validate + prost::Message + prost::Name + Default>(file: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(file);
    let message: T = json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(message.violations(), [], "{file}");
}

#[test]
fn the_example_channel_is_valid() {
    let text = include_str!("../../examples/channel_from_file/channel.yaml");
    let channel: Channel = json::read(yaml_serde::Deserializer::from_str(text)).unwrap();
    assert_eq!(channel.violations(), []);
}

/// Except for the sample channel, which has every field but is not a valid configuration.
#[test]
fn resources_from_the_service_are_valid() {
    check::<Asset>("tests/data/json/asset.json");
    check::<Clip>("tests/data/json/clip.json");
    check::<DvrSession>("tests/data/json/dvr_session.json");
    check::<Event>("tests/data/json/event.json");
    check::<Event>("tests/data/json/event_now.json");
    check::<Input>("tests/data/json/input.json");
    check::<Pool>("tests/data/json/pool.json");
}
