//! Orders ([AIP-132](https://google.aip.dev/132#ordering)): fields, each with a direction.

use super::fields::{FieldPath, Leaf, Scalar};
use prost_reflect::{DynamicMessage, MessageDescriptor};
use std::cmp::Ordering;

/// The sort keys. The name is always the last key, so that no two items are equal.
#[derive(Debug)]
pub(super) struct Order(Vec<(FieldPath, Direction)>);

#[derive(Clone, Copy, Debug)]
enum Direction {
    Up,
    Down,
}

impl Order {
    /// Reads an order such as `create_time desc, name`.
    ///
    /// # Errors
    /// The error in the text.
    pub(super) fn parse(text: &str, on: &MessageDescriptor) -> Result<Self, String> {
        let parts = text.split(',').filter(|_| !text.trim().is_empty());
        parts.map(|part| key(part, on)).collect::<Result<_, _>>().map(Self)
    }

    /// Whether only the name decides.
    pub(super) fn is_by_name(&self) -> bool {
        self.0.is_empty()
    }

    /// The values of an item that decide its position.
    pub(super) fn values(&self, item: &DynamicMessage) -> Vec<Scalar> {
        self.0.iter().flat_map(|(path, _)| path.scalars(item)).collect()
    }

    /// Compares two positions: the values of each, and its name.
    pub(super) fn compare(&self, one: (&[Scalar], &str), other: (&[Scalar], &str)) -> Ordering {
        let values = one.0.iter().zip(other.0).zip(&self.0);
        let settled = values.fold(Ordering::Equal, |settled, ((one, other), (_, direction))| {
            settled.then_with(|| match direction {
                Direction::Up => one.compare(other),
                Direction::Down => other.compare(one),
            })
        });
        settled.then_with(|| one.1.cmp(other.1))
    }
}

fn key(part: &str, on: &MessageDescriptor) -> Result<(FieldPath, Direction), String> {
    let (name, direction) = match part.split_whitespace().collect::<Vec<_>>()[..] {
        [name] | [name, "asc"] => (name, Direction::Up),
        [name, "desc"] => (name, Direction::Down),
        _ => return Err(format!("'{part}' is not a field with or without `desc`")),
    };
    let names: Vec<_> = name.split('.').map(str::to_owned).collect();
    let path = FieldPath::resolve(on, &names)?;
    if path.is_repeated || matches!(path.leaf, Leaf::Map | Leaf::Message | Leaf::Dynamic) {
        return Err(format!("'{name}' has no order"));
    }
    Ok((path, direction))
}
