//! The settings of the emulated service: how long its work takes, and its limits.
//!
//! Each default is in the documentation of its item, so that this file is also the table of the
//! defaults.

use super::projects::Projects;
use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    str::FromStr,
    time::Duration,
};

/// Something that takes the service time. The defaults are those of the real service where they are
/// documented (creating an input, starting a channel), and plausible elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Latency {
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
    /// Scheduling a new event, from `PENDING` to `SCHEDULED`: 1 s.
    ScheduleEvent,
    /// Executing an event whose task has no duration: 1 s.
    RunEvent,
    /// Accepting a new clip, from `PENDING` to `CREATING`: 2 s.
    AcceptClip,
    /// Copying a clip's files, from `CREATING` to `SUCCEEDED`: 30 s.
    CopyClip,
    /// Deleting a clip: 5 s.
    DeleteClip,
    /// Accepting a new DVR session, while it is `PENDING`: 5 s.
    AcceptDvrSession,
    /// Applying new windows to a DVR session, while it is `UPDATING`: 5 s.
    UpdateDvrSession,
    /// The pause of a DVR session that was cut short, in `COOLDOWN`: 60 s.
    CoolDvrSession,
    /// Stopping a DVR session whose channel was updated, while it is `STOPPING`: 10 s.
    StopDvrSession,
    /// Post-processing a recording, in `POST_PROCESSING`: 10 s.
    PostProcessDvrSession,
    /// Deleting a DVR session: 10 s.
    DeleteDvrSession,
    /// Reading the file of a new asset, while it is `CREATING`: 60 s.
    CreateAsset,
    /// Deleting an asset: 10 s.
    DeleteAsset,
    /// Changing the network of a pool: 2 minutes.
    UpdatePool,
    /// Cancelling an operation: 2 s. An operation that is done sooner succeeds.
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
    /// Updating a Vision AI cluster, or a resource in it: 5 s.
    #[cfg(feature = "visionai")]
    UpdateInCluster,
    /// Deleting a resource in a Vision AI cluster: 5 s; for an event its grace period, if longer.
    #[cfg(feature = "visionai")]
    DeleteInCluster,
    /// Taking a still image from a Vision AI stream: 5 s.
    #[cfg(feature = "visionai")]
    TakeThumbnail,
}

impl Latency {
    /// Every kind of work.
    pub const ALL: &[Self] = &[
        Self::CreateChannel,
        Self::UpdateChannel,
        Self::DeleteChannel,
        Self::StartChannel,
        Self::StopChannel,
        Self::StartDistribution,
        Self::StopDistribution,
        Self::CreateInput,
        Self::UpdateInput,
        Self::DeleteInput,
        Self::ScheduleEvent,
        Self::RunEvent,
        Self::AcceptClip,
        Self::CopyClip,
        Self::DeleteClip,
        Self::AcceptDvrSession,
        Self::UpdateDvrSession,
        Self::CoolDvrSession,
        Self::StopDvrSession,
        Self::PostProcessDvrSession,
        Self::DeleteDvrSession,
        Self::CreateAsset,
        Self::DeleteAsset,
        Self::UpdatePool,
        Self::Cancel,
        #[cfg(feature = "visionai")]
        Self::CreateCluster,
        #[cfg(feature = "visionai")]
        Self::DeleteCluster,
        #[cfg(feature = "visionai")]
        Self::CreateInCluster,
        #[cfg(feature = "visionai")]
        Self::UpdateInCluster,
        #[cfg(feature = "visionai")]
        Self::DeleteInCluster,
        #[cfg(feature = "visionai")]
        Self::TakeThumbnail,
    ];

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

/// A limit on the number of resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Limit {
    /// Channels of a location: 10.
    Channels,
    /// Running channels of a location: 10.
    RunningChannels,
    /// Inputs of a location: 20.
    Inputs,
    /// Assets of a location: 10.
    Assets,
    /// Clips of a channel: 1000. A new clip replaces the oldest one.
    Clips,
    /// H.264 streams below 720p in the running channels of a location: 40.
    SdStreams,
    /// H.264 streams from 720p to 1080p in the running channels of a location: 20.
    HdStreams,
    /// H.264 streams above 1080p in the running channels of a location: 5.
    UhdStreams,
    /// H.265 streams below 720p in the running channels of a location: 3.
    SdStreamsH265,
    /// H.265 streams from 720p to 1080p in the running channels of a location: 3.
    HdStreamsH265,
    /// H.265 streams above 1080p in the running channels of a location: 2.
    UhdStreamsH265,
}

impl Limit {
    /// Every limit.
    pub const ALL: &[Self] = &[
        Self::Channels,
        Self::RunningChannels,
        Self::Inputs,
        Self::Assets,
        Self::Clips,
        Self::SdStreams,
        Self::HdStreams,
        Self::UhdStreams,
        Self::SdStreamsH265,
        Self::HdStreamsH265,
        Self::UhdStreamsH265,
    ];

