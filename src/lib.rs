//! crate docs

mod call;
pub mod check;
mod client;
mod error;
pub mod ladder;
mod livestream;
pub mod mask;
pub mod name;
mod operation;
mod page;
pub mod policy;
pub mod proto;
pub mod rpc;
pub mod time;
pub mod transport;
mod window;

pub use call::{Call, Deliver};
pub use client::{Builder, Client, GrpcStack};
pub use error::Error;
pub use livestream::LivestreamClient;
pub use operation::{Operation, PollPolicy, Progress};
pub use page::{Items, Pages};
pub use proto::google::cloud::video::livestream::v1 as model;
