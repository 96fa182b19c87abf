//! The JSON form of the API's messages: [proto3
//! JSON](https://protobuf.dev/programming-guides/json/).
//!
//! This is the form in the API's REST reference. Use it to keep a channel's configuration in a
//! file.
//!
//! prost-reflect implements the mapping with the descriptors in this crate. Unlike pbjson, it needs
//! no generated code per message, and it supports prost's well-known types and the messages in an
//! `Any`. Each conversion encodes the message once, which is not noticeable for files and
//! terminals.
//!
//! # Reading
//!
//! - Field names are in camel case or as in the proto files.
//! - Enum values are names or numbers.
//! - Times are in RFC 3339 format, and durations are in seconds, such as `60s`.
//! - A `null` is the same as a missing field.
//! - If a field occurs twice, the last value is used.
//! - Objects and arrays that are nested more than 100 levels deep are an error.
//! - An unknown field or enum name is an error, unless a [`Reader`]
//!   [ignores](Reader::ignore_unknown) it.
//!
//! If another crate of the program enables serde_json's `arbitrary_precision`, numbers in JSON are
//! errors, because serde_json then represents them as maps.
//!
//! # Writing
//!
//! - Fields with their default value are omitted.
//! - Keys are in alphabetical order, so a file under version control changes only if the message
//!   changes.
//! - Enum values that this version does not know are numbers, which can be read again.
//!
//! # Secrets
//!
//! Unlike `Debug`, the JSON form **contains secrets in plain text**: the bearer token of a
//! `PreviewInputResponse`, the address of an input and the stream key of an RTMP endpoint. An error
//! can contain the value that could not be read.
//!
//! # Examples
//!
//! ```
//! use livestream_client::{json, model::DvrSession};
//!
//! let session: DvrSession = json::from_str(
//!     r#"{
//!         "state": "FINISHED",
//!         "dvrManifests": [{"manifestKey": "main"}],
//!         "dvrWindows": [{"timeInterval": {"startTime": "2026-05-01T18:00:00Z"}}]
//!     }"#,
//! )?;
//! assert_eq!(session.dvr_manifests[0].manifest_key, "main");
//! println!("{}", json::to_string_pretty(&session)?);
//!
//! let error = json::from_str::<DvrSession>(r#"{"dvrManifests": [{"manifest": "main"}]}"#);
//! assert_eq!(
//!     error.unwrap_err().to_string(),
//!     "DvrSession cannot be read: dvr_manifests[0]: unrecognized field name 'manifest' \
//!      at line 1 column 29"
//! );
//! # Ok::<(), json::Error>(())
//! ```
//!
//! You can use the same form in YAML, TOML and other formats with a serde implementation. [`read`]
//! returns errors with paths. [`Json`] implements `Serialize` and `Deserialize` for a message.
//! `#[serde(with = "livestream_client::json")]` uses the form for a field of your own type.
// `tests/json` runs the example, because it depends on a YAML crate.
#![cfg_attr(not(doctest), doc = "", doc = include_str!("json/yaml.md"))]

mod depth;

use self::depth::{Bounded, MAX_DEPTH};
use crate::{gax::rpc::InvalidField, proto};
use prost::{Message, Name};
use prost_reflect::{
    DescriptorPool, DeserializeOptions, DynamicMessage, Kind, MessageDescriptor, ReflectMessage,
    Value as Field,
};
use prost_types::FileDescriptorSet;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _, ser::Error as _};
use serde_json::Value;
use serde_path_to_error::Track;
use std::{fmt, sync::LazyLock};

/// Reads a message from JSON text.
///
/// # Errors
/// Returns an error with line, column and path if the text is not JSON, or not the JSON form of a
/// `T`.
pub fn from_str<T: Message + Name + Default>(text: &str) -> Result<T, Error> {
    Reader::new().read_str(text)
}

/// Reads a message from a JSON value.
///
/// # Errors
/// Returns an error with the path if the value is not the JSON form of a `T`.
pub fn from_value<T: Message + Name + Default>(value: Value) -> Result<T, Error> {
    Reader::new().read(value)
}

