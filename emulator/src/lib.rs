#![doc = include_str!("../README.md")]

mod assets;
mod bodies;
mod builder;
mod changes;
mod channels;
mod clip_order;
mod clips;
mod clock;
mod control;
#[cfg(feature = "http")]
mod control_proto;
#[cfg(feature = "http")]
mod control_service;
mod defaults;
mod dispatch;
mod distributions;
mod dvr_sessions;
mod emulator;
mod events;
mod execute;
mod faults;
mod gate;
#[cfg(feature = "http")]
mod http;
mod ids;
mod inputs;
#[cfg(feature = "http")]
mod journal;
mod locations;
mod mask;
mod net;
mod operations;
mod paging;
mod pipeline;
mod pools;
mod projects;
mod quotas;
mod records;
#[cfg(feature = "http")]
mod recover;
mod references;
mod reflection;
mod regions;
mod request_ids;
mod request_quota;
mod response_mask;
mod retention;
mod serve;
mod service;
mod settings;
mod state;
mod status;
mod streaming;
mod timers;
#[cfg(feature = "program")]
mod tls;
#[cfg(feature = "visionai")]
mod visionai;

pub use builder::Builder;
pub use emulator::{Emulator, Snapshot};
pub use faults::{Faults, Faulty};
pub use gate::{Fault, FaultId, LoggedRequest};
#[cfg(feature = "http")]
pub use recover::Recovered;
pub use serve::EmulatorService;
pub use settings::{Latency, Limit, UnknownSetting};
#[cfg(feature = "program")]
pub use tls::Identity;
