//! The names of Vision AI's resources: clusters, and streams, events, series and channels in them.
//!
//! They are in a separate module because both APIs have events and channels. The names of one API
//! are not valid in the other:
//!
//! ```
//! use livestream_client::{name, visionai::name::EventName};
//!
//! let cluster = name::LocationName::new("my-project", "us-central1")?.cluster("shop")?;
//! let event = cluster.event("opening-hours")?;
//! assert_eq!(event.as_str(), "projects/my-project/locations/us-central1/clusters/shop/events/opening-hours");
//! assert_eq!(event.as_str().parse::<EventName>(), Ok(event.clone()));
//! assert!(event.as_str().parse::<name::EventName>().is_err());
//! # Ok::<(), name::InvalidName>(())
//! ```

use crate::{
    gax::name::{build_child, resource_name},
    name::{InvalidName, LocationName},
};

impl LocationName {
    /// A Vision AI cluster of this location.
    ///
    /// # Errors
    /// If no document of the API allows the id.
    pub fn cluster(&self, id: impl AsRef<str>) -> Result<ClusterName, InvalidName> {
        build_child(self.as_str(), id.as_ref())
    }
}

resource_name! {
    /// A cluster: `projects/{project}/locations/{location}/clusters/{cluster}`.
    ClusterName = "visionai.googleapis.com/Cluster",
        "projects/{project}/locations/{location}/clusters/{cluster}";
    ids { project @ 1, location @ 3, cluster @ 5 }
    parent LocationName @ 4;
    children {
        /// A stream of this cluster.
        stream -> StreamName,
        /// An event of this cluster.
        event -> EventName,
        /// A series of this cluster.
        series -> SeriesName,
        /// A channel of this cluster.
        channel -> ChannelName,
    }
}

resource_name! {
    /// A stream: `projects/{project}/locations/{location}/clusters/{cluster}/streams/{stream}`.
    StreamName = "visionai.googleapis.com/Stream",
        "projects/{project}/locations/{location}/clusters/{cluster}/streams/{stream}";
    ids { project @ 1, location @ 3, cluster @ 5, stream @ 7 }
    parent ClusterName @ 6;
    children {}
}

resource_name! {
    /// An event: `projects/{project}/locations/{location}/clusters/{cluster}/events/{event}`.
    EventName = "visionai.googleapis.com/Event",
        "projects/{project}/locations/{location}/clusters/{cluster}/events/{event}";
    ids { project @ 1, location @ 3, cluster @ 5, event @ 7 }
    parent ClusterName @ 6;
    children {}
}

resource_name! {
    /// A series: `projects/{project}/locations/{location}/clusters/{cluster}/series/{series}`.
    SeriesName = "visionai.googleapis.com/Series",
        "projects/{project}/locations/{location}/clusters/{cluster}/series/{series}";
    ids { project @ 1, location @ 3, cluster @ 5, series @ 7 }
    parent ClusterName @ 6;
    children {}
}

resource_name! {
    /// A channel: `projects/{project}/locations/{location}/clusters/{cluster}/channels/{channel}`.
    ChannelName = "visionai.googleapis.com/Channel",
        "projects/{project}/locations/{location}/clusters/{cluster}/channels/{channel}";
    ids { project @ 1, location @ 3, cluster @ 5, channel @ 7 }
    parent ClusterName @ 6;
    children {}
}
