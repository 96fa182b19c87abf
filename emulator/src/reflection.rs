//! Messages with their fields by name, from the descriptors of the API.

use livestream_client::proto::FILE_DESCRIPTOR_SET;
use prost::{Message, Name};
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, Value};
use std::{collections::HashMap, sync::LazyLock};

/// The descriptors of all messages of the API.
pub(super) static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    DescriptorPool::decode(FILE_DESCRIPTOR_SET).expect("the build writes a valid descriptor set")
});

/// The descriptor of a message of the API.
pub(super) fn descriptor<T: Name>() -> MessageDescriptor {
    POOL.get_message_by_name(&T::full_name()).expect("the API declares each of its messages")
}

/// The message with its fields by name.
pub(super) fn reflect<T: Message + Name>(message: &T) -> DynamicMessage {
    let bytes = message.encode_to_vec();
    DynamicMessage::decode(descriptor::<T>(), &*bytes).expect("a message decodes as its own type")
}

/// The request messages of all methods, by gRPC path.
static REQUESTS: LazyLock<HashMap<String, MessageDescriptor>> = LazyLock::new(|| {
    let services = POOL.services();
    let methods = services.flat_map(|service| {
        let path = |name: &str| format!("/{}/{name}", service.full_name());
        let methods = service.methods().map(|method| (path(method.name()), method.input()));
        methods.collect::<Vec<_>>()
    });
    methods.collect()
});

/// The resource that a request is about: its name or parent, or the name in the resource that it
/// carries. `None` for an unknown path or a malformed message.
pub(super) fn resource(path: &str, message: &[u8]) -> Option<String> {
    let message = DynamicMessage::decode(REQUESTS.get(path)?.clone(), message).ok()?;
    let text = |message: &DynamicMessage, field: &str| {
        message.get_field_by_name(field)?.as_str().map(str::to_owned)
    };
    let own = ["name", "parent", "stream"].iter().find_map(|field| text(&message, field));
    own.or_else(|| {
        message.fields().find_map(|(_, value)| match value {
            Value::Message(resource) => text(resource, "name"),
            _ => None,
        })
    })
}
