//! crate docs

pub mod name;
pub mod proto;
pub mod rpc;
pub use proto::google::cloud::video::livestream::v1 as model;
#[cfg(feature = "emulator")]
pub mod emulator;
