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
    call::{Call, CallFuture, CallKind, Callable},
    client::{Builder, Client, GrpcStack},
    credentials,
    error::Error,
    net::{pool::PoolLimits, tls::Tls},
    operation::SharedWaits,
    page::{Items, Pages},
    policy, rpc,
};
pub use livestream::{
    LivestreamClient, ensure, ladder, mask, validation,
    watch::{Changes, Condition, WatchEvent, Watched, Watches},
};
#[doc(inline)]
pub use proto::google::cloud::video::livestream::v1 as model;

/// Telemetry: a client's state at one moment, and facts about its metrics. The guide's chapter
/// [observability](guide::observability) describes spans, events and metrics.
pub mod telemetry {
    pub use crate::gax::observe::diagnostics::{
        BudgetDiagnostics, ConnectionDiagnostics, ConnectionState, Diagnostics, LastError, Outage,
        PoolDiagnostics,
    };
    #[cfg(feature = "metrics")]
    pub use crate::gax::observe::metrics::HISTOGRAM_BUCKETS;
}

/// An operation with a result `T`. The metadata is that of the Live Stream API by default. See
/// [`operation::Operation`] for the methods.
///
#[doc = include_str!("guide/examples/operation.md")]
pub type Operation<T, M = model::OperationMetadata> = operation::Operation<T, M>;

/// One state of an operation. The metadata is that of the Live Stream API by default.
pub type Progress<T, M = model::OperationMetadata> = operation::Progress<T, M>;

/// Operations with any metadata, for the clients of all services.
pub mod operation {
    pub use crate::gax::operation::{Operation, Progress};
}

/// Layers for other people's stubs.
pub mod stack {
    pub use crate::gax::{
        context::Classify,
        stack::{
            auth::{Auth, AuthLayer},
            collect::ResponseBody,
            headers::{Headers, HeadersLayer},
            policy::{Policy, PolicyLayer},
        },
    };
}
