//! The facts that the build reads from the annotations of every request, compared with the fact
//! tables.
//!
//! The tables describe each field, so the tests derive from them a valid request of every type and
//! the requests with one invalid field.

#![allow(clippy::unwrap_used)]

use livestream_client::{
    methods::METHODS,
    model::{self, *},
    proto::{
        FILE_DESCRIPTOR_SET,
        google::{cloud::location::*, longrunning::*},
    },
    rpc::{Filtered, Idempotency, LongRunning, Ordered, Paged, Rpc, UnaryKind},
    visionai::model as vision,
};
use prost::Name;
use prost_reflect::{DescriptorPool, DynamicMessage, Value as Field};
use serde_json::{Map, Value};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

macro_rules! for_each {
    ($apply:ident: $($request:ty),* $(,)?) => { BTreeSet::from([$($apply::<$request>(),)*]) };
}
macro_rules! for_each_unary {
    ($apply:ident) => {
        &for_each!($apply: PreviewInputRequest, CreateEventRequest, DeleteEventRequest,
            GetChannelRequest, GetInputRequest, GetEventRequest, GetClipRequest,
            GetDvrSessionRequest, GetAssetRequest, GetPoolRequest, GetLocationRequest,
            GetOperationRequest, DeleteOperationRequest, CancelOperationRequest,
            vision::GetClusterRequest, vision::GetStreamRequest, vision::GetEventRequest,
            vision::GetSeriesRequest, vision::GenerateStreamHlsTokenRequest)
            | &for_each_paged!($apply)
    };
}
macro_rules! for_each_long_running {
    ($apply:ident) => {
        for_each!($apply: CreateChannelRequest, UpdateChannelRequest, DeleteChannelRequest,
            StartChannelRequest, StopChannelRequest, StartDistributionRequest,
            StopDistributionRequest, CreateInputRequest, UpdateInputRequest, DeleteInputRequest,
            CreateClipRequest, DeleteClipRequest, CreateDvrSessionRequest, UpdateDvrSessionRequest,
            DeleteDvrSessionRequest, CreateAssetRequest, DeleteAssetRequest, UpdatePoolRequest,
            vision::CreateClusterRequest, vision::UpdateClusterRequest,
            vision::DeleteClusterRequest, vision::CreateStreamRequest, vision::UpdateStreamRequest,
            vision::DeleteStreamRequest, vision::GetStreamThumbnailRequest,
            vision::CreateEventRequest, vision::UpdateEventRequest, vision::DeleteEventRequest,
            vision::CreateSeriesRequest, vision::UpdateSeriesRequest, vision::DeleteSeriesRequest,
            vision::MaterializeChannelRequest)
    };
}
macro_rules! for_each_ordered {
    ($apply:ident) => {
        for_each!($apply: ListChannelsRequest, ListInputsRequest, ListEventsRequest,
            ListClipsRequest, ListDvrSessionsRequest, ListAssetsRequest, vision::ListClustersRequest,
            vision::ListStreamsRequest, vision::ListEventsRequest, vision::ListSeriesRequest)
    };
}
macro_rules! for_each_paged {
    ($apply:ident) => {
        &for_each_ordered!($apply) | &for_each!($apply: ListLocationsRequest, ListOperationsRequest)
    };
}
macro_rules! for_every_request {
    ($apply:ident) => {
        &for_each_unary!($apply) | &for_each_long_running!($apply)
    };
}

static POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap());

/// The facts of the tables about one method.
struct Fact {
    path: String,
    /// The fields of the request.
    fields: Map<String, Value>,
    response: String,
    verb: String,
    /// The field in the braces of the HTTP route.
    route: String,
    /// The full names of the operation's result and metadata.
    result: Option<(String, String)>,
}

