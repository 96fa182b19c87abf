//! Any two channels: a declaration converges in one update, keeps the fields that it leaves unset at
//! any depth, and a list of fields to clear is empty afterwards.

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
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor,
    ReflectMessage as _, Value,
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

/// Fills in the default of the service.
fn fill_in(channel: &mut Channel) {
    for mux in &mut channel.mux_streams {
        if mux.container.is_empty() {
            mux.container = "fmp4".to_owned();
        }
    }
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
            fill_in(&mut channel);
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

fn without_outputs(channel: &Channel) -> DynamicMessage {
    let mut channel = channel.clone();
    channel.clear_outputs();
    let descriptor = POOL.get_message_by_name(&Channel::full_name()).unwrap();
    DynamicMessage::decode(descriptor, &*channel.encode_to_vec()).unwrap()
}

/// The fields that are not set in what is wanted, and differ between the states before and after.
fn lost(path: &str, [wanted, before, after]: &[DynamicMessage; 3]) -> Vec<String> {
    let mut all = Vec::new();
    for field in wanted.descriptor().fields() {
        let path = format!("{path}.{}", field.name());
        let [value, old, new] = [wanted, before, after].map(|m| m.get_field(&field).into_owned());
        if !wanted.has_field(&field) {
            let is_chosen_otherwise = field
                .containing_oneof()
                .is_some_and(|oneof| oneof.fields().any(|other| wanted.has_field(&other)));
            // 0 is a wanted value of a required number.
            if old != new && !is_chosen_otherwise && !is_required_number(&field) {
                all.push(path);
            }
            continue;
        }
        match (value, old, new) {
            (Value::Message(value), Value::Message(old), Value::Message(new))
                if is_message(&field) =>
            {
                all.extend(lost(&path, &[value, old, new]));
            }
            (Value::List(value), Value::List(old), Value::List(new)) if is_message(&field) => {
                assert_eq!(value.len(), new.len(), "{path}");
                for (at, entry) in value.iter().enumerate() {
                    let path = format!("{path}[{at}]");
                    let Some(old) = described(at, &value, &old) else { continue };
                    let entries = [entry, old, &new[at]].map(|e| e.as_message().unwrap().clone());
                    all.extend(lost(&path, &entries));
                }
            }
            (Value::Map(value), Value::Map(mut old), Value::Map(new)) => {
                old.extend(value);
                if old != new {
                    all.push(path);
                }
            }
            _ => {}
        }
    }
    all
}

/// Whether it is a message of the API. A common one, such as a duration, is a single value.
fn is_message(field: &FieldDescriptor) -> bool {
    matches!(field.kind(), Kind::Message(m) if m.package_name().starts_with("google.cloud."))
}

fn is_required_number(field: &FieldDescriptor) -> bool {
    let behavior = POOL.get_extension_by_name("google.api.field_behavior").unwrap();
    let is_required = matches!(&*field.options().get_extension(&behavior), Value::List(all)
        if all.contains(&Value::EnumNumber(2)));
    is_required && matches!(field.kind(), Kind::Int32 | Kind::Int64 | Kind::Double)
}

/// The present entry of a list that the entry at a position of the wanted list describes.
fn described<'a>(at: usize, wanted: &[Value], old: &'a [Value]) -> Option<&'a Value> {
    let key = |entry: &Value| {
        let entry = entry.as_message().unwrap();
        let field = ["key", "id"].iter().find_map(|name| entry.get_field_by_name(name))?;
        field.as_str().filter(|key| !key.is_empty()).map(str::to_owned)
    };
    if wanted.iter().any(|entry| key(entry).is_none()) {
        return old.get(at).filter(|_| wanted.len() == old.len());
    }
    let is_same = |old: &&Value| key(old) == key(&wanted[at]);
    old.get(at).filter(is_same).or_else(|| old.iter().find(is_same))
}

#[tokio::test(start_paused = true)]
async fn any_declaration_converges_in_one_update_and_keeps_the_fields_that_it_leaves_unset() {
    let name: ChannelName = NAME.parse().unwrap();
    for seed in 0..500 {
        let draw = &mut Draw(Rng::with_seed(seed));
        let mut actual = channel(draw);
        fill_in(&mut actual);
        let wanted = wanted(draw, &actual);
        let (service, stored) = service(actual.clone());
        let client: LivestreamClient = service.client();
        let planned = client.plan_channel(&name, &wanted).await.unwrap();
        client.ensure_channel(&name, wanted.clone()).await.unwrap();
        assert_eq!(service.log().mutations(), usize::from(!planned.is_nothing()), "{seed}");
        let after = client.plan_channel(&name, &wanted).await.unwrap();
        assert!(after.is_nothing(), "seed {seed}: {planned}\n\nand again {after}");

        let messages = [&wanted, &actual, &*stored.lock().unwrap()].map(without_outputs);
        let lost = lost("channel", &messages);
        assert!(lost.is_empty(), "seed {seed}: {planned}\n\nloses {lost:?}");
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
