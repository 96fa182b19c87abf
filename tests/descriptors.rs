//! The compiled service definitions against the fact tables in `tests/data`.
//!
//! The wire format depends on these numbers and names, which were all typed by hand. The tests
//! write the descriptors as JSON in the shape of the tables and compare the two: anything missing,
//! different or extra is reported by its path.

#![allow(clippy::unwrap_used)]

use livestream_client::proto::FILE_DESCRIPTOR_SET;
use prost::Message as _;
use prost_reflect::{
    Cardinality, DescriptorPool, DynamicMessage, EnumDescriptor, ExtensionDescriptor,
    FieldDescriptor, FileDescriptor, Kind, MessageDescriptor, MethodDescriptor, ServiceDescriptor,
    Value as Reflected,
};
use prost_types::FileDescriptorSet;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The tables of the APIs that are compiled in, one line each.
const APIS: &[&str] = &[
    include_str!("data/livestream_v1.json"),
    include_str!("data/visionai_v1_streams.json"),
    include_str!("data/longrunning.json"),
    include_str!("data/location.json"),
];

/// Their annotations, and the small types that they share.
const ANNOTATIONS: &str = include_str!("data/annotations.json");

/// The packages that are this project's own design: there are no facts to compare them with, but
/// their comments count.
const OURS: &str = "volcengine.";

/// The declarations of each file, including APIs that are not compiled in.
const FILES: &str = include_str!("data/files.json");

#[test]
fn every_descriptor_matches_the_fact_tables() {
    let differences = differences(&expected(), &found(&pool()));
    assert!(differences.is_empty(), "\n{}\n", differences.join("\n"));
}

#[test]
fn a_changed_fact_is_reported_by_its_path() {
    const API: &str = "apis/google.cloud.video.livestream.v1";
    const CHANNEL: &str = "messages/google.cloud.video.livestream.v1.Channel";
    const METHODS: &str = "services/google.cloud.video.livestream.v1.LivestreamService/methods";
    let api = |place: &str, rest: &str| format!("{API}/{place}{rest}");
    let client = "annotations/google~1api~1client.proto/extensions/oauth_scopes".to_owned();
    let locations = "files/google~1cloud~1location~1locations.proto".to_owned();

    // The place, the key, its new value (`None` drops it), and the report.
    let cases = [
        (api(CHANNEL, "/fields"), "output", None, "missing"),
        (api(CHANNEL, "/fields"), "surplus", Some(json!({})), "not in the tables: {}"),
        (api(CHANNEL, "/fields/output"), "number", Some(json!(99)), "9 expected, 99 found"),
        (api(CHANNEL, "/fields/output"), "oneof", Some(json!("o")), "not in the tables: \"o\""),
        (
            api(CHANNEL, "/fields/name"),
            "type",
            Some(json!("a")),
            "\"string\" expected, \"a\" found",
        ),
        (api(CHANNEL, "/resource"), "pattern", None, "missing"),
        (api(CHANNEL, ".StreamingState/enum"), "PAUSED", Some(json!(9)), "not in the tables: 9"),
        (api(CHANNEL, ".StreamingState/enum"), "STOPPED", None, "missing"),
        (api(METHODS, ""), "StopChannel", None, "missing"),
        (api(METHODS, "/CreateClip"), "lro", None, "missing"),
        (api(METHODS, "/GetClip/http"), "verb", Some(json!("a")), "\"get\" expected, \"a\" found"),
        (client, "number", Some(json!(1)), "1050 expected, 1 found"),
        (locations, "enums", Some(json!(["E"])), "[] expected, [\"E\"] found"),
    ];
    let intact = found(&pool());
    for (place, key, value, report) in cases {
        let mut strayed = intact.clone();
        let target = strayed.pointer_mut(&format!("/{place}")).and_then(Value::as_object_mut);
        let target = target.unwrap_or_else(|| panic!("nothing at {place}"));
        match value {
            Some(value) => target.insert(key.into(), value),
            None => target.remove(key),
        };
        let place = place.replace("~1", "/");
        assert_eq!(differences(&expected(), &strayed), [format!("{place}/{key}: {report}")]);
    }
}