/// The routed methods of all tables by the full names of their requests.
static FACTS: LazyLock<BTreeMap<String, Fact>> = LazyLock::new(|| {
    let mut facts = BTreeMap::new();
    for table in &*TABLES {
        let package = text(&table["package"]);
        let full = |name: &Value| match text(name) {
            name if name.contains('.') => name,
            name => format!("{package}.{name}"),
        };
        for (service, methods) in table["services"].as_object().unwrap() {
            for (name, method) in methods["methods"].as_object().unwrap() {
                let Some(http) = method.get("http") else { continue };
                let (_, variable) = http["path"].as_str().unwrap().split_once('{').unwrap();
                let request = text(&method["request"]);
                let fact = Fact {
                    path: format!("/{service}/{name}"),
                    fields: table["messages"][&request]["fields"].as_object().unwrap().clone(),
                    response: text(&method["response"]),
                    verb: text(&http["verb"]),
                    route: variable.split(['=', '}']).next().unwrap().into(),
                    result: method
                        .get("lro")
                        .map(|lro| (full(&lro["response"]), full(&lro["metadata"]))),
                };
                facts.insert(request, fact);
            }
        }
    }
    facts
});

static TABLES: LazyLock<Vec<Value>> = LazyLock::new(|| {
    let tables = [
        include_str!("data/livestream_v1.json"),
        include_str!("data/visionai_v1_streams.json"),
        include_str!("data/longrunning.json"),
        include_str!("data/location.json"),
    ];
    tables.map(|table| serde_json::from_str(table).unwrap()).into()
});

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

impl Fact {
    fn of<R: Name>() -> &'static Self {
        &FACTS[&R::full_name()]
    }

    fn idempotency(&self) -> Idempotency {
        match (&*self.verb, self.fields.contains_key("request_id")) {
            ("get", _) => Idempotency::Safe,
            (_, true) => Idempotency::ByRequestId,
            (_, false) => Idempotency::None,
        }
    }
}

#[test]
fn the_method_table_holds_every_method_in_order() {
    let paths = METHODS.iter().map(|method| method.path()).collect::<Vec<_>>();
    assert_eq!(paths.len(), 63);
    assert!(paths.is_sorted_by(|a, b| a < b), "{paths:?}");
    let expected = FACTS.values().map(|fact| &*fact.path).collect::<BTreeSet<_>>();
    assert_eq!(BTreeSet::from_iter(paths), expected);
}

#[test]
fn methods_are_found_only_by_their_full_paths() {
    for method in METHODS {
        let path = method.path();
        assert_eq!(livestream_client::methods::of_path(path), Some(*method));
        assert_eq!(path, format!("/{}/{}", method.service(), method.name()));
        assert_eq!(method.to_string(), method.name());
        for other in
            [&path[1..], &path[..path.len() - 1], &format!("{path}/"), &path.to_lowercase()]
        {
            assert_eq!(livestream_client::methods::of_path(other), None, "{other}");
        }
    }
    for unknown in ["", "/", "/google.longrunning.Operations/WaitOperation", "/a.B/C"] {
        assert_eq!(livestream_client::methods::of_path(unknown), None, "{unknown}");
    }
}

#[test]
fn every_request_knows_its_method() {
    fn check<R: Rpc<Response: Name> + Name>() -> String {
        let fact = Fact::of::<R>();
        assert_eq!(R::METHOD.path(), fact.path);
        assert_eq!(R::METHOD.idempotency(), fact.idempotency(), "{}", fact.path);
        assert_eq!(R::Response::full_name(), fact.response, "{}", fact.path);
        R::full_name()
    }
    let requests = for_every_request!(check);
    assert_eq!(requests, FACTS.keys().cloned().collect());
}

#[test]
fn mutations_without_request_id_are_listed_by_name() {
    let of = |class| METHODS.iter().filter(move |m| m.idempotency() == class).map(|m| m.name());
    let unkeyed = of(Idempotency::None).collect::<Vec<_>>();
    assert_eq!(
        unkeyed,
        ["PreviewInput", "GenerateStreamHlsToken", "CancelOperation", "DeleteOperation"]
    );
    assert_eq!(of(Idempotency::ByRequestId).count(), 34);
    assert!(of(Idempotency::Safe).all(|name| name.starts_with("Get") || name.starts_with("List")));
}

#[test]
fn every_request_is_routed_by_the_field_of_its_http_rule() {
    fn check<R: Rpc + Name>() -> String {
        let fact = Fact::of::<R>();
        let request = good::<R>().transcode_to::<R>().unwrap();
        assert_eq!(R::default().route(), (&*fact.route, ""), "sent even where it is empty");
        let (field, value) = request.route();
        assert_eq!(field, fact.route);
        assert_eq!(value, good_name::<R>(), "{}", fact.path);
        R::full_name()
    }
    assert_eq!(for_every_request!(check).len(), FACTS.len());
}

