//! Compiles `proto/` into messages, tonic stubs and facts.
//!
//! prost drops custom options, so what the annotations say of each method (route, signature,
//! long-running result, page fields, request id) is read here from the descriptor pool and written
//! as one trait impl per request message. Nothing of it is ever typed by hand. See `src/rpc.rs`.

use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor,
    ReflectMessage, Value,
};
use std::{
    collections::BTreeSet, env, error::Error, fmt::Write as _, fs, path::Path, process::Command,
};

/// The entry points, each with the feature that asks for it; what they import comes along.
const ROOTS: &[(&str, Option<&str>)] = &[
    ("google/cloud/video/livestream/v1/service.proto", None),
    ("google/cloud/visionai/v1/streams_service.proto", Some("visionai")),
    ("google/longrunning/operations.proto", None),
    ("google/cloud/location/locations.proto", None),
    ("volcengine/live/v20230101/time_shift.proto", Some("volcengine")),
];

/// Annotations only: nothing of it is sent.
const NOT_GENERATED: &str = "google.api";

/// Of `google.api.FieldBehavior`.
const REQUIRED: i32 = 2;
const OUTPUT_ONLY: i32 = 3;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    println!("cargo::rustc-env=RUSTC_VERSION={}", rustc_version()?);
    let out = env::var("OUT_DIR")?;
    let out = Path::new(&out);

    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_imports(true).include_source_info(true);
    compiler.open_files(
        ROOTS.iter().filter(|(_, feature)| feature.is_none_or(is_enabled)).map(|(file, _)| file),
    )?;
    let pool = compiler.descriptor_pool();

    fs::write(out.join("descriptors.bin"), pool.encode_to_vec())?;
    fs::write(out.join("facts.rs"), facts(&pool)?)?;
    generate_stubs(compiler.file_descriptor_set(), &pool)
}

/// Such as `1.91.0`: told to the service in `x-goog-api-client`.
fn rustc_version() -> Result<String, Box<dyn Error>> {
    let told = Command::new(env::var("RUSTC")?).arg("--version").output()?;
    let told = String::from_utf8(told.stdout)?;
    Ok(told.split(' ').nth(1).unwrap_or("unknown").to_owned())
}

fn is_enabled(feature: &str) -> bool {
    let variable = feature.to_uppercase().replace('-', "_");
    env::var_os(format!("CARGO_FEATURE_{variable}")).is_some()
}

fn generate_stubs(
    mut files: tonic_prost_build::FileDescriptorSet,
    pool: &DescriptorPool,
) -> Result<(), Box<dyn Error>> {
    files.file.retain(|file| file.package() != NOT_GENERATED);
    let mut builder = tonic_prost_build::configure()
        .build_client(true)
        .build_server(is_enabled("server") || is_enabled("volcengine"))
        .build_transport(false)
        .emit_rerun_if_changed(false)
        .include_file("stubs.rs");
    for message in pool.all_messages().filter(has_secrets) {
        builder = builder.skip_debug([message.full_name()]);
    }
    let mut config = tonic_prost_build::Config::new();
    config.enable_type_names();
    config.type_name_domain(["."], "type.googleapis.com");
    builder.compile_fds_with_config(files, config)?;
    Ok(())
}

/// One `Rpc` impl per request message, the table of methods, and `Debug` where secrets are.
fn facts(pool: &DescriptorPool) -> Result<String, Box<dyn Error>> {
    let mut out = String::from("// Written by build.rs from the annotations in proto/.\n");
    let mut paths = BTreeSet::new();
    for service in pool.services() {
        for method in service.methods() {
            if let Some(route) = Route::of(&method)? {
                write_rpc(&mut out, &method, &route)?;
                write_maskable(&mut out, &method.input(), &route)?;
                paths.insert((path(&method), rust_type(&method.input())));
            }
        }
    }
    writeln!(out, "/// Every method that this build speaks, in the order of their paths.")?;
    writeln!(out, "pub static METHODS: &[&Method] = &[")?;
    for (_, request) in &paths {
        writeln!(out, "    <{request} as Rpc>::METHOD,")?;
    }
    writeln!(out, "];")?;
    for message in pool.all_messages().filter(has_secrets) {
        write_redacted_debug(&mut out, &message)?;
    }
    Ok(out)
}

