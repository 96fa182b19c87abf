#![doc = include_str!("../README.md")]

mod assets;
mod builder;
mod channels;
mod clips;
mod clock;
mod control;
mod defaults;
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
