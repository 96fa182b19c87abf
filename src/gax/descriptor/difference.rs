//! How a resource differs from what is wanted of it.
//!
//! A field that is not set in the wanted resource is not compared, because the service fills in
//! defaults. So a comparison after the service has applied an update finds no difference.

use super::{
    Descriptor, Field, Kind,
    wire::{Records, Wire, put_message, records},
};
use prost::Message as _;
use std::fmt::{self, Write as _};

/// A field whose value is not as wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// The path of the field, such as `mux_streams[1].container`.
    pub path: String,
    /// The present value as text; `None` if the field is not set. A secret is redacted.
    pub from: Option<String>,
    /// The wanted value as text; `None` if the field is to be cleared. A secret is redacted.
    pub to: Option<String>,
    /// The field of the resource that contains the path.
    pub(crate) top: &'static str,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |value: &Option<String>| value.clone().unwrap_or_else(|| "not set".to_owned());
        write!(f, "{}: {} -> {}", self.path, show(&self.from), show(&self.to))
    }
}

/// The paths of the fields to clear, such as `input_config` or `mux_streams.encryption_id`.
#[derive(Clone, Copy)]
pub(crate) struct Clearing<'a>(pub(crate) &'a [String]);

impl Clearing<'_> {
    fn contains(self, path: &str) -> bool {
        !self.0.is_empty() && self.0.contains(&without_indexes(path))
    }

    /// Whether a field below this one is to be cleared.
    fn is_below(self, path: &str) -> bool {
        let is_below =
            |cleared: &String| cleared.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'));
        !self.0.is_empty() && self.0.iter().any(is_below)
    }
}

/// `mux_streams[1].container` is `mux_streams.container` in a field mask.
fn without_indexes(path: &str) -> String {
    path.split('[').map(|part| part.split_once(']').map_or(part, |(_, rest)| rest)).collect()
}

/// Compares the fields of two encoded messages that are set in `wanted`, and those to clear.
pub(crate) fn difference(
    descriptor: &'static Descriptor,
    wanted: &[u8],
    actual: &[u8],
    cleared: Clearing<'_>,
) -> Vec<Change> {
    let mut comparison = Comparison { cleared, path: String::new(), top: "", changes: Vec::new() };
    comparison.message(descriptor, Some(wanted), actual);
    comparison.changes
}

struct Comparison<'a> {
    cleared: Clearing<'a>,
    path: String,
    top: &'static str,
    changes: Vec<Change>,
}

