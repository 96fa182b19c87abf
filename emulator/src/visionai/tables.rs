//! The tables of Vision AI's resources.

use livestream_client::visionai::model::{Channel, Cluster, Event, Series, Stream};
use std::collections::BTreeMap;

/// The resources of Vision AI, by name.
#[derive(Clone, Default)]
pub(crate) struct VisionTables {
    pub(super) clusters: BTreeMap<String, Cluster>,
    pub(super) streams: BTreeMap<String, Stream>,
    pub(super) events: BTreeMap<String, Event>,
    pub(super) series: BTreeMap<String, Series>,
    pub(super) channels: BTreeMap<String, Channel>,
}
