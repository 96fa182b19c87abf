//! Reads a channel with the official client.

use google_cloud_video_livestream_v1::client::LivestreamService;
use std::error::Error;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let name = std::env::args().nth(1).ok_or("which channel?")?;
    let client = LivestreamService::builder().build().await?;
    println!("{:#?}", client.get_channel().set_name(name).send().await?);
    Ok(())
}
