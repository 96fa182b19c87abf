//! The generated messages and tonic stubs, in modules that mirror their protobuf packages.
//!
//! Most programs want the shorter [`model`](crate::model). The raw stubs live here too: each
//! `…_client` module holds one, to be used over [`LivestreamClient::stack`] or any other channel.
//!
//! [`LivestreamClient::stack`]: crate::LivestreamClient::stack
#![allow(
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    clippy::all,
    clippy::pedantic,
    rustdoc::all
)]

include!(concat!(env!("OUT_DIR"), "/stubs.rs"));

/// The descriptors of all services here, annotations included, as an encoded `FileDescriptorSet`:
/// for reflection, or for tools that read the API's shape.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