impl Comparison<'_> {
    /// Compares a message with a wanted one. If there is none, only fields to clear differ.
    fn message(&mut self, descriptor: &'static Descriptor, wanted: Option<&[u8]>, actual: &[u8]) {
        let is_wanted = wanted.is_some();
        let (wanted, actual) = (Records::read(wanted.unwrap_or_default()), Records::read(actual));
        for field in descriptor.fields.iter().filter(|field| !field.is_output) {
            let outer = self.path.len();
            if outer == 0 {
                self.top = field.name;
            } else {
                self.path.push('.');
            }
            self.path.push_str(field.name);
            let (wanted, actual) = (wanted.values(field), actual.values(field));
            let is_number = matches!(field.kind, Kind::Int | Kind::Double);
            if is_number && field.is_required && is_wanted && wanted.is_empty() {
                // A required number has no default: 0 is a value.
                if !actual.is_empty() {
                    self.add(field, &actual, &[Wire::Varint(0)]);
                }
            } else {
                self.field(field, &wanted, &actual);
            }
            self.path.truncate(outer);
        }
    }

    fn field(&mut self, field: &'static Field, wanted: &[Wire<'_>], actual: &[Wire<'_>]) {
        match field.kind {
            Kind::Map => self.map(field, wanted, actual),
            Kind::Message(_) if field.is_list && wanted.is_empty() => self.unset(field, actual),
            Kind::Message(inner) if field.is_list => self.list(field, inner, wanted, actual),
            Kind::Message(inner) => {
                if wanted.is_empty() && !self.cleared.is_below(&without_indexes(&self.path)) {
                    self.unset(field, actual);
                } else if field.oneof.is_some() && !wanted.is_empty() && actual.is_empty() {
                    // The empty message is a choice too.
                    self.add(field, actual, wanted);
                } else {
                    self.message(inner, content(wanted), content(actual).unwrap_or_default());
                }
            }
            _ if wanted.is_empty() => self.unset(field, actual),
            // A service that does not return a secret says nothing about it.
            _ if field.is_secret && actual.is_empty() => {}
            _ if is_same(field, wanted, actual) => {}
            _ => self.add(field, actual, wanted),
        }
    }

    fn list(
        &mut self,
        field: &'static Field,
        inner: &'static Descriptor,
        wanted: &[Wire<'_>],
        actual: &[Wire<'_>],
    ) {
        let matches = matches(inner, wanted, actual);
        if !matches.iter().copied().eq((0..actual.len()).map(Some)) {
            self.add(field, actual, wanted);
        }
        for (at, (wanted, found)) in wanted.iter().zip(matches).enumerate() {
            let Some(found) = found else { continue };
            let outer = self.path.len();
            self.path += &format!("[{at}]");
            self.message(inner, Some(wanted.bytes()), actual[found].bytes());
            self.path.truncate(outer);
        }
    }

    fn map(&mut self, field: &'static Field, wanted: &[Wire<'_>], actual: &[Wire<'_>]) {
        let actual = actual.iter().map(|wire| entry(*wire)).collect::<Vec<_>>();
        let wanted = wanted.iter().map(|wire| entry(*wire)).collect::<Vec<_>>();
        let find = |entries: &[(&str, &str)], key: &str| {
            let found = entries.iter().find(|(other, _)| *other == key);
            found.map(|(_, value)| format!("{value:?}"))
        };
        let is_cleared = self.cleared.contains(&self.path);
        let unwanted = actual.iter().filter(|(key, _)| is_cleared && find(&wanted, key).is_none());
        let mut keys = wanted.iter().chain(unwanted).map(|(key, _)| *key).collect::<Vec<_>>();
        // The entries of an encoded map are in random order.
        keys.sort_unstable();
        for key in keys {
            let (from, to) = (find(&actual, key), find(&wanted, key));
            if from != to {
                let path = format!("{}.{key}", self.path);
                self.changes.push(Change { path, from, to, top: self.top });
            }
        }
        debug_assert!(!field.is_secret, "the values would have to be redacted");
    }

    /// A field that is not set in the wanted message.
    fn unset(&mut self, field: &'static Field, actual: &[Wire<'_>]) {
        if !actual.is_empty() && self.cleared.contains(&self.path) {
            self.add(field, actual, &[]);
        }
    }

    fn add(&mut self, field: &'static Field, from: &[Wire<'_>], to: &[Wire<'_>]) {
        let (path, top) = (self.path.clone(), self.top);
        self.changes.push(Change { path, from: show(field, from), to: show(field, to), top });
    }
}

/// The content of a message that is set once at most.
fn content<'a>(message: &[Wire<'a>]) -> Option<&'a [u8]> {
    message.first().map(|wire| wire.bytes())
}

/// The fields that identify an entry of a list.
const KEYS: [&str; 2] = ["key", "id"];

fn key<'a>(descriptor: &Descriptor, entry: Wire<'a>) -> Option<&'a str> {
    let key = KEYS.iter().find_map(|field| descriptor.text(entry.bytes(), field));
    key.filter(|key| !key.is_empty())
}

/// The keys of the entries of a list, if each has one.
fn keys<'a>(descriptor: &Descriptor, entries: &[Wire<'a>]) -> Option<Vec<&'a str>> {
    entries.iter().map(|entry| key(descriptor, *entry)).collect()
}

