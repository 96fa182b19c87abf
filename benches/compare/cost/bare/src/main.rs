//! Reads a channel with tonic only: without finding credentials, without retries and without a deadline. The
//! caller passes a token.

use google::cloud::video::livestream::v1::{
    GetChannelRequest, livestream_service_client::LivestreamServiceClient,
};
use std::{env, error::Error};
use tonic::{
    Request,
    transport::{Channel, ClientTlsConfig},
};

include!(concat!(env!("OUT_DIR"), "/stubs.rs"));

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let name = env::args().nth(1).ok_or("which channel?")?;
    let tls = ClientTlsConfig::new().with_webpki_roots();
    let endpoint = Channel::from_static("https://livestream.googleapis.com").tls_config(tls)?;
    let mut stub = LivestreamServiceClient::new(endpoint.connect().await?);
    let mut request = Request::new(GetChannelRequest { name });
    let token = format!("Bearer {}", env::var("ACCESS_TOKEN")?);
    request.metadata_mut().insert("authorization", token.parse()?);
    println!("{:#?}", stub.get_channel(request).await?.into_inner());
    Ok(())
}