/// Reads a message from any serde format, for example with
/// `yaml_serde::Deserializer::from_str(text)`.
///
/// # Errors
/// Returns an error with the path if the input cannot be parsed, or is not the JSON form of a `T`.
/// The error contains the position if the format's own errors do.
pub fn read<'de, T, D>(deserializer: D) -> Result<T, Error>
where
    T: Message + Name + Default,
    D: Deserializer<'de>,
{
    Reader::new().read(deserializer)
}

/// Writes a message as JSON on one line.
///
/// # Errors
/// Returns an error if the message has no JSON form. See [`to_value`].
pub fn to_string<T: Message + Name>(message: &T) -> Result<String, Error> {
    Ok(to_value(message)?.to_string())
}

/// Writes a message as JSON with line breaks and an indentation of two spaces.
///
/// # Errors
/// Returns an error if the message has no JSON form. See [`to_value`].
pub fn to_string_pretty<T: Message + Name>(message: &T) -> Result<String, Error> {
    Ok(format!("{:#}", to_value(message)?))
}

/// Writes a message as a JSON value.
///
/// # Errors
/// Returns an error with the path if the message has no JSON form. This is the case if a time is
/// not in the years 1 to 9999, if a duration is longer than about 10,000 years, if an `Any`
/// contains a type that this crate does not know, or if it is nested more than 100 levels deep.
pub fn to_value<T: Message + Name>(message: &T) -> Result<Value, Error> {
    let fail = |path, reason: &dyn fmt::Display| Error::new::<T>("written", path, reason);
    let message = reflect(message).map_err(|reason| fail(String::new(), &reason))?;
    depth::check(&message, &POOL, MAX_DEPTH).map_err(|reason| fail(String::new(), &reason))?;
    if let Some(path) = invalid_time(&message) {
        return Err(fail(path, &"nanos are out of range or have the wrong sign"));
    }
    let mut track = Track::new();
    let tracked = serde_path_to_error::Serializer::new(serde_json::value::Serializer, &mut track);
    match message.serialize(tracked) {
        Ok(mut value) => {
            // Map entries are in random order, and another crate may disable serde_json's sorting.
            value.sort_all_objects();
            shorten_numbers(&mut value);
            Ok(value)
        }
        Err(reason) => Err(fail(track.path().to_string(), &reason)),
    }
}

fn reflect<T: Message + Name>(message: &T) -> Result<DynamicMessage, String> {
    let bytes = message.encode_to_vec();
    DynamicMessage::decode(descriptor::<T>()?, &*bytes).map_err(|e| e.to_string())
}

/// Returns the path of an invalid time or duration that prost-types would write as another value,
/// with a wrong sign or in the year 10,000.
fn invalid_time(message: &DynamicMessage) -> Option<String> {
    // A `Timestamp` has the same two fields.
    let time = || message.transcode_to::<prost_types::Duration>().unwrap_or_default();
    let is_invalid = match message.descriptor().full_name() {
        "google.protobuf.Timestamp" => !(0..NANOS_PER_SECOND).contains(&time().nanos),
        "google.protobuf.Duration" => {
            let prost_types::Duration { seconds, nanos } = time();
            nanos.unsigned_abs() >= NANOS_PER_SECOND.unsigned_abs()
                || seconds.signum() * i64::from(nanos.signum()) < 0
        }
        _ => {
            return message.fields().find_map(|(field, value)| {
                invalid_time_in(value).map(|rest| format!(".{}{rest}", field.json_name()))
            });
        }
    };
    is_invalid.then(String::new)
}

const NANOS_PER_SECOND: i32 = 1_000_000_000;

fn invalid_time_in(value: &Field) -> Option<String> {
    match value {
        Field::Message(message) => invalid_time(message),
        Field::List(items) => items
            .iter()
            .enumerate()
            .find_map(|(i, item)| invalid_time_in(item).map(|rest| format!("[{i}]{rest}"))),
        // No map in this API has messages as values.
        _ => None,
    }
}