#[test]
fn exactly_the_keyed_requests_have_a_request_id() {
    fn check<R: Rpc + Name>() -> (String, bool) {
        let mut request = R::default();
        let is_keyed = match request.request_id_mut() {
            Some(id) => {
                id.push_str("some-id");
                true
            }
            None => false,
        };
        assert_eq!(request.request_id(), is_keyed.then_some("some-id"));
        assert_eq!(
            is_keyed,
            Fact::of::<R>().idempotency() == Idempotency::ByRequestId,
            "{}",
            R::full_name()
        );
        (R::full_name(), is_keyed)
    }
    assert_eq!(for_every_request!(check).len(), FACTS.len());
}

#[test]
fn operation_types_match_the_tables() {
    fn long_running<R: LongRunning + Name>() -> String {
        let result = (R::Output::full_name(), R::Metadata::full_name());
        assert_eq!(Some(result), Fact::of::<R>().result, "{}", R::full_name());
        R::full_name()
    }
    fn unary<R: Rpc<Kind = UnaryKind> + Name>() -> String {
        assert_eq!(Fact::of::<R>().result, None, "{}", R::full_name());
        R::full_name()
    }
    assert_eq!(for_each_long_running!(long_running).len(), 32);
    assert_eq!(for_each_unary!(unary).len(), 31);
}

#[test]
fn paged_requests_and_responses_keep_items_page_token_and_unreachable() {
    fn check<R: Paged<Response: Name, Item: Name + PartialEq> + Name>() -> String {
        let mut request = R::default();
        *request.page_size_mut() = 7;
        *request.page_token_mut() = "next".into();
        let sent = as_dynamic(&R::full_name(), &request);
        assert_eq!(*sent.get_field_by_name("page_size").unwrap(), Field::I32(7));
        assert_eq!(*sent.get_field_by_name("page_token").unwrap(), Field::String("next".into()));

        let descriptor = POOL.get_message_by_name(&R::Response::full_name()).unwrap();
        let items = descriptor.get_field(1).unwrap();
        let item = POOL.get_message_by_name(&R::Item::full_name()).unwrap();
        let items_field = Field::List(vec![Field::Message(DynamicMessage::new(item)); 2]);
        let mut response = DynamicMessage::new(descriptor.clone());
        response.set_field(&items, items_field);
        response.set_field_by_name("next_page_token", Field::String("more".into()));
        let unreachable = descriptor.get_field_by_name("unreachable");
        if let Some(field) = &unreachable {
            response.set_field(field, Field::List(vec![Field::String("eu".into())]));
        }
        let page = R::page(response.transcode_to().unwrap());
        assert_eq!(page.items.len(), 2);
        assert_eq!(page.next_page_token, "more");
        assert_eq!(page.unreachable, unreachable.map_or(vec![], |_| vec!["eu".to_owned()]));
        R::full_name()
    }
    let is_paged = |fact: &Fact| fact.fields.contains_key("page_size");
    let paged = FACTS.iter().filter(|(_, fact)| is_paged(fact)).map(|(name, _)| name.clone());
    assert_eq!(for_each_paged!(check), paged.collect());
}

#[test]
fn listings_set_their_filter_and_order_by_fields() {
    fn filtered<R: Filtered + Name>() -> String {
        let mut request = R::default();
        request.filter_mut().push_str("a=b");
        let sent = as_dynamic(&R::full_name(), &request);
        assert_eq!(*sent.get_field_by_name("filter").unwrap(), Field::String("a=b".into()));
        R::full_name()
    }
    fn ordered<R: Ordered + Name>() -> String {
        let mut request = R::default();
        request.order_by_mut().push_str("name");
        let sent = as_dynamic(&R::full_name(), &request);
        assert_eq!(*sent.get_field_by_name("order_by").unwrap(), Field::String("name".into()));
        R::full_name()
    }
    let with = |field| {
        let with = FACTS.iter().filter(move |(_, fact)| fact.fields.contains_key(field));
        with.map(|(name, _)| name.clone()).collect::<BTreeSet<_>>()
    };
    assert_eq!(for_each_paged!(filtered), with("filter"));
    assert_eq!(for_each_ordered!(ordered), with("order_by"));
}

