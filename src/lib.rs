// The README's chart: the first definition of a link is the one that holds.
#![doc = include_str!("guide/speed.link")]
#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod call;
pub mod check;
mod client;
mod error;
pub mod guide;
#[cfg(feature = "json")]
pub mod json;
pub mod ladder;
mod livestream;
pub mod mask;
pub mod name;
mod observe;
mod operation;
mod page;
pub mod policy;
pub mod proto;
pub mod rpc;
pub mod time;
pub mod transport;
#[cfg(feature = "visionai")]
pub mod visionai;
#[cfg(feature = "volcengine")]
pub mod volcengine;
mod watch;
mod window;

pub use call::{Call, Deliver};
pub use client::{Builder, Client, GrpcStack};
pub use error::Error;
pub use livestream::LivestreamClient;
pub use operation::{Operation, PollPolicy, Progress, SharedWaits};
pub use page::{Items, Pages};
pub use proto::google::cloud::video::livestream::v1 as model;
pub use watch::Watched;
