//! Field masks of responses: `Call::fields` sends `x-goog-fieldmask`, checks the paths before, and
//! works with a service that ignores the header.

#![allow(clippy::unwrap_used)]

mod support;

use livestream_client::{
    mask::Selection,
    model::{
        Channel, GetChannelRequest, ListChannelsRequest, ListChannelsResponse, channel::Output,
    },
    name::{ChannelName, LocationName},
    proto::google::longrunning,
};
use std::sync::{Arc, Mutex};
use support::{
    Observed, Scripted,
    fixture::{Fixture, channel},
};
use tonic::{Code, Request, body::Body};
use tower::util::MapRequestLayer;

fn location() -> LocationName {
    LocationName::new("p", "us-central1").unwrap()
}

fn name() -> ChannelName {
    location().channel("news").unwrap()
}

#[tokio::test(start_paused = true)]
async fn fields_send_a_field_mask_whose_paths_begin_at_an_item_of_a_listing() {
    let service = Scripted::new().on(|_: GetChannelRequest| Ok(channel())).on(
        |request: ListChannelsRequest| {
            let next_page_token = if request.page_token.is_empty() { "2" } else { "" }.to_owned();
            let channels = vec![channel()];
            Ok(ListChannelsResponse { channels, next_page_token, ..Default::default() })
        },
    );
    let sent = Arc::new(Mutex::new(Vec::new()));
    let log = sent.clone();
    let layer = MapRequestLayer::new(move |request: http::Request<Body>| {
        let mask = request.headers().get("x-goog-fieldmask");
        log.lock().unwrap().push(mask.map(|mask| mask.to_str().unwrap().to_owned()));
        request
    });
    let client = Observed::new(service).client_builder().layer(layer).build().unwrap();
    // The service ignores the mask, and everything works.
    let read = client.get_channel(&name()).fields(["name", "output.uri"]).await.unwrap();
    assert_eq!(read, channel());
    let listing = client.list_channels(&location()).fields(["name", "manifests.key"]);
    assert_eq!(listing.items().collect().await.unwrap().len(), 2);
    client.get_channel(&name()).fields(["name"]).fields([""; 0]).await.unwrap();
    let expected = [
        Some("name,output.uri"),
        Some("channels.name,channels.manifests.key,next_page_token,unreachable"),
        Some("channels.name,channels.manifests.key,next_page_token,unreachable"),
        None,
    ];
    assert_eq!(*sent.lock().unwrap(), expected.map(|mask| mask.map(str::to_owned)));
}

#[tokio::test(start_paused = true)]
async fn an_unknown_field_is_refused_before_anything_is_sent() {
    let service = Observed::new(Scripted::new());
    let client = service.client();
    let error = client.get_channel(&name()).fields(["streamingState"]).await.unwrap_err();
    assert_eq!((error.code(), error.field()), (Code::InvalidArgument, Some("fields")));
    let message = "`fields` is invalid: `Channel` has no field `streamingState`; did you mean \
                   `streaming_state`?";
    assert_eq!(error.message(), message);
    for paths in
        [["output", "output.url"], ["name.id", "name"], ["name", "labels.show"], ["", "name"]]
    {
        let error = client.list_channels(&location()).fields(paths).await.unwrap_err();
        assert_eq!(error.field(), Some("fields"), "{paths:?}");
    }
    assert_eq!(service.log().total(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_emulator_returns_only_the_selected_fields() {
    let fixture = Fixture::new();
    let Fixture { client, location, channel: name, .. } = &fixture;
    fixture.create_channel().await;
    let whole = client.get_channel(name).await.unwrap();
    let read = client.get_channel(name).fields(["name", "manifests.key"]).await.unwrap();
    let mut expected = Channel { name: whole.name.clone(), ..Default::default() };
    expected.manifests = vec![Default::default()];
    expected.manifests[0].key = whole.manifests[0].key.clone();
    assert_eq!(read, expected);
    client.create_channel(location, channel(), "other").wait().await.unwrap();
    let listing = client.list_channels(location).page_size(1).fields(["name", "streaming_state"]);
    let listed = listing.items().collect().await.unwrap();
    assert_eq!(listed.len(), 2);
    assert!(listed.iter().all(|channel| !channel.name.is_empty() && channel.output.is_none()));
    let done = client.list_operations(location).fields(["done"]).items().collect().await.unwrap();
    assert_eq!(done[0], longrunning::Operation { done: true, ..Default::default() });

    let mut request = Request::new(GetChannelRequest { name: name.to_string() });
    request.metadata_mut().insert("x-goog-fieldmask", "name,nothing".parse().unwrap());
    let mut stub =
        livestream_client::model::livestream_service_client::LivestreamServiceClient::new(
            client.stack(),
        );
    let refused = stub.get_channel(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
}

#[test]
fn a_selection_keeps_nested_fields_and_a_field_that_is_selected_as_a_whole() {
    let whole = Channel {
        name: name().to_string(),
        output: Some(Output { uri: "gs://b/".to_owned() }),
        labels: [("show".to_owned(), "news".to_owned())].into(),
        ..channel()
    };
    let select = |paths: &[&str]| {
        let mut kept = whole.clone();
        Selection::<Channel>::of(paths).unwrap().retain(&mut kept);
        kept
    };
    assert_eq!(select(&[]), whole);
    let expected = Channel {
        output: whole.output.clone(),
        labels: whole.labels.clone(),
        elementary_streams: whole.elementary_streams.clone(),
        ..Default::default()
    };
    let audio = "elementary_streams.audio_stream.bitrate_bps";
    for paths in [
        ["output", "labels", "elementary_streams", audio],
        [audio, "output.uri", "elementary_streams", "labels"],
    ] {
        assert_eq!(select(&paths), expected, "{paths:?}");
    }
    // The key of each stream, and nothing of its content.
    let keys = select(&["elementary_streams.key"]).elementary_streams;
    assert_eq!((&*keys[0].key, &keys[0].elementary_stream), ("sound", &None));
}