#[test]
fn valid_requests_pass_the_check() {
    fn check<R: Rpc + Name>() -> String {
        let request = good::<R>();
        assert_eq!(request.transcode_to::<R>().unwrap().check(), Ok(()), "{request}");
        for project in ["123456789012", "example.com:proj"] {
            let name = good_name::<R>().replace("my-project", project);
            let request = with_name::<R>(&name);
            assert_eq!(request.transcode_to::<R>().unwrap().check(), Ok(()), "{request}");
        }
        R::full_name()
    }
    assert_eq!(for_every_request!(check).len(), FACTS.len());
}

#[test]
fn an_invalid_field_is_refused_by_its_path() {
    fn check<R: Rpc + Name>() -> String {
        for (field, request, reason) in spoilt::<R>() {
            let refusal = request.transcode_to::<R>().unwrap().check();
            let refusal = refusal.expect_err(&format!("{}: {field} {reason}", R::full_name()));
            assert_eq!(refusal.field(), field, "{refusal}");
            assert!(refusal.reason().contains(reason), "{refusal}\ndoes not say {reason:?}");
            assert_eq!(refusal.to_string(), format!("`{field}` {}", refusal.reason()));
        }
        R::full_name()
    }
    assert_eq!(for_every_request!(check).len(), FACTS.len());
}

#[test]
fn debug_redacts_secrets() {
    let preview = PreviewInputResponse { uri: "u".into(), bearer_token: "hunter2".into() };
    let rtmp = RtmpPushOutputEndpoint { uri: "u".into(), stream_key: "hunter2".into() };
    let distribution = Distribution {
        endpoint: Some(model::distribution::Endpoint::RtmpPush(rtmp.clone())),
        ..Default::default()
    };
    let token = "hunter2".to_owned();
    let playback = vision::GenerateStreamHlsTokenResponse { token, expiration_time: None };
    for shown in [
        format!("{preview:?}"),
        format!("{rtmp:?}"),
        format!("{distribution:#?}"),
        format!("{playback:?}"),
    ] {
        assert!(shown.contains("[redacted]") && !shown.contains("hunter2"), "{shown}");
    }
    let empty = format!("{:?}", PreviewInputResponse::default());
    assert_eq!(empty, "PreviewInputResponse { uri: \"\", bearer_token: \"\" }");
}

const UUID: &str = "5b0e2d7c-3f0a-4c53-9d2e-0d6a8f1b7c44";
const TOO_LONG: &str = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";

/// A request with every required field, and unusual values where any value is valid.
fn good<R: Name>() -> DynamicMessage {
    with_name::<R>(&good_name::<R>())
}

/// The same request, with this name in its routing field.
fn with_name<R: Name>(name: &str) -> DynamicMessage {
    let fact = Fact::of::<R>();
    let mut request = empty(&R::full_name());
    for (field, facts) in &fact.fields {
        let kind = text(&facts["type"]);
        let value = match (&**field, &*kind) {
            _ if *field == fact.route => Field::String(name.into()),
            ("request_id", _) => Field::String(UUID.into()),
            (_, "string") if field.ends_with("_id") => Field::String("An_id-1".into()),
            (_, "string") => Field::String("any <thing> at/all\0".into()),
            (_, "int32") => Field::I32(i32::MAX),
            (_, "bool") => Field::Bool(true),
            (_, "repeated string") => Field::List(vec![]),
            (_, message) => {
                let mut message = empty(message);
                if fact.route == format!("{field}.name") {
                    message.set_field_by_name("name", Field::String(name.into()));
                }
                Field::Message(message)
            }
        };
        request.set_field_by_name(field, value);
    }
    request
}

/// A name of the kind that routes the request.
fn good_name<R: Name>() -> String {
    let fact = Fact::of::<R>();
    match routed_pattern(fact) {
        Some(pattern) => pattern
            .replace("{project}", "my-project")
            .replace("{location}", "us-central1")
            .replace(['{', '}'], "_"),
        None => "projects/my-project/operations/anything".into(),
    }
}

