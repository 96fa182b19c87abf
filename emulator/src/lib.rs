//! An in-process Live Stream service: the whole API with real state, in virtual time.
//!
//! A program that drives the service takes minutes per step, costs money, and cannot be made to see
//! a failing recording on demand. The emulator answers the same RPCs by the same rules, so a test
//! runs the real client against it. It is *stateful*: what was created is there, ids are taken,
//! states forbid calls, operations end. And its time is *virtual*: starting a channel still takes
//! ten minutes, but these pass as fast as one likes, or only when told to.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), livestream_client::Error> {
//! use livestream_emulator::Emulator;
//! use livestream_client::{
//!     model::{Input, input::Type},
//!     name::LocationName,
//! };
//! use std::time::Duration;
//!
//! let emulator = Emulator::builder().manual_clock().build();
//! let client = emulator.client();
//! let location = LocationName::new("my-project", "us-central1")?;
//!
//! let input = Input { r#type: Type::RtmpPush.into(), ..Default::default() };
//! let mut create = client.create_input(&location, input, "camera").await?;
//! assert!(!create.is_done());
//!
//! emulator.advance(Duration::from_secs(180));
//! assert!(create.wait().await?.uri.starts_with("rtmp://"));
//! # Ok(())
//! # }
//! ```
//!
//! Four ways in, all to one state: [`Emulator::client`] for this crate's client,
//! [`Emulator::service`] for a stub in the same task, [`Emulator::connect`] for HTTP/2 without a
//! network, and [`Emulator::serve`] for other programs; the `livestream-emulator` program is the
//! last of these.
//!
//! With the feature `visionai` the same state also holds Vision AI's streams, for
#![cfg_attr(feature = "visionai", doc = "[`Emulator::streams_client`];")]
#![cfg_attr(not(feature = "visionai"), doc = "`Emulator::streams_client`;")]
//! operations of both services are listed together then.
//!
//! A resource is checked by the rules of [`livestream_client::check`]: a refusal has a `BadRequest`
//! violation for each rule that the resource breaks. An update is checked by the resource that it
//! results in.
//!
//! What it leaves out: pictures and sound, Cloud Storage, IAM, request quotas. Nor does it remember
//! when a channel was on air: a clip needs a channel that has streamed before, a DVR session not
//! even that, and neither needs video at the times that it covers. And a channel without any input
//! streams as well, once an encoder connects, which it does by itself unless
//! [`Builder::encoder_delay`] says otherwise.

mod assets;
mod builder;
mod channels;
mod clips;
mod clock;
mod control;
mod dispatch;
mod distributions;
mod dvr_sessions;
mod emulator;
mod events;
mod faults;
mod inputs;
mod locations;
mod mask;
mod operations;
mod paging;
mod pipeline;
mod pools;
mod records;
mod request_ids;
mod retention;
mod serve;
mod service;
mod settings;
mod state;
mod status;
mod streaming;
mod timers;
#[cfg(feature = "visionai")]
mod visionai;

pub use builder::Builder;
pub use emulator::Emulator;
pub use faults::{Faults, Faulty};
pub use serve::EmulatorService;
pub use settings::{Latency, Limit};
