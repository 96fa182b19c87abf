//! Messages with their fields by name, from the descriptors of the API.

use livestream_client::proto::FILE_DESCRIPTOR_SET;
use prost::{Message, Name};
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};
use std::sync::LazyLock;

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
