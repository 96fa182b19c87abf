//! Listings of channels in pages of fifty, with this crate and with a loop over the bare stub.

use crate::canned::{channel, frame};
use bytes::Bytes;
use livestream_client::{
    LivestreamClient,
    mask::Selection,
    model::{
        self, ListChannelsRequest, ListChannelsResponse,
        livestream_service_client::LivestreamServiceClient,
    },
    name::LocationName,
};
use prost::Message;
use std::{hint::black_box, net::SocketAddr, time::Duration};
use tokio_stream::StreamExt;
use tonic::transport::Channel;

pub const PAGE: usize = 50;

/// Lists everything, and simulates work on each page.
pub async fn list(client: &LivestreamClient, work: Duration, reads_ahead: bool) -> usize {
    let location = LocationName::new("my-project", "us-central1").expect("a valid name");
    let mut items = client.list_channels(&location).items().read_ahead(reads_ahead);
    let mut count = 0;
    while let Some(item) = items.next().await {
        black_box(item.expect("a channel"));
        count += 1;
        if count % PAGE == 0 && !work.is_zero() {
            tokio::time::sleep(work).await;
        }
    }
    count
}

pub async fn list_bare(stub: &LivestreamServiceClient<Channel>) -> usize {
    let mut stub = stub.clone();
    let parent = "projects/my-project/locations/us-central1".to_owned();
    let mut request = ListChannelsRequest { parent, ..Default::default() };
    let mut count = 0;
    loop {
        let page = stub.list_channels(request.clone()).await.expect("a page").into_inner();
        for channel in page.channels {
            black_box(channel);
            count += 1;
        }
        if page.next_page_token.is_empty() {
            return count;
        }
        request.page_token = page.next_page_token;
    }
}

pub async fn bare(address: SocketAddr) -> LivestreamServiceClient<Channel> {
    let endpoint = Channel::from_shared(format!("http://{address}")).expect("a valid address");
    let channel = endpoint.tcp_nodelay(true).connect().await.expect("a connection");
    LivestreamServiceClient::new(channel)
}

/// The channels of a page; with the name and the state only, if `is_masked`.
pub fn page(is_masked: bool) -> Vec<model::Channel> {
    let mut channels: Vec<_> = (0..PAGE).map(channel).collect();
    if is_masked {
        let selection = Selection::of(["name", "streaming_state"]);
        let selection = selection.expect("fields of a channel");
        channels.iter_mut().for_each(|channel| selection.retain(channel));
    }
    channels
}

/// A listing with this number of pages.
pub fn answer(
    channels: &[model::Channel],
    pages: usize,
) -> impl Fn(Bytes) -> Bytes + Clone + Send + Sync + 'static {
    let all: Vec<Bytes> = (1..=pages)
        .map(|next| {
            let next_page_token = if next < pages { next.to_string() } else { String::new() };
            frame(&ListChannelsResponse {
                channels: channels.to_vec(),
                next_page_token,
                ..Default::default()
            })
        })
        .collect();
    move |request| {
        let request = ListChannelsRequest::decode(&request[5..]).expect("a request");
        all[request.page_token.parse().unwrap_or(0_usize)].clone()
    }
}
