//! The guide: one chapter for each task, from the first call to a layer of your own.
//!
//! You can read each chapter by itself. If you are new, begin with [`start`]. All examples are tests.
//! Nearly all of them run against the [emulator](https://docs.rs/livestream-emulator), on a clock that
//! skips idle time. The times and the states that they show are therefore tested too.
//!
//! 1. [`start`]: from an empty project to a channel that streams.
//! 2. [`authenticate`]: credentials, quota projects, proxies and TLS.
//! 3. [`retries`]: deadlines, retries, request ids, and mistakes to avoid.
//! 4. [`declare`]: channels and other resources by declaration, in one line each.
//! 5. [`operations`]: how to wait for, follow, resume and cancel long-running operations.
//! 6. [`listings`]: items, pages, filters and unreachable locations.
//! 7. [`watching`]: the states of a channel and of its events, and how to wait for a state.
//! 8. [`dvr`]: DVR sessions, clips, and time shift on Volcengine.
//! 9. [`resources`]: how to build, validate, update, delete and store configurations.
//! 10. [`testing`]: the emulator, its clock, its controls, and injected faults.
//! 11. [`observability`]: spans, events, metrics and diagnostics.
//! 12. [`stack`]: the layers of a call, and where your own layers go.
//! 13. [`connections`]: the pool, dead connections, and what gRPC specifies about them.
//! 14. [`python`]: every method of the official Python client, and its idioms.
//!
//! # Setup of the examples
//!
//! Many examples use `emulator`, `client`, `location` or `news` without creating them. These examples
//! begin with the following lines, which the documentation hides:
//!
//! ```
#![doc = include_str!("studio.rs")]
//!
//! #[tokio::main(flavor = "current_thread", start_paused = true)]
//! async fn main() -> Result<(), livestream_client::Error> {
//!     let (emulator, client, location) = studio::open()?;
//!     let news = studio::on_air(&client, &location, "news").await?; // or `studio::stopped`
//!     // The example continues here.
//!     Ok(())
//! }
//! ```
//!
//! `start_paused` needs tokio's feature `test-util`. With it, minutes pass in a moment. Without that
//! feature, leave out both `start_paused` and `.speed(1)`; an example then takes some seconds.
//!
//! This module contains only documentation.

// Some chapters link to items behind a feature. docs.rs and `.ci/run` build with all features.
#![cfg_attr(
    not(all(feature = "json", feature = "volcengine")),
    allow(rustdoc::broken_intra_doc_links)
)]

/// Start: from an empty project to a channel that streams.
///
#[doc = include_str!("start.md")]
pub mod start {}

/// Authenticate: credentials, quota projects, proxies and TLS.
///
#[doc = include_str!("authenticate.md")]
pub mod authenticate {}

/// Retries and deadlines: how long a call may take, when it is sent again, and mistakes to avoid.
///
#[doc = include_str!("retries.md")]
pub mod retries {}

/// Declare: channels and other resources by declaration, in one line each.
///
#[doc = include_str!("declare.md")]
pub mod declare {}

/// Operations: how to wait for, follow, resume and cancel long-running operations.
///
#[doc = include_str!("operations.md")]
pub mod operations {}

/// Listings: items, pages, filters and unreachable locations.
///
#[doc = include_str!("listings.md")]
pub mod listings {}

/// Watching: the states of a channel and of its events, and how to wait for a state.
///
#[doc = include_str!("channel.svg")]
///
#[doc = include_str!("watching.md")]
pub mod watching {}

/// DVR and time shift: DVR sessions, clips, and time shift on Volcengine.
///
#[doc = include_str!("dvr.svg")]
///
#[doc = include_str!("dvr.md")]
pub mod dvr {}

/// Resources: how to build, validate, update, delete and store configurations.
///
#[doc = include_str!("resources.md")]
// `tests/json` runs the example.
#[cfg_attr(all(feature = "json", not(doctest)), doc = "", doc = include_str!("examples/files.md"))]
pub mod resources {}

/// Testing: the emulator, its clock, its controls, and injected faults.
///
#[doc = include_str!("testing.md")]
#[doc = include_str!("emulator.html")]
pub mod testing {}

/// Observability: spans, events and metrics.
///
// `tests/docs` runs its examples, because they need a subscriber as a dependency.
#[cfg_attr(not(doctest), doc = include_str!("observability.md"))]
pub mod observability {}

/// The stack: the layers of a call, and where your own layers go.
///
#[doc = include_str!("stack.svg")]
///
#[doc = include_str!("stack.md")]
pub mod stack {}

/// Connections: the pool, dead connections, and what gRPC specifies about them.
///
#[doc = include_str!("connections.md")]
pub mod connections {}

/// Coming from Python: every method of the official client, and its idioms.
///
#[doc = include_str!("python.md")]
pub mod python {}
