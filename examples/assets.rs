//! The life of an asset: a slate is made from a file in Cloud Storage, told apart from one that
//! failed, and deleted.
//!
//! ```sh
//! cargo run --example assets
//! ```
//!
//! Against the real service, the client comes from `LivestreamClient::new()?`; the rest stays.

mod support;

use livestream_client::{
    LivestreamClient,
    model::{
        Asset,
        asset::{Resource, State, VideoAsset},
    },
    name::LocationName,
};
use support::{Result, Studio, show};

#[tokio::main]
async fn main() -> Result {
    let studio = Studio::open()?;
    let Studio { emulator, client, location } = &studio;
    emulator.put_object("gs://my-bucket/slate.mp4", 12_000_000, 0x9a71_bb4c);
    emulator.put_object("gs://my-bucket/bumper.mp4", 3_000_000, 0x1c29_1ca3);

    let slate = client.create_asset(location, video("gs://my-bucket/slate.mp4"), "slate").await?;
    show("Creating the slate", slate).await?;

    // The checksum of another file: the service finds out while it reads this one.
    let bumper = Asset { crc32c: "AAAAAA==".into(), ..video("gs://my-bucket/bumper.mp4") };
    let bumper = client.create_asset(location, bumper, "bumper").await?;
    match show("Creating the bumper", bumper).await {
        Ok(asset) => println!("  {} is ready", asset.name),
        Err(e) => println!("✗ bumper: {}", e.message()),
    }

    print_all(client, location).await?;
    for asset in client.list_assets(location).items().collect().await? {
        let name = asset.name.parse()?;
        show("Deleting the asset", client.delete_asset(&name).await?).await?;
    }
    println!("nothing is left");
    Ok(())
}

fn video(uri: &str) -> Asset {
    Asset { resource: Some(Resource::Video(VideoAsset { uri: uri.into() })), ..Default::default() }
}

/// What can be used, and what cannot and why.
async fn print_all(client: &LivestreamClient, location: &LocationName) -> Result {
    let assets = client.list_assets(location).items().collect().await?;
    println!("\n{:8} {:8} {:10} file", "asset", "state", "CRC32C");
    for asset in assets {
        let id = asset.name.rsplit('/').next().unwrap_or_default();
        let uri = match &asset.resource {
            Some(Resource::Video(video)) => &video.uri,
            Some(Resource::Image(image)) => &image.uri,
            None => "",
        };
        println!("{id:8} {:8} {:10} {uri}", asset.state().as_str_name(), asset.crc32c);
        if asset.state() == State::Error {
            println!("  {}", asset.error.map(|error| error.message).unwrap_or_default());
        }
    }
    println!();
    Ok(())
}
