//! The builder of an emulator.

use super::{
    clock::Clock,
    emulator::Emulator,
    gate::Gate,
    regions::REGIONS,
    settings::{Latency, Limit, Settings},
    state::State,
};
use std::time::{Duration, SystemTime};

impl Emulator {
    /// Creates an empty service. Its time begins now and runs at [`Emulator::DEFAULT_SPEED`].
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Creates a builder with the default settings.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// The ids of the service's locations.
    pub fn locations() -> impl Iterator<Item = &'static str> {
        REGIONS.into_iter().map(|(id, _)| id)
    }
}

impl Default for Emulator {
    fn default() -> Self {
        Self::new()
    }
}

/// Builds an [`Emulator`] with settings of your own.
#[derive(Clone, Debug)]
#[must_use = "it builds nothing until `build` is called"]
pub struct Builder {
    epoch: Option<SystemTime>,
    speed: u32,
    seed: u64,
    settings: Settings,
}

impl Builder {
    fn new() -> Self {
        let settings = Settings::default();
        Self { epoch: None, speed: Emulator::DEFAULT_SPEED, seed: 0, settings }
    }

    /// How many times faster than real time virtual time runs; [`Emulator::DEFAULT_SPEED`] by
    /// default. At speed 0 only [`Emulator::advance`] moves the time.
    pub fn speed(mut self, speed: u32) -> Self {
        self.speed = speed;
        self
    }

    /// Stops the clock, so that only [`Emulator::advance`] moves the time, and begins at a fixed
    /// time: the start of 2026 in UTC, unless [`Builder::epoch`] is set. Use it in tests that check
    /// states to the second.
    ///
    /// Nothing ends by itself then. A `.wait()` waits until another task advances the clock, or until
    /// its own limit. Test code that waits with [`speed(1)`](Builder::speed) and tokio's time paused.
    pub fn manual_clock(mut self) -> Self {
        const START_OF_2026: Duration = Duration::from_secs(1_767_225_600);
        self.epoch = self.epoch.or(Some(SystemTime::UNIX_EPOCH + START_OF_2026));
        self.speed(0)
    }

    /// The virtual time at the beginning; the present by default.
    pub fn epoch(mut self, epoch: SystemTime) -> Self {
        self.epoch = Some(epoch);
        self
    }

    /// The seed of the random parts of operation names, addresses and tokens; 0 by default. One seed
    /// always gives the same sequence.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// How long something takes, in virtual time: at most 10 years. See [`Latency`] for the defaults.
    pub fn latency(mut self, latency: Latency, duration: Duration) -> Self {
        self.settings.latencies.insert(latency, duration);
        self
    }

    /// How long everything takes that [`Builder::latency`] does not set: at most 10 years.
    pub fn every_latency(mut self, duration: Duration) -> Self {
        self.settings.every_latency = Some(duration);
        self
    }

    /// Makes all work quick, for programs that run in real time: an operation takes a second, and an
    /// operation that is cancelled ends after a tenth of a second. The program does this by default.
    ///
    /// The cooldown of a DVR session stays 60 s, because it is a rule and not work.
    pub fn quick_work(self) -> Self {
        self.every_latency(Duration::from_secs(1))
            .latency(Latency::Cancel, Duration::from_millis(100))
            .latency(Latency::ScheduleEvent, Duration::from_millis(100))
            .latency(Latency::AcceptClip, Duration::from_millis(100))
            .latency(Latency::CoolDvrSession, Duration::from_secs(60))
            .encoder_delay(Duration::from_secs(1))
    }

    /// The maximum number of some resources; see [`Limit`] for the defaults.
    pub fn limit(mut self, limit: Limit, max: usize) -> Self {
        self.settings.limits.insert(limit, max);
        self
    }

    /// How long after a channel reaches `AWAITING_INPUT` an encoder connects by itself; 5 s by
    /// default, and at most 10 years. With `None` the channel waits for
    /// [`Emulator::connect_encoder`].
    pub fn encoder_delay(mut self, delay: impl Into<Option<Duration>>) -> Self {
        self.settings.encoder_delay = delay.into();
        self
    }

    /// Accepts locations that the service does not have. By default it answers `NOT_FOUND` for
    /// locations other than its 18 regions.
    pub fn any_location(mut self) -> Self {
        self.settings.any_location = true;
        self
    }

    /// Lets listings in a location return nothing but its name in `unreachable`.
    pub fn unreachable(mut self, location: impl Into<String>) -> Self {
        self.settings.unreachable.insert(location.into());
        self
    }

    /// Lets each listing of resources begin with an empty page, as the service may.
    pub fn empty_pages(mut self) -> Self {
        self.settings.empty_pages = true;
        self
    }

    /// How long a session of a running channel lasts; 24 hours by default. Then the service restarts
    /// the channel, which waits for its encoder again. With `None` there is no restart. A session lasts
    /// at least a second, and at most 10 years.
    pub fn session_length(mut self, length: impl Into<Option<Duration>>) -> Self {
        self.settings.session = length.into();
        self
    }

    /// Makes clips and DVR sessions without video. By default they fail if the channel was not on air
    /// at their times, or no longer keeps the content.
    pub fn assume_video(mut self) -> Self {
        self.settings.assume_video = true;
        self
    }

    /// Limits the requests of a minute as the service does: 6,000 for a project; for a location 1,200
    /// reads, 1,200 requests for operations, 300 listings and 300 mutations. Others get
    /// `RESOURCE_EXHAUSTED` with a `RetryInfo`.
    pub fn request_quota(mut self) -> Self {
        self.settings.request_quota = true;
        self
    }

    /// Gives a project its number. Requests can then have either. As in the real service, names of
    /// resources have the id, and names of operations have the number. If two projects get one number,
    /// it is that of the last one.
    pub fn project(mut self, id: impl Into<String>, number: u64) -> Self {
        self.settings.projects.insert(id.into(), number.to_string());
        self
    }

    /// Builds the emulator. Its time begins now.
    #[must_use]
    pub fn build(self) -> Emulator {
        let clock = Clock::new(self.epoch.unwrap_or_else(SystemTime::now), self.speed);
        let state = State::new(clock.now(), self.settings, self.seed);
        Emulator::from_parts(clock, state, Gate::new(self.seed))
    }
}
