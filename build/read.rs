//! The facts in the annotations, as plain data.
//!
//! Everything here is named as in the service definitions: messages by their full names, resources
//! by their types. [`write`](crate::write) finds the Rust names.

use crate::confidential::{self, Confidential};
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, FileDescriptor, Kind, MessageDescriptor,
    MethodDescriptor, ReflectMessage, Value,
};
use std::error::Error;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Values of `google.api.FieldBehavior`.
pub const REQUIRED: i32 = 2;
pub const OUTPUT_ONLY: i32 = 3;

/// Where a file keeps its resource definitions: `FileDescriptorProto.options`, and the number of
/// `google.api.resource_definition`.
const FILE_OPTIONS: [i32; 2] = [8, 1053];

pub struct Facts {
    /// The methods with a route, in the order of their paths.
    pub methods: Vec<Method>,
    pub resources: Vec<Resource>,
    /// The messages that have a secret, or may have one.
    pub confidential: Vec<Confidential>,
}

pub struct Method {
    pub service: String,
    pub name: String,
    pub input: String,
    pub output: String,
    pub idempotency: Idempotency,
    /// In seconds.
    pub default_timeout: Option<u64>,
    /// The routed field, such as `name` or `channel.name`.
    pub route: String,
    pub has_request_id: bool,
    pub requirements: Vec<Requirement>,
    pub operation: Option<Operation>,
    pub listing: Option<Listing>,
    pub is_filtered: bool,
    pub is_ordered: bool,
    pub update: Option<Update>,
}

pub enum Idempotency {
    Safe,
    ByRequestId,
    None,
}

/// The types that `google.longrunning.operation_info` names.
pub struct Operation {
    pub output: String,
    pub metadata: String,
}

/// The fields of the response to a request that has `page_size` and `page_token`.
pub struct Listing {
    pub item: String,
    pub items_field: String,
    pub has_unreachable: bool,
}

/// What a field must hold before a request is sent.
pub struct Requirement {
    pub field: String,
    pub rule: Rule,
}

pub enum Rule {
    /// A message that is set.
    Message,
    /// A text or a list that is not empty.
    NotEmpty,
    /// A name of this resource type.
    Name(String),
    /// A resource that is set, with a routed name of this resource type.
    Resource(String),
    /// An id for a new resource.
    Id,
    PageSize,
    RequestId,
}

/// The resource that an update request carries beside its mask.
pub struct Update {
    pub resource: String,
    /// Every path that a mask can name. A path goes through single messages only.
    pub paths: Vec<String>,
    /// The top-level fields.
    pub fields: Vec<String>,
    pub outputs: Vec<Output>,
}

/// A field that is `OUTPUT_ONLY`, or one that holds such fields.
pub enum Output {
    Field(String),
    Within(String, Vec<Output>),
}

/// A kind of resource, by `google.api.resource` or `google.api.resource_definition`.
pub struct Resource {
    /// Such as `livestream.googleapis.com/Channel`.
    pub resource_type: String,
    pub pattern: String,
    /// The module of its names.
    pub module: &'static str,
    /// The message that represents it, where there is one.
    pub message: Option<String>,
    /// The comment on a definition without a message.
    pub comment: Option<String>,
}

impl Method {
    /// The pattern of the resource that the method creates below `parent`, and the field of its id.
    pub fn created<'a>(&'a self, resources: &'a [Resource]) -> Option<(&'a str, &'a str)> {
        let id = self.requirements.iter().find(|field| matches!(field.rule, Rule::Id))?;
        let variable = id.field.strip_suffix("_id")?;
        let parent = self.requirements.iter().find_map(|field| match &field.rule {
            Rule::Name(parent) if field.field == "parent" => Some(parent),
            _ => None,
        })?;
        let parent = resources.iter().find(|resource| resource.resource_type == *parent)?;
        let created =
            resources.iter().find(|child| child.child_variable(parent) == Some(variable))?;
        Some((&created.pattern, &id.field))
    }

    pub fn path(&self) -> String {
        format!("/{}/{}", self.service, self.name)
    }
}

impl Resource {
    /// Such as `Channel`.
    pub fn kind(&self) -> &str {
        self.resource_type.rsplit('/').next().expect("split yields at least one part")
    }

    /// The variables of the pattern, each with the segment that it stands at.
    pub fn variables(&self) -> Vec<(&str, usize)> {
        let segments = self.pattern.split('/').enumerate();
        segments.filter_map(|(at, segment)| Some((variable(segment)?, at))).collect()
    }

