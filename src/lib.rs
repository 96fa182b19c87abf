// The README's chart: the first definition of a link is the one that holds.
#![doc = include_str!("guide/speed.link")]
#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod gax;
pub mod guide;
#[cfg(feature = "json")]
pub mod json;
mod livestream;
pub mod methods;
pub mod name;
pub mod proto;
pub mod time;
#[cfg(feature = "visionai")]
pub mod visionai;
#[cfg(feature = "volcengine")]
pub mod volcengine;

pub use gax::{
    call::{Call, Deliver},
    client::{Builder, Client, GrpcStack},
    error::Error,
    operation::{Operation, PollPolicy, Progress, SharedWaits},
    page::{Items, Pages},
    policy, rpc,
};
pub use livestream::{LivestreamClient, ladder, mask, rules as check, watch::Watched};
#[doc(inline)]
pub use proto::google::cloud::video::livestream::v1 as model;

/// The layers and the connections of a client, for other people's stubs.
pub mod transport {
    pub use crate::gax::{
        net::{connect::Endpoint, pool::PoolLimits, tls::Tls},
        stack::{
            Lookup,
            auth::{Auth, AuthLayer},
            collect::{Answer, Unary, UnaryLayer},
            headers::{Headers, HeadersLayer},
            retry::{RetryLayer, Retrying},
            timeout::{AttemptTimeout, AttemptTimeoutLayer, Deadline, DeadlineLayer},
        },
    };
}