/// Writes whole numbers without a fraction, as the service does: 60 instead of 60.0.
fn shorten_numbers(value: &mut Value) {
    /// All whole numbers up to this one are exact in an `f64`.
    const MAX_EXACT: f64 = (1_u64 << 53) as f64;
    match value {
        Value::Number(number) if number.is_f64() => {
            let whole = number.as_f64().filter(|n| n.fract() == 0.0 && n.abs() <= MAX_EXACT);
            if let Some(whole) = whole {
                *value = Value::from(whole as i64);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(shorten_numbers),
        Value::Object(fields) => fields.values_mut().for_each(shorten_numbers),
        _ => {}
    }
}

/// Reads a field with `#[serde(with = "livestream_client::json")]`.
///
/// Use [`read`] elsewhere: its errors contain more details.
///
/// # Errors
/// Returns the format's own errors, which may not contain a path.
pub fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Message + Name + Default,
    D: Deserializer<'de>,
{
    Reader::new().deserialize(deserializer)
}

/// Writes a field with `#[serde(with = "livestream_client::json")]`, in any format.
///
/// # Errors
/// Returns an error if the message has no JSON form (see [`to_value`]), or if the format cannot
/// represent it.
pub fn serialize<T, S>(message: &T, serializer: S) -> Result<S::Ok, S::Error>
where
    T: Message + Name,
    S: Serializer,
{
    to_value(message).map_err(S::Error::custom)?.serialize(serializer)
}

/// Reads messages with options. The default reader is strict, as the specification requires.
///
/// # Examples
///
/// ```
/// use livestream_client::{json::Reader, model::Channel};
///
/// let json = r#"{"activeInput": "main", "hologramConfig": {"depth": 3}}"#;
/// let channel: Channel = Reader::new().ignore_unknown().read_str(json)?;
/// assert_eq!(channel.active_input, "main");
/// # Ok::<(), livestream_client::json::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Reader {
    options: DeserializeOptions,
}

impl Reader {
    /// Creates a strict reader.
    pub fn new() -> Self {
        Self::default()
    }

    /// Ignores fields and names of enum values that this version does not know. A newer service may
    /// send such values.
    ///
    /// A field with an ignored value is not set. Do not use this option for messages that you write
    /// back, because the ignored values are lost. An `Any` of an unknown type is still an error.
    #[must_use]
    pub fn ignore_unknown(self) -> Self {
        Self { options: self.options.deny_unknown_fields(false) }
    }

    /// Like [`from_str`], with the options of this reader.
    ///
    /// # Errors
    /// Returns the same errors as [`from_str`].
    pub fn read_str<T: Message + Name + Default>(&self, text: &str) -> Result<T, Error> {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let mut track = Track::new();
        let tracked = serde_path_to_error::Deserializer::new(&mut deserializer, &mut track);
        let message = self.deserialize(tracked);
        message.and_then(|message| deserializer.end().map(|()| message)).map_err(|reason| Error {
            position: (reason.line() > 0).then(|| (reason.line(), reason.column())),
            ..Error::new::<T>("read", track.path().to_string(), &reason)
        })
    }

    /// Like [`read`], with the options of this reader.
    ///
    /// # Errors
    /// Returns the same errors as [`read`].
    pub fn read<'de, T, D>(&self, deserializer: D) -> Result<T, Error>
    where
        T: Message + Name + Default,
        D: Deserializer<'de>,
    {
        let mut track = Track::new();
        let tracked = serde_path_to_error::Deserializer::new(deserializer, &mut track);
        let message = self.deserialize(tracked);
        message.map_err(|reason| Error::new::<T>("read", track.path().to_string(), &reason))
    }

    fn deserialize<'de, T, D>(&self, deserializer: D) -> Result<T, D::Error>
    where
        T: Message + Name + Default,
        D: Deserializer<'de>,
    {
        let descriptor = descriptor::<T>().map_err(D::Error::custom)?;
        let bounded = Bounded::new(deserializer);
        DynamicMessage::deserialize_with_options(descriptor, bounded, &self.options)?
            .transcode_to()
            .map_err(D::Error::custom)
    }
}

/// A wrapper that implements `Serialize` and `Deserialize` for a message with its JSON form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Json<T>(pub T);

impl<T: Message + Name> Serialize for Json<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize(&self.0, serializer)
    }
}

impl<'de, T: Message + Name + Default> Deserialize<'de> for Json<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize(deserializer).map(Self)
    }
}

