//! The fields of listed messages, by the paths in filters and orders.
//!
//! A path is resolved on the descriptor before any item is read, so that an invalid path is an error
//! even if the listing is empty. Only the content of an `Any`, such as the metadata of an operation,
//! is resolved for each item.

use crate::reflection::POOL;
use prost_reflect::{
    DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, MapKey, MessageDescriptor,
    ReflectMessage as _, Value,
};
use prost_types::{Duration, Timestamp};
use std::cmp::Ordering;

/// A value that can be compared.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Scalar {
    Bool(bool),
    /// A whole number, the number of an enum value, or nanoseconds.
    Int(i128),
    Float(f64),
    Text(String),
}

impl Scalar {
    /// Scalars of one field always have the same type.
    pub(super) fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Bool(one), Self::Bool(other)) => one.cmp(other),
            (Self::Int(one), Self::Int(other)) => one.cmp(other),
            (Self::Float(one), Self::Float(other)) => one.total_cmp(other),
            (Self::Text(one), Self::Text(other)) => one.cmp(other),
            _ => Ordering::Equal,
        }
    }
}

/// The type of the values at the end of a path.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Leaf {
    Bool,
    Int,
    Float,
    Text,
    Enum(EnumDescriptor),
    Time,
    Duration,
    /// A map with text values; its keys are looked up by `has`.
    Map,
    Message,
    /// Inside of an `Any`: known only with an item.
    Dynamic,
}

/// A field of a message, or of a message in it.
#[derive(Clone, Debug)]
pub(super) struct FieldPath {
    steps: Vec<FieldDescriptor>,
    /// The key in a map, or the path in an `Any`.
    rest: Vec<String>,
    pub(super) leaf: Leaf,
    /// Whether there can be several values.
    pub(super) is_repeated: bool,
}

impl FieldPath {
    /// Resolves a path. Field names are in snake case or camel case.
    ///
    /// # Errors
    /// Why there is no such field.
    pub(super) fn resolve(root: &MessageDescriptor, names: &[String]) -> Result<Self, String> {
        let mut path =
            Self { steps: Vec::new(), rest: Vec::new(), leaf: Leaf::Message, is_repeated: false };
        let mut message = Some(root.clone());
        let mut names = names.iter();
        while let Some(name) = names.next() {
            let Some(parent) = message.take() else {
                return Err(format!("'{name}' is below a field that has no fields"));
            };
            let field = parent
                .get_field_by_name(name)
                .or_else(|| parent.get_field_by_json_name(name))
                .ok_or_else(|| format!("{} has no field '{name}'", parent.name()))?;
            path.is_repeated |= field.is_list();
            path.steps.push(field.clone());
            if field.is_map() {
                path.rest.extend(names.next().cloned());
                path.leaf = if path.rest.is_empty() { Leaf::Map } else { Leaf::Text };
                if let Some(below) = names.next() {
                    return Err(format!("'{below}' is below a label"));
                }
                break;
            }
            path.leaf = leaf(&field.kind()).ok_or_else(|| format!("'{name}' holds bytes"))?;
            match field.kind() {
                Kind::Message(any) if any.full_name() == "google.protobuf.Any" => {
                    path.rest.extend(names.by_ref().cloned());
                    if !path.rest.is_empty() {
                        path.leaf = Leaf::Dynamic;
                    }
                }
                Kind::Message(below) if path.leaf == Leaf::Message => message = Some(below),
                _ => {}
            }
        }
        Ok(path)
    }

    /// The scalars at the path. A field that is not set has its default value.
    pub(super) fn scalars(&self, item: &DynamicMessage) -> Vec<Scalar> {
        self.scalars_except(Unset::Nothing, item)
    }

    /// [`FieldPath::scalars`], but there are none below a message that is not set.
    pub(super) fn scalars_if_set(&self, item: &DynamicMessage) -> Vec<Scalar> {
        self.scalars_except(Unset::Messages, item)
    }

    fn scalars_except(&self, unset: Unset, item: &DynamicMessage) -> Vec<Scalar> {
        let mut found = Vec::new();
        visit(item, &self.steps, unset, &mut |value| match (&self.leaf, value) {
            (Leaf::Dynamic, Value::Message(any)) => found.extend(self.within_any(any).1),
            (_, Value::Map(map)) => {
                let value = self.rest.first().and_then(|key| map.get(&MapKey::String(key.clone())));
                found.extend(value.map_or(Some(Scalar::Text(String::new())), scalar));
            }
            (_, value) => found.extend(scalar(value)),
        });
        found
    }

    /// The type and the scalars of a path in an `Any`.
    pub(super) fn within_any(&self, any: &DynamicMessage) -> (Leaf, Vec<Scalar>) {
        let read = || {
            let any = any.transcode_to::<prost_types::Any>().ok()?;
            let name = any.type_url.rsplit('/').next()?;
            let packed = POOL.get_message_by_name(name)?;
            let path = Self::resolve(&packed, &self.rest).ok()?;
            let message = DynamicMessage::decode(packed, &*any.value).ok()?;
            Some((path.leaf.clone(), path.scalars_if_set(&message)))
        };
        read().unwrap_or((Leaf::Dynamic, Vec::new()))
    }

    /// The messages in the `Any` fields at the path.
    pub(super) fn anys(&self, item: &DynamicMessage) -> Vec<DynamicMessage> {
        let mut found = Vec::new();
        visit(item, &self.steps, Unset::Nothing, &mut |value| {
            found.extend(value.as_message().cloned());
        });
        found
    }

