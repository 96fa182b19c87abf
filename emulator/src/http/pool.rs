//! The descriptors of everything that has a JSON form: the API, the details of errors, and the control
//! service.

use crate::{control_proto, reflection};
use prost::Message as _;
use prost_reflect::DescriptorPool;
use prost_types::FileDescriptorSet;
use std::sync::LazyLock;

/// All descriptors.
pub(crate) static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    let mut pool = reflection::POOL.clone();
    add(&mut pool, tonic_types::pb::FILE_DESCRIPTOR_SET);
    // The annotations would be lost in prost's own types.
    pool.decode_file_descriptor_set(control_proto::FILE_DESCRIPTOR_SET)
        .expect("the control service fits to the API");
    pool
});

/// Adds the files whose messages the pool does not have.
fn add(pool: &mut DescriptorPool, set: &[u8]) {
    let mut set = FileDescriptorSet::decode(set).expect("a build script wrote it");
    set.file.retain(|file| {
        let is_known = |name: &str| {
            let name = format!("{}.{name}", file.package());
            pool.get_message_by_name(&name).is_some()
        };
        pool.get_file_by_name(file.name()).is_none()
            && !file.message_type.iter().any(|message| is_known(message.name()))
    });
    pool.add_file_descriptor_set(set).expect("the files fit together");
}
