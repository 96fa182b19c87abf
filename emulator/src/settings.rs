//! What a builder of the emulator can choose: the pace of time, how long work takes, how much
//! there may be.
//!
//! Each default stands beside the thing that it is the default of, so that this file is also the
//! table of how the emulated service is tuned.

use super::{Emulator, clock::Clock, world::World};
use std::{
    collections::HashMap,
    time::{Duration, SystemTime},
};

/// Something that the service takes time for. The defaults are those of the real service where it
/// tells them (creating an input, starting a channel), and plausible where it does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Work {
    /// Creating a channel: 10 s.
    CreateChannel,
    /// Updating a channel: 30 s.
    UpdateChannel,
    /// Deleting a channel: 30 s.
    DeleteChannel,
    /// Starting a channel, up to `AWAITING_INPUT`: 10 minutes.
    StartChannel,
    /// Stopping a channel: 60 s.
    StopChannel,
    /// Starting distributions: 10 s.
    StartDistribution,
    /// Stopping distributions: 10 s.
    StopDistribution,
    /// Creating an input: 3 minutes.
    CreateInput,
    /// Updating an input: 30 s.
    UpdateInput,
    /// Deleting an input: 60 s.
    DeleteInput,
    /// Taking a new event into the schedule, from `PENDING` to `SCHEDULED`: 1 s.
    ScheduleEvent,
    /// Carrying out an event whose task has no duration: 1 s.
    RunEvent,
    /// Taking up a new clip, from `PENDING` to `CREATING`: 2 s.
    AcceptClip,
    /// Copying a clip's files, from `CREATING` to `SUCCEEDED`: 30 s.
    CopyClip,
    /// Deleting a clip: 5 s.
    DeleteClip,
    /// Taking up a new DVR session, while it is `PENDING`: 5 s.
    AcceptDvrSession,
    /// Applying new windows to a DVR session, while it is `UPDATING`: 5 s.
    UpdateDvrSession,
    /// The pause of a DVR session that was cut short, in `COOLDOWN`: 60 s.
    CoolDvrSession,
    /// Ending a DVR session whose channel was updated, while it is `STOPPING`: 10 s.
    StopDvrSession,
    /// Finishing off a recording, in `POST_PROCESSING`: 10 s.
    PostProcessDvrSession,
    /// Deleting a DVR session: 10 s.
    DeleteDvrSession,
    /// Reading the file of a new asset, while it is `CREATING`: 60 s.
    CreateAsset,
    /// Deleting an asset: 10 s.
    DeleteAsset,
    /// Changing the network of a pool: 2 minutes.
    UpdatePool,
    /// Ending an operation that someone asked to cancel: 2 s. One that is done sooner succeeds.
    Cancel,
    /// Creating a Vision AI cluster, while it is `PROVISIONING`: 30 minutes.
    #[cfg(feature = "visionai")]
    CreateCluster,
    /// Deleting a Vision AI cluster, while it is `STOPPING`: 5 minutes.
    #[cfg(feature = "visionai")]
    DeleteCluster,
    /// Creating a stream, an event, a series or a channel in a Vision AI cluster: 10 s.
    #[cfg(feature = "visionai")]
    CreateInCluster,
    /// Updating a Vision AI cluster, or something in it: 5 s.
    #[cfg(feature = "visionai")]
    UpdateInCluster,
    /// Deleting something in a Vision AI cluster: 5 s, or for an event its grace period if longer.
    #[cfg(feature = "visionai")]
    DeleteInCluster,
    /// Taking a still image from a Vision AI stream: 5 s.
    #[cfg(feature = "visionai")]
    TakeThumbnail,
}

impl Work {
    const fn default_duration(self) -> Duration {
        Duration::from_secs(match self {
            Self::CreateChannel | Self::StartDistribution | Self::StopDistribution => 10,
            Self::UpdateChannel | Self::DeleteChannel | Self::UpdateInput => 30,
            Self::StartChannel => 600,
            Self::StopChannel | Self::DeleteInput | Self::CreateAsset => 60,
            Self::CreateInput => 180,
            Self::ScheduleEvent | Self::RunEvent => 1,
            Self::AcceptClip | Self::Cancel => 2,
            Self::CopyClip => 30,
            Self::DeleteClip | Self::AcceptDvrSession | Self::UpdateDvrSession => 5,
            Self::CoolDvrSession => 60,
            Self::StopDvrSession | Self::PostProcessDvrSession | Self::DeleteDvrSession => 10,
            Self::DeleteAsset => 10,
            Self::UpdatePool => 120,
            #[cfg(feature = "visionai")]
            Self::CreateCluster => 1800,
            #[cfg(feature = "visionai")]
            Self::DeleteCluster => 300,
            #[cfg(feature = "visionai")]
            Self::CreateInCluster => 10,
            #[cfg(feature = "visionai")]
            Self::UpdateInCluster | Self::DeleteInCluster | Self::TakeThumbnail => 5,
        })
    }
}

