//! A compact table of the messages' fields, for what must read a message without knowing its type.
//!
//! The whole descriptors are larger, and only the feature `json` can read them. See
//! `src/gax/descriptor/mod.rs`.

use crate::{
    confidential::is_secret,
    read::{OUTPUT_ONLY, REQUIRED, annotation, behaves},
    write::{format, rust_type},
};
use proc_macro2::{Literal, TokenStream};
use prost_reflect::{DescriptorPool, FieldDescriptor, Kind, MessageDescriptor};
use quote::{format_ident, quote};
use std::error::Error;

/// The packages whose messages are values: they are compared and selected as a whole.
const VALUES: &[&str] = &["google.protobuf", "google.type"];

/// One table per message, and the impl that attaches it to the type of a top-level message.
pub fn write(pool: &DescriptorPool) -> Result<String, Box<dyn Error>> {
    let messages = described(pool).collect::<Vec<_>>();
    let mut items = Vec::new();
    for (at, message) in messages.iter().enumerate() {
        let table = format_ident!("MESSAGE_{at}");
        let name = message.name();
        let fields = message.fields().map(|field| write_field(&field, &messages));
        let fields = fields.collect::<Result<Vec<_>, _>>()?;
        items.push(quote!(static #table: Descriptor = Descriptor::new(#name, &[#(#fields),*]);));
        if message.parent_message().is_none() {
            let rust = rust_type(message.full_name());
            items.push(quote! {
                impl Described for #rust {
                    const DESCRIPTOR: &'static Descriptor = &#table;
                }
            });
        }
    }
    format(quote!(#(#items)*))
}

fn described(pool: &DescriptorPool) -> impl Iterator<Item = MessageDescriptor> + '_ {
    pool.all_messages().filter(|message| {
        let package = message.package_name();
        !message.is_map_entry() && package != crate::NOT_GENERATED && !VALUES.contains(&package)
    })
}

fn write_field(
    field: &FieldDescriptor,
    all: &[MessageDescriptor],
) -> Result<TokenStream, Box<dyn Error>> {
    let unknown = || format!("{}: the table knows no such type", field.full_name());
    let kind = match field.kind() {
        Kind::Bool => quote!(Bool),
        Kind::Int32 | Kind::Int64 => quote!(Int),
        Kind::Double => quote!(Double),
        Kind::String => quote!(Text),
        Kind::Enum(values) => {
            let values = values.values();
            let values = values.map(|value| {
                let (number, name) = (Literal::i32_unsuffixed(value.number()), value.name());
                quote!((#number, #name))
            });
            quote!(Enum(&[#(#values),*]))
        }
        Kind::Message(_) if field.is_map() => quote!(Map),
        Kind::Message(message) => match message.full_name() {
            "google.protobuf.Duration" => quote!(Duration),
            "google.protobuf.Timestamp" => quote!(Timestamp),
            name if VALUES.contains(&message.package_name()) => {
                assert_ne!(name, "google.protobuf.Empty", "it has no type of its own");
                quote!(Value)
            }
            name => {
                let at = all.iter().position(|known| known.full_name() == name);
                let table = format_ident!("MESSAGE_{}", at.ok_or_else(unknown)?);
                quote!(Message(&#table))
            }
        },
        _ => return Err(unknown().into()),
    };
    let (name, number) = (field.name(), Literal::u32_unsuffixed(field.number()));
    let list = (field.is_list()).then(|| quote!(.list()));
    let oneof = field
        .containing_oneof()
        .filter(|_| !field.field_descriptor_proto().proto3_optional())
        .map(|oneof| {
            let position = oneof.parent_message().oneofs().position(|other| other == oneof);
            let position = position.and_then(|at| u8::try_from(at).ok()).expect("few oneofs");
            let position = Literal::u8_unsuffixed(position);
            quote!(.in_oneof(#position))
        });
    let output = behaves(field, OUTPUT_ONLY).then(|| quote!(.output()));
    let required = behaves(field, REQUIRED).then(|| quote!(.required()));
    let secret = is_secret(field).then(|| quote!(.secret()));
    let is_reference = annotation(&field.options(), "google.api.resource_reference").is_some();
    let reference = is_reference.then(|| quote!(.reference()));
    Ok(quote! {
        Field::new(#number, #name, Kind::#kind) #list #oneof #output #required #secret #reference
    })
}
