//! The vocabulary of the rules: what is looked at, where it stands, and what is said of it.

use crate::{
    gax::rpc::InvalidField,
    name::ResourceName,
    time::{self, NANOS_PER_SECOND},
};
use prost_types::{Duration, Timestamp};
use std::{
    borrow::Cow,
    collections::HashMap,
    fmt::{self, Display},
    ops::RangeInclusive,
};

/// Gathers violations; knows the path of the message that is looked at.
#[derive(Default)]
pub(super) struct Report {
    at: String,
    found: Vec<InvalidField>,
}

impl Report {
    pub(super) fn of(look: impl FnOnce(&mut Self)) -> Vec<InvalidField> {
        let mut report = Self::default();
        look(&mut report);
        report.found
    }

    /// Looks into a field that holds a message.
    pub(super) fn within(&mut self, field: impl Display, look: impl FnOnce(&mut Self)) {
        let outer = self.at.len();
        self.at = self.path(field);
        look(self);
        self.at.truncate(outer);
    }

    /// Looks into each message of a list.
    pub(super) fn each<T>(
        &mut self,
        field: &str,
        items: &[T],
        mut look: impl FnMut(&mut Self, &T),
    ) {
        for (at, item) in items.iter().enumerate() {
            self.within(format_args!("{field}[{at}]"), |report| look(report, item));
        }
    }

    pub(super) fn add(&mut self, field: impl Display, reason: impl Into<Cow<'static, str>>) {
        let path = self.path(field);
        self.found.push(InvalidField::new(path, reason));
    }

    fn path(&self, field: impl Display) -> String {
        match &*self.at {
            "" => field.to_string(),
            at => format!("{at}.{field}"),
        }
    }

    pub(super) fn require(&mut self, field: impl Display, is_present: bool) {
        if !is_present {
            self.add(field, "is required");
        }
    }

    /// Keys of channels' parts, and ids of encryptions.
    pub(super) fn key(&mut self, field: &str, key: &str) {
        let is_end = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        let is_inner = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        if key.is_empty() {
            self.add(field, "is required");
        } else if key.len() > 63 {
            self.add(field, format!("has {} characters, and 63 are the most", key.len()));
        } else if !key.chars().all(is_inner) {
            let rule = "has other characters than letters, digits, `-` and `_`";
            self.add(field, format!("is `{key}`, which {rule}"));
        } else if !is_end(key.chars().next()) || !is_end(key.chars().next_back()) {
            let rule = "does not begin and end with a letter or a digit";
            self.add(field, format!("is `{key}`, which {rule}"));
        }
    }

    /// The values of one field over a list: each may stand once, but for empty ones.
    pub(super) fn unique<S: AsRef<str>>(
        &mut self,
        list: &str,
        field: &str,
        values: impl IntoIterator<Item = S>,
    ) {
        let place = |at: usize| match field {
            "" => format!("{list}[{at}]"),
            field => format!("{list}[{at}].{field}"),
        };
        let mut first = HashMap::new();
        for (at, value) in values.into_iter().enumerate() {
            let value = value.as_ref();
            if let Some(first) = first.get(value) {
                self.add(
                    place(at),
                    format!("is doubled: `{}` is `{value}` too", self.path(place(*first))),
                );
            } else if !value.is_empty() {
                first.insert(value.to_owned(), at);
            }
        }
    }

    pub(super) fn range<T: PartialOrd + Display>(
        &mut self,
        field: &str,
        value: T,
        range: RangeInclusive<T>,
    ) {
        if !range.contains(&value) {
            let (least, most) = range.into_inner();
            self.add(field, format!("is {value}, outside of {least} to {most}"));
        }
    }

    /// A number that leaves the choice to the service where it is 0.
    pub(super) fn range_if_set(&mut self, field: &str, value: i32, range: RangeInclusive<i32>) {
        if value != 0 {
            self.range(field, value, range);
        }
    }

    pub(super) fn not_negative(&mut self, field: &str, value: i32) {
        if value < 0 {
            self.add(field, format!("is {value}, and cannot be negative"));
        }
    }

    pub(super) fn one_of(&mut self, field: impl Display, value: &str, known: &[&str]) {
        if !known.contains(&value) {
            let known = list(known.iter().copied().filter(|known| !known.is_empty()));
            self.add(field, format!("is `{value}`, not one of {known}"));
        }
    }

    /// A name that a field refers to.
    pub(super) fn reference<N: ResourceName>(&mut self, field: &str, name: &str) {
        if name.is_empty() {
            self.add(field, "is required");
        } else {
            self.name::<N>(field, name);
        }
    }

    /// The resource's own name: empty until it is created.
    pub(super) fn name<N: ResourceName>(&mut self, field: &str, name: &str) {
        if !name.is_empty()
            && let Err(invalid) = N::check(name)
        {
            self.add(field, format!("is {invalid}"));
        }
    }

