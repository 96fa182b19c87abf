//! Parses any text as a name. Parsing either fails with a clear error or returns a consistent name.

#![no_main]

use libfuzzer_sys::fuzz_target;
use livestream_client::{
    name::*,
    visionai::name::{ClusterName, StreamName},
};

fuzz_target!(|text: &str| {
    read::<ProjectName>(text);
    read::<LocationName>(text);
    read::<InputName>(text);
    read::<EventName>(text);
    read::<ClipName>(text);
    read::<DvrSessionName>(text);
    read::<AssetName>(text);
    read::<PoolName>(text);
    read::<OperationName>(text);
    read::<NetworkName>(text);
    read::<SecretVersionName>(text);
    read::<ClusterName>(text);
    read::<StreamName>(text);
    if let Some(name) = read::<ChannelName>(text) {
        let again = ChannelName::new(name.project(), name.location(), name.channel());
        assert_eq!(again.as_ref(), Ok(&name));
        assert_eq!(name.parent().channel(name.id()).as_ref(), Ok(&name));
    }
    let location = LocationName::new("p", "l").expect("valid");
    if let Ok(channel) = location.channel(text) {
        assert_eq!(channel.id(), text);
    }
});

fn read<N: ResourceName>(text: &str) -> Option<N> {
    match text.parse::<N>() {
        Ok(name) => {
            assert_eq!(name.as_str(), text);
            assert_eq!(name.to_string(), text);
            Some(name)
        }
        Err(refusal) => {
            assert!(N::check(text).is_err());
            assert!(!refusal.to_string().is_empty());
            None
        }
    }
}
