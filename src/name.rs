//! Typed resource names.
//!
//! Each type of resource has a name type, so a method that requires a channel name does not accept
//! an input name. A name that is built or parsed is always valid. It matches the whole pattern of
//! its type.
//!
//! You can build a name from ids, parse it from text, and get the names of its parent and children:
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
//! A function with a channel name as its parameter does not accept an input name:
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
//! Names convert from and to text, and a map with names as keys can be searched by text. With the feature
//! `serde`, a name is a field of your own types:
//!
//! ```
//! # #[cfg(feature = "serde")] {
//! use livestream_client::name::ChannelName;
//! use std::collections::HashMap;
//!
//! #[derive(serde::Deserialize)]
//! struct Config {
//!     channel: ChannelName,
//! }
//!
//! let news = "projects/p/locations/l/channels/news";
//! let config: Config = serde_json::from_value(serde_json::json!({ "channel": news }))?;
//! assert_eq!(config.channel, ChannelName::try_from(news)?);
//!
//! let viewers = HashMap::from([(config.channel, 1_000)]);
//! assert_eq!(viewers.get(news), Some(&1_000));
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A name can contain a project *number* or a project *id*. The service uses both, so two different
//! names can refer to the same resource.
//!
//! An id is accepted if any document of the API allows it: 1 to 63 letters, digits, hyphens and underscores. For
//! some resources, the service refuses a part of these ids when you create the resource. Lower-case letters,
//! digits and inner hyphens are always safe.

pub use crate::{
    gax::name::{InvalidName, OperationName, ResourceName},
    livestream::name::*,
};

include!(concat!(env!("OUT_DIR"), "/name.rs"));
