//! Writes the facts as Rust.

use crate::read::{
    Confidential, Facts, Idempotency, Listing, Method, Operation, Output, Requirement, Rule, Shown,
    Update,
};
use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;
use std::error::Error;

/// One `Rpc` impl per request message, the table of methods, and `Debug` where secrets are.
pub fn facts(facts: &Facts) -> Result<String, Box<dyn Error>> {
    let methods = facts.methods.iter().map(method);
    let requests = facts.methods.iter().map(|method| rust_type(&method.input));
    let debugs = facts.confidential.iter().map(redacted_debug);
    format(quote! {
        #(#methods)*

        /// Every method that this build speaks, in the order of their paths.
        pub static METHODS: &[&Method] = &[#(<#requests as Rpc>::METHOD),*];

        #(#debugs)*
    })
}

fn method(method: &Method) -> TokenStream {
    let request = rust_type(&method.input);
    let rpc = rpc(method, &request);
    let long_running = method.operation.as_ref().map(|Operation { output, metadata }| {
        let (output, metadata) = (rust_type(output), rust_type(metadata));
        quote! {
            impl LongRunning for #request {
                type Output = #output;
                type Metadata = #metadata;
            }
        }
    });
    let filtered = method.is_filtered.then(|| {
        quote! {
            impl Filtered for #request {
                fn filter_mut(&mut self) -> &mut String { &mut self.filter }
            }
        }
    });
    let ordered = method.is_ordered.then(|| {
        quote! {
            impl Ordered for #request {
                fn order_by_mut(&mut self) -> &mut String { &mut self.order_by }
            }
        }
    });
    let paged = method.listing.as_ref().map(|listing| paged(listing, &request));
    let maskable = method.update.as_ref().map(maskable);
    quote! { #rpc #long_running #filtered #ordered #paged #maskable }
}