/// Something of which the service allows only so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Limit {
    /// Channels of a location: 10.
    Channels,
    /// Inputs of a location: 20.
    Inputs,
    /// Assets of a location: 10.
    Assets,
    /// Clips of a channel: 1000; the oldest makes room for the next.
    Clips,
}

impl Limit {
    const fn default_count(self) -> usize {
        match self {
            Self::Channels | Self::Assets => 10,
            Self::Inputs => 20,
            Self::Clips => 1000,
        }
    }
}

/// The choices, once made.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    durations: HashMap<Work, Duration>,
    every_duration: Option<Duration>,
    limits: HashMap<Limit, usize>,
    /// How long after `AWAITING_INPUT` an encoder connects by itself.
    pub(super) encoder_delay: Option<Duration>,
}

impl Settings {
    pub(super) fn takes(&self, work: Work) -> Duration {
        let chosen = self.durations.get(&work).copied().or(self.every_duration);
        chosen.unwrap_or(work.default_duration())
    }

    pub(super) fn most(&self, limit: Limit) -> usize {
        self.limits.get(&limit).copied().unwrap_or(limit.default_count())
    }
}

/// Builds an [`Emulator`] that differs from the default one.
#[derive(Clone, Debug)]
#[must_use = "it builds nothing until `build` is called"]
pub struct Builder {
    epoch: Option<SystemTime>,
    speed: u32,
    seed: u64,
    settings: Settings,
}

impl Builder {
    pub(super) fn new() -> Self {
        let settings = Settings {
            durations: HashMap::new(),
            every_duration: None,
            limits: HashMap::new(),
            encoder_delay: Some(Duration::from_secs(5)),
        };
        Self { epoch: None, speed: Emulator::DEFAULT_SPEED, seed: 0, settings }
    }

    /// How many times faster than real time virtual time runs; at 0 it stands still but for
    /// [`Emulator::advance`]. [`Emulator::DEFAULT_SPEED`] unless given.
    pub fn speed(mut self, speed: u32) -> Self {
        self.speed = speed;
        self
    }

    /// Time that moves only by [`Emulator::advance`], from a fixed moment (the start of 2026, UTC,
    /// unless [`Builder::epoch`] says otherwise): what a test wants that looks at states, to the
    /// second.
    ///
    /// Nothing ends by itself then. A `.wait()` for anything that takes time waits until another
    /// task advances the clock, or else until its own limit; code that waits is better tested with
    /// [`speed(1)`](Builder::speed) and tokio's time paused.
    pub fn manual_clock(mut self) -> Self {
        const START_OF_2026: Duration = Duration::from_secs(1_767_225_600);
        self.epoch = self.epoch.or(Some(SystemTime::UNIX_EPOCH + START_OF_2026));
        self.speed(0)
    }

    /// The virtual time at the beginning; the present, unless given.
    pub fn epoch(mut self, epoch: SystemTime) -> Self {
        self.epoch = Some(epoch);
        self
    }

    /// What the random parts of operation names, addresses and tokens are drawn from: one seed,
    /// one sequence. 0 unless given.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// How long one kind of work takes, in virtual time.
    pub fn takes(mut self, work: Work, duration: Duration) -> Self {
        self.settings.durations.insert(work, duration);
        self
    }

    /// How long every kind of work takes for which [`Builder::takes`] gives nothing else.
    pub fn everything_takes(mut self, duration: Duration) -> Self {
        self.settings.every_duration = Some(duration);
        self
    }

    /// How many of something there may be.
    pub fn limit(mut self, limit: Limit, most: usize) -> Self {
        self.settings.limits.insert(limit, most);
        self
    }

    /// How long after a channel reaches `AWAITING_INPUT` an encoder connects by itself: 5 s unless
    /// given. With `None` the channel waits for [`Emulator::connect_encoder`].
    pub fn encoder_delay(mut self, delay: impl Into<Option<Duration>>) -> Self {
        self.settings.encoder_delay = delay.into();
        self
    }

    /// Builds the emulator; its time begins now.
    #[must_use]
    pub fn build(self) -> Emulator {
        let clock = Clock::new(self.epoch.unwrap_or_else(SystemTime::now), self.speed);
        Emulator::from_parts(clock, World::new(clock.now(), self.settings, self.seed))
    }
}
