//! The two callers that the benches compare: this crate with auth, deadline, retry and headers, and the bare
//! tonic stub on one tonic channel, without a token or with the same token as a header.
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
use tonic::{
    Request,
    metadata::{Ascii, MetadataValue},
    transport::Channel,
};

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

pub struct Theirs {
    stub: LivestreamServiceClient<Channel>,
    name: String,
    token: Option<MetadataValue<Ascii>>,
}

pub async fn theirs(address: SocketAddr) -> Theirs {
    let endpoint = Channel::from_shared(format!("http://{address}")).expect("a valid address");
    let channel = endpoint.tcp_nodelay(true).connect().await.expect("a connection");
    let name = "projects/my-project/locations/us-central1/channels/channel-1".to_owned();
    Theirs { stub: LivestreamServiceClient::new(channel), name, token: None }
}

impl Theirs {
    /// The same, with a token in each call.
    pub fn with_token(mut self) -> Self {
        self.token = Some(bearer().try_into().expect("a token is ASCII"));
        self
    }

    pub fn call(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut stub = self.stub.clone();
        let mut request = Request::new(GetChannelRequest { name: self.name.clone() });
        if let Some(token) = &self.token {
            request.metadata_mut().insert("authorization", token.clone());
        }
        async move {
            let answer = stub.get_channel(request).await.expect("an answer");
            drop(black_box(answer));
        }
    }
}

/// A header as long as a service account's or a workload's: 1,024 bytes of base64.
fn bearer() -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut draw = fastrand::Rng::with_seed(1);
    let token = (0..1024).map(|_| char::from(ALPHABET[draw.usize(..ALPHABET.len())]));
    format!("Bearer ya29.{}", token.collect::<String>())
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
        let token = HeaderValue::try_from(bearer()).expect("a token is ASCII");
        let data = HeaderMap::from_iter([(http::header::AUTHORIZATION, token)]);
        Ok(CacheableResource::New { entity_tag: self.0.clone(), data })
    }

    async fn universe_domain(&self) -> Option<String> {
        None
    }
}