fn write_rpc(
    out: &mut String,
    method: &MethodDescriptor,
    route: &Route,
) -> Result<(), Box<dyn Error>> {
    let (input, output) = (method.input(), method.output());
    let request = rust_type(&input);
    let request_id = input.fields().find(is_request_id);
    let idempotency = match (&*route.verb, &request_id) {
        ("get", _) => "Safe",
        (_, Some(_)) => "ByRequestId",
        (_, None) => "None",
    };
    let result = long_running(method)?;

    writeln!(out, "impl sealed::Sealed for {request} {{}}")?;
    writeln!(out, "impl Rpc for {request} {{")?;
    writeln!(out, "    type Response = {};", rust_type(&output))?;
    match &result {
        Some((t, m)) => writeln!(out, "    type Kind = LongRunningKind<{t}, {m}>;")?,
        None => writeln!(out, "    type Kind = UnaryKind;")?,
    }
    writeln!(
        out,
        "    const METHOD: &'static Method = &Method::new({:?}, {:?}, {:?}, Idempotency::{idempotency});",
        path(method),
        method.parent_service().full_name(),
        method.name(),
    )?;
    let mut steps = route.field.split('.').collect::<Vec<_>>();
    let last = steps.pop().expect("split yields at least one part");
    let holder =
        steps.first().map(|step| format!("self.{step}.as_ref().map_or(\"\", |m| &m.{last})"));
    let value = holder.unwrap_or_else(|| format!("&self.{last}"));
    writeln!(
        out,
        "    fn route(&self) -> (&'static str, &str) {{ ({:?}, {value}) }}",
        route.field
    )?;
    if let Some(field) = &request_id {
        writeln!(
            out,
            "    fn request_id(&self) -> Option<&str> {{ Some(&self.{}) }}",
            field.name()
        )?;
        writeln!(
            out,
            "    fn request_id_mut(&mut self) -> Option<&mut String> {{ Some(&mut self.{}) }}",
            field.name()
        )?;
    }
    writeln!(out, "    fn check(&self) -> Result<(), InvalidField> {{")?;
    for line in input.fields().filter_map(|field| check(&field, route)) {
        writeln!(out, "        {line}?;")?;
    }
    writeln!(out, "        Ok(())\n    }}\n}}")?;

    if let Some((t, m)) = result {
        writeln!(
            out,
            "impl LongRunning for {request} {{ type Output = {t}; type Metadata = {m}; }}"
        )?;
    }
    for (field, name) in [("filter", "Filtered"), ("order_by", "Ordered")] {
        if input.get_field_by_name(field).is_some() {
            writeln!(out, "impl {name} for {request} {{")?;
            writeln!(
                out,
                "    fn {field}_mut(&mut self) -> &mut String {{ &mut self.{field} }}\n}}"
            )?;
        }
    }
    write_paged(out, &request, &input, &output)
}

