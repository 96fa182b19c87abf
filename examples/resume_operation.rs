//! A program is restarted while it waits: the name of the operation was written down, and the next
//! run takes the wait up where the last one left it.
//!
//! ```sh
//! cargo run --example resume_operation
//! ```
//!
//! Against the real service, the clients come from `LivestreamClient::new()?`; the rest stays.

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
    println!("… and everything that the program knew is gone");

    let client = client_of(&emulator)?;
    go_on(&client, &note).await?;
    fs::remove_file(&note)?;
    remove_channel(&client, &news).await?;
    println!("nothing is left");
    Ok(())
}

/// The first run: starts the channel, writes down what it waits for, and ends too soon.
async fn begin(client: LivestreamClient, channel: &ChannelName, note: &Path) -> Result {
    let mut start = client.start_channel(channel).await?;
    fs::write(note, start.name().as_str())?;
    println!("✓ starting under {}", start.name());
    // To drop a wait ends the polling, and nothing else.
    let moment = Duration::from_millis(100);
    if tokio::time::timeout(moment, start.wait()).await.is_err() {
        println!("✗ interrupted after {moment:?}");
    }
    Ok(())
}

/// The second run: all it has is the note.
async fn go_on(client: &LivestreamClient, note: &Path) -> Result {
    let name: OperationName = fs::read_to_string(note)?.parse()?;
    let mut start = client.resume::<StartChannelRequest>(&name);
    if start.poll().await?.is_none() {
        let metadata = start.metadata()?.unwrap_or_default();
        println!("  the service still works on it: {} {}", metadata.verb, metadata.target);
    }
    show("Starting the channel", start).await?;
    Ok(())
}
