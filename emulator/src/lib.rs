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
//! Four ways in, all to one world: [`Emulator::client`] for this crate's client,
//! [`Emulator::service`] for a stub in the same task, [`Emulator::connect`] for HTTP/2 without a
//! network, and [`Emulator::serve`] for other programs; the `livestream-emulator` program is the
//! last of these.
//!
//! With the feature `visionai` the same world also holds Vision AI's streams, for
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

mod answers;
mod assets;
mod channels;
mod clips;
mod clock;
mod control;
mod distributions;
mod dvr_sessions;
mod events;
mod fault;
mod faults;
mod inputs;
mod locations;
mod mask;
mod operations;
mod paging;
mod pools;
mod serve;
mod service;
mod settings;
mod streaming;
#[cfg(feature = "visionai")]
mod visionai;
mod world;

pub use faults::{Faults, Faulty};
pub use serve::EmulatorService;
pub use settings::{Builder, Limit, Work};

use clock::Clock;
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use world::World;

/// An emulated Live Stream service. Clones share one world.
#[derive(Clone)]
pub struct Emulator(Arc<Shared>);

struct Shared {
    clock: Mutex<Clock>,
    world: Mutex<World>,
}

impl Emulator {
    /// How many times faster than real time virtual time runs unless [`Builder::speed`] says
    /// otherwise: an input is created in 1.5 s, a channel started in 5 s.
    ///
    /// Faster would begin to break promises that the service makes to clients in real time, such as
    /// remembering a `request_id` for an hour, which are 30 s at this speed.
    pub const DEFAULT_SPEED: u32 = 120;

    /// An empty service, whose time begins now and runs at [`Emulator::DEFAULT_SPEED`].
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Makes choices first.
    pub fn builder() -> Builder {
        Builder::new()
    }

    fn from_parts(clock: Clock, world: World) -> Self {
        Self(Arc::new(Shared { clock: Mutex::new(clock), world: Mutex::new(world) }))
    }

    /// The world as it is now: everything that was due has happened.
    fn world(&self) -> MutexGuard<'_, World> {
        let mut world = self.0.world.lock().unwrap_or_else(PoisonError::into_inner);
        // Read under the world's lock, so that requests are served in the order of their times.
        let now = self.clock().now();
        world.advance_to(now);
        world
    }

    fn clock(&self) -> MutexGuard<'_, Clock> {
        // A clock is good whatever happened to the thread that held it.
        self.0.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn advance_clock(&self, by: Duration) {
        self.clock().advance(by);
    }
}

impl Default for Emulator {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Emulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emulator").finish_non_exhaustive()
    }
}
