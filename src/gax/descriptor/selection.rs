//! The fields that a caller wants to read
//! ([AIP-157](https://google.aip.dev/157#field-masks-parameter)).

use super::{
    Described, Descriptor, Field, Kind, nearest,
    wire::{put_message, records},
};
use crate::gax::rpc::{InvalidField, Rpc};
use http::HeaderValue;
use std::{collections::BTreeMap, marker::PhantomData};

/// A selection of the fields of a message `T`, such as `name` and `output.uri`.
///
/// A path goes through messages and through lists of messages: `items.name` is the name of each
/// entry of the list `items`.
#[derive(Debug)]
pub struct Selection<T> {
    parts: Parts,
    message: PhantomData<fn() -> T>,
}

impl<T: Described> Selection<T> {
    /// Selects these fields.
    ///
    /// # Errors
    /// Returns an error for the first path that the message does not have.
    pub fn of(paths: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Self, InvalidField> {
        Ok(Self { parts: Parts::new(T::DESCRIPTOR, paths)?, message: PhantomData })
    }

    /// Removes all other fields of a message, as a service does for a request with this selection.
    ///
    /// An empty selection keeps everything.
    pub fn retain(&self, message: &mut T) {
        let kept = retain(T::DESCRIPTOR, &message.encode_to_vec(), &self.parts);
        *message = T::decode(&*kept).expect("made of the records of a message");
    }
}

/// The selected fields of a message, each with its own selection; empty to select all.
#[derive(Debug, Default)]
struct Parts(BTreeMap<&'static str, Parts>);

impl Parts {
    fn new(
        descriptor: &'static Descriptor,
        paths: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<Self, InvalidField> {
        let mut all = Self::default();
        for path in paths {
            let added = all.add(descriptor, path.as_ref());
            added.map_err(|reason| InvalidField::new("fields", reason))?;
        }
        Ok(all)
    }

    fn add(&mut self, message: &'static Descriptor, path: &str) -> Result<(), String> {
        let mut at = Some(message);
        let mut parts = self;
        let mut is_new = true;
        for name in path.split('.') {
            let unknown = |hint: String| {
                format!("is invalid: `{}` has no field `{path}`{hint}", message.name)
            };
            let descriptor = at.ok_or_else(|| unknown(String::new()))?;
            let Some(field) = descriptor.field(name) else {
                let known = nearest(name, descriptor.fields.iter().map(|field| field.name));
                let hint = known.map(|known| format!("; did you mean `{known}`?"));
                return Err(unknown(hint.unwrap_or_default()));
            };
            at = match field.kind {
                Kind::Message(inner) => Some(inner),
                _ => None,
            };
            // A field that is selected as a whole stays so.
            if is_new || !parts.0.is_empty() {
                is_new = !parts.0.contains_key(field.name);
                parts = parts.0.entry(field.name).or_default();
            }
        }
        parts.0.clear();
        Ok(())
    }
}

/// The header with the fields that a service puts in its response to a read. The paths of a listing
/// begin at an item.
///
/// # Errors
/// The first path that the response, or an item of it, does not have.
pub(crate) fn header<R: Rpc>(
    paths: impl IntoIterator<Item = impl AsRef<str>>,
) -> Result<Option<HeaderValue>, InvalidField> {
    let mut paths = paths.into_iter().map(|path| path.as_ref().to_owned()).collect::<Vec<_>>();
    if paths.is_empty() {
        return Ok(None);
    }
    let items = R::ITEMS.and_then(|items| R::Response::DESCRIPTOR.field(items));
    match items {
        Some(Field { name, kind: Kind::Message(item), .. }) => {
            Parts::new(item, &paths)?;
            for path in &mut paths {
                *path = format!("{name}.{path}");
            }
            // Without these, a listing would end at its first page.
            let own = ["next_page_token", "unreachable"].into_iter();
            let own = own.filter(|field| R::Response::DESCRIPTOR.field(field).is_some());
            paths.extend(own.map(str::to_owned));
        }
        _ => drop(Parts::new(R::Response::DESCRIPTOR, &paths)?),
    }
    let text = paths.join(",");
    Ok(Some(HeaderValue::try_from(text).expect("the names of fields are ASCII")))
}

fn retain(descriptor: &Descriptor, bytes: &[u8], parts: &Parts) -> Vec<u8> {
    if parts.0.is_empty() {
        return bytes.to_vec();
    }
    let mut kept = Vec::new();
    for record in records(bytes) {
        let Some(field) = descriptor.numbered(record.number) else { continue };
        match (parts.0.get(field.name), &field.kind) {
            (None, _) => {}
            (Some(parts), Kind::Message(inner)) => {
                let inner = retain(inner, record.value.bytes(), parts);
                put_message(&mut kept, record.number, &inner);
            }
            (Some(_), _) => kept.extend_from_slice(record.raw),
        }
    }
    kept
}
