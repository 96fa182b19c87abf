//! Page tokens: the position of the last item of a page, and a keyed hash.
//!
//! A token has a position and not a number of items: if items are added or removed between two
//! pages, no other item is skipped or repeated. The hash covers the parameters of the listing too,
//! since a token is valid only for the listing that it comes from. A token that another emulator
//! made, or that a program changed, is refused.

use super::fields::Scalar;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// The secret of an emulator's page tokens.
#[derive(Clone, Copy)]
pub(crate) struct TokenKey(u64, u64);

impl TokenKey {
    /// The key for a seed: with one seed, the same tokens are valid again.
    pub(crate) fn new(seed: u64) -> Self {
        let half = |part: &str| {
            let mut hasher = DefaultHasher::new();
            ("page tokens", part, seed).hash(&mut hasher);
            hasher.finish()
        };
        Self(half("one"), half("two"))
    }

    /// The hash of a position in the listing with these parameters.
    fn sign(self, listing: &[&str], position: &str) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.0, listing, position, self.1).hash(&mut hasher);
        hasher.finish()
    }

    /// Writes a token.
    pub(super) fn write(self, listing: &[&str], values: &[Scalar], name: &str) -> String {
        let mut position = String::new();
        for value in values {
            let (kind, text) = match value {
                Scalar::Bool(value) => ('b', value.to_string()),
                Scalar::Int(value) => ('i', value.to_string()),
                Scalar::Float(value) => ('f', value.to_bits().to_string()),
                Scalar::Text(value) => ('t', value.clone()),
            };
            position.push_str(&format!("{kind}{} {text}", text.len()));
        }
        position.push_str(&format!("n{} {name}", name.len()));
        let sum = self.sign(listing, &position);
        URL_SAFE_NO_PAD.encode(format!("{sum:016x}{position}"))
    }

    /// Reads a token: the values and the name of the last item.
    ///
    /// # Errors
    /// Why the token is not valid here.
    pub(super) fn read(
        self,
        listing: &[&str],
        token: &str,
    ) -> Result<(Vec<Scalar>, String), &'static str> {
        const FOREIGN: &str = "is not a token of this listing";
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| FOREIGN)?;
        let text = String::from_utf8(bytes).map_err(|_| FOREIGN)?;
        let (sum, position) = text.split_at_checked(16).ok_or(FOREIGN)?;
        if u64::from_str_radix(sum, 16) != Ok(self.sign(listing, position)) {
            return Err(FOREIGN);
        }
        read_position(position).ok_or(FOREIGN)
    }
}

fn read_position(mut rest: &str) -> Option<(Vec<Scalar>, String)> {
    let mut values = Vec::new();
    loop {
        let kind = rest.chars().next()?;
        let (length, after) = rest.get(1..)?.split_once(' ')?;
        let (text, after) = after.split_at_checked(length.parse().ok()?)?;
        values.push(match kind {
            'b' => Scalar::Bool(text.parse().ok()?),
            'i' => Scalar::Int(text.parse().ok()?),
            'f' => Scalar::Float(f64::from_bits(text.parse().ok()?)),
            't' => Scalar::Text(text.to_owned()),
            _ => return Some((values, text.to_owned())),
        });
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_token_has_values_of_every_type() {
        let values = [
            Scalar::Bool(true),
            Scalar::Int(-7),
            Scalar::Float(0.1),
            Scalar::Text("news n3 \u{e9}".to_owned()),
        ];
        let token = TokenKey::new(0).write(&["p"], &values, "name");
        let read = TokenKey::new(0).read(&["p"], &token);
        assert_eq!(read, Ok((values.to_vec(), "name".to_owned())));
    }
}
