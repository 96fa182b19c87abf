//! Brings a set of resources to a declared state: an input, a channel and its retention, on air.
//!
//! ```sh
//! cargo run --example declare
//! ```
//!
//! The example runs the same function three times: on an empty location, again, and with eight callers
//! at once after a change. The last column counts the operations that the service has begun so far. The
//! service is an emulator in this process.

mod support;

use livestream_client::{
    Error, LivestreamClient,
    ladder::Ladder,
    model::{Channel, Input, RetentionConfig},
    name::{ChannelName, LocationName},
};
use std::time::Duration;
use support::{Result, Studio};
use tokio::task::JoinSet;

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::main]
async fn main() -> Result {
    let studio = Studio::open()?;
    let Studio { client, location, .. } = &studio;
    let show = location.channel("evening-news")?;

    studio.step("From nothing to on air", on_air(client, &show, HOUR)).await?;
    println!("{:>48} operations", operations(client, location).await?);
    studio.step("The same again", on_air(client, &show, HOUR)).await?;
    println!("{:>48} operations", operations(client, location).await?);

    let wanted = channel(&show, 24 * HOUR)?;
    println!(
        "\nThe plan for a longer retention:\n{}\n",
        client.plan_channel(&show, &wanted).await?
    );

    let mut callers = JoinSet::new();
    for _ in 0..8 {
        let (client, show) = (client.clone(), show.clone());
        callers.spawn(async move { on_air(&client, &show, 24 * HOUR).await });
    }
    let all = async {
        let ends = callers.join_all().await;
        ends.into_iter().collect::<std::result::Result<Vec<_>, Error>>()
    };
    studio.step("Eight callers apply it", all).await?;
    println!("{:>48} operations", operations(client, location).await?);

    let camera = location.input(show.id())?;
    let remove = async {
        client.ensure_absent(&show).await?;
        client.ensure_absent(&camera).await
    };
    studio.step("Stop and delete everything", remove).await?;
    Ok(())
}

/// Makes sure that a show is on air, whatever is there already.
async fn on_air(
    client: &LivestreamClient,
    show: &ChannelName,
    retention: Duration,
) -> std::result::Result<(), Error> {
    let camera = show.parent().input(show.id())?;
    client.ensure_input(&camera, Input::rtmp()).await?;
    client.ensure_channel(show, channel(show, retention)?).await?;
    client.ensure_running(show).await?;
    Ok(())
}

fn channel(show: &ChannelName, retention: Duration) -> std::result::Result<Channel, Error> {
    let camera = show.parent().input(show.id())?;
    let uri = format!("gs://my-bucket/{}/", show.id());
    let channel = Ladder::hd().channel(uri).input("camera", &camera).build()?;
    let retention_config = Some(RetentionConfig::of(retention)?);
    Ok(Channel { retention_config, ..channel })
}

async fn operations(
    client: &LivestreamClient,
    location: &LocationName,
) -> std::result::Result<usize, Error> {
    let operations = client.list_operations(location).fields(["name"]);
    Ok(operations.items().collect().await?.len())
}
