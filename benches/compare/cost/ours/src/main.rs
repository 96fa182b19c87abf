//! Reads a channel with this crate.

use livestream_client::LivestreamClient;
use std::error::Error;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let name = std::env::args().nth(1).ok_or("which channel?")?.parse()?;
    let client = LivestreamClient::new()?;
    println!("{:#?}", client.get_channel(&name).await?);
    Ok(())
}
