//! Listing channels in pages of fifty: our stream of items next to a loop over the bare stub, and
//! what reading ahead is worth where the service takes 5 ms and the caller as long.

mod canned;

use bytes::Bytes;
use canned::{Manners, callers::ours, channel, frame, pin_to, serve_with};
use livestream_client::{
    LivestreamClient,
    model::{
        ListChannelsRequest, ListChannelsResponse,
        livestream_service_client::LivestreamServiceClient,
    },
    name::LocationName,
};
use prost::Message;
use std::{
    hint::black_box,
    net::SocketAddr,
    time::{Duration, Instant},
};
use tokio_stream::StreamExt;
use tonic::transport::Channel;

const PAGE: usize = 50;

fn main() {
    let is_test = std::env::args().any(|argument| argument == "--test");
    let (pages, rounds) = if is_test { (2, 1) } else { (100, 21) };
    let fast = serve_with(Manners::default(), answer(pages));
    let delay = Duration::from_millis(5);
    let slow = serve_with(Manners { delay, ..Manners::default() }, answer(pages));
    pin_to(0);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let (our, their) = (ours(fast).0, bare(fast).await);
        let mut ratios = Vec::new();
        for _ in 0..rounds {
            let ours = timed(list(&our, Duration::ZERO, false)).await;
            let theirs = timed(list_bare(&their)).await;
            ratios.push(ours / theirs);
        }
        ratios.sort_by(f64::total_cmp);
        println!("time a listing, ours / bare stub's loop: {:.3}", ratios[rounds / 2]);

        let our = ours(slow).0;
        let work = delay;
        let ahead = timed(list(&our, work, true)).await;
        let behind = timed(list(&our, work, false)).await;
        println!("items a second, reading ahead / not: {:.2}", behind / ahead);
    });
}

async fn timed(work: impl Future<Output = usize>) -> f64 {
    let begun = Instant::now();
    black_box(work.await);
    begun.elapsed().as_secs_f64()
}

/// Lists everything, and works on each page for a while.
async fn list(client: &LivestreamClient, work: Duration, reads_ahead: bool) -> usize {
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

async fn list_bare(stub: &LivestreamServiceClient<Channel>) -> usize {
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

async fn bare(address: SocketAddr) -> LivestreamServiceClient<Channel> {
    let endpoint = Channel::from_shared(format!("http://{address}")).expect("a valid address");
    let channel = endpoint.tcp_nodelay(true).connect().await.expect("a connection");
    LivestreamServiceClient::new(channel)
}

/// A listing of so many pages.
fn answer(pages: usize) -> impl Fn(Bytes) -> Bytes + Clone + Send + Sync + 'static {
    let channels: Vec<_> = (0..PAGE).map(channel).collect();
    let all: Vec<Bytes> = (1..=pages)
        .map(|next| {
            let next_page_token = if next < pages { next.to_string() } else { String::new() };
            frame(&ListChannelsResponse {
                channels: channels.clone(),
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