#[test]
fn descriptors_are_small_and_without_source_info() {
    assert!(FILE_DESCRIPTOR_SET.len() < 100_000, "{} bytes", FILE_DESCRIPTOR_SET.len());
    let set = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
    let with_source = set.file.iter().filter(|file| file.source_code_info.is_some());
    assert_eq!(with_source.map(|file| file.name()).collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn every_proto_item_has_a_comment() {
    let faults = comment_faults(&commented_pool());
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn a_proto_item_without_a_proper_comment_is_reported() {
    let pool = commented_pool();
    let channel = pool.get_message_by_name("google.cloud.video.livestream.v1.Channel").unwrap();
    let intact = comment_faults(&pool);
    for (comment, fault) in [
        (None, "no comment"),
        (Some(" TODO: say what a channel is.\n"), "still to be written"),
        (Some(" Channel.\n"), "too short"),
    ] {
        let mut set = FileDescriptorSet::decode(&*pool.encode_to_vec()).unwrap();
        let file = set.file.iter_mut().find(|f| f.name() == channel.parent_file().name()).unwrap();
        let source = file.source_code_info.as_mut().expect("the set has source info");
        let place = source.location.iter_mut().find(|l| l.path == channel.path()).unwrap();
        place.leading_comments = comment.map(str::to_owned);
        let pool = DescriptorPool::from_file_descriptor_set(set).unwrap();
        let mut faults = comment_faults(&pool);
        faults.retain(|fault| !intact.contains(fault));
        assert_eq!(faults, [format!("{}: {fault}", channel.full_name())]);
    }
}

fn pool() -> DescriptorPool {
    DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap()
}

/// The same with all comments, which the build keeps out of the descriptors of the crate.
fn commented_pool() -> DescriptorPool {
    const COMMENTED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/commented.bin"));
    DescriptorPool::decode(COMMENTED).unwrap()
}

/// The tables, as one.
fn expected() -> Value {
    let parse = |text| serde_json::from_str::<Value>(text).unwrap();
    let mut apis = APIS
        .iter()
        .map(|text| parse(text))
        .map(|api| (api["package"].as_str().unwrap().to_owned(), api))
        .collect::<Map<_, _>>();
    // The only extension of an API has no place in the shape of its table.
    apis["google.longrunning"]["extensions"] = json!({"operation_info": {
        "number": 1049,
        "extends": "google.protobuf.MethodOptions",
        "type": "google.longrunning.OperationInfo",
    }});

    // Resources that every API shares; these definitions are ours, not the API's.
    apis["google.cloud.location"]["resource_definitions"] = json!({
        "cloudresourcemanager.googleapis.com/Project": ["projects/{project}"],
        "locations.googleapis.com/Location": ["projects/{project}/locations/{location}"],
    });
    apis["google.longrunning"]["resource_definitions"] = json!({
        "longrunning.googleapis.com/Operation":
            ["projects/{project}/locations/{location}/operations/{operation}"],
    });

    let Value::Object(mut files) = parse(FILES) else { panic!("files by path") };
    files.retain(|file, _| {
        let (package, _) = file.rsplit_once('/').unwrap();
        apis.contains_key(&package.replace('/', "."))
    });
    for file in ["google/cloud/location/locations.proto", "google/longrunning/operations.proto"] {
        files[file]["imports"].as_array_mut().unwrap().push("google/api/resource.proto".into());
    }
    // The order of declarations and imports does not matter.
    for names in files.values_mut().flat_map(|file| file.as_object_mut().unwrap().values_mut()) {
        names.as_array_mut().unwrap().sort_by(|a, b| a.as_str().cmp(&b.as_str()));
    }
    json!({"apis": apis, "annotations": parse(ANNOTATIONS), "files": files})
}

/// The descriptors in the shape of the tables.
fn found(pool: &DescriptorPool) -> Value {
    let known = expected();
    let (mut apis, mut annotations, mut files) = (json!({}), json!({}), Map::new());
    for file in own_files(pool) {
        let package = file.package_name();
        if package.starts_with(OURS) {
            continue;
        }
        if known["apis"].get(package).is_some() {
            add_api(&mut apis[package], &file);
            files.insert(file.name().to_owned(), declarations(&file));
        } else {
            let mut messages = Map::new();
            add_messages(&mut messages, file.messages(), file.enums());
            annotations[file.name()] = json!({
                "package": package,
                "extensions": extensions(&file),
                "messages": messages,
            });
        }
    }
    json!({"apis": apis, "annotations": annotations, "files": files})
}

fn own_files(pool: &DescriptorPool) -> impl Iterator<Item = FileDescriptor> + '_ {
    pool.files().filter(|file| file.package_name() != "google.protobuf")
}

fn add_api(api: &mut Value, file: &FileDescriptor) {
    if api.is_null() {
        *api = json!({"package": file.package_name(), "services": {}, "messages": {}});
    }
    for service in file.services() {
        api["services"][service.full_name()] = service_facts(&service);
    }
    add_messages(api["messages"].as_object_mut().unwrap(), file.messages(), file.enums());
    for (name, extension) in extensions(file) {
        api["extensions"][name] = extension;
    }
    let mut options = Options::of(file.options());
    for resource in options.take("google.api.resource_definition").as_array().into_iter().flatten()
    {
        let resource = resource.as_object().unwrap().clone();
        let (Some(name), Some(patterns), 2) =
            (resource["type"].as_str(), resource.get("pattern"), resource.len())
        else {
            panic!("more than a type and patterns: {resource:?}")
        };
        api["resource_definitions"][name] = patterns.clone();
    }
    options.leave(api);
}

fn declarations(file: &FileDescriptor) -> Value {
    let sorted = |mut names: Vec<String>| {
        names.sort();
        names
    };
    json!({
        "messages": sorted(file.messages().map(|m| m.name().into()).collect()),
        "enums": sorted(file.enums().map(|e| e.name().into()).collect()),
        "services": sorted(file.services().map(|s| s.name().into()).collect()),
        "imports": sorted(file.dependencies().map(|f| f.name().into()).collect()),
    })
}

fn extensions(file: &FileDescriptor) -> Map<String, Value> {
    let facts = |extension: ExtensionDescriptor| {
        let facts = json!({
            "number": extension.number(),
            "extends": extension.containing_message().full_name(),
            "type": typed(&extension.kind(), extension.cardinality()),
        });
        (extension.name().to_owned(), facts)
    };
    file.extensions().map(facts).collect()
}

fn service_facts(service: &ServiceDescriptor) -> Value {
    let mut options = Options::of(service.options());
    let host = options.take("google.api.default_host");
    let scopes = options.take("google.api.oauth_scopes");
    let scopes = scopes.as_str().unwrap_or_default().split(',').collect::<Vec<_>>();
    let methods = service.methods().map(|m| (m.name().to_owned(), method_facts(&m)));
    let methods = methods.collect::<Map<_, _>>();
    let mut facts = json!({"host": host, "scopes": scopes, "methods": methods});
    options.leave(&mut facts);
    facts
}

fn method_facts(method: &MethodDescriptor) -> Value {
    let stream = |streams| if streams { "stream " } else { "" };
    let (input, output) = (method.input(), method.output());
    let mut facts = json!({
        "request": format!("{}{}", stream(method.is_client_streaming()), input.full_name()),
        "response": format!("{}{}", stream(method.is_server_streaming()), output.full_name()),
    });
    let mut options = Options::of(method.options());
    if let Value::Object(rule) = options.take("google.api.http") {
        facts["http"] = json!({"body": ""});
        for (key, value) in rule {
            if ["get", "put", "post", "delete", "patch"].contains(&&*key) {
                facts["http"]["verb"] = json!(key);
                facts["http"]["path"] = value;
            } else {
                facts["http"][key] = value;
            }
        }
    }
    if let Value::Object(info) = options.take("google.longrunning.operation_info") {
        for (key, value) in info {
            facts["lro"][key.trim_end_matches("_type")] = value;
        }
    }
    options.move_to(&mut facts, "google.api.method_signature", "signatures");
    options.leave(&mut facts);
    facts
}

/// Adds messages and enums by their full names, nested ones too.
fn add_messages(
    into: &mut Map<String, Value>,
    messages: impl Iterator<Item = MessageDescriptor>,
    enums: impl Iterator<Item = EnumDescriptor>,
) {
    for item in enums {
        let values = item.values().map(|v| (v.name().to_owned(), json!(v.number())));
        let mut facts = json!({"enum": values.collect::<Map<_, _>>()});
        Options::of(item.options()).leave(&mut facts);
        into.insert(item.full_name().into(), facts);
    }
    for message in messages.filter(|message| !message.is_map_entry()) {
        let fields = message.fields().map(|f| (f.name().to_owned(), field_facts(&f)));
        let mut facts = json!({"fields": fields.collect::<Map<_, _>>()});
        let mut options = Options::of(message.options());
        options.move_to(&mut facts, "google.api.resource", "resource");
        options.leave(&mut facts);
        into.insert(message.full_name().into(), facts);
        add_messages(into, message.child_messages(), message.child_enums());
    }
}

fn field_facts(field: &FieldDescriptor) -> Value {
    let kind = match field.kind() {
        Kind::Message(entry) if entry.is_map_entry() => {
            let (key, value) = (entry.map_entry_key_field(), entry.map_entry_value_field());
            format!("map<{},{}>", type_name(&key.kind()), type_name(&value.kind()))
        }
        _ if field.field_descriptor_proto().proto3_optional() => {
            format!("optional {}", type_name(&field.kind()))
        }
        kind => typed(&kind, field.cardinality()),
    };
    let mut facts = json!({"number": field.number(), "type": kind});
    if let Some(oneof) = field.containing_oneof() {
        facts["oneof"] = json!(oneof.name());
    }
    let mut options = Options::of(field.options());
    options.move_to(&mut facts, "google.api.field_behavior", "behavior");
    if let Value::Object(reference) = options.take("google.api.resource_reference") {
        for (key, value) in reference {
            let name = if key == "type" { "refers_to" } else { "refers_to_child" };
            facts[name] = value;
        }
    }
    if let Value::Object(info) = options.take("google.api.field_info") {
        for (key, value) in info {
            facts[key] = value;
        }
    }
    // This option is the crate's own, not the API's: it keeps secrets out of `Debug`.
    options.take("debug_redact");
    options.leave(&mut facts);
    facts
}

fn typed(kind: &Kind, cardinality: Cardinality) -> String {
    match cardinality {
        Cardinality::Repeated => format!("repeated {}", type_name(kind)),
        Cardinality::Required => format!("required {}", type_name(kind)),
        Cardinality::Optional => type_name(kind),
    }
}

fn type_name(kind: &Kind) -> String {
    match kind {
        Kind::Message(message) => message.full_name().into(),
        Kind::Enum(item) => item.full_name().into(),
        scalar => format!("{scalar:?}").to_lowercase(),
    }
}

/// The options of an item, which are taken one by one. The tables do not know the rest.
struct Options(BTreeMap<String, Value>);

impl Options {
    fn of(options: DynamicMessage) -> Self {
        let own = options.fields().map(|(f, v)| (f.name().to_owned(), to_json(v, &f.kind())));
        let extensions =
            options.extensions().map(|(e, v)| (e.full_name().to_owned(), to_json(v, &e.kind())));
        Self(own.chain(extensions).collect())
    }

    fn take(&mut self, name: &str) -> Value {
        self.0.remove(name).unwrap_or_default()
    }

    fn move_to(&mut self, facts: &mut Value, name: &str, key: &str) {
        if let Some(value) = self.0.remove(name) {
            facts[key] = value;
        }
    }

    /// Adds the rest to the facts, so that it shows as a difference.
    fn leave(self, facts: &mut Value) {
        if !self.0.is_empty() {
            facts["options"] = json!(self.0);
        }
    }
}

fn to_json(value: &Reflected, kind: &Kind) -> Value {
    match (value, kind) {
        (Reflected::Bool(value), _) => json!(value),
        (Reflected::I32(value), _) => json!(value),
        (Reflected::String(value), _) => json!(value),
        (Reflected::EnumNumber(number), Kind::Enum(item)) => {
            json!(item.get_value(*number).expect("a declared value").name())
        }
        (Reflected::List(values), _) => values.iter().map(|value| to_json(value, kind)).collect(),
        (Reflected::Message(message), _) => {
            let fields =
                message.fields().map(|(f, v)| (f.name().to_owned(), to_json(v, &f.kind())));
            fields.collect()
        }
        _ => panic!("no annotation here has a {value:?}"),
    }
}

/// All places where two trees differ, each as `path: what`.
fn differences(expected: &Value, found: &Value) -> Vec<String> {
    fn compare(at: &str, expected: Option<&Value>, found: Option<&Value>, out: &mut Vec<String>) {
        match (expected, found) {
            (Some(Value::Object(expected)), Some(Value::Object(found))) => {
                for key in expected.keys().chain(found.keys()).collect::<BTreeSet<_>>() {
                    let at = if at.is_empty() { key.clone() } else { format!("{at}/{key}") };
                    compare(&at, expected.get(key), found.get(key), out);
                }
            }
            (Some(expected), Some(found)) if expected == found => {}
            (Some(expected), Some(found)) => {
                out.push(format!("{at}: {expected} expected, {found} found"))
            }
            (Some(_), None) => out.push(format!("{at}: missing")),
            (None, Some(found)) => out.push(format!("{at}: not in the tables: {found}")),
            (None, None) => unreachable!("a key of one of the two"),
        }
    }
    let mut out = Vec::new();
    compare("", Some(expected), Some(found), &mut out);
    out
}

/// The items without a proper leading comment.
fn comment_faults(pool: &DescriptorPool) -> Vec<String> {
    let mut faults = Vec::new();
    for file in own_files(pool) {
        let source = file.file_descriptor_proto().source_code_info.clone().unwrap_or_default();
        let comments = source.location.into_iter();
        let comments = comments.map(|l| (l.path, l.leading_comments.unwrap_or_default()));
        let comments = comments.collect::<BTreeMap<Vec<i32>, String>>();
        for (path, name) in items(&file) {
            let comment = comments.get(&path).map_or("", |comment| comment.trim());
            let fault = match comment {
                "" => "no comment",
                _ if comment.contains("TODO") => "still to be written",
                _ if comment.chars().count() < 10 => "too short",
                _ => continue,
            };
            faults.push(format!("{name}: {fault}"));
        }
    }
    faults
}

/// Every documented item of a file: its place in the source, and its full name.
fn items(file: &FileDescriptor) -> Vec<(Vec<i32>, String)> {
    macro_rules! item {
        ($item:expr) => {
            ($item.path().to_vec(), $item.full_name().to_owned())
        };
    }
    fn of_enum(item: EnumDescriptor) -> Vec<(Vec<i32>, String)> {
        [item!(item)].into_iter().chain(item.values().map(|value| item!(value))).collect()
    }
    fn of_message(message: MessageDescriptor) -> Vec<(Vec<i32>, String)> {
        let mut out = vec![item!(message)];
        out.extend(message.fields().map(|field| item!(field)));
        out.extend(message.oneofs().filter(|o| !o.is_synthetic()).map(|oneof| item!(oneof)));
        out.extend(message.child_enums().flat_map(of_enum));
        let nested = message.child_messages().filter(|nested| !nested.is_map_entry());
        out.extend(nested.flat_map(of_message));
        out
    }
    let mut out = Vec::new();
    for service in file.services() {
        out.push(item!(service));
        out.extend(service.methods().map(|method| item!(method)));
    }
    out.extend(file.messages().flat_map(of_message));
    out.extend(file.enums().flat_map(of_enum));
    out.extend(file.extensions().map(|extension| item!(extension)));
    out
}
