//! The ids of new resources, and the labels of resources.

use super::status;
use std::collections::HashMap;
use tonic::Status;

/// What the id of a new resource may look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IdRule {
    /// `^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`.
    Strict,
    /// Also letters of either case and underscores, as the reference of clips and DVR sessions allows.
    Lenient,
}

impl IdRule {
    /// # Errors
    /// The rule that the id violates.
    pub(super) fn check(self, id: &str) -> Result<(), &'static str> {
        let is_allowed = |byte: u8| match self {
            Self::Strict => byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-',
            Self::Lenient => byte.is_ascii_alphanumeric() || b"-_".contains(&byte),
        };
        let is_edge = |c: char| self == Self::Strict && c == '-';
        let is_id = (1..=63).contains(&id.len())
            && id.bytes().all(is_allowed)
            && !id.starts_with(is_edge)
            && !id.ends_with(is_edge);
        match self {
            _ if is_id => Ok(()),
            Self::Strict => Err("must be 1 to 63 lower-case letters, digits and inner hyphens"),
            Self::Lenient => Err("must be 1 to 63 letters, digits, hyphens and underscores"),
        }
    }
}

/// Whether labels have the form that Google Cloud allows: at most 64 of them; keys of 1 to 63
/// characters that begin with a letter, values of at most 63; letters without capitals, digits, `_`
/// and `-`.
///
/// # Errors
/// `INVALID_ARGUMENT` with the field of the labels.
pub(super) fn check_labels(field: &str, labels: &HashMap<String, String>) -> Result<(), Status> {
    const MAX_LABELS: usize = 64;
    const MAX_LENGTH: usize = 63;
    if labels.len() > MAX_LABELS {
        let reason = format!("has {} labels; at most {MAX_LABELS} are allowed", labels.len());
        return Err(status::invalid(field, reason));
    }
    // Letters of scripts without case are allowed too.
    let is_allowed = |c: char| (c.is_alphanumeric() && !c.is_uppercase()) || "-_".contains(c);
    let is_text = |text: &str| text.chars().count() <= MAX_LENGTH && text.chars().all(is_allowed);
    for (key, value) in labels {
        let is_key = key.starts_with(char::is_alphabetic) && is_text(key);
        if !is_key {
            let rule = "1 to 63 lower-case letters, digits, `_` and `-`, and begins with a letter";
            return Err(status::invalid(field, format!("has the key '{key}'; a key has {rule}")));
        }
        if !is_text(value) {
            let rule = "at most 63 lower-case letters, digits, `_` and `-`";
            let reason = format!("has the value '{value}' for '{key}'; a value has {rule}");
            return Err(status::invalid(field, reason));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_strict_except_where_a_document_allows_more() {
        for id in ["a", "0", "a-b", "a--b", &"x".repeat(63)] {
            assert_eq!(IdRule::Strict.check(id), Ok(()), "{id}");
            assert_eq!(IdRule::Lenient.check(id), Ok(()), "{id}");
        }
        for id in ["A", "a_b", "_", "-a", "a-", "Evening_2026"] {
            assert!(IdRule::Strict.check(id).is_err(), "{id}");
            assert_eq!(IdRule::Lenient.check(id), Ok(()), "{id}");
        }
        for id in ["", "a.b", "ä", "a/b", &"x".repeat(64)] {
            assert!(IdRule::Strict.check(id).is_err(), "{id}");
            assert!(IdRule::Lenient.check(id).is_err(), "{id}");
        }
    }

    #[test]
    fn labels_have_the_limits_of_google_cloud() {
        let check = |key: &str, value: &str| {
            check_labels("labels", &[(key.to_owned(), value.to_owned())].into())
        };
        let long = "x".repeat(63);
        for (key, value) in [("a", ""), ("a-b_1", "2026-05"), (&long, &long), ("größe", "日本")]
        {
            assert!(check(key, value).is_ok(), "{key}={value}");
        }
        let longer = "x".repeat(64);
        let refused = [
            ("", "a"),
            ("A", "a"),
            ("1a", "a"),
            ("a.b", "a"),
            (&longer, "a"),
            ("a", &longer),
            ("a", "B c"),
        ];
        for (key, value) in refused {
            assert!(check(key, value).is_err(), "{key}={value}");
        }
        let many = |count: usize| (0..count).map(|n| (format!("k{n}"), String::new())).collect();
        assert!(check_labels("labels", &many(64)).is_ok());
        assert!(check_labels("labels", &many(65)).is_err());
    }
}
