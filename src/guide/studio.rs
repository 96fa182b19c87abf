// An emulator that uses the speed of tokio's clock, and a channel that is stopped or streaming.
mod studio {
    use livestream_client::{
        Error, LivestreamClient,
        ladder::Ladder,
        model::{Input, channel::StreamingState, input},
        name::{ChannelName, LocationName},
    };
    use livestream_emulator::Emulator;
    use std::time::Duration;

    pub fn open() -> Result<(Emulator, LivestreamClient, LocationName), Error> {
        let emulator = Emulator::builder().speed(1).build();
        let client = emulator.client();
        Ok((emulator, client, LocationName::new("my-project", "us-central1")?))
    }

    pub async fn stopped(
        client: &LivestreamClient,
        location: &LocationName,
        id: &str,
    ) -> Result<ChannelName, Error> {
        let (camera, channel) = (location.input(format!("{id}-camera"))?, location.channel(id)?);
        let input = Input { r#type: input::Type::RtmpPush.into(), ..Default::default() };
        client.create_input(location, input, camera.id()).wait().await?;
        let config = Ladder::hd()
            .channel("gs://my-bucket/news/")
            .input("camera", &camera)
            .retention(Duration::from_secs(4 * 3600))
            .build()?;
        client.create_channel(location, config, id).wait().await?;
        Ok(channel)
    }

    pub async fn on_air(
        client: &LivestreamClient,
        location: &LocationName,
        id: &str,
    ) -> Result<ChannelName, Error> {
        let channel = stopped(client, location, id).await?;
        client.start_channel(&channel).wait().await?;
        client.wait_until(&channel, StreamingState::Streaming).await?;
        Ok(channel)
    }
}
