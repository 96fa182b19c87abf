//! The API's own JSON form, [proto3 JSON](https://protobuf.dev/programming-guides/json/), of any
//! message here: what the REST reference shows, and what a channel kept as a file looks like.
//!
//! The mapping is prost-reflect's, over the descriptors that the crate carries anyway: unlike
//! pbjson it adds no generated code per message, and it also covers prost's own well-known types
//! and the messages inside of an `Any`. It costs one pass through the wire form, which files and
//! terminals do not notice.
//!
//! Reading takes field names in camel case or as in the proto files, enum values by name or number,
//! times as RFC 3339, durations as seconds such as `60s`; a `null` is a field left out. An unknown
//! field or enum name is an error unless a [`Reader`] is told to [ignore](Reader::ignore_unknown)
//! it. Where a document gives a field twice, the last one counts, as usual in JSON.
//!
//! Writing leaves out fields that have their default value and puts keys in alphabetical order, so
//! that a file under version control changes only where its message does. Enum values that this
//! version does not know are written as numbers, and numbers are read back.
//!
//! One limit: where another crate of the program switches on serde_json's `arbitrary_precision`,
//! JSON numbers are no longer read (serde_json then shows them as maps), and an error says so.
//!
//! **Secrets are written as they are.** This is the form that goes over the wire: it has the bearer
//! token of a `PreviewInputResponse`, the address of an input and the stream key of an RTMP push in
//! clear text, unlike `Debug`. An error can quote the value that it could not read.
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
//! let refused = json::from_str::<DvrSession>(r#"{"dvrManifests": [{"manifest": "main"}]}"#);
//! assert_eq!(
//!     refused.unwrap_err().to_string(),
//!     "DvrSession cannot be read: dvrManifests[0]: unrecognized field name 'manifest' \
//!      at line 1 column 29"
//! );
//! # Ok::<(), json::Error>(())
//! ```
//!
//! The same form in YAML, TOML or whatever else has a serde implementation: [`read`] gives errors
//! with paths, [`Json`] wraps a message for any function that wants `Serialize` or `Deserialize`,
//! and the module itself serves as `#[serde(with = "livestream_client::json")]` for a field.
// `tests/docs` runs the example: it has YAML among its dependencies.
#![cfg_attr(not(doctest), doc = "", doc = include_str!("json/yaml.md"))]

