//! The building blocks of the rules: a report of violations with field paths, checks of single
//! values, and an index of a channel's parts by key.

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

/// Collects violations and tracks the path of the message that is being checked.
#[derive(Default)]
pub(super) struct Report {
    prefix: String,
    violations: Vec<InvalidField>,
}

impl Report {
    pub(super) fn of(check: impl FnOnce(&mut Self)) -> Vec<InvalidField> {
        let mut report = Self::default();
        check(&mut report);
        report.violations
    }

    /// Checks the message in a field.
    pub(super) fn within(&mut self, field: impl Display, check: impl FnOnce(&mut Self)) {
        let outer = self.prefix.len();
        self.prefix = self.path(field);
        check(self);
        self.prefix.truncate(outer);
    }

    /// Checks each message in a list.
    pub(super) fn each<T>(
        &mut self,
        field: &str,
        items: &[T],
        mut check: impl FnMut(&mut Self, &T),
    ) {
        for (at, item) in items.iter().enumerate() {
            self.within(format_args!("{field}[{at}]"), |report| check(report, item));
        }
    }

    pub(super) fn add(&mut self, field: impl Display, reason: impl Into<Cow<'static, str>>) {
        let path = self.path(field);
        self.violations.push(InvalidField::new(path, reason));
    }

    /// Adds a violation of the form `is 3, but must be even`.
    pub(super) fn must(&mut self, field: impl Display, value: impl Display, rule: impl Display) {
        self.add(field, format!("is {value}, but must {rule}"));
    }

    fn path(&self, field: impl Display) -> String {
        match &*self.prefix {
            "" => field.to_string(),
            prefix => format!("{prefix}.{field}"),
        }
    }

    pub(super) fn require(&mut self, field: impl Display, is_present: bool) {
        if !is_present {
            self.add(field, "is required");
        }
    }

    /// Checks the key of a part of a channel, or the id of an encryption.
    pub(super) fn key(&mut self, field: &str, key: &str) {
        let is_inner = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        if key.is_empty() {
            self.add(field, "is required");
        } else if key.len() > 63 {
            self.add(field, format!("has {} characters, but at most 63 are allowed", key.len()));
        } else if !key.chars().all(is_inner) {
            let rule = "contain only letters, digits, `-` and `_`";
            self.must(field, format_args!("`{key}`"), rule);
        } else if key.starts_with(['-', '_']) || key.ends_with(['-', '_']) {
            let rule = "begin and end with a letter or a digit";
            self.must(field, format_args!("`{key}`"), rule);
        }
    }

