//! Creates assets from files in Cloud Storage, distinguishes a usable asset from a failed one, and
//! deletes them.
//!
//! ```sh
//! cargo run --example assets
//! ```
//!
//! To use the real service, make the client with `LivestreamClient::new()?`. The rest stays the same.

mod support;

use livestream_client::{
    LivestreamClient,
    model::{
        Asset,
        asset::{Resource, State},
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

    let slate = Asset::video("gs://my-bucket/slate.mp4");
    let slate = client.create_asset(location, slate, "slate").await?;
    show("Creating the slate", slate).await?;

    // This checksum is wrong. The service notices when it reads the file.
    let bumper = Asset { crc32c: "AAAAAA==".into(), ..Asset::video("gs://my-bucket/bumper.mp4") };
    let bumper = client.create_asset(location, bumper, "bumper").await?;
    match show("Creating the bumper", bumper).await {
        Ok(asset) => println!("  {} is ready", asset.name),
        Err(e) => println!("refused, as expected: bumper: {}", e.message()),
    }

    print_all(client, location).await?;
    for asset in client.list_assets(location).items().collect().await? {
        let name = asset.name.parse()?;
        show("Deleting the asset", client.delete_asset(&name).await?).await?;
    }
    println!("everything is deleted");
    Ok(())
}

/// Prints the state of each asset, and the reason if it failed.
async fn print_all(client: &LivestreamClient, location: &LocationName) -> Result {
    let assets = client.list_assets(location).items().collect().await?;
    println!("\n{:8} {:8} {:10} file", "asset", "state", "CRC32C");
    for asset in assets {
        let id = asset.name.rsplit('/').next().unwrap_or_default();
        let uri = match &asset.resource {
            Some(Resource::Video(video)) => &video.uri,
            Some(Resource::Image(image)) => &image.uri,
            _ => "",
        };
        println!("{id:8} {:8} {:10} {uri}", asset.state().as_str_name(), asset.crc32c);
        if asset.state() == State::Error {
            println!("  {}", asset.error.map(|error| error.message).unwrap_or_default());
        }
    }
    println!();
    Ok(())
}
