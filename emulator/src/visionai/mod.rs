//! Vision AI's streams, emulated on the same state: its clock, its operations, its listings.
//!
//! The rules of the resources in a cluster are the same for all: the cluster runs, the id is free,
//! and what a new resource refers to exists. A resource that another one needs is not deleted: a
//! cluster that is not empty, a stream or an event in a series. Nothing in the API deletes a channel,
//! and there is no data plane here that would keep one active, so a channel is deleted with its
//! stream or its event.

mod children;
mod client;
mod clusters;
mod events;
mod links;
mod resources;
mod series;
mod service;
mod streams;
mod tables;

pub(super) use clusters::fail;
#[cfg(feature = "http")]
pub(super) use service::replay;
pub(super) use tables::VisionTables;
