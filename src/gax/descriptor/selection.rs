//! The fields that a caller wants to read
//! ([AIP-157](https://google.aip.dev/157#field-masks-parameter)).

use super::{
    Described, Descriptor, Field, Kind, nearest,
    wire::{put_message, records},
};
use crate::gax::rpc::{InvalidField, Rpc};
use http::HeaderValue;
use std::collections::BTreeMap;

/// A selection of a message's fields, such as `name` and `output.uri`.
///
/// A path goes through messages and through lists of messages: `items.name` is the name of each
/// entry of the list `items`.
#[derive(Clone, Debug)]
pub struct Selection {
    descriptor: &'static Descriptor,
    parts: Parts,
}

/// The selected fields of a message, each with its own selection; empty to select all.
#[derive(Clone, Debug, Default)]
struct Parts(BTreeMap<&'static str, Parts>);

impl Selection {
    /// Selects these fields of a message of type `T`.
    ///
    /// # Errors
    /// Returns an error for the first path that the message does not have.
    pub fn of<T: Described>(
        paths: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<Self, InvalidField> {
        Self::new(T::DESCRIPTOR, paths)
    }

    /// Selects these fields of the response to a request of type `R`. Unlike
    /// [`Call::fields`](crate::Call::fields), the paths of a listing begin at the page, such as
    /// `items.name`.
    ///
    /// # Errors
    /// Returns an error for the first path that the response does not have.
    pub fn of_response<R: Rpc>(
        paths: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<Self, InvalidField> {
        Self::new(R::RESPONSE, paths)
    }

    pub(crate) fn new(
        descriptor: &'static Descriptor,
        paths: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<Self, InvalidField> {
        let mut all = Self { descriptor, parts: Parts::default() };
        for path in paths {
            let path = path.as_ref();
            all.add(path).map_err(|reason| InvalidField::new("fields", reason))?;
        }
        Ok(all)
    }

    fn add(&mut self, path: &str) -> Result<(), String> {
        let mut at = Some(self.descriptor);
        let mut parts = &mut self.parts;
        let mut is_new = true;
        for name in path.split('.') {
            let unknown = |hint: String| {
                let message = self.descriptor.name;
                format!("is invalid: `{message}` has no field `{path}`{hint}")
            };
            let descriptor = at.ok_or_else(|| unknown(String::new()))?;
            let Some(field) = descriptor.field(name) else {
                let known = nearest(name, descriptor.fields.iter().map(|field| field.name));
                let hint = known.map(|known| format!("; did you mean `{known}`?"));
                return Err(unknown(hint.unwrap_or_default()));
            };
            // A field that is selected as a whole stays so.
            if !is_new && parts.0.is_empty() {
                return Ok(());
            }
            is_new = !parts.0.contains_key(field.name);
            parts = parts.0.entry(field.name).or_default();
            at = match field.kind {
                Kind::Message(inner) => Some(inner),
                _ => None,
            };
        }
        parts.0.clear();
        Ok(())
    }

    /// Removes all other fields of a message, as a service does for a request with this selection.
    ///
    /// An empty selection keeps everything.
    pub fn retain<T: prost::Message + Default>(&self, message: &mut T) {
        let kept = retain(self.descriptor, &message.encode_to_vec(), &self.parts);
        *message = T::decode(&*kept).expect("made of the records of a message");
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
    let items = R::ITEMS.and_then(|items| R::RESPONSE.field(items));
    match items {
        Some(Field { name, kind: Kind::Message(item), .. }) => {
            Selection::new(item, &paths)?;
            for path in &mut paths {
                *path = format!("{name}.{path}");
            }
            // Without these, a listing would end at its first page.
            let own = ["next_page_token", "unreachable"].into_iter();
            let own = own.filter(|field| R::RESPONSE.field(field).is_some());
            paths.extend(own.map(str::to_owned));
        }
        _ => drop(Selection::new(R::RESPONSE, &paths)?),
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
