//! Each documented rule is broken by one configuration, which is reported by path and text. Nothing
//! else is reported.

#![allow(clippy::unwrap_used)]

mod channel;
mod context;
mod outputs;
mod requests;
mod resources;
mod tracks;

use livestream_client::validation::{Context, Validate};

/// An edit that breaks a rule, and the end of the message.
type Case<T> = (fn(&mut T), &'static str);

/// Edits a valid message and asserts exactly these violations.
#[track_caller]
fn broken<T: Validate>(valid: &impl Fn() -> T, edit: impl FnOnce(&mut T), expected: &[&str]) {
    broken_in(Context::new(), valid, edit, expected);
}

#[track_caller]
fn broken_in<T: Validate>(
    context: Context<'_>,
    valid: &impl Fn() -> T,
    edit: impl FnOnce(&mut T),
    expected: &[&str],
) {
    let texts = |message: &T| {
        let found = message.violations_in(context);
        found.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let mut message = valid();
    assert_eq!(texts(&message), [""; 0], "the message is not valid before the edit");
    edit(&mut message);
    assert_eq!(texts(&message), expected);
}

fn seconds(seconds: i64) -> prost_types::Duration {
    prost_types::Duration { seconds, nanos: 0 }
}
