//! The fields of messages, as data.
//!
//! Code that compares two messages, or that reads a part of one, works on their encoded form with
//! these tables, which the build writes from the service definitions. The alternatives are a
//! reflection library with the whole descriptors, or generated code for each message.

mod difference;
mod nearest;
mod selection;
mod wire;

pub use difference::Change;
pub(crate) use difference::{Clearing, difference, is_same_name, merge};
pub(crate) use nearest::nearest;
pub use selection::Selection;
pub(crate) use selection::header;

/// A message whose fields are known.
///
/// This trait is sealed: it is implemented for all messages of this crate's APIs.
pub trait Described: prost::Message + Default {
    #[doc(hidden)]
    const DESCRIPTOR: &'static Descriptor;
}

/// The empty message.
impl Described for () {
    const DESCRIPTOR: &'static Descriptor = &Descriptor::new("Empty", &[]);
}

/// The fields of a message.
#[derive(Debug)]
pub struct Descriptor {
    name: &'static str,
    fields: &'static [Field],
}

/// One field of a message.
#[derive(Debug)]
pub struct Field {
    number: u32,
    name: &'static str,
    kind: Kind,
    is_list: bool,
    /// The position of its oneof in the message.
    oneof: Option<u8>,
    /// Only the service sets it.
    is_output: bool,
    is_required: bool,
    is_secret: bool,
    /// Whether it holds the name of a resource.
    is_reference: bool,
}

/// The type of a field.
#[derive(Debug)]
pub enum Kind {
    Bool,
    Int,
    Double,
    Text,
    /// The numbers and names of the values.
    Enum(&'static [(i32, &'static str)]),
    Message(&'static Descriptor),
    /// A map from text to text.
    Map,
    Duration,
    Timestamp,
    /// A message that is one value, such as a time zone.
    Value,
}

impl Descriptor {
    pub(crate) const fn new(name: &'static str, fields: &'static [Field]) -> Self {
        Self { name, fields }
    }

    fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    fn numbered(&self, number: u32) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.number == number)
    }
}

impl Field {
    pub(crate) const fn new(number: u32, name: &'static str, kind: Kind) -> Self {
        Self {
            number,
            name,
            kind,
            is_list: false,
            oneof: None,
            is_output: false,
            is_required: false,
            is_secret: false,
            is_reference: false,
        }
    }

    pub(crate) const fn list(mut self) -> Self {
        self.is_list = true;
        self
    }

    pub(crate) const fn in_oneof(mut self, position: u8) -> Self {
        self.oneof = Some(position);
        self
    }

    pub(crate) const fn output(mut self) -> Self {
        self.is_output = true;
        self
    }

    pub(crate) const fn required(mut self) -> Self {
        self.is_required = true;
        self
    }

    pub(crate) const fn secret(mut self) -> Self {
        self.is_secret = true;
        self
    }

    pub(crate) const fn reference(mut self) -> Self {
        self.is_reference = true;
        self
    }
}