    /// Checks that a field has different values in all entries of a list. Empty values may repeat.
    pub(super) fn unique<S: AsRef<str>>(
        &mut self,
        list: &str,
        field: &str,
        values: impl IntoIterator<Item = S>,
    ) {
        let entry = |at: usize| match field {
            "" => format!("{list}[{at}]"),
            field => format!("{list}[{at}].{field}"),
        };
        let mut first = HashMap::new();
        for (at, value) in values.into_iter().enumerate() {
            let value = value.as_ref();
            if let Some(first) = first.get(value) {
                let first = self.path(entry(*first));
                self.add(entry(at), format!("is a duplicate: `{first}` is also `{value}`"));
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
            let (min, max) = range.into_inner();
            self.must(field, value, format_args!("be between {min} and {max}"));
        }
    }

    /// Checks a number unless it is 0: the service then chooses a value.
    pub(super) fn range_if_set(&mut self, field: &str, value: i32, range: RangeInclusive<i32>) {
        if value != 0 {
            self.range(field, value, range);
        }
    }

    pub(super) fn not_negative(&mut self, field: &str, value: i32) {
        if value < 0 {
            self.must(field, value, "not be negative");
        }
    }

    pub(super) fn one_of(&mut self, field: impl Display, value: &str, known: &[&str]) {
        if !known.contains(&value) {
            let known = list(known.iter().copied().filter(|known| !known.is_empty()));
            self.must(field, format_args!("`{value}`"), format_args!("be one of {known}"));
        }
    }

    /// Checks the name of another resource, which is required.
    pub(super) fn reference<N: ResourceName>(&mut self, field: &str, name: &str) {
        if name.is_empty() {
            self.add(field, "is required");
        } else {
            self.name::<N>(field, name);
        }
    }

    /// Checks the resource's own name, which is empty until the resource is created.
    pub(super) fn name<N: ResourceName>(&mut self, field: &str, name: &str) {
        if !name.is_empty()
            && let Err(invalid) = N::check(name)
        {
            self.add(field, format!("is {invalid}"));
        }
    }

    /// Checks the URI of a Cloud Storage folder, such as `gs://bucket/folder`.
    pub(super) fn storage_folder(&mut self, field: &str, uri: &str) {
        let bucket = uri.strip_prefix("gs://").and_then(|rest| rest.split('/').next());
        if uri.is_empty() {
            self.add(field, "is required");
        } else if bucket.is_none_or(str::is_empty) {
            let rule = "be a Cloud Storage folder such as `gs://my-bucket/folder`";
            self.must(field, format_args!("`{uri}`"), rule);
        }
    }

    /// Checks the URI of a Cloud Storage object, such as `gs://bucket/object`.
    pub(super) fn storage_object(&mut self, field: &str, uri: &str) {
        let parts = uri.strip_prefix("gs://").and_then(|rest| rest.split_once('/'));
        if uri.is_empty() {
            self.add(field, "is required");
        } else if parts.is_none_or(|(bucket, object)| bucket.is_empty() || object.is_empty()) {
            let rule = "be a Cloud Storage object such as `gs://my-bucket/my-object`";
            self.must(field, format_args!("`{uri}`"), rule);
        }
    }

    /// Converts a duration to nanoseconds. Reports a duration that is not valid.
    pub(super) fn duration(&mut self, field: &str, duration: &Duration) -> Option<i128> {
        let nanos = time::duration_nanos(duration);
        nanos.map_err(|invalid| self.add(field, invalid.reason().to_owned())).ok()
    }

    /// Checks that a duration is within a range of whole seconds.
    pub(super) fn duration_in(
        &mut self,
        field: &str,
        duration: &Duration,
        seconds: RangeInclusive<i32>,
    ) {
        let Some(nanos) = self.duration(field, duration) else { return };
        let (min, max) = seconds.into_inner();
        let limit = |seconds: i32| i128::from(seconds) * NANOS_PER_SECOND;
        if nanos < limit(min) || nanos > limit(max) {
            self.must(field, Seconds(nanos), format_args!("be between {min} s and {max} s"));
        }
    }

    pub(super) fn duration_above_zero(&mut self, field: &str, duration: &Duration) {
        if self.duration(field, duration).is_some_and(|nanos| nanos <= 0) {
            self.add(field, "must be greater than zero");
        }
    }

    pub(super) fn duration_not_negative(&mut self, field: &str, duration: &Duration) {
        if self.duration(field, duration).is_some_and(|nanos| nanos < 0) {
            self.add(field, "must not be negative");
        }
    }

    /// Converts a timestamp to nanoseconds since the Unix epoch. Reports a timestamp that is not
    /// valid.
    pub(super) fn timestamp(&mut self, field: &str, time: Option<&Timestamp>) -> Option<i128> {
        let nanos = time::timestamp_nanos(time?);
        nanos.map_err(|invalid| self.add(field, invalid.reason().to_owned())).ok()
    }
}

/// The entries of a list, by key.
pub(super) struct Index<'a, T> {
    /// What an entry is, such as `mux stream`.
    noun: &'static str,
    entries: Vec<(&'a str, &'a T)>,
    is_known: bool,
}

impl<'a, T> Index<'a, T> {
    pub(super) fn new(noun: &'static str, items: &'a [T], key: fn(&T) -> &str) -> Self {
        let entries = items.iter().map(|item| (key(item), item)).collect();
        Self { noun, entries, is_known: true }
    }

    /// Treats an empty list as unknown. An update may omit the list; the service then keeps entries
    /// that are not in the request.
    pub(super) fn unknown_if_empty(mut self) -> Self {
        self.is_known = !self.entries.is_empty();
        self
    }

    /// Returns the entry that a field refers to by key. Reports a key that no entry has.
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
            let noun = self.noun;
            let reason = format!("is `{key}`, but the channel has no such {noun}; it has {known}");
            report.add(field, reason);
        }
        found
    }

    /// Returns the entry with a key. No entry has the empty key.
    pub(super) fn get(&self, key: &str) -> Option<&'a T> {
        let mut entries = self.entries.iter().filter(|_| !key.is_empty());
        entries.find(|(known, _)| *known == key).map(|(_, item)| *item)
    }

    pub(super) fn is_known(&self) -> bool {
        self.is_known
    }
}

/// Formats a list as `` `a`, `b` ``, and an empty list as `none`.
pub(super) fn list<'a>(items: impl IntoIterator<Item = &'a str>) -> String {
    let items = items.into_iter().map(|item| format!("`{item}`")).collect::<Vec<_>>();
    if items.is_empty() { "none".to_owned() } else { items.join(", ") }
}

/// A duration in nanoseconds that is displayed in seconds.
pub(super) struct Seconds(pub(super) i128);

impl Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} s", self.0 as f64 / NANOS_PER_SECOND as f64)
    }
}
