//! The names of Vision AI: a cluster, and streams, events, series and channels below it.
//!
//! They are a module of their own, since an event or a channel of that API is another thing than its
//! namesake in the Live Stream API, and neither is taken for the other:
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

include!(concat!(env!("OUT_DIR"), "/visionai_name.rs"));