/// What a mask can name of the resource that an update request carries (a path goes through single
/// messages only, so there are few), what the service alone sets, what two of them differ in, and how
/// an update overwrites a field.
fn write_maskable(
    out: &mut String,
    input: &MessageDescriptor,
    route: &Route,
) -> Result<(), Box<dyn Error>> {
    let carrier = route.field.split_once('.').and_then(|(field, _)| input.get_field_by_name(field));
    let Some(Kind::Message(resource)) = carrier.map(|field| field.kind()) else { return Ok(()) };
    if input.get_field_by_name("update_mask").is_none() {
        return Ok(());
    }
    let mut paths = Vec::new();
    collect_paths(&resource, "", &mut paths);
    writeln!(out, "impl crate::livestream::mask::Maskable for {} {{", rust_type(&resource))?;
    writeln!(out, "    const PATHS: &'static [&'static str] = &{paths:?};")?;
    writeln!(out, "    fn clear_outputs(&mut self) {{\n        let m = self;")?;
    out.push_str(&clear_outputs(&resource));
    writeln!(out, "    }}\n    fn differing(&self, other: &Self) -> Vec<&'static str> {{")?;
    writeln!(out, "        let mut fields = Vec::new();")?;
    for field in resource.fields() {
        if field.containing_oneof().is_some() {
            return Err(format!("{}: a oneof cannot be compared yet", field.full_name()).into());
        }
        let (name, member) = (field.name(), member(&field));
        writeln!(out, "        if self.{member} != other.{member} {{ fields.push({name:?}); }}")?;
    }
    writeln!(out, "        fields\n    }}")?;
    writeln!(out, "    fn overwrite(&mut self, field: &str, from: &Self) -> bool {{")?;
    writeln!(out, "        match field {{")?;
    for field in resource.fields() {
        let (name, member) = (field.name(), member(&field));
        writeln!(out, "            {name:?} => self.{member}.clone_from(&from.{member}),")?;
    }
    writeln!(out, "            _ => return false,\n        }}\n        true\n    }}\n}}")?;
    Ok(())
}

/// Statements that clear what is `OUTPUT_ONLY` in a message `m`, at any depth.
fn clear_outputs(message: &MessageDescriptor) -> String {
    let mut out = String::new();
    for field in message.fields().filter(|field| field.containing_oneof().is_none()) {
        let member = member(&field);
        if behaves(&field, OUTPUT_ONLY) {
            out += &format!("        m.{member} = Default::default();\n");
        } else if let Kind::Message(inner) = field.kind()
            && !field.is_map()
            && inner.package_name() != "google.protobuf"
        {
            let inner = clear_outputs(&inner);
            if !inner.is_empty() {
                out += &format!("        for m in &mut m.{member} {{\n{inner}        }}\n");
            }
        }
    }
    out
}

/// The field's name in Rust.
fn member(field: &FieldDescriptor) -> String {
    if field.name() == "type" { "r#type".into() } else { field.name().into() }
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

fn write_paged(
    out: &mut String,
    request: &str,
    input: &MessageDescriptor,
    output: &MessageDescriptor,
) -> Result<(), Box<dyn Error>> {
    let asks =
        ["page_size", "page_token"].iter().all(|name| input.get_field_by_name(name).is_some());
    if !asks || output.get_field_by_name("next_page_token").is_none() {
        return Ok(());
    }
    let mut lists = output.fields().filter(|field| field.is_list());
    let items = lists
        .find(|field| matches!(field.kind(), Kind::Message(_)))
        .ok_or_else(|| format!("{} lists no messages", output.full_name()))?;
    let Kind::Message(item) = items.kind() else { unreachable!("found as a message above") };
    let unreachable = match output.get_field_by_name("unreachable") {
        Some(_) => "response.unreachable",
        None => "Vec::new()",
    };
    writeln!(
        out,
        "impl Paged for {request} {{
    type Item = {};
    fn page_size_mut(&mut self) -> &mut i32 {{ &mut self.page_size }}
    fn page_token_mut(&mut self) -> &mut String {{ &mut self.page_token }}
    fn page(response: Self::Response) -> Page<Self::Item> {{
        Page {{ items: response.{}, next_page_token: response.next_page_token, unreachable: {unreachable} }}
    }}
}}",
        rust_type(&item),
        items.name(),
    )?;
    Ok(())
}