fn rpc(method: &Method, request: &TokenStream) -> TokenStream {
    let Method { service, name, .. } = method;
    let path = method.path();
    let response = rust_type(&method.output);
    let kind = match &method.operation {
        Some(Operation { output, metadata }) => {
            let (output, metadata) = (rust_type(output), rust_type(metadata));
            quote!(LongRunningKind<#output, #metadata>)
        }
        None => quote!(UnaryKind),
    };
    let idempotency = match method.idempotency {
        Idempotency::Safe => quote!(Idempotency::Safe),
        Idempotency::ByRequestId => quote!(Idempotency::ByRequestId),
        Idempotency::None => quote!(Idempotency::None),
    };
    let route = &method.route;
    let routed = match route.split_once('.') {
        Some((carrier, field)) => {
            let (carrier, field) = (ident(carrier), ident(field));
            quote!(self.#carrier.as_ref().map_or("", |carried| &carried.#field))
        }
        None => {
            let field = ident(route);
            quote!(&self.#field)
        }
    };
    let request_id = method.has_request_id.then(|| {
        quote! {
            fn request_id(&self) -> Option<&str> { Some(&self.request_id) }
            fn request_id_mut(&mut self) -> Option<&mut String> { Some(&mut self.request_id) }
        }
    });
    let checks = method.requirements.iter().map(|requirement| check(requirement, route));
    quote! {
        impl sealed::Sealed for #request {}

        impl Rpc for #request {
            type Response = #response;
            type Kind = #kind;
            const METHOD: &'static Method = &Method::new(#path, #service, #name, #idempotency);
            fn route(&self) -> (&'static str, &str) { (#route, #routed) }
            #request_id
            fn check(&self) -> Result<(), InvalidField> {
                #(#checks?;)*
                Ok(())
            }
        }
    }
}

fn check(Requirement { field: name, rule }: &Requirement, route: &str) -> TokenStream {
    let field = ident(name);
    match rule {
        Rule::Message => quote!(check::present(#name, self.#field.is_some())),
        Rule::NotEmpty => quote!(check::present(#name, !self.#field.is_empty())),
        Rule::Name(resource) => {
            let kind = name_type(resource);
            quote!(check::name::<#kind>(#name, &self.#field))
        }
        Rule::Resource(resource) => {
            let kind = name_type(resource);
            quote! {
                check::present(#name, self.#field.is_some())
                    .and_then(|()| check::name::<#kind>(#route, self.route().1))
            }
        }
        Rule::Id => quote!(check::id(#name, &self.#field)),
        Rule::PageSize => quote!(check::page_size(#name, self.#field)),
        Rule::RequestId => quote!(check::request_id(#name, &self.#field)),
    }
}

fn paged(listing: &Listing, request: &TokenStream) -> TokenStream {
    let (item, items) = (rust_type(&listing.item), ident(&listing.items_field));
    let unreachable = match listing.has_unreachable {
        true => quote!(response.unreachable),
        false => quote!(Vec::new()),
    };
    quote! {
        impl Paged for #request {
            type Item = #item;
            fn page_size_mut(&mut self) -> &mut i32 { &mut self.page_size }
            fn page_token_mut(&mut self) -> &mut String { &mut self.page_token }
            fn page(response: Self::Response) -> Page<Self::Item> {
                Page {
                    items: response.#items,
                    next_page_token: response.next_page_token,
                    unreachable: #unreachable,
                }
            }
        }
    }
}

fn maskable(update: &Update) -> TokenStream {
    let Update { paths, fields: names, outputs, .. } = update;
    let resource = rust_type(&update.resource);
    let fields = names.iter().map(|name| ident(name)).collect::<Vec<_>>();
    let clear = clear(outputs);
    quote! {
        impl crate::livestream::mask::Maskable for #resource {
            const PATHS: &'static [&'static str] = &[#(#paths),*];
            fn clear_outputs(&mut self) {
                let message = self;
                #clear
            }
            fn differing(&self, other: &Self) -> Vec<&'static str> {
                let mut fields = Vec::new();
                #(if self.#fields != other.#fields { fields.push(#names); })*
                fields
            }
            fn overwrite(&mut self, field: &str, from: &Self) -> bool {
                match field {
                    #(#names => self.#fields.clone_from(&from.#fields),)*
                    _ => return false,
                }
                true
            }
        }
    }
}

/// Statements that clear the output fields of a `message`.
fn clear(outputs: &[Output]) -> TokenStream {
    let statements = outputs.iter().map(|output| match output {
        Output::Field(name) => {
            let field = ident(name);
            quote!(message.#field = Default::default();)
        }
        Output::Within(name, inner) => {
            let (field, inner) = (ident(name), clear(inner));
            quote!(for message in &mut message.#field { #inner })
        }
    });
    quote!(#(#statements)*)
}

fn redacted_debug(Confidential { message, fields }: &Confidential) -> TokenStream {
    let (rust_type, name) = (rust_type(message), message.rsplit('.').next());
    let fields = fields.iter().map(|(name, shown)| {
        let field = ident(name);
        let value = match shown {
            Shown::Plain => quote!(self.#field),
            Shown::Enum => quote!(self.#field()),
            Shown::Redacted => quote!(Redacted::of(&self.#field)),
        };
        quote!(.field(#name, &#value))
    });
    quote! {
        impl std::fmt::Debug for #rust_type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(#name)#(#fields)*.finish()
            }
        }
    }
}

/// The type of a message, by its full name.
fn rust_type(message: &str) -> TokenStream {
    match message {
        "google.protobuf.Empty" => quote!(()),
        _ => path(&format!("crate::proto::{}", message.replace('.', "::"))),
    }
}

/// `livestream.googleapis.com/Channel` is a `crate::name::ChannelName`; other APIs of this crate
/// keep their names in a module of their own.
fn name_type(resource: &str) -> TokenStream {
    let (service, kind) = resource.split_once('/').expect("resource types are `service/Kind`");
    match service.split('.').next() {
        Some("visionai") => path(&format!("crate::visionai::name::{kind}Name")),
        _ => path(&format!("crate::name::{kind}Name")),
    }
}

fn path(text: &str) -> TokenStream {
    text.parse().expect("a path is made of identifiers")
}

/// A field's name; keywords such as `type` are raw.
fn ident(name: &str) -> Ident {
    syn::parse_str(name).unwrap_or_else(|_| Ident::new_raw(name, Span::call_site()))
}

fn format(tokens: TokenStream) -> Result<String, Box<dyn Error>> {
    let file = syn::parse2(tokens)?;
    let text = prettyplease::unparse(&file);
    Ok(format!("// Written by build.rs from the annotations in proto/.\n{text}"))
}
