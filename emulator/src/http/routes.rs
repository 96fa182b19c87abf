//! Routes: the HTTP methods and paths of all methods, from `google.api.http`.

use super::pool::POOL;
use http::Method;
use percent_encoding::percent_decode_str;
use prost_reflect::{DynamicMessage, MethodDescriptor, Value};
use std::sync::LazyLock;

/// The routes that the service itself has for the mixins. The annotations of the mixins have paths
/// that no service uses.
const MIXINS: [(&str, &str, &str, &str); 6] = [
    ("google.cloud.location.Locations", "ListLocations", "GET", "/v1/{name=projects/*}/locations"),
    ("google.cloud.location.Locations", "GetLocation", "GET", "/v1/{name=projects/*/locations/*}"),
    (
        "google.longrunning.Operations",
        "ListOperations",
        "GET",
        "/v1/{name=projects/*/locations/*}/operations",
    ),
    (
        "google.longrunning.Operations",
        "GetOperation",
        "GET",
        "/v1/{name=projects/*/locations/*/operations/*}",
    ),
    (
        "google.longrunning.Operations",
        "DeleteOperation",
        "DELETE",
        "/v1/{name=projects/*/locations/*/operations/*}",
    ),
    (
        "google.longrunning.Operations",
        "CancelOperation",
        "POST",
        "/v1/{name=projects/*/locations/*/operations/*}:cancel",
    ),
];

/// A method's HTTP form.
#[derive(Debug)]
pub(super) struct Route {
    method: Method,
    template: Template,
    pub(super) body: BodyRule,
    pub(super) rpc: MethodDescriptor,
}

/// What the body of a request holds.
#[derive(Debug, PartialEq)]
pub(super) enum BodyRule {
    Nothing,
    /// The whole request, except for the fields in the path.
    Request,
    /// One field.
    Field(String),
}

/// The value of a field, from the path.
#[derive(Debug, PartialEq)]
pub(super) struct Variable {
    /// The names from the request to the field.
    pub(super) field: Vec<String>,
    pub(super) value: String,
}

