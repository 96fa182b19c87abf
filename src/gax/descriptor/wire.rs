//! The encoded form of a message as a list of records
//! ([protobuf encoding](https://protobuf.dev/programming-guides/encoding/)).

use super::{Descriptor, Field};
use std::collections::BTreeMap;

/// One field of an encoded message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'a> {
    pub(super) number: u32,
    pub(super) value: Wire<'a>,
    /// The record with its key.
    pub(super) raw: &'a [u8],
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Wire<'a> {
    Varint(u64),
    Fixed(&'a [u8]),
    Bytes(&'a [u8]),
}

impl<'a> Wire<'a> {
    /// The content of a text, of a message or of packed numbers.
    pub(super) fn bytes(self) -> &'a [u8] {
        match self {
            Self::Varint(_) => &[],
            Self::Fixed(bytes) | Self::Bytes(bytes) => bytes,
        }
    }

    pub(super) fn text(self) -> &'a str {
        std::str::from_utf8(self.bytes()).unwrap_or_default()
    }
}

/// Reads the records in order, up to the first that is malformed. prost encodes none of that kind.
pub(super) fn records(mut bytes: &[u8]) -> impl Iterator<Item = Record<'_>> {
    std::iter::from_fn(move || {
        let start = bytes;
        let key = take_varint(&mut bytes)?;
        let value = match key & 7 {
            0 => Wire::Varint(take_varint(&mut bytes)?),
            1 => Wire::Fixed(take(&mut bytes, 8)?),
            2 => {
                let length = usize::try_from(take_varint(&mut bytes)?).ok()?;
                Wire::Bytes(take(&mut bytes, length)?)
            }
            5 => Wire::Fixed(take(&mut bytes, 4)?),
            _ => return None,
        };
        let number = u32::try_from(key >> 3).ok()?;
        Some(Record { number, value, raw: &start[..start.len() - bytes.len()] })
    })
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = take(bytes, 1)?[0];
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

impl Descriptor {
    /// The text in a field of an encoded message; `None` if it is not set.
    pub(crate) fn text<'a>(&self, message: &'a [u8], field: &str) -> Option<&'a str> {
        let number = self.field(field)?.number;
        records(message).find(|record| record.number == number).map(|record| record.value.text())
    }
}

/// The records of each field that is set.
pub(super) struct Records<'a>(BTreeMap<u32, Vec<Record<'a>>>);

impl<'a> Records<'a> {
    pub(super) fn read(message: &'a [u8]) -> Self {
        let mut fields = BTreeMap::<_, Vec<_>>::new();
        for record in records(message) {
            fields.entry(record.number).or_default().push(record);
        }
        Self(fields)
    }

    pub(super) fn has(&self, field: &Field) -> bool {
        self.0.contains_key(&field.number)
    }

    /// Whether a field of this field's oneof is set.
    pub(super) fn has_oneof_of(&self, field: &Field, descriptor: &Descriptor) -> bool {
        let mut set = self.0.keys().filter_map(|number| descriptor.numbered(*number));
        field.oneof.is_some() && set.any(|other| other.oneof == field.oneof)
    }

    pub(super) fn values(&self, field: &Field) -> Vec<Wire<'a>> {
        self.of(field).iter().map(|record| record.value).collect()
    }

    /// The records of a field with their keys.
    pub(super) fn raw(&self, field: &Field) -> Vec<u8> {
        self.of(field).iter().flat_map(|record| record.raw).copied().collect()
    }

    fn of(&self, field: &Field) -> &[Record<'a>] {
        self.0.get(&field.number).map_or(&[], |records| records)
    }
}

pub(super) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

/// Writes a message as a field.
pub(super) fn put_message(out: &mut Vec<u8>, number: u32, message: &[u8]) {
    put_varint(out, (u64::from(number) << 3) + 2);
    put_varint(out, message.len() as u64);
    out.extend_from_slice(message);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_varint_is_read_as_it_was_written() {
        for value in [0, 1, 127, 128, 129, 16_383, 16_384, u64::MAX] {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            bytes.push(7);
            let rest = &mut &*bytes;
            assert_eq!((take_varint(rest), *rest), (Some(value), &[7][..]));
        }
        assert_eq!(take_varint(&mut &[0x80; 11][..]), None, "it has no end");
    }
}
