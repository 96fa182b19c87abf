//! Vision AI's resources and operations, as the state holds them.

use crate::{operations::Metadata, state::resources};
use livestream_client::{
    model::OperationMetadata,
    visionai::model::{self, Channel, Cluster, Event, Series, Stream},
};

resources! {
    Cluster in vision.clusters as "clusters" with Strict ids;
    Stream in vision.streams as "streams" with Strict ids;
    Event in vision.events as "events" with Strict ids;
    Series in vision.series as "series" with Strict ids;
    Channel in vision.channels as "channels" with Strict ids;
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
