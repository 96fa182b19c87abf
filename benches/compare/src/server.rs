//! Three canned servers on one core: GetChannel over gRPC, ListChannels over gRPC, and both as JSON over
//! HTTP/1.1 for the official Rust client.

use crate::canned::{Manners, channel, frame, listen, serve, serve_with};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use livestream_client::{
    json,
    model::{ListChannelsRequest, ListChannelsResponse},
};
use prost::Message;
use std::convert::Infallible;

/// The number of pages of a listing.
pub const PAGES: usize = 20;
/// The number of channels of a page.
pub const PAGE: usize = 50;

/// Starts the servers, which run until the process ends, and returns their addresses.
pub fn start() -> [String; 3] {
    let pages: Vec<ListChannelsResponse> = (0..PAGES).map(page).collect();
    let framed: Vec<Bytes> = pages.iter().map(frame).collect();
    let calls = serve(&channel(1), false);
    let lists = serve_with(Manners::default(), move |request| {
        let request = ListChannelsRequest::decode(&request[5..]).expect("a framed request");
        framed[number_of(&request.page_token)].clone()
    });
    [calls.to_string(), lists.to_string(), serve_json(&pages)]
}

/// Returns a page, whose token is its number. The last page has no next token.
fn page(number: usize) -> ListChannelsResponse {
    let next = number + 1;
    ListChannelsResponse {
        channels: (number * PAGE..next * PAGE).map(channel).collect(),
        next_page_token: if next < PAGES { next.to_string() } else { String::new() },
        ..Default::default()
    }
}

fn number_of(token: &str) -> usize {
    token.parse().unwrap_or(0)
}

fn serve_json(pages: &[ListChannelsResponse]) -> String {
    let to_bytes = |text: Result<String, json::Error>| Bytes::from(text.expect("a valid message"));
    let one = to_bytes(json::to_string(&channel(1)));
    let pages: Vec<Bytes> = pages.iter().map(|page| to_bytes(json::to_string(page))).collect();
    let answer = move |request: Request<Incoming>| {
        let body = if request.uri().path().ends_with("/channels") {
            let query = request.uri().query().unwrap_or_default();
            let token = query.split('&').find_map(|pair| pair.strip_prefix("pageToken="));
            pages[number_of(token.unwrap_or_default())].clone()
        } else {
            one.clone()
        };
        let response = Response::builder().header("content-type", "application/json");
        response.body(Full::new(body)).expect("a valid response")
    };
    let serve = move |stream| {
        let answer = answer.clone();
        async move {
            let service = service_fn(|request| {
                let response = answer(request);
                async { Ok::<_, Infallible>(response) }
            });
            // A client may end its connection in any way.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        }
    };
    listen(serve).to_string()
}
