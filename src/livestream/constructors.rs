//! Short forms of messages that would otherwise be three levels deep. They stay the same when the
//! messages get more fields.

use crate::{
    gax::rpc::InvalidField,
    model::{
        Asset, Event, Input, RetentionConfig,
        asset::{ImageAsset, Resource, VideoAsset},
        event::{
            AdBreakTask, InputSwitchTask, MuteTask, ReturnToProgramTask, SlateTask, Task,
            UnmuteTask,
        },
        input,
    },
    name::AssetName,
    time,
};
use std::time::{Duration, SystemTime};

impl Asset {
    /// Creates an asset from a video file in Cloud Storage, such as `gs://my-bucket/slate.mp4`.
    ///
    /// # Examples
    /// ```
    /// use livestream_client::model::Asset;
    ///
    /// let asset = Asset::video("gs://my-bucket/slate.mp4");
    /// assert!(asset.resource.is_some());
    /// ```
    pub fn video(uri: impl Into<String>) -> Self {
        let video = VideoAsset { uri: uri.into() };
        Self { resource: Some(Resource::Video(video)), ..Default::default() }
    }

    /// Creates an asset from an image file in Cloud Storage, such as `gs://my-bucket/logo.png`.
    pub fn image(uri: impl Into<String>) -> Self {
        let image = ImageAsset { uri: uri.into() };
        Self { resource: Some(Resource::Image(image)), ..Default::default() }
    }
}

impl Input {
    /// Creates an input that encoders push RTMP to.
    ///
    /// # Examples
    /// ```
    /// use livestream_client::model::{Input, input::Tier};
    ///
    /// let hd = Input::rtmp();
    /// let uhd = Input { tier: Tier::Uhd.into(), ..Input::srt() };
    /// ```
    pub fn rtmp() -> Self {
        Self { r#type: input::Type::RtmpPush.into(), ..Default::default() }
    }

    /// Creates an input that encoders push SRT to.
    pub fn srt() -> Self {
        Self { r#type: input::Type::SrtPush.into(), ..Default::default() }
    }
}

impl Event {
    /// Creates an event that runs a task as soon as the service receives it. [`at`](Self::at) sets a
    /// later time.
    pub fn now(task: Task) -> Self {
        Self { task: Some(task), execute_now: true, ..Default::default() }
    }

    /// Runs the event at this time, which must be at least 10 seconds in the future.
    ///
    /// # Errors
    /// Returns an error if the time is outside of the years 1 to 9999.
    ///
    /// # Examples
    /// ```
    /// use livestream_client::model::Event;
    /// use std::time::{Duration, SystemTime};
    ///
    /// let soon = SystemTime::now() + Duration::from_secs(60);
    /// let ads = Event::ad_break(Duration::from_secs(90))?.at(soon)?;
    /// assert!(!ads.execute_now);
    /// # Ok::<(), livestream_client::Error>(())
    /// ```
    pub fn at(self, time: SystemTime) -> Result<Self, InvalidField> {
        let time = time::timestamp(time).map_err(|e| e.at("execution_time"))?;
        Ok(Self { execute_now: false, execution_time: Some(time), ..self })
    }

    /// Creates an event that inserts an ad opportunity of this length.
    ///
    /// # Errors
    /// Returns an error if the length is more than 10,000 years.
    pub fn ad_break(length: Duration) -> Result<Self, InvalidField> {
        let duration = duration("ad_break.duration", length)?;
        Ok(Self::now(Task::AdBreak(AdBreakTask { duration })))
    }

    /// Creates an event that shows an asset in place of the program. With a length of zero, it is
    /// shown until an event [returns to the program](Self::return_to_program).
    ///
    /// # Errors
    /// Returns an error if the length is more than 10,000 years.
    pub fn slate(asset: &AssetName, length: Duration) -> Result<Self, InvalidField> {
        let duration = duration("slate.duration", length)?;
        Ok(Self::now(Task::Slate(SlateTask { duration, asset: asset.into() })))
    }

    /// Creates an event that ends the running ad breaks and slates.
    pub fn return_to_program() -> Self {
        Self::now(Task::ReturnToProgram(ReturnToProgramTask {}))
    }

    /// Creates an event that switches to the input with this key.
    pub fn input_switch(input_key: impl Into<String>) -> Self {
        Self::now(Task::InputSwitch(InputSwitchTask { input_key: input_key.into() }))
    }

    /// Creates an event that mutes the channel. With a length of zero, it stays muted until an event
    /// [unmutes](Self::unmute) it.
    ///
    /// # Errors
    /// Returns an error if the length is more than 10,000 years.
    pub fn mute(length: Duration) -> Result<Self, InvalidField> {
        let duration = duration("mute.duration", length)?;
        Ok(Self::now(Task::Mute(MuteTask { duration })))
    }

    /// Creates an event that unmutes the channel.
    pub fn unmute() -> Self {
        Self::now(Task::Unmute(UnmuteTask {}))
    }
}

impl RetentionConfig {
    /// Keeps output files for at least this long.
    ///
    /// # Errors
    /// Returns an error if the window is more than 10,000 years.
    ///
    /// # Examples
    /// ```
    /// use livestream_client::model::{Channel, RetentionConfig};
    /// use std::time::Duration;
    ///
    /// let day = RetentionConfig::of(Duration::from_secs(24 * 3600))?;
    /// let channel = Channel { retention_config: Some(day), ..Default::default() };
    /// # Ok::<(), livestream_client::Error>(())
    /// ```
    pub fn of(window: Duration) -> Result<Self, InvalidField> {
        let retention_window_duration = duration("retention_window_duration", window)?;
        Ok(Self { retention_window_duration })
    }
}

/// The message for a length; `None` for zero.
fn duration(
    field: &'static str,
    length: Duration,
) -> Result<Option<prost_types::Duration>, InvalidField> {
    let duration = time::duration(length).map_err(|e| e.at(field))?;
    Ok((!length.is_zero()).then_some(duration))
}
