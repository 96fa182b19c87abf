//! Typed resource names: a string that is known to name one kind of resource.
//!
//! A channel's name and an input's are both text; sending one for the other costs a round trip
//! and, at worst, the wrong channel. Here text becomes a typed name at the edge of the program,
//! and a name of another kind does not compile. Names are built from ids, parsed from whole
//! patterns only, and walked up and down:
//!
//! ```
//! use livestream_client::name::{ChannelName, LocationName};
//!
//! let location = LocationName::new("my-project", "us-central1")?;
//! let channel = location.channel("evening-news")?;
//! assert_eq!(channel.as_str(), "projects/my-project/locations/us-central1/channels/evening-news");
//! assert_eq!(channel.parent(), location);
//!
//! let event = channel.event("ad-break-1")?;
//! assert!(event.as_str().parse::<ChannelName>().is_err());
//! # Ok::<(), livestream_client::name::InvalidName>(())
//! ```
//!
//! What takes a channel's name takes no other:
//!
//! ```compile_fail,E0308
//! use livestream_client::name::{ChannelName, InputName};
//!
//! fn stop(channel: &ChannelName) {}
//!
//! let input: InputName = "projects/p/locations/l/inputs/camera".parse().expect("a name");
//! stop(&input);
//! ```
//!
//! A project *number* is as good as a project *id*: the service uses both, so two different names
//! can mean one resource. Ids are refused only where no document of the API allows them.

pub use crate::{
    gax::name::{InvalidName, OperationName, ResourceName},
    livestream::name::*,
};

include!(concat!(env!("OUT_DIR"), "/name.rs"));