/// What a method and a path lead to.
#[derive(Debug)]
pub(super) enum Found {
    Route(&'static Route, Vec<Variable>),
    /// The path exists with other methods.
    OtherMethod(Vec<Method>),
    Nothing,
}

static ROUTES: LazyLock<Vec<Route>> = LazyLock::new(|| {
    let mixins = MIXINS.iter().filter_map(|(service, rpc, method, path)| {
        let service = POOL.get_service_by_name(service)?;
        let rpc = service.methods().find(|own| own.name() == *rpc)?;
        let body = if *method == "POST" { BodyRule::Request } else { BodyRule::Nothing };
        let method = method.parse().expect("a method");
        Some(Route { method, template: Template::parse(path)?, body, rpc })
    });
    let annotated = POOL.services().flat_map(|service| {
        let methods: Vec<_> = service.methods().collect();
        methods.into_iter().flat_map(annotated)
    });
    mixins.chain(annotated).collect()
});

fn annotated(rpc: MethodDescriptor) -> Vec<Route> {
    let Some(extension) = POOL.get_extension_by_name("google.api.http") else { return Vec::new() };
    let options = rpc.options();
    if !options.has_extension(&extension) {
        return Vec::new();
    }
    let value = options.get_extension(&extension);
    let Some(rule) = value.as_message() else { return Vec::new() };
    let more = rule.get_field_by_name("additional_bindings");
    let more = more.iter().flat_map(|more| more.as_list().unwrap_or_default());
    let more = more.filter_map(Value::as_message).filter_map(|rule| route(&rpc, rule));
    route(&rpc, rule).into_iter().chain(more.collect::<Vec<_>>()).collect()
}

fn route(rpc: &MethodDescriptor, rule: &DynamicMessage) -> Option<Route> {
    let text = |field: &str| {
        let value = rule.get_field_by_name(field)?;
        value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let (method, path) = ["get", "put", "post", "delete", "patch"]
        .iter()
        .find_map(|verb| Some((verb.to_uppercase().parse().expect("a method"), text(verb)?)))?;
    let body = match text("body").as_deref() {
        None => BodyRule::Nothing,
        Some("*") => BodyRule::Request,
        Some(field) => BodyRule::Field(field.to_owned()),
    };
    Some(Route { method, template: Template::parse(&path)?, body, rpc: rpc.clone() })
}

/// Finds the route of a request.
pub(super) fn find(method: &Method, path: &str) -> Found {
    let mut others = Vec::new();
    for route in ROUTES.iter() {
        let Some(variables) = route.template.matches(path) else { continue };
        if route.method == *method {
            return Found::Route(route, variables);
        }
        if !others.contains(&route.method) {
            others.push(route.method.clone());
        }
    }
    if others.is_empty() { Found::Nothing } else { Found::OtherMethod(others) }
}

/// A path with variables, such as `/v1/{name=projects/*/locations/*}:start`.
#[derive(Debug, PartialEq)]
struct Template {
    segments: Vec<Segment>,
    /// Each variable with the range of its segments.
    variables: Vec<(Vec<String>, usize, usize)>,
    verb: Option<String>,
}

#[derive(Debug, PartialEq)]
enum Segment {
    Text(String),
    One,
    /// All that follow; at least one.
    Rest,
}

impl Template {
    /// `None` for a text that is not a template.
    fn parse(text: &str) -> Option<Self> {
        let mut rest = text.strip_prefix('/')?;
        let (mut segments, mut variables, mut verb) = (Vec::new(), Vec::new(), None);
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix('{') {
                let (variable, after) = after.split_once('}')?;
                let (field, pattern) = variable.split_once('=').unwrap_or((variable, "*"));
                let start = segments.len();
                segments.extend(pattern.split('/').map(Segment::parse));
                let field = field.split('.').map(str::to_owned).collect();
                variables.push((field, start, segments.len()));
                rest = after;
            } else {
                let end = rest.find(['/', ':']).unwrap_or(rest.len());
                segments.push(Segment::parse(&rest[..end]));
                rest = &rest[end..];
            }
            match rest.chars().next() {
                Some('/') => rest = &rest[1..],
                Some(':') => {
                    verb = Some(rest[1..].to_owned());
                    break;
                }
                _ => break,
            }
        }
        Some(Self { segments, variables, verb })
    }

    fn matches(&self, path: &str) -> Option<Vec<Variable>> {
        let path = path.strip_prefix('/')?;
        let path = match &self.verb {
            Some(verb) => path.strip_suffix(&**verb)?.strip_suffix(':')?,
            None => path,
        };
        let found: Vec<&str> = path.split('/').collect();
        // A colon in the last segment would be a verb.
        if self.verb.is_none() && found.last()?.contains(':') {
            return None;
        }
        let has_rest = self.segments.last() == Some(&Segment::Rest);
        let is_length = match has_rest {
            true => found.len() >= self.segments.len(),
            false => found.len() == self.segments.len(),
        };
        let is_match = |(segment, found): (&Segment, &&str)| match segment {
            Segment::Text(text) => text == found,
            Segment::One | Segment::Rest => !found.is_empty(),
        };
        if !is_length || !self.segments.iter().zip(&found).all(is_match) {
            return None;
        }
        let value = |(field, start, end): &(Vec<String>, usize, usize)| {
            let end = if has_rest && *end == self.segments.len() { found.len() } else { *end };
            let value = found[*start..end].join("/");
            let value = percent_decode_str(&value).decode_utf8().ok()?.into_owned();
            Some(Variable { field: field.clone(), value })
        };
        self.variables.iter().map(value).collect()
    }
}

impl Segment {
    fn parse(text: &str) -> Self {
        match text {
            "*" => Self::One,
            "**" => Self::Rest,
            text => Self::Text(text.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(template: &str, path: &str) -> Option<Vec<String>> {
        let template = Template::parse(template).expect("a template");
        let found = template.matches(path)?;
        Some(found.into_iter().map(|v| format!("{}={}", v.field.join("."), v.value)).collect())
    }

    #[test]
    fn only_the_last_variable_of_a_template_takes_the_rest_of_a_path() {
        let template = "/v1/{bucket=buckets/*}/{object=**}";
        let expected = ["bucket=buckets/b", "object=a/b/c"].map(str::to_owned).to_vec();
        assert_eq!(variables(template, "/v1/buckets/b/a/b/c"), Some(expected));
    }

    #[test]
    fn a_template_matches_paths_with_variables_and_a_verb() {
        let start = "/v1/{name=projects/*/locations/*/channels/*}:start";
        let name = "projects/p/locations/l/channels/c";
        assert_eq!(
            variables(start, &format!("/v1/{name}:start")),
            Some(vec![format!("name={name}")])
        );
        let absent = [
            format!("/v1/{name}"),
            format!("/v1/{name}:stop"),
            format!("/v1/{name}/events:start"),
            format!("/v2/{name}:start"),
            "/v1/projects//locations/l/channels/c:start".to_owned(),
        ];
        for path in absent {
            assert_eq!(variables(start, &path), None, "{path}");
        }
        let get = "/v1/{channel.name=projects/*/locations/*/channels/*}";
        assert_eq!(variables(get, &format!("/v1/{name}:start")), None);
        assert_eq!(
            variables(get, "/v1/projects/example.com%3Ap/locations/l/channels/c"),
            Some(vec!["channel.name=projects/example.com:p/locations/l/channels/c".to_owned()])
        );
        assert_eq!(
            variables("/v1/{name=operations/**}:cancel", "/v1/operations/a/b:cancel"),
            Some(vec!["name=operations/a/b".to_owned()])
        );
    }

    #[test]
    fn each_method_of_the_service_has_a_route() {
        let service = "google.cloud.video.livestream.v1.LivestreamService";
        let methods = POOL.get_service_by_name(service).expect("declared");
        for method in methods.methods() {
            assert!(ROUTES.iter().any(|route| route.rpc == method), "{}", method.name());
        }
    }

    #[test]
    fn a_known_path_with_another_http_method_is_told_from_an_unknown_path() {
        let path = "/v1/projects/p/locations/l/channels/c";
        assert!(matches!(find(&Method::GET, path), Found::Route(..)));
        match find(&Method::PUT, path) {
            Found::OtherMethod(methods) => {
                assert!(methods.contains(&Method::GET) && methods.contains(&Method::PATCH));
            }
            other => panic!("{other:?}"),
        }
        assert!(matches!(find(&Method::GET, "/v1/nonsense"), Found::Nothing));
    }
}
