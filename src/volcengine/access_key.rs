//! The key pair that requests are signed with. Nothing here ever prints it.

use crate::gax::error::Error;
use std::{env, fmt};
use tonic::Code;

/// An access key and its secret, with the session token of temporary ones.
///
/// `Debug` shows none of them, and no error does.
///
/// ```
/// # fn main() -> Result<(), livestream_client::Error> {
/// use livestream_client::volcengine::AccessKey;
///
/// let keys = AccessKey::new("AKLTEXAMPLE", "c2VjcmV0")?.with_session_token("STS2EXAMPLETOKEN==")?;
/// assert!(!format!("{keys:?}").contains("EXAMPLE"));
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct AccessKey {
    access_key: String,
    secret_key: String,
    session_token: Option<String>,
}

impl AccessKey {
    /// A pair that holds until it is revoked.
    ///
    /// # Errors
    /// If either is empty, or the access key does not fit into a header.
    pub fn new(
        access_key: impl Into<String>,
        secret_key: impl Into<String>,
    ) -> Result<Self, Error> {
        let (access_key, secret_key) = (access_key.into(), secret_key.into());
        check("access key", &access_key)?;
        if secret_key.is_empty() {
            return Err(Error::new(Code::InvalidArgument, "the secret key is empty"));
        }
        Ok(Self { access_key, secret_key, session_token: None })
    }

    /// Makes it a temporary pair, with the token that came along.
    ///
    /// # Errors
    /// If the token is empty, or does not fit into a header.
    pub fn with_session_token(mut self, token: impl Into<String>) -> Result<Self, Error> {
        let token = token.into();
        check("session token", &token)?;
        self.session_token = Some(token);
        Ok(self)
    }

    /// What `VOLC_ACCESSKEY`, `VOLC_SECRETKEY` and, for a temporary pair, `VOLC_SESSION_TOKEN` hold.
    ///
    /// # Errors
    /// If one of the first two is unset or empty, or one does not fit into a header.
    pub fn from_env() -> Result<Self, Error> {
        Self::from_variables(|name| env::var(name).ok())
    }

    fn from_variables(get: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let get = |name| get(name).filter(|value| !value.is_empty());
        let (Some(access_key), Some(secret_key)) = (get("VOLC_ACCESSKEY"), get("VOLC_SECRETKEY"))
        else {
            let message = "no keys: set VOLC_ACCESSKEY and VOLC_SECRETKEY, \
                           or give keys to the builder";
            return Err(Error::new(Code::Unauthenticated, message));
        };
        let keys = Self::new(access_key, secret_key)?;
        match get("VOLC_SESSION_TOKEN") {
            Some(token) => keys.with_session_token(token),
            None => Ok(keys),
        }
    }

    pub(super) fn access_key(&self) -> &str {
        &self.access_key
    }

    pub(super) fn secret_key(&self) -> &str {
        &self.secret_key
    }

    pub(super) fn session_token(&self) -> Option<&str> {
        self.session_token.as_deref()
    }

    /// A text of the service without any key that it may repeat.
    pub(super) fn redact(&self, text: &str) -> String {
        let keys = [Some(&self.access_key), Some(&self.secret_key), self.session_token.as_ref()];
        keys.into_iter()
            .flatten()
            .fold(text.to_owned(), |text, key| text.replace(key, "[redacted]"))
    }
}

/// Neither the name nor anything else in the message may show the value.
fn check(what: &str, value: &str) -> Result<(), Error> {
    let is_fit = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_graphic());
    is_fit.then_some(()).ok_or_else(|| {
        let message = format!("the {what} is empty, or holds spaces or other than ASCII");
        Error::new(Code::InvalidArgument, message)
    })
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessKey").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> Result<AccessKey, Error> {
        AccessKey::from_variables(|name| {
            pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn keys_come_from_three_variables() {
        let pair = [("VOLC_ACCESSKEY", "AK"), ("VOLC_SECRETKEY", "SK")];
        let keys = of(&pair).expect("a pair");
        assert_eq!((keys.access_key(), keys.secret_key()), ("AK", "SK"));
        assert_eq!(keys.session_token(), None);

        let temporary = [pair[0], pair[1], ("VOLC_SESSION_TOKEN", "ST")];
        assert_eq!(of(&temporary).expect("a triple").session_token(), Some("ST"));
    }

    #[test]
    fn missing_keys_are_named_by_their_variables() {
        for short in [&[][..], &[("VOLC_ACCESSKEY", "AK")], &[("VOLC_SECRETKEY", "SK")]] {
            let error = of(short).expect_err("no pair");
            assert_eq!(error.code(), Code::Unauthenticated);
            assert!(error.message().contains("VOLC_ACCESSKEY and VOLC_SECRETKEY"), "{error}");
        }
    }

    #[test]
    fn no_key_is_shown_not_even_a_refused_one() {
        let keys = AccessKey::new("AKSHOWN", "SKSHOWN")
            .and_then(|keys| keys.with_session_token("STSHOWN"));
        let keys = keys.expect("valid");
        assert!(!format!("{keys:?}").contains("SHOWN"));
        assert_eq!(keys.redact("AKSHOWN, SKSHOWN, STSHOWN, x").matches("[redacted]").count(), 3);
        assert!(!keys.redact("AKSHOWN, SKSHOWN, STSHOWN, x").contains("SHOWN"));

        for refused in [AccessKey::new("AK\nSHOWN", "SK"), keys.with_session_token("ST SHOWN")] {
            let error = refused.expect_err("not fit for a header");
            assert!(!format!("{error:?} {error}").contains("SHOWN"), "{error}");
        }
        assert!(AccessKey::new("", "SK").is_err() && AccessKey::new("AK", "").is_err());
    }
}
