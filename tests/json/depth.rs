//! Deeply nested documents and messages are errors, not a stack overflow. An `Any` in an `Any` is
//! nested without a limit of the wire format.

use livestream_client::{
    json::{self, Json, Reader},
    proto::google::rpc::Status,
};
use prost::{Message, Name};
use prost_types::Any;
use serde_json::Value;

/// The maximum number of nested objects and arrays.
const LIMIT: usize = 100;

/// A nested message: an `Any` directly, or a status among the details of a status.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Any,
    Status,
}

impl Kind {
    const ALL: [Self; 2] = [Self::Any, Self::Status];

    /// A status with so many levels of this kind below its details.
    fn message(self, levels: usize) -> Status {
        let mut details = Vec::new();
        for level in 0..levels {
            let any = match (self, level) {
                (Self::Any, 1..) => {
                    let inner: Any = details.pop().expect("the level below");
                    Any { type_url: Any::type_url(), value: inner.encode_to_vec() }
                }
                _ => {
                    let status = Status { details, ..Status::default() };
                    Any { type_url: Status::type_url(), value: status.encode_to_vec() }
                }
            };
            details = vec![any];
        }
        Status { details, ..Status::default() }
    }

    /// The same as a document.
    fn document(self, levels: usize) -> Value {
        let mut details = Vec::new();
        for level in 0..levels {
            let any = match (self, level) {
                (Self::Any, 1..) => {
                    let inner = details.pop().expect("the level below");
                    object([("@type", Any::type_url().into()), ("value", inner)])
                }
                _ if details.is_empty() => object([("@type", Status::type_url().into())]),
                _ => object([("@type", Status::type_url().into()), ("details", details.into())]),
            };
            details = vec![any];
        }
        object([("details", details.into())])
    }

    /// The number of levels in this number of nested objects and arrays.
    fn levels(self, depth: usize) -> usize {
        match self {
            // Two for the status and its details, then one each.
            Self::Any => depth - 2,
            // Two each, and one for the innermost.
            Self::Status => (depth - 1) / 2,
        }
    }
}

/// Unlike `json!`, this does not copy the values by recursion.
fn object<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Object(entries.map(|(key, value)| (key.to_owned(), value)).into_iter().collect())
}

#[track_caller]
fn assert_too_deep(error: &dyn std::error::Error) {
    let told = error.to_string();
    assert!(told.contains("nested more than 100 levels deep"), "{told}");
    assert!(told.len() < 2_000, "the path is not part of it: {told}");
}

#[test]
fn nested_messages_round_trip_up_to_the_depth_limit() {
    for kind in Kind::ALL {
        let levels = kind.levels(LIMIT);
        let (message, document) = (kind.message(levels), kind.document(levels));
        assert_eq!(json::to_value(&message).unwrap(), document, "{kind:?}");
        assert_eq!(json::from_value::<Status>(document.clone()).unwrap(), message);
        assert_eq!(json::from_str::<Status>(&document.to_string()).unwrap(), message);
    }
}

#[test]
fn a_message_beyond_the_depth_limit_is_not_written() {
    for kind in Kind::ALL {
        for levels in [1_000, kind.levels(LIMIT) + 1] {
            let message = kind.message(levels);
            assert_too_deep(&json::to_value(&message).unwrap_err());
            assert_too_deep(&json::to_string(&message).unwrap_err());
            assert_too_deep(&serde_json::to_string(&Json(message.clone())).unwrap_err());
        }
    }
}

#[test]
fn a_document_beyond_the_depth_limit_is_not_read() {
    for kind in Kind::ALL {
        for levels in [1_000, kind.levels(LIMIT) + 1] {
            let document = || kind.document(levels);
            assert_too_deep(&json::from_value::<Status>(document()).unwrap_err());
            assert_too_deep(&json::read::<Status, _>(document()).unwrap_err());
            assert_too_deep(&serde_json::from_value::<Json<Status>>(document()).unwrap_err());
            let lenient = Reader::new().ignore_unknown();
            assert_too_deep(&lenient.read::<Status, _>(document()).unwrap_err());
        }
    }
}

#[test]
fn a_field_before_the_type_of_an_any_counts_towards_the_depth_limit() {
    let deep = || (0..1_000).fold(Value::Null, |inner, _| Value::Array(vec![inner]));
    let lenient = Reader::new().ignore_unknown();
    // serde_json sorts the keys, so this one comes before `@type`.
    let buffered = object([("!", deep()), ("@type", Any::type_url().into())]);
    let buffered = object([("details", Value::Array(vec![buffered]))]);
    assert_too_deep(&lenient.read::<Status, _>(buffered).unwrap_err());
}
