//! Creates events on a running channel: an ad break at a set time, and a switch to another input.
//!
//! ```sh
//! cargo run --example events
//! ```
//!
//! To use the real service, make the client with `LivestreamClient::new()?`. The rest stays the same.

mod support;

use livestream_client::model::{Event, InputAttachment, channel::StreamingState, event::State};
use std::time::Duration;
use support::{Result, Studio, channel, rtmp_input, show};
use tokio_stream::StreamExt;

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);

#[tokio::main]
async fn main() -> Result {
    let studio = Studio::open()?;
    let Studio { client, location, .. } = &studio;
    let (desk, stage) = (location.input("desk")?, location.input("stage")?);
    for input in [&desk, &stage] {
        let create = client.create_input(location, rtmp_input(), input.id()).await?;
        show("Creating the input", create).await?;
    }
    let news = location.channel("evening-news")?;
    let mut config = channel(&desk, DAY);
    config.input_attachments.push(InputAttachment {
        key: "stage".into(),
        input: (&stage).into(),
        ..Default::default()
    });
    show("Creating the channel", client.create_channel(location, config, news.id()).await?).await?;
    show("Starting the channel", client.start_channel(&news).await?).await?;
    client.wait_until(&news, StreamingState::Streaming).await?;
    // An encoder sends to the stage too.
    studio.emulator.feed_input(&stage)?;

    // The ad break begins in ten minutes and lasts one minute. Creating an event is not a long-running
    // operation: the event exists at once.
    let ads = Event::ad_break(MINUTE)?.at(studio.now() + 10 * MINUTE)?;
    client.create_event(&news, ads, "ads").await?;
    let ads = news.event("ads")?;
    let mut changes = client.watch(&ads);
    while let Some(event) = changes.next().await {
        let state = event?.state();
        println!("  ad break: {}", state.as_str_name());
        if matches!(state, State::Succeeded | State::Failed | State::Stopped) {
            break;
        }
    }

    let switch = Event::input_switch("stage");
    client.create_event(&news, switch, "to-the-stage").await?;
    client.wait_until(&news.event("to-the-stage")?, State::Succeeded).await?;
    println!("✓ on air: {}", client.get_channel(&news).await?.active_input);

    // The service refuses a switch to an unknown input, and names the wrong field.
    let unknown = Event::input_switch("roof");
    if let Err(refusal) = client.create_event(&news, unknown, "to-the-roof").await {
        println!("refused, as expected: {}", refusal.message());
    }

    for event in client.list_events(&news).items().collect().await? {
        client.delete_event(&event.name.parse()?).await?;
    }
    show("Stopping the channel", client.stop_channel(&news).await?).await?;
    show("Deleting the channel", client.delete_channel(&news).await?).await?;
    for input in [&desk, &stage] {
        show("Deleting the input", client.delete_input(input).await?).await?;
    }
    println!("everything is deleted");
    Ok(())
}