/// The position of the actual entry that each wanted entry describes, if there is one. Entries are
/// matched by their keys. Without keys they are matched by position, in lists of the same length.
fn matches(
    descriptor: &Descriptor,
    wanted: &[Wire<'_>],
    actual: &[Wire<'_>],
) -> Vec<Option<usize>> {
    let Some(wanted_keys) = keys(descriptor, wanted) else {
        let is_same_length = wanted.len() == actual.len();
        return (0..wanted.len()).map(|at| is_same_length.then_some(at)).collect();
    };
    let find = |(at, wanted): (usize, &str)| {
        let is_match = |entry: &Wire<'_>| key(descriptor, *entry) == Some(wanted);
        // The same position comes first: keys that are not unique are the service's to refuse.
        let is_same = actual.get(at).is_some_and(is_match);
        if is_same { Some(at) } else { actual.iter().position(is_match) }
    };
    wanted_keys.into_iter().enumerate().map(find).collect()
}

/// The key and the value of a map's entry.
fn entry(wire: Wire<'_>) -> (&str, &str) {
    let of = |number| {
        let mut records = records(wire.bytes());
        records.find(|record| record.number == number).map_or("", |record| record.value.text())
    };
    (of(1), of(2))
}

fn is_same(field: &Field, wanted: &[Wire<'_>], actual: &[Wire<'_>]) -> bool {
    let is_same_text = |(one, other): (&Wire<'_>, &Wire<'_>)| match field.is_reference {
        true => is_same_name(one.text(), other.text()),
        false => is_same_folder(one.text(), other.text()),
    };
    match field.kind {
        Kind::Text if wanted.len() == actual.len() => wanted.iter().zip(actual).all(is_same_text),
        _ => wanted == actual,
    }
}

/// Whether two texts are equal, or the same folder in Cloud Storage with and without a slash at the
/// end.
fn is_same_folder(one: &str, other: &str) -> bool {
    fn folder(uri: &str) -> Option<&str> {
        uri.starts_with("gs://").then(|| uri.strip_suffix('/').unwrap_or(uri))
    }
    one == other || folder(one).is_some_and(|one| folder(other) == Some(one))
}

/// Whether two names refer to one resource: a service may return the number of a project although
/// the caller gave its id.
pub(crate) fn is_same_name(one: &str, other: &str) -> bool {
    fn split(name: &str) -> Option<(&str, &str)> {
        name.strip_prefix("projects/")?.split_once('/')
    }
    let is_number = |project: &str| project.bytes().all(|byte| byte.is_ascii_digit());
    one == other
        || split(one).zip(split(other)).is_some_and(|((project, rest), (other, other_rest))| {
            rest == other_rest && is_number(project) != is_number(other)
        })
}

fn show(field: &Field, values: &[Wire<'_>]) -> Option<String> {
    match (values, &field.kind) {
        ([], _) => None,
        _ if field.is_secret => Some("[redacted]".to_owned()),
        (_, Kind::Message(inner)) if field.is_list && keys(inner, values).is_some() => {
            keys(inner, values).map(|keys| format!("{keys:?}"))
        }
        ([_], Kind::Message(_)) if field.is_list => Some("1 entry".to_owned()),
        (_, Kind::Message(_) | Kind::Map) if field.is_list => {
            Some(format!("{} entries", values.len()))
        }
        _ if field.is_list => {
            let values = values.iter().map(|value| show_one(field, *value)).collect::<Vec<_>>();
            Some(format!("[{}]", values.join(", ")))
        }
        ([value, ..], _) => Some(show_one(field, *value)),
    }
}

fn show_one(field: &Field, value: Wire<'_>) -> String {
    let number = || match value {
        Wire::Varint(number) => number.cast_signed(),
        _ => 0,
    };
    match field.kind {
        Kind::Bool => (number() != 0).to_string(),
        Kind::Int => number().to_string(),
        Kind::Double => {
            let bytes = value.bytes().try_into().unwrap_or_default();
            f64::from_le_bytes(bytes).to_string()
        }
        Kind::Text => format!("{:?}", value.text()),
        Kind::Enum(values) => {
            let known = values.iter().find(|(known, _)| i64::from(*known) == number());
            known.map_or_else(|| number().to_string(), |(_, name)| (*name).to_owned())
        }
        Kind::Duration => {
            let duration = prost_types::Duration::decode(value.bytes()).unwrap_or_default();
            let seconds = duration.seconds as f64 + f64::from(duration.nanos) / 1e9;
            format!("{seconds}s")
        }
        Kind::Timestamp => {
            let time = prost_types::Timestamp::decode(value.bytes()).unwrap_or_default();
            time.to_string()
        }
        Kind::Message(descriptor) => show_message(descriptor, value.bytes()),
        Kind::Value | Kind::Map => format!("{} bytes", value.bytes().len()),
    }
}

fn show_message(descriptor: &Descriptor, message: &[u8]) -> String {
    let records = Records::read(message);
    let mut text = "{".to_owned();
    for field in descriptor.fields {
        let Some(value) = show(field, &records.values(field)) else { continue };
        let separator = if text.len() > 1 { ", " } else { "" };
        write!(text, "{separator}{}: {value}", field.name).expect("a string takes any text");
    }
    text + "}"
}

/// The content of an update: the wanted value of each field in `tops`, with what it leaves unset
/// taken from the actual resource, also in the entries of lists.
pub(crate) fn merge(
    descriptor: &'static Descriptor,
    wanted: &[u8],
    actual: &[u8],
    cleared: Clearing<'_>,
    tops: &[&str],
) -> Vec<u8> {
    merge_below(descriptor, Some(wanted), actual, cleared, "", &|name| tops.contains(&name))
}

fn merge_below(
    descriptor: &'static Descriptor,
    wanted: Option<&[u8]>,
    actual: &[u8],
    cleared: Clearing<'_>,
    prefix: &str,
    is_merged: &dyn Fn(&str) -> bool,
) -> Vec<u8> {
    let is_message_wanted = wanted.is_some();
    let (wanted, actual) = (Records::read(wanted.unwrap_or_default()), Records::read(actual));
    let mut out = Vec::new();
    let fields = descriptor.fields.iter().filter(|field| !field.is_output);
    for field in fields.filter(|field| is_merged(field.name)) {
        let path = format!("{prefix}{}", field.name);
        let is_wanted = wanted.has(field);
        match field.kind {
            _ if !is_wanted && cleared.contains(&path) => {}
            _ if !is_wanted && wanted.has_oneof_of(field, descriptor) => {}
            // 0 is wanted, as in a comparison.
            Kind::Int | Kind::Double if field.is_required && is_message_wanted && !is_wanted => {}
            Kind::Message(inner) if !field.is_list && actual.has(field) => {
                let (wanted, actual) = (wanted.values(field), actual.values(field));
                let (wanted, actual) = (content(&wanted), content(&actual).unwrap_or_default());
                let prefix = format!("{path}.");
                let merged = merge_below(inner, wanted, actual, cleared, &prefix, &|_| true);
                put_message(&mut out, field.number, &merged);
            }
            Kind::Message(inner) if field.is_list && is_wanted => {
                let (wanted, actual) = (wanted.values(field), actual.values(field));
                let prefix = format!("{path}.");
                for (wanted, found) in wanted.iter().zip(matches(inner, &wanted, &actual)) {
                    let actual = found.map_or(&[][..], |at| actual[at].bytes());
                    let wanted = Some(wanted.bytes());
                    let merged = merge_below(inner, wanted, actual, cleared, &prefix, &|_| true);
                    put_message(&mut out, field.number, &merged);
                }
            }
            // Of two entries with one key, a decoder takes the last.
            Kind::Map if !cleared.contains(&path) => {
                out.extend([actual.raw(field), wanted.raw(field)].concat());
            }
            _ if is_wanted => out.extend(wanted.raw(field)),
            _ => out.extend(actual.raw(field)),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[derive(Clone, PartialEq, prost::Message)]
    struct Clock {
        #[prost(int32, tag = "1")]
        rate: i32,
        #[prost(int32, tag = "2")]
        offset: i32,
        #[prost(btree_map = "string, string", tag = "3")]
        labels: BTreeMap<String, String>,
    }

    static CLOCK: Descriptor = Descriptor::new(
        "Clock",
        &[
            Field::new(1, "rate", Kind::Int).required(),
            Field::new(2, "offset", Kind::Int),
            Field::new(3, "labels", Kind::Map),
        ],
    );

    #[derive(Clone, PartialEq, prost::Message)]
    struct Tower {
        #[prost(message, optional, tag = "1")]
        main: Option<Clock>,
        #[prost(message, repeated, tag = "2")]
        others: Vec<Clock>,
    }

    static TOWER: Descriptor = Descriptor::new(
        "Tower",
        &[
            Field::new(1, "main", Kind::Message(&CLOCK)),
            Field::new(2, "others", Kind::Message(&CLOCK)).list(),
        ],
    );

    fn clock(rate: i32, offset: i32, labels: &[&str]) -> Clock {
        let labels = labels.iter().map(|&key| (key.to_owned(), "on".to_owned())).collect();
        Clock { rate, offset, labels }
    }

    /// The update that makes a message as wanted. It then does not differ any more.
    fn update_of<T: prost::Message + Default>(
        descriptor: &'static Descriptor,
        wanted: &T,
        actual: &T,
        cleared: &[&str],
    ) -> T {
        let cleared = cleared.iter().map(|&path| path.to_owned()).collect::<Vec<_>>();
        let (wanted, actual) = (wanted.encode_to_vec(), actual.encode_to_vec());
        let tops = descriptor.fields.iter().map(|field| field.name).collect::<Vec<_>>();
        let merged = merge(descriptor, &wanted, &actual, Clearing(&cleared), &tops);
        assert_eq!(difference(descriptor, &wanted, &merged, Clearing(&cleared)), []);
        T::decode(&*merged).expect("a valid message")
    }

    fn update(wanted: &Clock, actual: &Clock, cleared: &[&str]) -> Clock {
        update_of(&CLOCK, wanted, actual, cleared)
    }

    #[test]
    fn an_update_has_the_wanted_value_of_a_required_number_also_if_it_is_0() {
        for rate in [25, 0] {
            assert_eq!(update(&clock(rate, 0, &[]), &clock(30, 5, &[]), &[]), clock(rate, 5, &[]));
        }
    }

    #[test]
    fn an_update_keeps_the_entries_of_a_map_that_are_not_wanted_unless_the_map_is_cleared() {
        let (wanted, actual) = (clock(30, 0, &["b"]), clock(30, 0, &["a"]));
        assert_eq!(update(&wanted, &actual, &[]), clock(30, 0, &["a", "b"]));
        assert_eq!(update(&wanted, &actual, &["labels"]), wanted);
        assert_eq!(update(&clock(30, 0, &[]), &actual, &["labels"]), clock(30, 0, &[]));
    }

    #[test]
    fn an_update_keeps_the_required_numbers_of_a_message_that_is_not_wanted() {
        let actual = Tower { main: Some(clock(30, 5, &[])), others: vec![] };
        let updated = update_of(&TOWER, &Tower::default(), &actual, &["main.offset"]);
        assert_eq!(updated.main, Some(clock(30, 0, &[])));
    }

    #[test]
    fn entries_of_a_list_without_keys_are_matched_by_position_in_lists_of_the_same_length() {
        let tower = |others: &[Clock]| Tower { main: None, others: others.to_vec() };
        let actual = tower(&[clock(30, 5, &[]), clock(30, 6, &[])]);
        let wanted = tower(&[clock(25, 0, &[]), clock(24, 1, &[])]);
        let expected = tower(&[clock(25, 5, &[]), clock(24, 1, &[])]);
        assert_eq!(update_of(&TOWER, &wanted, &actual, &[]), expected);
        let shorter = tower(&[clock(25, 0, &[])]);
        assert_eq!(update_of(&TOWER, &shorter, &actual, &[]), shorter);
    }
}
