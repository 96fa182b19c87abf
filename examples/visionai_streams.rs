//! Uses Vision AI's streams: lists them, gets a token for playback over HLS and renews it before it
//! expires, takes a thumbnail into Cloud Storage, lists events and series with a filter and an order, and
//! materialises a channel. The service is an emulator in this process.
//!
//! ```sh
//! cargo run --example visionai_streams
//! ```
//!
//! To use the real service, make the client with `StreamsClient::new()?`. The rest stays the same. The
//! vendor ended the product on 2026-09-30.

#[path = "support/shop.rs"]
mod shop;
mod support;

use livestream_client::{
    Error,
    visionai::{
        StreamsClient,
        model::{Channel, GenerateStreamHlsTokenResponse},
        name::{ClusterName, StreamName},
    },
};
use livestream_emulator::Emulator;
use shop::Shop;
use std::time::{Duration, SystemTime};
use support::{Result, show};
use tokio_stream::StreamExt;

#[tokio::main]
async fn main() -> Result {
    let shop = Shop::open()?;
    let Shop { client, cluster, emulator } = &shop;
    shop.set_up().await?;

    println!("\n-- streams");
    for stream in client.list_streams(cluster).order_by("name").items().collect().await? {
        let playback = if stream.enable_hls_playback { "playback over HLS" } else { "no playback" };
        println!("{}: {playback}", stream.display_name);
    }
    let entrance = cluster.stream("entrance")?;
    watch(client, emulator, &entrance).await?;
    photograph(client, emulator, &entrance).await?;

    println!("\n-- events and series");
    monitor(client, cluster).await?;

    println!("\n-- channel");
    let join = Channel {
        stream: entrance.to_string(),
        event: cluster.event("day")?.to_string(),
        ..Default::default()
    };
    let make = client.materialize_channel(cluster, join, "entrance-live").await?;
    let channel = show("Materialising the channel", make).await?;
    // The API has no method that reads a channel, so store its name now.
    assert_eq!(channel.name, cluster.channel("entrance-live")?.as_str());

    shop.tear_down().await
}

/// The time before its expiry at which a token is renewed.
const MARGIN: Duration = Duration::from_secs(300);

/// Gets a token for playback, and another one shortly before the first expires.
async fn watch(client: &StreamsClient, emulator: &Emulator, stream: &StreamName) -> Result {
    let now = emulator.now();
    let first = client.generate_stream_hls_token(stream).await?;
    assert!(is_good(&first, now));
    println!("✓ a token for {}, valid until {}", stream.id(), until(&first));

    emulator.advance(Duration::from_secs(3600));
    let now = emulator.now();
    assert!(!is_good(&first, now));
    let second = client.generate_stream_hls_token(stream).await?;
    assert!(is_good(&second, now) && second.token != first.token);
    println!("✓ renewed, valid until {}", until(&second));
    Ok(())
}

fn is_good(playback: &GenerateStreamHlsTokenResponse, now: SystemTime) -> bool {
    let end = playback.expiration_time.and_then(|time| SystemTime::try_from(time).ok());
    end.is_some_and(|end| now + MARGIN < end)
}

fn until(playback: &GenerateStreamHlsTokenResponse) -> String {
    playback.expiration_time.map_or_else(|| "an unknown time".into(), |time| time.to_string())
}

/// Takes a thumbnail into a file in Cloud Storage.
async fn photograph(client: &StreamsClient, emulator: &Emulator, stream: &StreamName) -> Result {
    let object = "gs://my-bucket/thumbnails/entrance.jpg";
    let take = client.get_stream_thumbnail(stream, object).await?;
    show("Taking a thumbnail", take).await?;
    assert!(emulator.has_object(object));
    println!("  the file is {object}");
    Ok(())
}

/// Prints the events, the latest first, each with its streams.
async fn monitor(client: &StreamsClient, cluster: &ClusterName) -> std::result::Result<(), Error> {
    let mut events = client.list_events(cluster).order_by("create_time desc").items();
    while let Some(event) = events.next().await {
        let event = event?;
        let of_event = format!("event=\"{}\"", event.name);
        let series = client.list_series(cluster).filter(of_event).order_by("name");
        let series = series.page_size(1).items().collect().await?;
        assert_eq!(series.len(), shop::CAMERAS.len());
        let grace = event.grace_period.map_or(0, |grace| grace.seconds);
        println!("{}: {} streams, {grace} s of grace", event.name, series.len());
        for series in series {
            let stream: StreamName = series.stream.parse()?;
            println!("  {}", client.get_stream(&stream).await?.display_name);
        }
    }
    Ok(())
}