/// The pattern of the name that routes a method; mixins have none.
fn routed_pattern(fact: &Fact) -> Option<String> {
    let messages = || TABLES.iter().flat_map(|table| table["messages"].as_object().unwrap());
    let pattern_of = |kind: &Value| {
        if kind == "locations.googleapis.com/Location" {
            // No service definition holds the names that all Google APIs share.
            return "projects/{project}/locations/{location}".into();
        }
        let resources = messages().filter_map(|(_, message)| message.get("resource"));
        let resource = { resources }.find(|resource| &resource["type"] == kind).unwrap();
        text(&resource["pattern"][0])
    };
    if let Some((field, "name")) = fact.route.split_once('.') {
        let message = text(&fact.fields[field]["type"]);
        let (_, message) = messages().find(|(name, _)| **name == message).unwrap();
        return Some(pattern_of(&message["resource"]["type"]));
    }
    let facts = &fact.fields[&fact.route];
    let child = facts.get("refers_to_child").map(|kind| {
        let child = pattern_of(kind);
        let (collection, _) = child.rsplit_once('/').unwrap();
        collection.rsplit_once('/').unwrap().0.to_owned()
    });
    child.or_else(|| facts.get("refers_to").map(pattern_of))
}

/// Valid requests with one invalid field each: its path, the request, and the reason of the error.
fn spoilt<R: Name>() -> Vec<(String, DynamicMessage, &'static str)> {
    let fact = Fact::of::<R>();
    let is_required = |facts: &Value| {
        let behaviours = facts.get("behavior").and_then(Value::as_array);
        behaviours.is_some_and(|behaviours| behaviours.iter().any(|b| b == "REQUIRED"))
    };
    let mut out = vec![(fact.route.clone(), with_name::<R>(""), "is required")];
    if routed_pattern(fact).is_some() {
        let good = good_name::<R>();
        let (above, id) = good.rsplit_once('/').unwrap();
        let bad = [
            "x",
            "projects",
            above,
            &format!("/{good}"),
            &format!("{good}/"),
            &format!("{good}/x/y"),
            &format!("{above}/"),
            &format!("{above}/{id} "),
            &format!("{above}/ü"),
            &format!("{above}/{TOO_LONG}"),
            &good.replace("my-project", ""),
            &good.to_uppercase(),
        ];
        out.extend(
            bad.map(|name| {
                (fact.route.clone(), with_name::<R>(name), " name (`projects/{project}")
            }),
        );
    }
    let odd = "may hold ASCII letters, digits, - and _ only";
    for (field, facts) in &fact.fields {
        let mut spoil = |value: Field, reason| {
            let mut request = good::<R>();
            request.set_field_by_name(field, value);
            out.push((field.clone(), request, reason));
        };
        let mut spoil_text = |value: &str, reason| spoil(Field::String(value.into()), reason);
        match (&**field, facts["type"].as_str().unwrap()) {
            ("request_id", _) => {
                spoil_text("x", "is not a UUID: \"x\"");
                spoil_text(&UUID[1..], "is not a UUID");
                spoil_text(&format!("{UUID} "), "is not a UUID");
                spoil_text("00000000-0000-0000-0000-000000000000", "is the zero UUID");
                spoil_text("00000000000000000000000000000000", "is the zero UUID");
            }
            ("page_size", _) => {
                spoil(Field::I32(-1), "is -1, and cannot be negative");
                spoil(Field::I32(i32::MIN), "cannot be negative");
            }
            (_, "string") if field.ends_with("_id") && is_required(facts) => {
                spoil_text("", "is required");
                spoil_text(TOO_LONG, "is too long");
                for id in ["a b", "a/b", "a.b", "ü", "a\0", "/", "*"] {
                    spoil_text(id, odd);
                }
            }
            (_, kind) if kind.contains('.') && is_required(facts) => {
                let mut request = good::<R>();
                request.clear_field_by_name(field);
                out.push((field.clone(), request, "is required"));
            }
            _ => {}
        }
    }
    out
}

fn empty(message: &str) -> DynamicMessage {
    DynamicMessage::new(POOL.get_message_by_name(message).unwrap())
}

fn as_dynamic(name: &str, message: &impl prost::Message) -> DynamicMessage {
    let mut dynamic = empty(name);
    dynamic.transcode_from(message).unwrap();
    dynamic
}
