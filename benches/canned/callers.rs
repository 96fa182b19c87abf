//! The two callers that the benches compare: this crate with auth, deadline, retry and headers, and the bare
//! tonic stub on one tonic channel.
#![allow(dead_code, reason = "each bench uses a part of it")]

use google_cloud_auth::{
    credentials::{CacheableResource, Credentials, CredentialsProvider, EntityTag},
    errors::CredentialsError,
};
use http::{Extensions, HeaderMap, HeaderValue};
use livestream_client::{
    LivestreamClient,
    model::{GetChannelRequest, livestream_service_client::LivestreamServiceClient},
    name::ChannelName,
};
use std::{hint::black_box, net::SocketAddr};
use tonic::transport::Channel;

pub struct Ours(pub LivestreamClient, ChannelName);

pub fn ours(address: SocketAddr) -> Ours {
    let client = LivestreamClient::builder()
        .endpoint(format!("http://{address}"))
        .credentials(token())
        .build()
        .expect("a client");
    let name = ChannelName::new("my-project", "us-central1", "channel-1").expect("a valid name");
    Ours(client, name)
}

impl Ours {
    pub fn call(&self) -> impl Future<Output = ()> + Send + use<> {
        let call = self.0.get_channel(&self.1);
        async { drop(black_box(call.await.expect("an answer"))) }
    }
}

pub struct Theirs(LivestreamServiceClient<Channel>, String);

pub async fn theirs(address: SocketAddr) -> Theirs {
    let endpoint = Channel::from_shared(format!("http://{address}")).expect("a valid address");
    let channel = endpoint.tcp_nodelay(true).connect().await.expect("a connection");
    let name = "projects/my-project/locations/us-central1/channels/channel-1".to_owned();
    Theirs(LivestreamServiceClient::new(channel), name)
}

impl Theirs {
    pub fn call(&self) -> impl Future<Output = ()> + Send + use<> {
        let (mut stub, name) = (self.0.clone(), self.1.clone());
        async move {
            let answer = stub.get_channel(GetChannelRequest { name }).await.expect("an answer");
            drop(black_box(answer));
        }
    }
}

/// Credentials whose token never changes.
pub fn token() -> Credentials {
    Token(EntityTag::new()).into()
}

#[derive(Debug)]
struct Token(EntityTag);

impl CredentialsProvider for Token {
    async fn headers(
        &self,
        known: Extensions,
    ) -> Result<CacheableResource<HeaderMap>, CredentialsError> {
        if known.get::<EntityTag>() == Some(&self.0) {
            return Ok(CacheableResource::NotModified);
        }
        let token = HeaderValue::from_static(
            "Bearer ya29.a-token-as-long-as-real-ones-are-which-is-about-two-hundred-bytes-in-all",
        );
        let data = HeaderMap::from_iter([(http::header::AUTHORIZATION, token)]);
        Ok(CacheableResource::New { entity_tag: self.0.clone(), data })
    }

    async fn universe_domain(&self) -> Option<String> {
        None
    }
}