    /// The number of segments of the pattern.
    pub fn len(&self) -> usize {
        self.pattern.split('/').count()
    }

    /// The variable that an id below the other resource fills, if this one is a child of it.
    pub fn child_variable(&self, parent: &Self) -> Option<&str> {
        let segments = self.below(parent)?.split('/').collect::<Vec<_>>();
        let [_collection, last] = segments[..] else { return None };
        variable(last)
    }

    /// The nearest resource that this one is below: the one with the longest pattern.
    pub fn parent<'a>(&self, all: &'a [Self]) -> Option<&'a Self> {
        all.iter().filter(|other| self.below(other).is_some()).max_by_key(|other| other.len())
    }

    /// The rest of the pattern after that of the other resource.
    fn below(&self, other: &Self) -> Option<&str> {
        self.pattern.strip_prefix(&other.pattern)?.strip_prefix('/')
    }
}

/// The variable's name in a segment such as `{channel}`.
fn variable(segment: &str) -> Option<&str> {
    segment.strip_prefix('{')?.strip_suffix('}')
}

/// Reads all facts of the pool.
pub fn facts(pool: &DescriptorPool) -> Result<Facts> {
    let resources = read_resources(pool)?;
    let mut methods = Vec::new();
    for method in pool.services().flat_map(|service| service.methods().collect::<Vec<_>>()) {
        methods.extend(read_method(&method, &resources)?);
    }
    methods.sort_by_key(Method::path);
    if let Some((name, _)) = crate::TIMEOUTS.iter().find(|(name, _)| is_misspelt(pool, name)) {
        return Err(format!("no method {name}, but it has a timeout in build.rs").into());
    }
    let confidential = pool.all_messages().filter_map(|message| confidential::read(&message));
    Ok(Facts { methods, confidential: confidential.collect(), resources })
}

/// Whether the pool has the service of this name's method, but not the method.
fn is_misspelt(pool: &DescriptorPool, name: &str) -> bool {
    let (service, method) = name.rsplit_once('.').unwrap_or_default();
    let service = pool.get_service_by_name(service);
    service.is_some_and(|service| service.methods().all(|known| known.name() != method))
}

/// The resources with a message first: another API may define one of them once more, to refer to it.
fn read_resources(pool: &DescriptorPool) -> Result<Vec<Resource>> {
    let mut found = Vec::new();
    for message in pool.all_messages() {
        if let Some(resource) = annotation(&message.options(), "google.api.resource") {
            let own = read_resource(&resource, message.package_name())?;
            found.push(Resource { message: Some(message.full_name().into()), ..own });
        }
    }
    for file in pool.files() {
        let definitions = extension(&file.options(), "google.api.resource_definition");
        let Some(Value::List(definitions)) = definitions else { continue };
        for (at, definition) in definitions.iter().enumerate() {
            let definition = definition.as_message().ok_or("a definition is a message")?;
            let own = read_resource(definition, file.package_name())?;
            found.push(Resource { comment: definition_comment(&file, at), ..own });
        }
    }
    let mut resources = Vec::<Resource>::new();
    for resource in found {
        if !resources.iter().any(|known| known.resource_type == resource.resource_type) {
            resources.push(resource);
        }
    }
    Ok(resources)
}

fn read_resource(annotation: &DynamicMessage, package: &str) -> Result<Resource> {
    let resource_type = text(annotation, "type").ok_or("a resource has a type")?;
    let patterns = annotation.get_field_by_name("pattern");
    let pattern = match patterns.as_deref().and_then(Value::as_list) {
        Some([Value::String(pattern)]) => pattern.clone(),
        _ => return Err(format!("{resource_type}: one pattern expected").into()),
    };
    let module = crate::name_module(package)
        .ok_or_else(|| format!("{resource_type}: the API has no module of names in build.rs"))?;
    Ok(Resource { resource_type, pattern, module, message: None, comment: None })
}

/// The comment on the file's resource definition of this number.
fn definition_comment(file: &FileDescriptor, at: usize) -> Option<String> {
    let options = FILE_OPTIONS.into_iter().chain([i32::try_from(at).ok()?]);
    let path = options.collect::<Vec<_>>();
    let source = file.file_descriptor_proto().source_code_info.as_ref()?;
    let mut places = source.location.iter();
    let place = places.find(|place| place.path.starts_with(&path))?;
    place.leading_comments.as_ref().map(|comment| comment.trim().to_owned())
}