/// The error for a message that could not be read or written.
///
/// `Display` spells fields as a [violation](crate::validation) does: `elementary_streams[0]`, even if the
/// document has `elementaryStreams[0]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The operation that failed: `read` or `written`.
    operation: &'static str,
    message: &'static str,
    path: String,
    /// The same path with the names of the service definition.
    field: Box<str>,
    reason: Box<str>,
    position: Option<(usize, usize)>,
}

impl Error {
    fn new<T: Name>(operation: &'static str, path: String, reason: &dyn fmt::Display) -> Self {
        // serde_path_to_error uses `.` for the whole document and `?` for an unknown path.
        let path = path.trim_matches(['.', '?']);
        let reason = reason.to_string();
        // The messages of some formats also begin with the path.
        let rest = reason.strip_prefix(path).and_then(|rest| rest.strip_prefix(": "));
        Self {
            operation,
            message: T::NAME,
            path: path.to_owned(),
            field: field_path::<T>(path).into(),
            reason: rest.unwrap_or(&reason).trim_end().into(),
            position: None,
        }
    }

    /// The path in the document, as it is spelled there, such as `elementaryStreams[0].videoStream`.
    ///
    /// The path is empty if the error is about the whole document. For an unknown field, it is the
    /// path of the object that contains the field. [`reason`](Self::reason) then contains the name
    /// of the field.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The reason for the error. It includes the position in the text if the format provides it.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// The line and column in JSON text, or `None` if the input was not JSON text. They are also at
    /// the end of the reason.
    pub fn position(&self) -> Option<(usize, usize)> {
        self.position
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cannot be {}: ", self.message, self.operation)?;
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Error {}

/// The path with the names of the service definition, as in a [violation](crate::validation):
/// `elementary_streams[0]` for `elementaryStreams[0]`.
fn field_path<T: Name>(path: &str) -> String {
    let mut message = descriptor::<T>().ok();
    let segments = path.split('.').map(|segment| {
        let (name, index) = segment.split_at(segment.find('[').unwrap_or(segment.len()));
        let by_name = |of: &MessageDescriptor| {
            of.get_field_by_json_name(name).or_else(|| of.get_field_by_name(name))
        };
        let field = message.take().as_ref().and_then(by_name);
        let field_name = field.as_ref().map_or(name, |field| field.name()).to_owned();
        message = field.filter(|field| !field.is_map()).and_then(|field| match field.kind() {
            Kind::Message(inner) => Some(inner),
            _ => None,
        });
        field_name + index
    });
    segments.collect::<Vec<_>>().join(".")
}

/// Lets you use `?` in a function that reads a resource and then sends it. The
/// [`field`](crate::Error::field) has the names of the service definition, as in the errors of
/// [`validated`](crate::Call::validated).
impl From<Error> for crate::Error {
    fn from(error: Error) -> Self {
        let reason = format!("cannot be {}: {}", error.operation, error.reason);
        match error.field.is_empty() {
            true => InvalidField::new(error.message, reason).into(),
            false => InvalidField::new(error.field.into_string(), reason).into(),
        }
    }
}

fn descriptor<T: Name>() -> Result<MessageDescriptor, String> {
    let name = T::full_name();
    POOL.get_message_by_name(&name).ok_or_else(|| format!("{name} is not a message of this API"))
}

/// The descriptors of the API's messages and of the error details in a `google.rpc.Status`.
static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    let api = DescriptorPool::decode(proto::FILE_DESCRIPTOR_SET)
        .expect("the build script writes a valid descriptor set");
    with_error_details(&api).unwrap_or(api)
});

/// Returns `None` if the files in another version of tonic-types are not compatible. The types of
/// error details are then unknown, and all other types work.
fn with_error_details(api: &DescriptorPool) -> Option<DescriptorPool> {
    let mut set = FileDescriptorSet::decode(tonic_types::pb::FILE_DESCRIPTOR_SET).ok()?;
    set.file.retain(|file| {
        let mut names =
            file.message_type.iter().map(|m| format!("{}.{}", file.package(), m.name()));
        names.all(|name| api.get_message_by_name(&name).is_none())
    });
    let mut pool = api.clone();
    pool.add_file_descriptor_set(set).ok().map(|()| pool)
}
