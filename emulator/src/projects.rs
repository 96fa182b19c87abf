//! Projects with a number: the id and the number name one project.
//!
//! The service accepts either in a request. It answers with the id in names of resources, and with the
//! number in names of operations. Here the id is the key of everything.

use super::reflection::reflect;
use prost::{Message, Name};
use prost_reflect::{DynamicMessage, Value};
use std::collections::BTreeMap;

/// The numbers of projects, by id.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Projects(BTreeMap<String, String>);

impl Projects {
    /// Gives a project its number. A number names one project: the last one that gets it.
    pub(super) fn insert(&mut self, id: String, number: String) {
        self.0.retain(|_, own| *own != number);
        self.0.insert(id, number);
    }

    /// The projects, each with its number.
    #[cfg(feature = "http")]
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(id, number)| (&**id, &**number))
    }

    /// The request with ids in place of numbers, in the names of resources.
    pub(super) fn by_id<R: Message + Name + Default>(&self, request: R) -> R {
        if self.0.is_empty() {
            return request;
        }
        let mut message = reflect(&request);
        self.replace(&mut message);
        message.transcode_to().unwrap_or(request)
    }

    fn replace(&self, message: &mut DynamicMessage) {
        message.fields_mut().for_each(|(_, value)| self.replace_in(value));
    }

    fn replace_in(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                if let Some(name) = self.with_id(text) {
                    *text = name;
                }
            }
            Value::Message(message) => self.replace(message),
            Value::List(items) => items.iter_mut().for_each(|item| self.replace_in(item)),
            // The values of labels are not names.
            _ => {}
        }
    }

    /// The name with the id of its project; `None` if it has no known number.
    pub(super) fn with_id(&self, name: &str) -> Option<String> {
        let name = name.strip_prefix("projects/")?;
        let (project, rest) = name.split_at(name.find('/').unwrap_or(name.len()));
        // Other names, such as that of a network, keep the number.
        (rest.is_empty() || rest.starts_with("/locations")).then_some(())?;
        let (id, _) = self.0.iter().find(|(_, number)| **number == project)?;
        Some(format!("projects/{id}{rest}"))
    }

    /// Whether two names are equal, with the id or the number of their project.
    #[cfg(feature = "http")]
    pub(super) fn is_same(&self, one: &str, other: &str) -> bool {
        let id = |name: &str| self.with_id(name).unwrap_or_else(|| name.to_owned());
        one == other || id(one) == id(other)
    }

    /// The name with the number of its project, if the number is known.
    pub(super) fn with_number(&self, name: &str) -> String {
        let replaced = || {
            let (project, rest) = name.strip_prefix("projects/")?.split_once('/')?;
            Some(format!("projects/{}/{rest}", self.0.get(project)?))
        };
        replaced().unwrap_or_else(|| name.to_owned())
    }
}
