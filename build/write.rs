//! Writes the facts as Rust.

use crate::{
    confidential::{Choice, Confidential, Shown},
    read::{
        Facts, Idempotency, Listing, Method, Operation, Output, Requirement, Resource, Rule, Update,
    },
};
use proc_macro2::{Ident, Literal, Span, TokenStream};
use prost_reflect::DescriptorPool;
use quote::{format_ident, quote};
use std::error::Error;

/// The engine's own module of names, which are declared by hand.
pub const ENGINE_NAMES: &str = "crate::gax::name";

/// The module of the names that all APIs share.
pub const SHARED_NAMES: &str = "crate::name";

/// One `Rpc` impl per request message, the table of methods, and `Debug` where secrets are.
pub fn facts(facts: &Facts) -> Result<String, Box<dyn Error>> {
    let methods = facts.methods.iter().map(|method| write_method(method, &facts.resources));
    let requests = facts.methods.iter().map(|method| rust_type(&method.input));
    let debugs = facts.confidential.iter().map(redacted_debug);
    format(quote! {
        #(#methods)*

        /// Every method that this build speaks, in the order of their paths.
        pub static METHODS: &[&Method] = &[#(<#requests as Rpc>::METHOD),*];

        #(#debugs)*
    })
}

fn write_method(method: &Method, resources: &[Resource]) -> TokenStream {
    let request = rust_type(&method.input);
    let rpc = rpc(method, &request, resources);
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
    let read =
        matches!(method.idempotency, Idempotency::Safe).then(|| quote!(impl Read for #request {}));
    quote! { #rpc #read #long_running #filtered #ordered #paged #maskable }
}

fn rpc(method: &Method, request: &TokenStream, resources: &[Resource]) -> TokenStream {
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
    let timeout = match method.default_timeout {
        Some(seconds) => quote!(Some(std::time::Duration::from_secs(#seconds))),
        None => quote!(None),
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
    let created = method.created(resources).map(|(pattern, id)| {
        let (collection, id) = (pattern.rsplit('/').nth(1).unwrap_or_default(), ident(id));
        let format = format!("{{}}/{collection}/{{}}");
        quote! {
            fn subject(&self) -> std::borrow::Cow<'_, str> {
                match &*self.#id {
                    "" => self.parent.as_str().into(),
                    id => format!(#format, self.parent, id).into(),
                }
            }
        }
    });
    let request_id = method.has_request_id.then(|| {
        quote! {
            fn request_id(&self) -> Option<&str> { Some(&self.request_id) }
            fn request_id_mut(&mut self) -> Option<&mut String> { Some(&mut self.request_id) }
        }
    });
    let items = match &method.listing {
        Some(Listing { items_field, .. }) => quote!(Some(#items_field)),
        None => quote!(None),
    };
    let requirements = method.requirements.iter();
    let checks = requirements.map(|requirement| check(requirement, route, resources));
    quote! {
        impl sealed::Sealed for #request {}

        impl Rpc for #request {
            type Response = #response;
            type Kind = #kind;
            const ITEMS: Option<&'static str> = #items;
            const METHOD: &'static Method =
                &Method::new(#path, #service, #name, #idempotency, #timeout);
            fn route(&self) -> (&'static str, &str) { (#route, #routed) }
            #created
            #request_id
            fn check(&self) -> Result<(), InvalidField> {
                #(#checks?;)*
                Ok(())
            }
        }
    }
}

fn check(requirement: &Requirement, route: &str, resources: &[Resource]) -> TokenStream {
    let Requirement { field: name, rule } = requirement;
    let field = ident(name);
    let name_type = |wanted: &str| {
        let resource = resources.iter().find(|resource| resource.resource_type == wanted);
        name_type(resource.expect("references are resolved when they are read"))
    };
    match rule {
        Rule::Message => quote!(require::present(#name, self.#field.is_some())),
        Rule::NotEmpty => quote!(require::present(#name, !self.#field.is_empty())),
        Rule::Name(resource) => {
            let kind = name_type(resource);
            quote!(require::name::<#kind>(#name, &self.#field))
        }
        Rule::Resource(resource) => {
            let kind = name_type(resource);
            quote! {
                require::present(#name, self.#field.is_some())
                    .and_then(|()| require::name::<#kind>(#route, self.route().1))
            }
        }
        Rule::Id => quote!(require::id(#name, &self.#field)),
        Rule::PageSize => quote!(require::page_size(#name, self.#field)),
        Rule::RequestId => quote!(require::request_id(#name, &self.#field)),
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
        impl crate::livestream::mask::sealed::Sealed for #resource {}

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

fn redacted_debug(Confidential { message, fields, oneofs }: &Confidential) -> TokenStream {
    let (rust_type, name) = (rust_type(message), message.rsplit('.').next());
    let fields = fields.iter().map(|(name, shown)| {
        let field = ident(name);
        let value = match shown {
            Shown::Plain => quote!(self.#field),
            Shown::Enum => quote!(self.#field()),
            Shown::Redacted => quote!(Redacted::of(&self.#field)),
            Shown::Packed => quote!(self.#field.as_ref().map(Packed)),
            Shown::PackedList => quote!(self.#field.iter().map(Packed).collect::<Vec<_>>()),
        };
        quote!(.field(#name, &#value))
    });
    let choices = oneofs.iter().map(|choice| {
        let (name, field) = (&choice.name, ident(&choice.name));
        quote!(.field(#name, &self.#field))
    });
    let oneofs = oneofs.iter().map(|choice| redacted_oneof(message, choice));
    quote! {
        impl std::fmt::Debug for #rust_type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(#name)#(#fields)*#(#choices)*.finish()
            }
        }

        #(#oneofs)*
    }
}

fn redacted_oneof(message: &str, Choice { name, variants }: &Choice) -> TokenStream {
    let (package, message) = message.rsplit_once('.').expect("a message has a package");
    let module = words_of(message).join("_");
    let rust_type = path(&format!("{}::{module}::{}", rust_path(package), camel(name)));
    let arms = variants.iter().map(|(name, shown)| {
        let (variant, name) = (ident(&camel(name)), camel(name));
        let value = match shown {
            Shown::Redacted => quote!(Redacted::of(value)),
            Shown::Packed => quote!(Packed(value)),
            Shown::Plain | Shown::Enum | Shown::PackedList => quote!(value),
        };
        quote!(Self::#variant(value) => f.debug_tuple(#name).field(&#value).finish())
    });
    quote! {
        impl std::fmt::Debug for #rust_type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self { #(#arms),* }
            }
        }
    }
}

/// `passphrase_source` as prost names the type: `PassphraseSource`.
fn camel(name: &str) -> String {
    let words = name.split('_').map(|word| {
        let mut letters = word.chars();
        letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect::<String>()
    });
    words.collect()
}

/// The names of one module: their types, and how each is built from its parent's.
pub fn names(all: &[Resource], module: &str) -> Result<String, Box<dyn Error>> {
    let own = || all.iter().filter(|resource| resource.module == module);
    // The engine knows no other names, so its own are joined to them in the shared module.
    let is_shared = module == SHARED_NAMES;
    let engine = || all.iter().filter(|resource| is_shared && resource.module == ENGINE_NAMES);

    let kinds = own().map(|resource| kind_of_name(resource, all));
    let constructors = all.iter().map(|parent| {
        let children = own().chain(engine()).filter_map(|child| constructor(child, parent));
        constructors(parent, children.collect())
    });
    let parents = engine().filter_map(|resource| parent(resource, all));
    let messages = own().filter_map(resource_name);
    format(quote! { #(#kinds)* #(#constructors)* #(#parents)* #(#messages)* })
}

/// The method of a resource that returns its typed name.
fn resource_name(resource: &Resource) -> Option<TokenStream> {
    let message = rust_type(resource.message.as_ref()?);
    let name = name_type(resource);
    let text = format!(" The typed name of the {}.", words(resource.kind()));
    Some(quote! {
        impl #message {
            #[doc = #text]
            ///
            /// # Errors
            /// If the field `name` is not set, or is not such a name.
            pub fn resource_name(&self) -> Result<#name, crate::gax::name::InvalidName> {
                self.name.parse()
            }
        }
    })
}

/// `Display` for the enums of the APIs: the name of the value, as in JSON.
pub fn enums(pool: &DescriptorPool, packages: &[String]) -> Result<String, Box<dyn Error>> {
    let own = pool.all_enums().filter(|kind| packages.iter().any(|p| p == kind.package_name()));
    let displays = own.map(|kind| {
        let local = kind.full_name().strip_prefix(kind.package_name()).unwrap_or_default();
        let mut parts = local.trim_start_matches('.').split('.').collect::<Vec<_>>();
        let name = parts.pop().expect("an enum has a name");
        let modules = parts.into_iter().map(snake_case).collect::<Vec<_>>();
        let path = [kind.package_name().replace('.', "::"), modules.join("::"), name.to_owned()];
        let path = path.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>();
        let rust = self::path(&format!("crate::proto::{}", path.join("::")));
        quote! {
            /// Writes the name of the value as in the service definition.
            impl std::fmt::Display for #rust {
                fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.pad(self.as_str_name())
                }
            }
        }
    });
    format(quote! { #(#displays)* })
}

/// The module of a message's nested types, such as `dvr_session` for `DvrSession`.
fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    let mut was_lower = false;
    for c in name.chars() {
        if c.is_uppercase() && was_lower {
            snake.push('_');
        }
        was_lower = !c.is_uppercase();
        snake.extend(c.to_lowercase());
    }
    snake
}

/// Declares the type of a resource's names.
fn kind_of_name(resource: &Resource, all: &[Resource]) -> TokenStream {
    let Resource { resource_type, pattern, comment, .. } = resource;
    let name = format_ident!("{}Name", resource.kind());
    let mut text = format!(" The name of {}: `{pattern}`.", mention(resource));
    if let Some(comment) = comment {
        text += &format!("\n\n {comment}");
    }
    let ids = resource.variables().into_iter().map(|(variable, at)| {
        let (id, at) = (ident(variable), Literal::usize_unsuffixed(at));
        quote!(#id @ #at)
    });
    let parent = resource.parent(all).map(|parent| {
        let (name, segments) = (name_type(parent), Literal::usize_unsuffixed(parent.len()));
        quote!(parent #name = #segments;)
    });
    quote! {
        crate::gax::name::resource_name! {
            #[doc = #text]
            #name = #resource_type, #pattern;
            ids { #(#ids),* }
            #parent
        }
    }
}

fn constructors(parent: &Resource, children: Vec<TokenStream>) -> Option<TokenStream> {
    let name = name_type(parent);
    (!children.is_empty()).then(|| quote!(impl #name { #(#children)* }))
}

/// How the child's name is built from the parent's, if it is right below it.
fn constructor(child: &Resource, parent: &Resource) -> Option<TokenStream> {
    let id = ident(child.child_variable(parent)?);
    let name = name_type(child);
    let text = format!(" The name of {} in this {}.", mention(child), words(parent.kind()));
    Some(quote! {
        #[doc = #text]
        ///
        /// # Errors
        /// If no document of the API allows the id.
        pub fn #id(
            &self,
            id: impl AsRef<str>,
        ) -> Result<#name, crate::gax::name::InvalidName> {
            crate::gax::name::build_child(self.as_str(), id.as_ref())
        }
    })
}

/// The name of the parent, for a name that the engine declares without knowing the parent's.
fn parent(resource: &Resource, all: &[Resource]) -> Option<TokenStream> {
    let parent = resource.parent(all)?;
    let (name, parent_name) = (name_type(resource), name_type(parent));
    let segments = Literal::usize_unsuffixed(parent.len());
    let (kind, parent_kind) = (words(resource.kind()), words(parent.kind()));
    let text = format!(" The name of the {parent_kind} that the {kind} is in.");
    Some(quote! {
        impl From<&#name> for #parent_name {
            #[doc = #text]
            fn from(name: &#name) -> Self {
                let text = crate::gax::name::prefix(name.as_str(), #segments);
                crate::gax::name::ResourceName::from_checked(text.into())
            }
        }
    })
}

/// A resource in documentation: `an [event](…)`, with a link to its message if it has one.
fn mention(resource: &Resource) -> String {
    let words = words(resource.kind());
    let article = if words.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    match &resource.message {
        Some(message) => format!("{article} [{words}]({})", rust_path(message)),
        None => format!("{article} {words}"),
    }
}

/// `SecretVersion` is a secret version; abbreviations stay abbreviations.
fn words(kind: &str) -> String {
    words_of(kind).join(" ").replace("dvr", "DVR")
}

/// The words of a name such as `SecretVersion`, in lower case.
fn words_of(name: &str) -> Vec<String> {
    let mut words = Vec::<String>::new();
    for c in name.chars() {
        if c.is_uppercase() || words.is_empty() {
            words.push(String::new());
        }
        let last = words.last_mut().expect("the first letter begins a word");
        last.extend(c.to_lowercase());
    }
    words
}

/// The type of a message, by its full name.
pub fn rust_type(message: &str) -> TokenStream {
    match message {
        "google.protobuf.Empty" => quote!(()),
        _ => path(&rust_path(message)),
    }
}

fn rust_path(message: &str) -> String {
    format!("crate::proto::{}", message.replace('.', "::"))
}

/// The type of a resource's names, such as `crate::livestream::name::ChannelName`.
fn name_type(resource: &Resource) -> TokenStream {
    path(&format!("{}::{}Name", resource.module, resource.kind()))
}

fn path(text: &str) -> TokenStream {
    text.parse().expect("a path is made of identifiers")
}

/// A field's name; keywords such as `type` are raw.
fn ident(name: &str) -> Ident {
    syn::parse_str(name).unwrap_or_else(|_| Ident::new_raw(name, Span::call_site()))
}

pub fn format(tokens: TokenStream) -> Result<String, Box<dyn Error>> {
    let file = syn::parse2(tokens)?;
    let text = prettyplease::unparse(&file);
    Ok(format!("// Written by build.rs from the annotations in proto/.\n{text}"))
}
