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

include!(concat!(env!("OUT_DIR"), "/visionai_name.rs"));
