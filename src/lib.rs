//! crate docs

mod error;
pub mod name;
pub mod policy;
pub mod proto;
pub mod rpc;
pub mod transport;
pub use error::Error;
pub use proto::google::cloud::video::livestream::v1 as model;
