//! Query parameters: the fields of a request that are neither in the path nor in the body, and the
//! system parameters of Google APIs.

use percent_encoding::percent_decode_str;
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value};

/// The system parameters of a request.
#[derive(Debug, PartialEq)]
pub(super) struct System {
    /// Enum values as numbers.
    pub(super) enums_as_numbers: bool,
    pub(super) is_pretty: bool,
    /// A response field mask.
    pub(super) fields: Option<String>,
}

/// The parameters of a query.
///
/// # Errors
/// Why a parameter cannot be read.
pub(super) fn parse(query: &str) -> Result<(System, Vec<(String, String)>), String> {
    let mut system = System { enums_as_numbers: false, is_pretty: true, fields: None };
    let mut own = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decode(name)?, decode(value)?);
        match &*name {
            "alt" | "$alt" => match value.split(';').collect::<Vec<_>>()[..] {
                ["json"] => {}
                ["json", "enum-encoding=int"] => system.enums_as_numbers = true,
                _ => return Err(format!("'{name}={value}' is not offered; use `json`")),
            },
            "prettyPrint" | "$prettyPrint" => system.is_pretty = value != "false",
            "fields" | "$fields" => system.fields = Some(value),
            "key" | "$key" | "quotaUser" | "userProject" | "$userProject" | "access_token"
            | "oauth_token" | "callback" | "$callback" | "upload_protocol" | "uploadType"
            | "$apiVersion" | "$outputDefaults" | "$unique" | "$.xgafv" => {}
            _ => own.push((name, value)),
        }
    }
    Ok((system, own))
}

fn decode(text: &str) -> Result<String, String> {
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8();
    decoded.map(Into::into).map_err(|_| format!("'{text}' is not percent-encoded UTF-8"))
}

/// Puts a parameter into the JSON form of a request.
///
/// # Errors
/// Why the request has no such parameter.
pub(super) fn insert(
    request: &mut Map<String, Value>,
    on: &MessageDescriptor,
    path: &[&str],
    value: &str,
) -> Result<(), String> {
    let Some((name, below)) = path.split_first() else { return Ok(()) };
    let field = on
        .get_field_by_json_name(name)
        .or_else(|| on.get_field_by_name(name))
        .ok_or_else(|| format!("{} has no field '{name}'", on.name()))?;
    let key = field.json_name().to_owned();
    if !below.is_empty() {
        let Kind::Message(inner) = field.kind() else {
            return Err(format!("'{name}' has no fields"));
        };
        if field.is_list() || field.is_map() {
            return Err(format!("'{name}' cannot be in the query"));
        }
        let entry = request.entry(key).or_insert_with(|| Value::Object(Map::new()));
        let Value::Object(entry) = entry else {
            return Err(format!("'{name}' is also a value"));
        };
        return insert(entry, &inner, below, value);
    }
    let value = scalar(&field, value)?;
    if field.is_list() {
        let entry = request.entry(key).or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(items) = entry {
            items.push(value);
        }
        return Ok(());
    }
    match request.insert(key, value) {
        Some(_) => Err(format!("'{name}' is there more than once")),
        None => Ok(()),
    }
}

fn scalar(field: &FieldDescriptor, value: &str) -> Result<Value, String> {
    let text = || Value::String(value.to_owned());
    match field.kind() {
        Kind::Bool => match value {
            "true" | "1" => Ok(Value::Bool(true)),
            "false" | "0" => Ok(Value::Bool(false)),
            _ => Err(format!("'{value}' is not `true` or `false`")),
        },
        Kind::Enum(_) => Ok(value.parse::<i32>().map_or_else(|_| text(), Value::from)),
        Kind::Message(message) => match message.full_name() {
            "google.protobuf.Timestamp" | "google.protobuf.Duration" => Ok(text()),
            "google.protobuf.FieldMask" => {
                Ok(Value::String(value.split(',').map(camel_case).collect::<Vec<_>>().join(",")))
            }
            // Maps too: they are lists of messages.
            _ => Err(format!("'{}' cannot be in the query", field.name())),
        },
        _ => Ok(text()),
    }
}