    const fn default_max(self) -> usize {
        match self {
            Self::Channels | Self::RunningChannels | Self::Assets => 10,
            Self::Inputs => 20,
            Self::Clips => 1000,
            Self::SdStreams => 40,
            Self::HdStreams => 20,
            Self::UhdStreams => 5,
            Self::SdStreamsH265 | Self::HdStreamsH265 => 3,
            Self::UhdStreamsH265 => 2,
        }
    }
}

/// The error for a text that is not the name of a [`Latency`] or a [`Limit`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownSetting {
    text: String,
    known: Vec<String>,
}

impl fmt::Display for UnknownSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}' is not one of: {}", self.text, self.known.join(", "))
    }
}

impl std::error::Error for UnknownSetting {}

/// Names in kebab case, such as `create-channel`.
macro_rules! names {
    ($($setting:ty),+) => {$(
        impl fmt::Display for $setting {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                for (at, c) in format!("{self:?}").char_indices() {
                    if at > 0 && c.is_ascii_uppercase() {
                        f.write_str("-")?;
                    }
                    write!(f, "{}", c.to_ascii_lowercase())?;
                }
                Ok(())
            }
        }

        impl FromStr for $setting {
            type Err = UnknownSetting;

            fn from_str(text: &str) -> Result<Self, UnknownSetting> {
                let found = Self::ALL.iter().find(|setting| setting.to_string() == text);
                found.copied().ok_or_else(|| UnknownSetting {
                    text: text.to_owned(),
                    known: Self::ALL.iter().map(Self::to_string).collect(),
                })
            }
        }
    )+};
}

names!(Latency, Limit);

/// The settings of one emulator.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Settings {
    pub(super) latencies: HashMap<Latency, Duration>,
    pub(super) every_latency: Option<Duration>,
    pub(super) limits: HashMap<Limit, usize>,
    /// How long after `AWAITING_INPUT` an encoder connects by itself.
    pub(super) encoder_delay: Option<Duration>,
    /// Whether resources can be in locations that the service does not have.
    pub(super) any_location: bool,
    pub(super) projects: Projects,
    /// The ids of the locations that listings cannot reach.
    pub(super) unreachable: BTreeSet<String>,
    /// Whether each listing begins with an empty page.
    pub(super) empty_pages: bool,
    /// How long a session of a running channel lasts, until the service restarts it.
    pub(super) session: Option<Duration>,
    /// Whether clips and DVR sessions are made without video at their times.
    pub(super) assume_video: bool,
    /// Whether requests have a quota.
    pub(super) request_quota: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            latencies: HashMap::new(),
            every_latency: None,
            limits: HashMap::new(),
            encoder_delay: Some(Duration::from_secs(5)),
            any_location: false,
            projects: Projects::default(),
            unreachable: BTreeSet::new(),
            empty_pages: false,
            session: Some(Duration::from_secs(24 * 60 * 60)),
            assume_video: false,
            request_quota: false,
        }
    }
}

/// The longest time that anything takes: a few times that fit into the years of timestamps.
const MAX_LENGTH: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// The shortest session: with sessions of no length, time would never pass.
const MIN_SESSION: Duration = Duration::from_secs(1);

impl Settings {
    pub(super) fn duration_of(&self, latency: Latency) -> Duration {
        let set = self.latencies.get(&latency).copied().or(self.every_latency);
        set.unwrap_or(latency.default_duration()).min(MAX_LENGTH)
    }

    /// How long after `AWAITING_INPUT` an encoder connects by itself.
    pub(super) fn encoder_delay(&self) -> Option<Duration> {
        self.encoder_delay.map(|delay| delay.min(MAX_LENGTH))
    }

    /// How long a session of a running channel lasts, until the service restarts it.
    pub(super) fn session(&self) -> Option<Duration> {
        self.session.map(|length| length.clamp(MIN_SESSION, MAX_LENGTH))
    }

    pub(super) fn max(&self, limit: Limit) -> usize {
        self.limits.get(&limit).copied().unwrap_or(limit.default_max())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_parsed_from_their_names() {
        for latency in Latency::ALL {
            assert_eq!(latency.to_string().parse(), Ok(*latency));
        }
        assert_eq!(
            "create-dvr-session".parse::<Latency>().unwrap_err().known.len(),
            Latency::ALL.len()
        );
        assert_eq!(Latency::CoolDvrSession.to_string(), "cool-dvr-session");
        assert_eq!("channels".parse(), Ok(Limit::Channels));
        let error = "chanels".parse::<Limit>().unwrap_err().to_string();
        assert!(
            error.starts_with("'chanels' is not one of: channels, running-channels, "),
            "{error}"
        );
        assert_eq!(Limit::HdStreamsH265.to_string(), "hd-streams-h265");
    }
}
