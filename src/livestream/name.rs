//! The names of the Live Stream API's resources, and of other resources that they refer to.

include!(concat!(env!("OUT_DIR"), "/livestream_name.rs"));
