//! A service newer than this crate: unknown fields and enum values do not fail a call, and the enum
//! values can be read as numbers.

#![allow(clippy::unwrap_used)]

#[path = "support/grpc.rs"]
mod grpc;

use http::Request;
use livestream_client::{
    LivestreamClient,
    model::{Channel, channel::StreamingState},
    name::ChannelName,
    proto::google::longrunning,
};
use prost::{Message, encoding};
use std::{convert::Infallible, future::ready};
use tonic::body::Body;

const NAME: &str = "projects/p/locations/us-central1/channels/c";

/// A client of a service that answers every call with these bytes as its message.
fn client_of(message: Vec<u8>) -> LivestreamClient {
    let service = tower::service_fn(move |_: Request<Body>| {
        ready(Ok::<_, Infallible>(grpc::response(&message)))
    });
    LivestreamClient::builder().channel(service).build().unwrap()
}

/// A channel from a newer service, with an unknown state and unknown fields.
fn newer_channel() -> Vec<u8> {
    let known = Channel { name: NAME.into(), streaming_state: 77, ..Channel::default() };
    let mut bytes = known.encode_to_vec();
    encoding::string::encode(900, &"a new field".to_owned(), &mut bytes);
    encoding::message::encode(901, &known, &mut bytes);
    encoding::fixed64::encode(902, &42, &mut bytes);
    bytes
}

#[tokio::test]
async fn unknown_fields_and_enum_values_do_not_fail_a_call() {
    let name = ChannelName::new("p", "us-central1", "c").unwrap();
    let channel = client_of(newer_channel()).get_channel(&name).await.unwrap();
    assert_eq!(channel.name, NAME);
    assert_eq!(channel.streaming_state, 77, "the number is kept");
    assert_eq!(channel.streaming_state(), StreamingState::Unspecified);
    assert!(StreamingState::try_from(channel.streaming_state).is_err());
}

#[tokio::test]
async fn unknown_fields_and_enum_values_do_not_fail_a_listing_or_an_operation() {
    let name = ChannelName::new("p", "us-central1", "c").unwrap();

    let mut page = Vec::new();
    encoding::bytes::encode(1, &newer_channel(), &mut page);
    encoding::uint32::encode(903, &1, &mut page);
    let channels = client_of(page).list_channels(&name.parent()).items().collect().await.unwrap();
    assert_eq!(channels[0].streaming_state, 77);

    let operation = longrunning::Operation {
        name: "projects/p/locations/us-central1/operations/operation-1".into(),
        done: true,
        result: Some(longrunning::operation::Result::Response(prost_types::Any {
            type_url: "type.googleapis.com/google.cloud.video.livestream.v1.Channel".into(),
            value: newer_channel(),
        })),
        ..Default::default()
    };
    let mut bytes = operation.encode_to_vec();
    encoding::bool::encode(904, &true, &mut bytes);
    let created = client_of(bytes).create_channel(&name.parent(), Channel::default(), "c");
    assert_eq!(created.wait().await.unwrap().streaming_state, 77);
}