/// The check that a request field must pass before anything is sent, where it has one.
fn check(field: &FieldDescriptor, route: &Route) -> Option<String> {
    let name = field.name();
    if let Kind::Message(message) = field.kind() {
        let routed = route.field.strip_prefix(name).is_some_and(|rest| rest == ".name");
        return match resource_type(&message) {
            Some(resource) if routed => Some(format!(
                "check::present({name:?}, self.{name}.is_some()).and_then(|()| check::name::<{}>({:?}, self.route().1))",
                name_type(&resource),
                route.field,
            )),
            _ => is_required(field)
                .then(|| format!("check::present({name:?}, self.{name}.is_some())")),
        };
    }
    let is_text = matches!(field.kind(), Kind::String) && !field.is_list();
    if name == "page_size" {
        return Some(format!("check::page_size({name:?}, self.{name})"));
    }
    if !is_text {
        return is_required(field)
            .then(|| format!("check::present({name:?}, !self.{name}.is_empty())"));
    }
    if is_request_id(field) {
        return Some(format!("check::request_id({name:?}, &self.{name})"));
    }
    if let Some((resource, is_child)) = reference(field) {
        let name_type = match is_child {
            true => parent_name_type(field.parent_message().parent_pool(), &resource),
            false => name_type(&resource),
        };
        return Some(format!("check::name::<{name_type}>({name:?}, &self.{name})"));
    }
    if is_required(field) && name.ends_with("_id") {
        return Some(format!("check::id({name:?}, &self.{name})"));
    }
    (is_required(field) || route.field == name)
        .then(|| format!("check::present({name:?}, !self.{name}.is_empty())"))
}

fn write_redacted_debug(
    out: &mut String,
    message: &MessageDescriptor,
) -> Result<(), Box<dyn Error>> {
    writeln!(out, "impl std::fmt::Debug for {} {{", rust_type(message))?;
    writeln!(out, "    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {{")?;
    writeln!(out, "        f.debug_struct({:?})", message.name())?;
    for field in message.fields() {
        let name = field.name();
        let value = match (is_secret(&field), field.kind()) {
            (true, _) => format!("Redacted::of(&self.{})", identifier(name)),
            (false, Kind::Enum(_)) => format!("self.{}()", identifier(name)),
            (false, _) => format!("self.{}", identifier(name)),
        };
        writeln!(out, "            .field({name:?}, &{value})")?;
    }
    writeln!(out, "            .finish()\n    }}\n}}")?;
    Ok(())
}

fn identifier(field: &str) -> String {
    if field == "type" { "r#type".into() } else { field.into() }
}

/// The verb and the one routed field of a method's `google.api.http` rule.
struct Route {
    verb: String,
    field: String,
}

impl Route {
    /// `None` for a method without a route: no service here serves it.
    fn of(method: &MethodDescriptor) -> Result<Option<Self>, Box<dyn Error>> {
        let Some(Value::Message(rule)) = extension(&method.options(), "google.api.http") else {
            return Ok(None);
        };
        let (verb, template) = ["get", "put", "post", "delete", "patch"]
            .into_iter()
            .find_map(|verb| Some((verb, text(&rule, verb).filter(|t| !t.is_empty())?)))
            .ok_or_else(|| format!("{}: the route has no verb", method.full_name()))?;
        let fields = template.split('{').skip(1).collect::<Vec<_>>();
        let [field] = fields[..] else {
            return Err(
                format!("{}: one routed field expected in {template}", method.full_name()).into()
            );
        };
        let end = field.find(['=', '}']).ok_or("a route's field has no end")?;
        Ok(Some(Self { verb: verb.into(), field: field[..end].into() }))
    }
}

/// The Rust types of the result and the metadata that `google.longrunning.operation_info` names.
fn long_running(method: &MethodDescriptor) -> Result<Option<(String, String)>, Box<dyn Error>> {
    let Some(Value::Message(info)) =
        extension(&method.options(), "google.longrunning.operation_info")
    else {
        return Ok(None);
    };
    let resolve = |field: &str| -> Result<String, Box<dyn Error>> {
        let name = text(&info, field).ok_or("operation_info is incomplete")?;
        let local = format!("{}.{name}", method.parent_service().package_name());
        let pool = method.parent_pool();
        let message = pool.get_message_by_name(&local).or_else(|| pool.get_message_by_name(&name));
        Ok(rust_type(&message.ok_or_else(|| format!("{}: no message {name}", method.full_name()))?))
    };
    Ok(Some((resolve("response_type")?, resolve("metadata_type")?)))
}

