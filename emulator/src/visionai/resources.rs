//! Vision AI's resources and operations, as the state holds them.

use crate::{operations::Metadata, state::resources};
use livestream_client::{
    model::OperationMetadata,
    visionai::model::{self, Channel, Cluster, Event, Series, Stream},
};

resources! {
    Cluster in vision.clusters as "clusters", |cluster| cluster.state().as_str_name();
    Stream in vision.streams as "streams", |_| "", [display_name, media_warehouse_asset];
    Event in vision.events as "events", |_| "";
    Series in vision.series as "series", |_| "", [stream, event];
    Channel in vision.channels as "channels", |_| "", [stream, event];
}

impl Metadata for model::OperationMetadata {
    fn of(metadata: &OperationMetadata) -> Self {
        let OperationMetadata {
            create_time,
            end_time,
            target,
            verb,
            requested_cancellation,
            api_version,
        } = metadata.clone();
        let status_message = String::new();
        Self {
            create_time,
            end_time,
            target,
            verb,
            status_message,
            requested_cancellation,
            api_version,
        }
    }
}
