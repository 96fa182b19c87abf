//! Restarts a program while it waits for an operation. The first run stores the name of the operation,
//! and the second run resumes the wait.
//!
//! ```sh
//! cargo run --example resume_operation
//! ```
//!
//! To use the real service, make the clients with `LivestreamClient::new()?`. The rest stays the same.

mod support;

use livestream_client::{
    LivestreamClient, model::StartChannelRequest, name::ChannelName, name::OperationName,
};
use std::{env, fs, path::Path, process, time::Duration};
use support::{Result, Studio, channel, client_of, remove_channel, rtmp_input, show};

const DAY: Duration = Duration::from_secs(24 * 3600);

#[tokio::main]
async fn main() -> Result {
    let studio = Studio::open()?;
    let Studio { emulator, client, location } = studio;
    let camera = location.input("news-camera")?;
    client.create_input(&location, rtmp_input(), camera.id()).wait().await?;
    client.create_channel(&location, channel(&camera, DAY), "news").wait().await?;
    let news = location.channel("news")?;

    let note = env::temp_dir().join(format!("livestream-operation-{}", process::id()));
    begin(client, &news, &note).await?;
    println!("… the program ends, and only the stored name is left");

    let client = client_of(&emulator)?;
    go_on(&client, &note).await?;
    fs::remove_file(&note)?;
    remove_channel(&client, &news).await?;
    println!("everything is deleted");
    Ok(())
}

/// The first run: starts the channel, stores the name of the operation, and is interrupted.
async fn begin(client: LivestreamClient, channel: &ChannelName, note: &Path) -> Result {
    let mut start = client.start_channel(channel).await?;
    fs::write(note, start.name().as_str())?;
    println!("✓ starting as {}", start.name());
    // A dropped wait ends the polling. The operation continues.
    let moment = Duration::from_millis(100);
    if tokio::time::timeout(moment, start.wait()).await.is_err() {
        println!("interrupted after {moment:?}, as planned");
    }
    Ok(())
}

/// The second run: it has only the stored name.
async fn go_on(client: &LivestreamClient, note: &Path) -> Result {
    let name: OperationName = fs::read_to_string(note)?.parse()?;
    let mut start = client.resume::<StartChannelRequest>(&name);
    if start.poll().await?.is_none() {
        let metadata = start.metadata()?.unwrap_or_default();
        println!("  still running: {} {}", metadata.verb, metadata.target);
    }
    show("Starting the channel", start).await?;
    Ok(())
}