    /// A place in Cloud Storage, such as `gs://bucket/folder`.
    pub(super) fn storage_folder(&mut self, field: &str, uri: &str) {
        let bucket = uri.strip_prefix("gs://").and_then(|rest| rest.split('/').next());
        if uri.is_empty() {
            self.add(field, "is required");
        } else if bucket.is_none_or(str::is_empty) {
            self.add(field, format!("is `{uri}`, not a place such as `gs://my-bucket/folder`"));
        }
    }

    /// A file in Cloud Storage, such as `gs://bucket/object`.
    pub(super) fn storage_object(&mut self, field: &str, uri: &str) {
        let parts = uri.strip_prefix("gs://").and_then(|rest| rest.split_once('/'));
        if uri.is_empty() {
            self.add(field, "is required");
        } else if parts.is_none_or(|(bucket, object)| bucket.is_empty() || object.is_empty()) {
            self.add(field, format!("is `{uri}`, not a file such as `gs://my-bucket/my-object`"));
        }
    }

    /// A length in nanoseconds, if it is one.
    pub(super) fn duration(&mut self, field: &str, duration: &Duration) -> Option<i128> {
        let nanos = time::duration_nanos(duration);
        nanos.map_err(|invalid| self.add(field, invalid.reason().to_owned())).ok()
    }

    /// A length within limits, which are in whole seconds.
    pub(super) fn duration_in(
        &mut self,
        field: &str,
        duration: &Duration,
        seconds: RangeInclusive<i32>,
    ) {
        let Some(nanos) = self.duration(field, duration) else { return };
        let (least, most) = seconds.into_inner();
        let limit = |seconds: i32| i128::from(seconds) * NANOS_PER_SECOND;
        if nanos < limit(least) || nanos > limit(most) {
            self.add(field, format!("is {}, outside of {least} s to {most} s", Seconds(nanos)));
        }
    }

    pub(super) fn duration_above_zero(&mut self, field: &str, duration: &Duration) {
        if self.duration(field, duration).is_some_and(|nanos| nanos <= 0) {
            self.add(field, "is not above zero");
        }
    }

    pub(super) fn duration_not_negative(&mut self, field: &str, duration: &Duration) {
        if self.duration(field, duration).is_some_and(|nanos| nanos < 0) {
            self.add(field, "is negative");
        }
    }

    /// A point in time, in nanoseconds from 1970, if it is one.
    pub(super) fn timestamp(&mut self, field: &str, time: Option<&Timestamp>) -> Option<i128> {
        let nanos = time::timestamp_nanos(time?);
        nanos.map_err(|invalid| self.add(field, invalid.reason().to_owned())).ok()
    }
}

/// The entries of a list by their keys.
pub(super) struct Index<'a, T> {
    what: &'static str,
    entries: Vec<(&'a str, &'a T)>,
    is_known: bool,
}

impl<'a, T> Index<'a, T> {
    pub(super) fn new(what: &'static str, items: &'a [T], key: fn(&T) -> &str) -> Self {
        let entries = items.iter().map(|item| (key(item), item)).collect();
        Self { what, entries, is_known: true }
    }

    /// An update may leave the list out: then the service has entries that are not seen here.
    pub(super) fn unknown_if_empty(mut self) -> Self {
        self.is_known = !self.entries.is_empty();
        self
    }

    /// The entry that a field names; a key that no entry has is reported.
    pub(super) fn find(
        &self,
        report: &mut Report,
        field: impl Display,
        key: &str,
    ) -> Option<&'a T> {
        if key.is_empty() {
            report.add(field, "is required");
            return None;
        }
        let found = self.get(key);
        if found.is_none() && self.is_known {
            let known = list(self.entries.iter().map(|(known, _)| *known));
            let what = self.what;
            report.add(
                field,
                format!("is `{key}`, but the channel has no such {what}, only {known}"),
            );
        }
        found
    }

    /// The entry of a key, if there is one; an empty key is none.
    pub(super) fn get(&self, key: &str) -> Option<&'a T> {
        let mut named = self.entries.iter().filter(|(known, _)| !known.is_empty());
        named.find(|(known, _)| *known == key).map(|(_, item)| *item)
    }

    pub(super) fn is_known(&self) -> bool {
        self.is_known
    }
}

/// `` `a`, `b` ``, or that there is none.
pub(super) fn list<'a>(items: impl IntoIterator<Item = &'a str>) -> String {
    let items = items.into_iter().map(|item| format!("`{item}`")).collect::<Vec<_>>();
    if items.is_empty() { "none".to_owned() } else { items.join(", ") }
}

/// A length in nanoseconds, shown as seconds.
pub(super) struct Seconds(pub(super) i128);

impl Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} s", self.0 as f64 / NANOS_PER_SECOND as f64)
    }
}