fn path(method: &MethodDescriptor) -> String {
    format!("/{}/{}", method.parent_service().full_name(), method.name())
}

fn rust_type(message: &MessageDescriptor) -> String {
    match message.full_name() {
        "google.protobuf.Empty" => "()".into(),
        full_name => format!("crate::proto::{}", full_name.replace('.', "::")),
    }
}

/// `livestream.googleapis.com/Channel` is a `crate::name::ChannelName`; other APIs of this crate
/// keep their names in a module of their own.
fn name_type(resource: &str) -> String {
    let (service, kind) = resource.split_once('/').expect("resource types are `service/Kind`");
    match service.split('.').next() {
        Some("visionai") => format!("crate::visionai::name::{kind}Name"),
        _ => format!("crate::name::{kind}Name"),
    }
}

/// The name type of what a resource is below, by their patterns.
fn parent_name_type(pool: &DescriptorPool, resource: &str) -> String {
    let parent = pattern(pool, resource).and_then(|pattern| {
        let (parent, _) = pattern.rsplit_once('/')?.0.rsplit_once('/')?;
        pool.all_messages()
            .filter_map(|message| resource_type(&message))
            .find(|candidate| pattern_is(pool, candidate, parent))
    });
    parent.map_or("crate::name::LocationName".to_owned(), |parent| name_type(&parent))
}

fn pattern_is(pool: &DescriptorPool, resource: &str, wanted: &str) -> bool {
    pattern(pool, resource).is_some_and(|pattern| pattern == wanted)
}

fn pattern(pool: &DescriptorPool, resource: &str) -> Option<String> {
    let message =
        pool.all_messages().find(|message| resource_type(message).as_deref() == Some(resource))?;
    let Value::Message(annotation) = extension(&message.options(), "google.api.resource")? else {
        return None;
    };
    let patterns = annotation.get_field_by_name("pattern")?.into_owned();
    Some(patterns.as_list()?.first()?.as_str()?.to_owned())
}

fn is_required(field: &FieldDescriptor) -> bool {
    behaves(field, REQUIRED)
}

/// Whether a field is annotated with this value of `google.api.field_behavior`.
fn behaves(field: &FieldDescriptor, behaviour: i32) -> bool {
    match extension(&field.options(), "google.api.field_behavior") {
        Some(Value::List(behaviours)) => behaviours.contains(&Value::EnumNumber(behaviour)),
        _ => false,
    }
}

/// AIP-155 gives the field its name; not every one is also annotated as a UUID.
fn is_request_id(field: &FieldDescriptor) -> bool {
    field.name() == "request_id"
}

/// The resource type that a field refers to, and whether it is that of the field's children.
fn reference(field: &FieldDescriptor) -> Option<(String, bool)> {
    let Some(Value::Message(to)) = extension(&field.options(), "google.api.resource_reference")
    else {
        return None;
    };
    let of = |name| text(&to, name).filter(|t| !t.is_empty());
    of("type").map(|own| (own, false)).or_else(|| of("child_type").map(|child| (child, true)))
}

fn resource_type(message: &MessageDescriptor) -> Option<String> {
    let Some(Value::Message(resource)) = extension(&message.options(), "google.api.resource")
    else {
        return None;
    };
    text(&resource, "type")
}

/// Whether a field of the message is marked `debug_redact`: its `Debug` is written by `facts`.
fn has_secrets(message: &MessageDescriptor) -> bool {
    message.fields().any(|field| is_secret(&field))
}

fn is_secret(field: &FieldDescriptor) -> bool {
    field.options().get_field_by_name("debug_redact").as_deref() == Some(&Value::Bool(true))
}

fn extension(options: &DynamicMessage, name: &str) -> Option<Value> {
    let extension = options.descriptor().parent_pool().get_extension_by_name(name)?;
    options.has_extension(&extension).then(|| options.get_extension(&extension).into_owned())
}

fn text(message: &DynamicMessage, field: &str) -> Option<String> {
    Some(message.get_field_by_name(field)?.as_str()?.to_owned())
}