/// `None` for a method without a route: no service here serves it.
fn read_method(method: &MethodDescriptor, resources: &[Resource]) -> Result<Option<Method>> {
    let Some((verb, route)) = read_route(method)? else { return Ok(None) };
    let (input, output) = (method.input(), method.output());
    let has = |name| input.get_field_by_name(name).is_some();
    let has_request_id = input.fields().any(|field| is_request_id(&field));
    let mut requirements = Vec::new();
    for field in input.fields() {
        if let Some(rule) = read_rule(&field, &route, resources)? {
            requirements.push(Requirement { field: field.name().into(), rule });
        }
    }
    Ok(Some(Method {
        service: method.parent_service().full_name().into(),
        name: method.name().into(),
        input: input.full_name().into(),
        output: output.full_name().into(),
        idempotency: match (&*verb, has_request_id) {
            ("get", _) => Idempotency::Safe,
            (_, true) => Idempotency::ByRequestId,
            (_, false) => Idempotency::None,
        },
        default_timeout: default_timeout(method),
        has_request_id,
        requirements,
        operation: read_operation(method)?,
        listing: read_listing(&input, &output)?,
        is_filtered: has("filter"),
        is_ordered: has("order_by"),
        update: read_update(&input, &route)?,
        route,
    }))
}

fn default_timeout(method: &MethodDescriptor) -> Option<u64> {
    let known = crate::TIMEOUTS.iter().find(|(name, _)| *name == method.full_name());
    known.map(|(_, seconds)| *seconds)
}

/// The verb and the one routed field of a method's `google.api.http` rule.
fn read_route(method: &MethodDescriptor) -> Result<Option<(String, String)>> {
    let Some(rule) = annotation(&method.options(), "google.api.http") else { return Ok(None) };
    let (verb, template) = ["get", "put", "post", "delete", "patch"]
        .into_iter()
        .find_map(|verb| Some((verb, text(&rule, verb)?)))
        .ok_or_else(|| format!("{}: the route has no verb", method.full_name()))?;
    let fields = template.split('{').skip(1).collect::<Vec<_>>();
    let [field] = fields[..] else {
        let name = method.full_name();
        return Err(format!("{name}: one routed field expected in {template}").into());
    };
    let end = field.find(['=', '}']).ok_or("a route's field has no end")?;
    Ok(Some((verb.into(), field[..end].into())))
}

fn read_rule(field: &FieldDescriptor, route: &str, resources: &[Resource]) -> Result<Option<Rule>> {
    let name = field.name();
    let is_required = behaves(field, REQUIRED);
    if let Kind::Message(message) = field.kind() {
        let is_routed = route.strip_prefix(name).is_some_and(|rest| rest == ".name");
        return Ok(match resource_type(&message) {
            Some(resource) if is_routed => Some(Rule::Resource(resource)),
            _ => is_required.then_some(Rule::Message),
        });
    }
    if name == "page_size" {
        return Ok(Some(Rule::PageSize));
    }
    let is_text = matches!(field.kind(), Kind::String) && !field.is_list();
    if !is_text {
        return Ok(is_required.then_some(Rule::NotEmpty));
    }
    if is_request_id(field) {
        return Ok(Some(Rule::RequestId));
    }
    if let Some(reference) = annotation(&field.options(), "google.api.resource_reference") {
        let find = |wanted: String| {
            let found = resources.iter().find(|resource| resource.resource_type == wanted);
            found.ok_or_else(|| format!("{}: {wanted} is not defined", field.full_name()))
        };
        if let Some(own) = text(&reference, "type") {
            return Ok(Some(Rule::Name(find(own)?.resource_type.clone())));
        }
        if let Some(child) = text(&reference, "child_type") {
            let parent = find(child)?.parent(resources).ok_or("a child has a parent")?;
            return Ok(Some(Rule::Name(parent.resource_type.clone())));
        }
    }
    if is_required && name.ends_with("_id") {
        return Ok(Some(Rule::Id));
    }
    Ok((is_required || route == name).then_some(Rule::NotEmpty))
}

