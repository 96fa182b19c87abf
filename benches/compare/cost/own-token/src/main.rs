//! Reads a channel, by this crate, with a token that the program brings.

use livestream_client::{
    LivestreamClient,
    credentials::{Token, TokenError},
};
use std::{env, error::Error};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let name = env::args().nth(1).ok_or("which channel?")?.parse()?;
    let client = LivestreamClient::builder()
        .credentials(|| async {
            Token::bearer(&env::var("ACCESS_TOKEN").map_err(TokenError::permanent)?)
        })
        .build()?;
    println!("{:#?}", client.get_channel(&name).await?);
    Ok(())
}
