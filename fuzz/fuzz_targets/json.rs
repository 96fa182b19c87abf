//! Reads any bytes as JSON and as wire format. Reading either fails or returns a message, and the JSON of
//! that message must be read back as the same message.

#![no_main]

use libfuzzer_sys::fuzz_target;
use livestream_client::{
    json,
    model::{Channel, DvrSession, Event},
    proto::google::longrunning::Operation,
};
use prost::{Message, Name};

fuzz_target!(|input: &[u8]| {
    let Some((kind, rest)) = input.split_first() else { return };
    match kind % 4 {
        0 => read::<Channel>(rest),
        1 => read::<DvrSession>(rest),
        2 => read::<Event>(rest),
        _ => read::<Operation>(rest),
    }
});

fn read<T: Message + Name + Default>(input: &[u8]) {
    if let Ok(text) = std::str::from_utf8(input) {
        match json::from_str::<T>(text) {
            Ok(message) => there_and_back(&message, &json::to_string(&message).expect("was JSON")),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
    // Some messages have no JSON form, such as a time in the year 20,000.
    if let Ok(message) = T::decode(input)
        && let Ok(text) = json::to_string_pretty(&message)
    {
        there_and_back(&message, &text);
    }
}

fn there_and_back<T: Message + Name + Default>(message: &T, text: &str) {
    let again: T = json::from_str(text).expect("JSON of our own");
    // Compare the JSON and not the messages, because NaN does not equal itself.
    assert_eq!(json::to_string(&again).expect("was JSON"), json::to_string(message).expect("was"));
}
