//! Which messages must not show all of themselves in `Debug`: those with a field that is marked
//! `debug_redact`, and those with an `Any`, whose bytes can hold another message's secrets.

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor, Value};

/// A message whose `Debug` hides something.
pub struct Confidential {
    pub message: String,
    pub fields: Vec<(String, Shown)>,
    pub oneofs: Vec<Choice>,
}

/// A oneof of such a message. prost leaves out its `Debug` together with that of the message.
pub struct Choice {
    pub name: String,
    pub variants: Vec<(String, Shown)>,
}

pub enum Shown {
    Plain,
    /// As the enum's value, not as its number.
    Enum,
    Redacted,
    /// An `Any`: the type without the bytes.
    Packed,
    PackedList,
}

/// What `Debug` may show of a message; `None` if it may show everything.
pub fn read(message: &MessageDescriptor) -> Option<Confidential> {
    // prost-types has its own messages, and `Any` among them.
    let is_own = message.package_name() != "google.protobuf";
    let hides = message.fields().any(|field| !matches!(shown(&field), Shown::Plain | Shown::Enum));
    let read = |field: FieldDescriptor| (field.name().to_owned(), shown(&field));
    // An `optional` field is a oneof in the descriptor alone.
    let is_choice = |field: &FieldDescriptor| {
        field.containing_oneof().is_some() && !field.field_descriptor_proto().proto3_optional()
    };
    let oneofs = message.oneofs().filter(|oneof| oneof.fields().any(|field| is_choice(&field)));
    (is_own && hides).then(|| Confidential {
        message: message.full_name().into(),
        fields: message.fields().filter(|field| !is_choice(field)).map(read).collect(),
        oneofs: oneofs
            .map(|oneof| Choice {
                name: oneof.name().into(),
                variants: oneof.fields().map(read).collect(),
            })
            .collect(),
    })
}

fn shown(field: &FieldDescriptor) -> Shown {
    match field.kind() {
        _ if is_secret(field) => Shown::Redacted,
        Kind::Enum(_) if !field.is_list() && field.containing_oneof().is_none() => Shown::Enum,
        Kind::Message(inner) if inner.full_name() == "google.protobuf.Any" => {
            if field.is_list() {
                Shown::PackedList
            } else {
                Shown::Packed
            }
        }
        _ => Shown::Plain,
    }
}

pub fn is_secret(field: &FieldDescriptor) -> bool {
    field.options().get_field_by_name("debug_redact").as_deref() == Some(&Value::Bool(true))
}
