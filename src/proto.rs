//! The generated messages and tonic stubs, in modules that match the protobuf packages.
//!
//! [`model`](crate::model) is a shorter path to the messages. Each `…_client` module contains a
//! stub. You can use a stub with [`LivestreamClient::stack`] or with any other tonic channel.
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

/// The descriptors of all services in this crate, as an encoded `FileDescriptorSet`.
///
/// They include the annotations. Use them for gRPC reflection, or for tools that read the API's
/// definitions.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