/// The JSON form of a path, which some clients send in snake case.
pub(super) fn camel_case(path: &str) -> String {
    let mut camel = String::with_capacity(path.len());
    let mut is_upper = false;
    for c in path.trim().chars() {
        match c {
            '_' => is_upper = true,
            c if is_upper => {
                camel.extend(c.to_uppercase());
                is_upper = false;
            }
            c => camel.push(c),
        }
    }
    camel
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reflection::descriptor;
    use livestream_client::model::{
        DeleteChannelRequest, ListChannelsRequest, UpdateChannelRequest,
    };
    use serde_json::json;

    #[test]
    fn system_parameters_are_told_from_fields() {
        let (system, own) = parse(
            "$alt=json%3Benum-encoding%3Dint&prettyPrint=false&key=k&pageSize=5&filter=a+b%3D1",
        )
        .expect("valid");
        assert!(system.enums_as_numbers && !system.is_pretty);
        assert_eq!(
            own,
            [("pageSize", "5"), ("filter", "a b=1")].map(|(n, v)| (n.into(), v.into()))
        );
        assert_eq!(system.fields, None);
        for query in ["fields=name", "$fields=name", "%24fields=name"] {
            let (system, own) = parse(query).expect("valid");
            assert_eq!((system.fields.as_deref(), own.len()), (Some("name"), 0), "{query}");
        }
        assert!(parse("alt=media").is_err() && parse("a=%FF").is_err());
    }

    #[test]
    fn parameters_become_fields_in_either_case() {
        let mut request = Map::new();
        let on = descriptor::<ListChannelsRequest>();
        for (name, value) in [("pageSize", "5"), ("order_by", "name"), ("filter", "a=\"b\"")] {
            insert(&mut request, &on, &[name], value).expect("a field");
        }
        let expected = r#"{"filter":"a=\"b\"","orderBy":"name","pageSize":"5"}"#;
        assert_eq!(serde_json::to_string(&request).expect("JSON"), expected);

        let mut request = Map::new();
        let on = descriptor::<UpdateChannelRequest>();
        insert(&mut request, &on, &["updateMask"], "input_attachments,retentionConfig")
            .expect("one");
        insert(&mut request, &on, &["channel", "output", "uri"], "gs://b/").expect("nested");
        let expected = r#"{"channel":{"output":{"uri":"gs://b/"}},"updateMask":"inputAttachments,retentionConfig"}"#;
        assert_eq!(serde_json::to_string(&request).expect("JSON"), expected);
        let refused = [
            &["nonsense"][..],
            &["channel"],
            &["channel", "labels"],
            &["channel", "labels", "show"],
            &["channel", "manifests", "key"],
            &["requestId", "x"],
        ];
        for path in refused {
            assert!(insert(&mut request, &on, path, "x").is_err(), "{path:?}");
        }
    }

    #[test]
    fn parameters_have_the_json_form_of_their_type() {
        let update = descriptor::<UpdateChannelRequest>();
        let duration = ["channel", "retentionConfig", "retentionWindowDuration"];
        let cases = [
            (descriptor::<DeleteChannelRequest>(), &["force"][..], "true", json!(true)),
            (descriptor::<DeleteChannelRequest>(), &["force"], "1", json!(true)),
            (descriptor::<DeleteChannelRequest>(), &["force"], "false", json!(false)),
            (descriptor::<DeleteChannelRequest>(), &["force"], "0", json!(false)),
            (update.clone(), &["channel", "streamingState"], "STOPPED", json!("STOPPED")),
            (update.clone(), &["channel", "streamingState"], "2", json!(2)),
            (update.clone(), &["channel", "createTime"], "2026-01-01T00:00:00Z", {
                json!("2026-01-01T00:00:00Z")
            }),
            (update, &duration, "60s", json!("60s")),
        ];
        for (on, path, value, expected) in cases {
            let mut request = Map::new();
            insert(&mut request, &on, path, value).expect(value);
            let pointer = format!("/{}", path.join("/"));
            assert_eq!(Value::Object(request).pointer(&pointer), Some(&expected), "{value}");
        }
        let mut request = Map::new();
        let on = descriptor::<DeleteChannelRequest>();
        assert!(insert(&mut request, &on, &["force"], "yes").is_err());
    }
}