use crate::{gax::rpc::InvalidField, proto};
use prost::{Message, Name};
use prost_reflect::{
    DescriptorPool, DeserializeOptions, DynamicMessage, MessageDescriptor, ReflectMessage,
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
/// The text is not JSON, or not the JSON form of a `T`; the error tells line, column and path.
pub fn from_str<T: Message + Name + Default>(text: &str) -> Result<T, Error> {
    Reader::new().read_str(text)
}

/// Reads a message from a JSON value.
///
/// # Errors
/// The value is not the JSON form of a `T`; the error tells the path.
pub fn from_value<T: Message + Name + Default>(value: Value) -> Result<T, Error> {
    Reader::new().read(value)
}

/// Reads a message in any format, such as from `yaml_serde::Deserializer::from_str(text)`.
///
/// # Errors
/// What is there cannot be parsed, or is not the JSON form of a `T`; the error tells the path, and
/// the place as the format's own errors do.
pub fn read<'de, T, D>(deserializer: D) -> Result<T, Error>
where
    T: Message + Name + Default,
    D: Deserializer<'de>,
{
    Reader::new().read(deserializer)
}

/// Writes a message as JSON in one line.
///
/// # Errors
/// The message has no JSON form; see [`to_value`].
pub fn to_string<T: Message + Name>(message: &T) -> Result<String, Error> {
    Ok(to_value(message)?.to_string())
}

/// Writes a message as JSON with line breaks, indented by two spaces.
///
/// # Errors
/// The message has no JSON form; see [`to_value`].
pub fn to_string_pretty<T: Message + Name>(message: &T) -> Result<String, Error> {
    Ok(format!("{:#}", to_value(message)?))
}

/// Writes a message as a JSON value.
///
/// # Errors
/// The message has no JSON form: a time or duration is out of range (years 1 to 9999, and about
/// ±10,000 years), or an `Any` holds a type that this crate does not know. The error tells the path.
pub fn to_value<T: Message + Name>(message: &T) -> Result<Value, Error> {
    let fail = |path, reason: &dyn fmt::Display| Error::new::<T>("written", path, reason);
    let message = reflect(message).map_err(|reason| fail(String::new(), &reason))?;
    if let Some(path) = odd_time(&message) {
        return Err(fail(path, &"its nanos are out of range or have the wrong sign"));
    }
    let mut track = Track::new();
    let tracked = serde_path_to_error::Serializer::new(serde_json::value::Serializer, &mut track);
    match message.serialize(tracked) {
        Ok(mut value) => {
            // Maps come in random order, and another crate may have switched off serde_json's own.
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

/// The path of a time or duration that prost-types would write, but as another one: with a wrong
/// sign, or in the year 10,000.
fn odd_time(message: &DynamicMessage) -> Option<String> {
    // A `Timestamp` has the same two fields.
    let time = || message.transcode_to::<prost_types::Duration>().unwrap_or_default();
    let is_odd = match message.descriptor().full_name() {
        "google.protobuf.Timestamp" => !(0..SECOND).contains(&time().nanos),
        "google.protobuf.Duration" => {
            let prost_types::Duration { seconds, nanos } = time();
            nanos.abs_diff(0) >= SECOND.abs_diff(0)
                || seconds.signum() * i64::from(nanos.signum()) < 0
        }
        _ => {
            return message.fields().find_map(|(field, value)| {
                odd_time_in(value).map(|rest| format!(".{}{rest}", field.json_name()))
            });
        }
    };
    is_odd.then(String::new)
}

const SECOND: i32 = 1_000_000_000;

fn odd_time_in(value: &Field) -> Option<String> {
    match value {
        Field::Message(message) => odd_time(message),
        Field::List(items) => items
            .iter()
            .enumerate()
            .find_map(|(i, item)| odd_time_in(item).map(|rest| format!("[{i}]{rest}"))),
        // No map of this API has messages for values.
        _ => None,
    }
}

/// Whole numbers stand without a fraction, as the service writes them: 60 frames a second, not 60.0.
fn shorten_numbers(value: &mut Value) {
    /// Up to here every whole `f64` is exact.
    const MOST: f64 = (1_u64 << 53) as f64;
    match value {
        Value::Number(number) if number.is_f64() => {
            let whole = number.as_f64().filter(|n| n.fract() == 0.0 && n.abs() <= MOST);
            if let Some(whole) = whole {
                *value = Value::from(whole as i64);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(shorten_numbers),
        Value::Object(fields) => fields.values_mut().for_each(shorten_numbers),
        _ => {}
    }
}

/// Reads a message with the errors of the format: for `#[serde(with = "livestream_client::json")]`.
/// Elsewhere [`read`] tells more.
///
/// # Errors
/// As the format's own, without a path where the format has none.
pub fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Message + Name + Default,
    D: Deserializer<'de>,
{
    Reader::new().deserialize(deserializer)
}

/// Writes a message in any format: for `#[serde(with = "livestream_client::json")]`.
///
/// # Errors
/// The message has no JSON form (see [`to_value`]), or the format cannot hold it.
pub fn serialize<T, S>(message: &T, serializer: S) -> Result<S::Ok, S::Error>
where
    T: Message + Name,
    S: Serializer,
{
    to_value(message).map_err(S::Error::custom)?.serialize(serializer)
}

/// Reads messages with options. The default is as strict as the specification.
///
/// ```
/// use livestream_client::{json::Reader, model::Channel};
///
/// let newer = r#"{"activeInput": "main", "hologramConfig": {"depth": 3}}"#;
/// let channel: Channel = Reader::new().ignore_unknown().read_str(newer)?;
/// assert_eq!(channel.active_input, "main");
/// # Ok::<(), livestream_client::json::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Reader {
    options: DeserializeOptions,
}

impl Reader {
    /// A strict reader.
    pub fn new() -> Self {
        Self::default()
    }

    /// Skips fields and names of enum values that this version does not know, as a newer service
    /// may send them: a skipped value leaves its field unset. Not for what you will write back: it
    /// is lost. An `Any` of an unknown type is still an error.
    #[must_use]
    pub fn ignore_unknown(self) -> Self {
        Self { options: self.options.deny_unknown_fields(false) }
    }

    /// Like [`from_str`].
    ///
    /// # Errors
    /// Like [`from_str`].
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

    /// Like [`read`].
    ///
    /// # Errors
    /// Like [`read`].
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
        DynamicMessage::deserialize_with_options(descriptor, deserializer, &self.options)?
            .transcode_to()
            .map_err(D::Error::custom)
    }
}

/// A message that reads and writes itself in its JSON form, in any format that serde speaks.
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

/// Why a message could not be read or written, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What cannot be done: the message cannot be `read`, or `written`.
    done: &'static str,
    message: &'static str,
    path: String,
    reason: String,
    position: Option<(usize, usize)>,
}

impl Error {
    fn new<T: Name>(done: &'static str, path: String, reason: &dyn fmt::Display) -> Self {
        // serde_path_to_error says `.` for the whole and `?` where it cannot tell.
        let path = path.trim_matches(['.', '?']);
        let reason = reason.to_string();
        // Some formats tell the path too.
        let rest = reason.strip_prefix(path).and_then(|rest| rest.strip_prefix(": "));
        Self {
            done,
            message: T::NAME,
            path: path.to_owned(),
            reason: rest.unwrap_or(&reason).trim_end().to_owned(),
            position: None,
        }
    }

    /// The path in the document, such as `elementaryStreams[0].videoStream`; empty where it is the
    /// document as a whole. An unknown field is named by [`reason`](Self::reason), and the path is
    /// that of the object around it.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What is wrong, with the place in the text where the format tells it.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Line and column, where JSON text was read; the reason ends with them too.
    pub fn position(&self) -> Option<(usize, usize)> {
        self.position
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cannot be {}: ", self.message, self.done)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Error {}

/// So that `?` works in a program that reads a resource and then sends it.
impl From<Error> for crate::Error {
    fn from(error: Error) -> Self {
        let reason = format!("cannot be {}: {}", error.done, error.reason);
        match error.path.is_empty() {
            true => InvalidField::new(error.message, reason).into(),
            false => InvalidField::new(error.path, reason).into(),
        }
    }
}

fn descriptor<T: Name>() -> Result<MessageDescriptor, String> {
    let name = T::full_name();
    POOL.get_message_by_name(&name).ok_or_else(|| format!("{name} is no message of this API"))
}

/// Everything the API speaks, and the error details that a `google.rpc.Status` carries.
static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    let api = DescriptorPool::decode(proto::FILE_DESCRIPTOR_SET)
        .expect("the build script wrote a whole set");
    with_error_details(&api).unwrap_or(api)
});

/// `None` where another version of tonic-types ships files that do not fit: the details are then of
/// unknown types, and all else works.
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