    /// Whether a field at the path has a value other than its default. For a map, whether it has the
    /// key; without a key, whether it has any.
    pub(super) fn is_present(&self, item: &DynamicMessage, key: Option<&str>) -> bool {
        let key = key.or(self.rest.first().map(|key| &**key));
        let mut is_present = false;
        visit(item, &self.steps, Unset::Fields, &mut |value| {
            is_present |= match (value, key) {
                (Value::Map(map), Some(key)) => map.contains_key(&MapKey::String(key.to_owned())),
                // A map that is set is not empty.
                _ => true,
            }
        });
        is_present
    }
}

/// `None` for bytes, which have no text form in a filter.
fn leaf(kind: &Kind) -> Option<Leaf> {
    Some(match kind {
        Kind::Bool => Leaf::Bool,
        Kind::Double | Kind::Float => Leaf::Float,
        Kind::String => Leaf::Text,
        Kind::Bytes => return None,
        Kind::Enum(values) => Leaf::Enum(values.clone()),
        Kind::Message(message) => match message.full_name() {
            "google.protobuf.Timestamp" => Leaf::Time,
            "google.protobuf.Duration" => Leaf::Duration,
            _ => Leaf::Message,
        },
        _ => Leaf::Int,
    })
}

/// What a visit passes by.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Unset {
    /// Nothing: a field that is not set has its default value.
    Nothing,
    /// The fields of messages that are not set.
    Messages,
    /// All fields that are not set.
    Fields,
}

/// Visits the values at the end of a path; the items of a list one by one.
fn visit(
    message: &DynamicMessage,
    steps: &[FieldDescriptor],
    unset: Unset,
    then: &mut dyn FnMut(&Value),
) {
    let Some((field, below)) = steps.split_first() else { return };
    let is_needed = match unset {
        Unset::Nothing => false,
        Unset::Messages => !below.is_empty(),
        Unset::Fields => true,
    };
    if is_needed && !message.has_field(field) {
        return;
    }
    let value = message.get_field(field);
    let mut each = |value: &Value| match (value, below) {
        (value, []) => then(value),
        (Value::Message(message), below) => visit(message, below, unset, then),
        _ => {}
    };
    match &*value {
        Value::List(items) => items.iter().for_each(each),
        value => each(value),
    }
}

fn scalar(value: &Value) -> Option<Scalar> {
    Some(match value {
        Value::Bool(value) => Scalar::Bool(*value),
        Value::I32(value) | Value::EnumNumber(value) => Scalar::Int(i128::from(*value)),
        Value::I64(value) => Scalar::Int(i128::from(*value)),
        Value::U32(value) => Scalar::Int(i128::from(*value)),
        Value::U64(value) => Scalar::Int(i128::from(*value)),
        Value::F32(value) => Scalar::Float(f64::from(*value)),
        Value::F64(value) => Scalar::Float(*value),
        Value::String(value) => Scalar::Text(value.clone()),
        Value::Message(message) => match message.descriptor().full_name() {
            // Both messages have the same two fields.
            "google.protobuf.Timestamp" | "google.protobuf.Duration" => {
                let time = message.transcode_to::<Timestamp>().ok()?;
                Scalar::Int(nanos(time.seconds, time.nanos))
            }
            _ => return None,
        },
        Value::Bytes(_) | Value::List(_) | Value::Map(_) => return None,
    })
}

fn nanos(seconds: i64, nanos: i32) -> i128 {
    i128::from(seconds) * 1_000_000_000 + i128::from(nanos)
}

/// Reads the text form of a value.
///
/// # Errors
/// What the text should be.
pub(super) fn parse(leaf: &Leaf, text: &str) -> Result<Scalar, String> {
    let refuse = |wanted: &str| format!("'{text}' is not {wanted}");
    match leaf {
        Leaf::Text => Ok(Scalar::Text(text.to_owned())),
        Leaf::Bool => text.parse().map(Scalar::Bool).map_err(|_| refuse("`true` or `false`")),
        Leaf::Int => text.parse().map(Scalar::Int).map_err(|_| refuse("a whole number")),
        Leaf::Float => text.parse().map(Scalar::Float).map_err(|_| refuse("a number")),
        Leaf::Enum(values) => match values.get_value_by_name(text) {
            Some(value) => Ok(Scalar::Int(i128::from(value.number()))),
            None => Err(refuse(&format!("a value of {}", values.full_name()))),
        },
        Leaf::Time => match text.parse::<Timestamp>() {
            Ok(time) => Ok(Scalar::Int(nanos(time.seconds, time.nanos))),
            Err(_) => Err(refuse("a time in RFC 3339 format")),
        },
        Leaf::Duration => match text.parse::<Duration>() {
            Ok(length) => Ok(Scalar::Int(nanos(length.seconds, length.nanos))),
            Err(_) => Err(refuse("a duration such as `20s`")),
        },
        Leaf::Map | Leaf::Message | Leaf::Dynamic => Err(refuse("a value of this field")),
    }
}

/// Whether a text occurs in any text, or as the name of any enum value, in a message.
pub(super) fn contains(message: &DynamicMessage, text: &str) -> bool {
    message.fields().any(|(field, value)| value_contains(&field.kind(), value, text))
}

fn value_contains(kind: &Kind, value: &Value, text: &str) -> bool {
    match value {
        Value::String(value) => text_contains(value, text),
        Value::EnumNumber(number) => kind.as_enum().is_some_and(|values| {
            values.get_value(*number).is_some_and(|value| text_contains(value.name(), text))
        }),
        Value::Message(message) => contains(message, text),
        Value::List(items) => items.iter().any(|item| value_contains(kind, item, text)),
        Value::Map(map) => map.iter().any(|(key, value)| {
            key.as_str().is_some_and(|key| text_contains(key, text))
                || value_contains(kind, value, text)
        }),
        _ => false,
    }
}

pub(super) fn text_contains(value: &str, text: &str) -> bool {
    value.to_lowercase().contains(&text.to_lowercase())
}
