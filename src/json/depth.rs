//! The limit on nested objects and arrays, for reading and for writing.
//!
//! prost-reflect reads and writes nested messages by recursion. The wire format limits the depth of a
//! message, and JSON text has a limit of its own. But an `Any` contains bytes, so an `Any` in an `Any` is
//! not deep for the wire format, and values and other formats have no limit. A document from elsewhere
//! could therefore overflow the stack, which ends the process.

use prost_reflect::{DescriptorPool, DynamicMessage, ReflectMessage, Value};
use prost_types::Any;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor,
};
use std::fmt;

/// The maximum number of nested objects and arrays: as many as protobuf's own limit for messages.
pub(super) const MAX_DEPTH: usize = 100;

/// The reason of the error for a document or a message that is nested too deeply.
pub(super) struct TooDeep;

impl fmt::Display for TooDeep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "nested more than {MAX_DEPTH} levels deep")
    }
}

/// Checks that the JSON form of a message has at most `left` levels.
pub(super) fn check(
    message: &DynamicMessage,
    pool: &DescriptorPool,
    left: usize,
) -> Result<(), TooDeep> {
    let left = left.checked_sub(1).ok_or(TooDeep)?;
    if let Some(inner) = unpack(message, pool) {
        // The fields of the inner message stand beside `@type`, or its own form is the `value`.
        let is_value = inner.descriptor().package_name() == "google.protobuf";
        return check(&inner, pool, if is_value { left } else { left + 1 });
    }
    let mut fields = message.fields();
    fields.try_for_each(|(_, value)| check_value(value, pool, left))
}

fn check_value(value: &Value, pool: &DescriptorPool, left: usize) -> Result<(), TooDeep> {
    let within = || left.checked_sub(1).ok_or(TooDeep);
    match value {
        Value::Message(message) => check(message, pool, left),
        Value::List(items) => {
            let left = within()?;
            items.iter().try_for_each(|item| check_value(item, pool, left))
        }
        Value::Map(entries) => {
            let left = within()?;
            entries.values().try_for_each(|item| check_value(item, pool, left))
        }
        _ => Ok(()),
    }
}

/// The message in an `Any`. Types and bytes that are not known have no JSON form, which is reported
/// elsewhere.
fn unpack(message: &DynamicMessage, pool: &DescriptorPool) -> Option<DynamicMessage> {
    if message.descriptor().full_name() != "google.protobuf.Any" {
        return None;
    }
    let any = message.transcode_to::<Any>().ok()?;
    let inner = pool.get_message_by_name(any.type_url.rsplit('/').next()?)?;
    DynamicMessage::decode(inner, &*any.value).ok()
}

/// A part of a deserializer that allows `left` more levels.
pub(super) struct Bounded<T> {
    inner: T,
    left: usize,
}

impl<T> Bounded<T> {
    pub(super) fn new(inner: T) -> Self {
        Self { inner, left: MAX_DEPTH }
    }

    /// Bounds something at the same level.
    fn beside<U>(&self, inner: U) -> Bounded<U> {
        Bounded { inner, left: self.left }
    }

    /// The inner part, and the number of levels within it.
    fn enter<E: Error>(self) -> Result<(T, usize), E> {
        let left = self.left.checked_sub(1).ok_or_else(|| E::custom(TooDeep))?;
        Ok((self.inner, left))
    }
}

macro_rules! forward_deserialize {
    ($($method:ident($($name:ident: $kind:ty),*))*) => {
        $(fn $method<V: Visitor<'de>>(
            self,
            $($name: $kind,)*
            visitor: V,
        ) -> Result<V::Value, D::Error> {
            let visitor = self.beside(visitor);
            self.inner.$method($($name,)* visitor)
        })*
    };
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Bounded<D> {
    type Error = D::Error;

    forward_deserialize! {
        deserialize_any() deserialize_bool() deserialize_i8() deserialize_i16() deserialize_i32()
        deserialize_i64() deserialize_i128() deserialize_u8() deserialize_u16() deserialize_u32()
        deserialize_u64() deserialize_u128() deserialize_f32() deserialize_f64() deserialize_char()
        deserialize_str() deserialize_string() deserialize_bytes() deserialize_byte_buf()
        deserialize_option() deserialize_unit() deserialize_seq() deserialize_map()
        deserialize_identifier() deserialize_ignored_any()
        deserialize_unit_struct(name: &'static str)
        deserialize_newtype_struct(name: &'static str)
        deserialize_tuple(len: usize)
        deserialize_tuple_struct(name: &'static str, len: usize)
        deserialize_struct(name: &'static str, fields: &'static [&'static str])
        deserialize_enum(name: &'static str, variants: &'static [&'static str])
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

macro_rules! forward_visit {
    ($($method:ident($kind:ty))*) => {
        $(fn $method<E: Error>(self, value: $kind) -> Result<V::Value, E> {
            self.inner.$method(value)
        })*
    };
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Bounded<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    forward_visit! {
        visit_bool(bool) visit_i8(i8) visit_i16(i16) visit_i32(i32) visit_i64(i64) visit_i128(i128)
        visit_u8(u8) visit_u16(u16) visit_u32(u32) visit_u64(u64) visit_u128(u128) visit_f32(f32)
        visit_f64(f64) visit_char(char) visit_str(&str) visit_borrowed_str(&'de str)
        visit_string(String) visit_bytes(&[u8]) visit_borrowed_bytes(&'de [u8])
        visit_byte_buf(Vec<u8>)
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        let deserializer = self.beside(deserializer);
        self.inner.visit_some(deserializer)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        let inner = self.beside(inner);
        self.inner.visit_newtype_struct(inner)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<V::Value, A::Error> {
        let (visitor, left) = self.enter()?;
        visitor.visit_seq(Bounded { inner: items, left })
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<V::Value, A::Error> {
        let (visitor, left) = self.enter()?;
        visitor.visit_map(Bounded { inner: entries, left })
    }

    fn visit_enum<A: EnumAccess<'de>>(self, variant: A) -> Result<V::Value, A::Error> {
        let (visitor, left) = self.enter()?;
        visitor.visit_enum(Bounded { inner: variant, left })
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Bounded<S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        let deserializer = self.beside(deserializer);
        self.inner.deserialize(deserializer)
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Bounded<A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        let seed = self.beside(seed);
        self.inner.next_element_seed(seed)
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Bounded<A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        let seed = self.beside(seed);
        self.inner.next_key_seed(seed)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        let seed = self.beside(seed);
        self.inner.next_value_seed(seed)
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'de, A: EnumAccess<'de>> EnumAccess<'de> for Bounded<A> {
    type Error = A::Error;
    type Variant = Bounded<A::Variant>;

    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Self::Variant), A::Error> {
        let (seed, left) = (self.beside(seed), self.left);
        let (value, variant) = self.inner.variant_seed(seed)?;
        Ok((value, Bounded { inner: variant, left }))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Bounded<A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.inner.unit_variant()
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        let seed = self.beside(seed);
        self.inner.newtype_variant_seed(seed)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, A::Error> {
        let visitor = self.beside(visitor);
        self.inner.tuple_variant(len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        let visitor = self.beside(visitor);
        self.inner.struct_variant(fields, visitor)
    }
}
