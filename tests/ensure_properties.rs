//! Any two channels: a declaration converges in one update, keeps the fields that it leaves unset, and
//! a list of fields to clear is empty afterwards.

#![allow(clippy::unwrap_used)]

mod draw;
mod support;

use draw::Draw;
use fastrand::Rng;
use livestream_client::{
    LivestreamClient,
    mask::{Maskable as _, Updatable as _},
    model::{Channel, GetChannelRequest, ListDvrSessionsRequest, UpdateChannelRequest},
    name::ChannelName,
    proto::{FILE_DESCRIPTOR_SET, google::longrunning},
};
use prost::{Message, Name};
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, Value,
};
use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex},
};
use support::{Observed, Scripted};

static POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap());

const NAME: &str = "projects/p/locations/us-central1/channels/news";

/// A message with random fields at all depths. There are few values, so that two are often equal.
fn message(draw: &mut Draw, descriptor: &MessageDescriptor) -> DynamicMessage {
    let mut message = DynamicMessage::new(descriptor.clone());
    for field in descriptor.fields() {
        let is_error = matches!(field.kind(), Kind::Message(m) if m.package_name() == "google.rpc");
        if is_error || draw.bool() {
            continue;
        }
        let value = if field.is_map() {
            let entries: HashMap<_, _> = draw.list(0..2, |draw| {
                (MapKey::String(draw.of("abc", 0..2)), Value::String(draw.of("abc", 0..2)))
            });
            Value::Map(entries)
        } else if field.is_list() {
            Value::List(draw.list(0..3, |draw| single(draw, &field)))
        } else {
            single(draw, &field)
        };
        message.set_field(&field, value);
    }
    message
}

fn single(draw: &mut Draw, field: &FieldDescriptor) -> Value {
    match field.kind() {
        Kind::Bool => Value::Bool(draw.bool()),
        Kind::Int32 => Value::I32(draw.0.i32(0..3)),
        Kind::Int64 => Value::I64(draw.0.i64(0..3)),
        Kind::Double => Value::F64(f64::from(draw.0.i32(0..3)) / 2.0),
        Kind::String => Value::String(draw.of("abc", 0..2)),
        Kind::Enum(_) => Value::EnumNumber(draw.0.i32(0..3)),
        Kind::Message(inner) => Value::Message(message(draw, &inner)),
        kind => panic!("no field of the API is a {kind:?}"),
    }
}

fn channel(draw: &mut Draw) -> Channel {
    let descriptor = POOL.get_message_by_name(&Channel::full_name()).unwrap();
    let channel = message(draw, &descriptor).encode_to_vec();
    Channel { name: NAME.to_owned(), ..Channel::decode(&*channel).unwrap() }
}

/// A service with one channel, which it updates as documented. It fills in a default.
fn service(channel: Channel) -> (Observed<Scripted>, Arc<Mutex<Channel>>) {
    let stored = Arc::new(Mutex::new(channel));
    let (read, updated) = (stored.clone(), stored.clone());
    let service = Scripted::new()
        .on(move |_: GetChannelRequest| Ok(read.lock().unwrap().clone()))
        .on(|_: ListDvrSessionsRequest| Ok(Default::default()))
        .on(move |request: UpdateChannelRequest| {
            let mut channel = updated.lock().unwrap();
            let from = request.channel.unwrap();
            for path in request.update_mask.unwrap().paths {
                assert!(channel.overwrite(&path, &from), "{path}");
            }
            for mux in &mut channel.mux_streams {
                if mux.container.is_empty() {
                    mux.container = "fmp4".to_owned();
                }
            }
            let value = channel.encode_to_vec();
            let result = prost_types::Any { type_url: Channel::type_url(), value };
            Ok(longrunning::Operation {
                name: "projects/p/locations/us-central1/operations/operation-1".to_owned(),
                done: true,
                result: Some(longrunning::operation::Result::Response(result)),
                ..Default::default()
            })
        });
    (Observed::new(service), stored)
}

/// A declaration that differs from the channel in changeable fields only.
fn wanted(draw: &mut Draw, actual: &Channel) -> Channel {
    let mut wanted = Channel::default();
    let other = channel(draw);
    for field in Channel::FIELDS {
        assert!(wanted.overwrite(field, &other));
    }
    for field in ["labels", "distributions", "static_overlays"] {
        if draw.bool() {
            assert!(wanted.overwrite(field, actual));
        }
    }
    wanted
}

#[tokio::test(start_paused = true)]
async fn any_declaration_converges_in_one_update_and_keeps_the_fields_that_it_leaves_unset() {
    let name: ChannelName = NAME.parse().unwrap();
    for seed in 0..500 {
        let draw = &mut Draw(Rng::with_seed(seed));
        let actual = channel(draw);
        let wanted = wanted(draw, &actual);
        let (service, stored) = service(actual.clone());
        let client: LivestreamClient = service.client();
        let planned = client.plan_channel(&name, &wanted).await.unwrap();
        client.ensure_channel(&name, wanted.clone()).await.unwrap();
        assert_eq!(service.log().mutations(), usize::from(!planned.is_nothing()), "{seed}");
        let after = client.plan_channel(&name, &wanted).await.unwrap();
        assert!(after.is_nothing(), "seed {seed}: {planned}\n\nand again {after}");

        let stored = stored.lock().unwrap().clone();
        let is_set = wanted.differing(&Channel::default());
        let mut expected = stored.clone();
        for field in Channel::FIELDS.iter().filter(|field| !is_set.contains(field)) {
            assert!(expected.overwrite(field, &actual));
        }
        // The service's own default is in the fields that the declaration leaves unset too.
        for (mux, kept) in expected.mux_streams.iter_mut().zip(&stored.mux_streams) {
            mux.container.clone_from(&kept.container);
        }
        assert_eq!(stored, expected, "seed {seed}: {planned}");
    }
}

#[tokio::test(start_paused = true)]
async fn any_cleared_field_is_empty_and_stays_so() {
    let name: ChannelName = NAME.parse().unwrap();
    for seed in 0..500 {
        let draw = &mut Draw(Rng::with_seed(seed));
        let actual = channel(draw);
        let (service, stored) = service(actual);
        let client = service.client();
        let cleared: Vec<_> = draw.list(0..4, |draw| draw.pick(Channel::FIELDS));
        for _ in 0..2 {
            let ensure = client.ensure_channel(&name, Channel::default());
            ensure.clear(cleared.clone()).await.unwrap();
        }
        assert!(service.log().mutations() <= 1, "seed {seed}");
        let set = stored.lock().unwrap().differing(&Channel::default());
        assert!(cleared.iter().all(|field| !set.contains(field)), "seed {seed}: {cleared:?}");
    }
}
