//! The guide: one chapter per task, from the first call to a layer of your own.
//!
//! Each chapter can be read alone; [`start`] is for everybody. All examples are tests.
//! Nearly all run against the [emulator](https://docs.rs/livestream-emulator), on a clock that skips idle time, so what
//! they show of times and states is what happens.
//!
//! 1. [`start`]: from an empty project to a channel on air.
//! 2. [`authenticate`]: credentials, quota projects, proxies and TLS.
//! 3. [`retries`]: how long a call may take, when it is sent again, and what never to do.
//! 4. [`operations`]: waiting, following, resuming and cancelling what takes minutes.
//! 5. [`listings`]: items, pages and what could not be reached.
//! 6. [`watching`]: the states of a channel and its parts, and waiting for one.
//! 7. [`dvr`]: rewinding a live stream, cutting clips, and time shift on Volcengine.
//! 8. [`resources`]: configurations checked, masked for updates, kept as JSON, and deleted.
//! 9. [`testing`]: the emulator's time, its controls, and faults on purpose.
//! 10. [`observability`]: spans, events and numbers.
//! 11. [`stack`]: what a call goes through, and where your own layers fit.
//! 12. [`python`]: every method of the official Python client, and its idioms.
//!
//! # What the examples begin with
//!
//! An example that uses `emulator`, `client`, `location` or `news` without making it begins with
//! these lines, out of sight:
//!
//! ```
#![doc = include_str!("studio.rs")]
//!
//! #[tokio::main(flavor = "current_thread", start_paused = true)]
//! async fn main() -> Result<(), livestream_client::Error> {
//!     let (emulator, client, location) = studio::open()?;
//!     let news = studio::on_air(&client, &location, "news").await?; // or `studio::stopped`
//!     // Here the example goes on.
//!     Ok(())
//! }
//! ```
//!
//! `start_paused` needs tokio's feature `test-util`, and lets minutes pass in a moment. A program
//! without it leaves out both `start_paused` and `.speed(1)`, and takes some seconds.
//!
//! This module holds documentation only.

// Chapters link to what only a feature brings; docs.rs and the gates build with all of them.
#![cfg_attr(
    not(all(feature = "json", feature = "volcengine")),
    allow(rustdoc::broken_intra_doc_links)
)]

/// Start: from an empty project to a channel on air.
///
#[doc = include_str!("start.md")]
pub mod start {}

/// Authenticate: credentials, quota projects, proxies and TLS.
///
#[doc = include_str!("authenticate.md")]
pub mod authenticate {}

/// Retries and deadlines: how long a call may take, when it is sent again, and what never to do.
///
#[doc = include_str!("retries.md")]
pub mod retries {}

/// Operations: waiting, following, resuming and cancelling what takes minutes.
///
#[doc = include_str!("operations.md")]
pub mod operations {}

/// Listings: items, pages and what could not be reached.
///
#[doc = include_str!("listings.md")]
pub mod listings {}

/// Watching: the states of a channel and its parts, and waiting for one.
///
#[doc = include_str!("channel.svg")]
///
#[doc = include_str!("watching.md")]
pub mod watching {}

/// DVR and time shift: rewinding a live stream, cutting clips, and time shift on Volcengine.
///
#[doc = include_str!("dvr.svg")]
///
#[doc = include_str!("dvr.md")]
pub mod dvr {}

/// Resources: configurations checked, masked for updates, kept as JSON, and deleted.
///
#[doc = include_str!("resources.md")]
pub mod resources {}

/// Testing: the emulator's time, its controls, and faults on purpose.
///
#[doc = include_str!("testing.md")]
pub mod testing {}

/// Observability: spans, events and numbers.
///
// `tests/docs` runs its examples: it has a subscriber among its dependencies.
#[cfg_attr(not(doctest), doc = include_str!("observability.md"))]
pub mod observability {}

/// The stack: what a call goes through, and where your own layers fit.
///
#[doc = include_str!("stack.svg")]
///
#[doc = include_str!("stack.md")]
pub mod stack {}

/// Coming from Python: every method of the official client, and its idioms.
///
#[doc = include_str!("python.md")]
pub mod python {}