fn read_operation(method: &MethodDescriptor) -> Result<Option<Operation>> {
    let Some(info) = annotation(&method.options(), "google.longrunning.operation_info") else {
        return Ok(None);
    };
    let resolve = |field: &str| -> Result<String> {
        let name = text(&info, field).ok_or("operation_info is incomplete")?;
        let local = format!("{}.{name}", method.parent_service().package_name());
        let pool = method.parent_pool();
        let message = pool.get_message_by_name(&local).or_else(|| pool.get_message_by_name(&name));
        let message =
            message.ok_or_else(|| format!("{}: no message {name}", method.full_name()))?;
        Ok(message.full_name().into())
    };
    Ok(Some(Operation { output: resolve("response_type")?, metadata: resolve("metadata_type")? }))
}

fn read_listing(input: &MessageDescriptor, output: &MessageDescriptor) -> Result<Option<Listing>> {
    let is_paged =
        ["page_size", "page_token"].iter().all(|name| input.get_field_by_name(name).is_some());
    if !is_paged || output.get_field_by_name("next_page_token").is_none() {
        return Ok(None);
    }
    let mut lists = output.fields().filter(|field| field.is_list());
    let found = lists.find_map(|field| match field.kind() {
        Kind::Message(item) => Some((field, item)),
        _ => None,
    });
    let (items, item) = found.ok_or_else(|| format!("{} lists no messages", output.full_name()))?;
    Ok(Some(Listing {
        item: item.full_name().into(),
        items_field: items.name().into(),
        has_unreachable: output.get_field_by_name("unreachable").is_some(),
    }))
}

fn read_update(input: &MessageDescriptor, route: &str) -> Result<Option<Update>> {
    let carrier = route.split_once('.').and_then(|(field, _)| input.get_field_by_name(field));
    let Some(Kind::Message(resource)) = carrier.map(|field| field.kind()) else { return Ok(None) };
    if input.get_field_by_name("update_mask").is_none() {
        return Ok(None);
    }
    if let Some(field) = resource.fields().find(|field| field.containing_oneof().is_some()) {
        return Err(format!("{}: a oneof cannot be compared yet", field.full_name()).into());
    }
    let mut paths = Vec::new();
    collect_paths(&resource, "", &mut paths);
    Ok(Some(Update {
        resource: resource.full_name().into(),
        paths,
        fields: resource.fields().map(|field| field.name().into()).collect(),
        outputs: outputs(&resource),
    }))
}

fn collect_paths(message: &MessageDescriptor, prefix: &str, out: &mut Vec<String>) {
    for field in message.fields() {
        let path = format!("{prefix}{}", field.name());
        out.push(path.clone());
        if let Kind::Message(inner) = field.kind()
            && !field.is_list()
            && !field.is_map()
            && inner.package_name() != "google.protobuf"
        {
            collect_paths(&inner, &format!("{path}."), out);
        }
    }
}

/// The output fields of a message, at any depth.
fn outputs(message: &MessageDescriptor) -> Vec<Output> {
    let mut out = Vec::new();
    for field in message.fields().filter(|field| field.containing_oneof().is_none()) {
        let name = field.name().to_owned();
        if behaves(&field, OUTPUT_ONLY) {
            out.push(Output::Field(name));
        } else if let Kind::Message(inner) = field.kind()
            && !field.is_map()
            && inner.package_name() != "google.protobuf"
        {
            let inner = outputs(&inner);
            if !inner.is_empty() {
                out.push(Output::Within(name, inner));
            }
        }
    }
    out
}

fn resource_type(message: &MessageDescriptor) -> Option<String> {
    text(&annotation(&message.options(), "google.api.resource")?, "type")
}

/// AIP-155 gives the field its name; not every one is also annotated as a UUID.
fn is_request_id(field: &FieldDescriptor) -> bool {
    field.name() == "request_id"
}

/// Whether a field is annotated with this value of `google.api.field_behavior`.
pub fn behaves(field: &FieldDescriptor, behaviour: i32) -> bool {
    match extension(&field.options(), "google.api.field_behavior") {
        Some(Value::List(behaviours)) => behaviours.contains(&Value::EnumNumber(behaviour)),
        _ => false,
    }
}

/// An option that is a message.
pub fn annotation(options: &DynamicMessage, name: &str) -> Option<DynamicMessage> {
    match extension(options, name)? {
        Value::Message(message) => Some(message),
        _ => None,
    }
}

fn extension(options: &DynamicMessage, name: &str) -> Option<Value> {
    let extension = options.descriptor().parent_pool().get_extension_by_name(name)?;
    options.has_extension(&extension).then(|| options.get_extension(&extension).into_owned())
}

/// A text that is not empty.
fn text(message: &DynamicMessage, field: &str) -> Option<String> {
    let value = message.get_field_by_name(field)?;
    value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}
