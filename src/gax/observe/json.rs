//! The little JSON that diagnostics need, without the feature `json` and its dependencies.

use std::{
    fmt::{Display, Write},
    time::Duration,
};

/// An object with the members that `fill` adds.
pub(super) fn object(fill: impl FnOnce(&mut Object)) -> String {
    let mut object = Object(String::new());
    fill(&mut object);
    format!("{{{}}}", object.0)
}

/// The members of an object.
pub(super) struct Object(String);

impl Object {
    pub(super) fn text(&mut self, name: &str, value: &str) {
        self.member(name, &text(value));
    }

    /// Adds a number, which must be finite.
    pub(super) fn number(&mut self, name: &str, value: impl Display) {
        self.member(name, &value.to_string());
    }

    pub(super) fn seconds(&mut self, name: &str, value: Duration) {
        self.member(name, &seconds(value));
    }

    /// Adds a value, or null.
    pub(super) fn some<T>(
        &mut self,
        name: &str,
        value: Option<T>,
        write: impl FnOnce(T) -> String,
    ) {
        self.member(name, &value.map_or_else(|| "null".to_owned(), write));
    }

    pub(super) fn array(&mut self, name: &str, values: impl Iterator<Item = String>) {
        self.member(name, &format!("[{}]", values.collect::<Vec<_>>().join(",")));
    }

    fn member(&mut self, name: &str, value: &str) {
        if !self.0.is_empty() {
            self.0.push(',');
        }
        write!(self.0, "{}:{value}", text(name)).expect("a string takes all text");
    }
}

/// A string with its quotes.
pub(super) fn text(value: &str) -> String {
    let mut quoted = String::with_capacity(value.len() + 2);
    quoted.push('"');
    for c in value.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => {
                write!(quoted, "\\u{:04x}", u32::from(c)).expect("a string takes all text");
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// A number of seconds, to the millisecond.
pub(super) fn seconds(value: Duration) -> String {
    format!("{:.3}", value.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_text_escapes_quotes_backslashes_and_control_characters() {
        let odd = "a \"b\" \\ \n \u{1f} \u{85} \u{2028} é";
        let read: String = serde_json::from_str(&text(odd)).expect("it is JSON");
        assert_eq!(read, odd);
    }

    #[test]
    fn json_objects_may_be_empty() {
        assert_eq!(object(|_| {}), "{}");
        assert_eq!(object(|o| o.array("none", std::iter::empty())), r#"{"none":[]}"#);
    }
}
