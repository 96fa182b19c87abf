//! The access key that signs requests. No method of this module prints it.

use crate::gax::error::Error;
use std::{env, fmt};
use tonic::Code;

/// An access key with its secret key and, for a temporary key, its session token.
///
/// `Debug` and errors do not contain them.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), livestream_client::Error> {
/// use livestream_client::volcengine::AccessKey;
///
/// let key = AccessKey::new("AKLTEXAMPLE", "c2VjcmV0")?.with_session_token("STS2EXAMPLETOKEN==")?;
/// assert!(!format!("{key:?}").contains("EXAMPLE"));
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct AccessKey {
    id: String,
    secret_key: String,
    session_token: Option<String>,
}

impl AccessKey {
    /// Creates a permanent access key.
    ///
    /// # Errors
    /// Returns an error if either is empty, or if the access key contains characters that are not
    /// allowed in a header.
    pub fn new(
        access_key: impl Into<String>,
        secret_key: impl Into<String>,
    ) -> Result<Self, Error> {
        let (id, secret_key) = (access_key.into(), secret_key.into());
        check("access key", &id)?;
        if secret_key.is_empty() {
            return Err(Error::new(Code::InvalidArgument, "the secret key is empty"));
        }
        Ok(Self { id, secret_key, session_token: None })
    }

    /// Adds the session token of a temporary access key.
    ///
    /// # Errors
    /// Returns an error if the token is empty or contains characters that are not allowed in a
    /// header.
    pub fn with_session_token(mut self, token: impl Into<String>) -> Result<Self, Error> {
        let token = token.into();
        check("session token", &token)?;
        self.session_token = Some(token);
        Ok(self)
    }

    /// Reads the access key from the environment variables `VOLC_ACCESSKEY`, `VOLC_SECRETKEY` and,
    /// for a temporary key, `VOLC_SESSION_TOKEN`.
    ///
    /// # Errors
    /// Returns an error if one of the first two variables is not set or empty, or if a value
    /// contains characters that are not allowed in a header.
    pub fn from_env() -> Result<Self, Error> {
        Self::from_variables(|name| env::var(name).ok())
    }

    fn from_variables(get: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let get = |name| get(name).filter(|value| !value.is_empty());
        let (Some(access_key), Some(secret_key)) = (get("VOLC_ACCESSKEY"), get("VOLC_SECRETKEY"))
        else {
            let message = "no access key: set VOLC_ACCESSKEY and VOLC_SECRETKEY, \
                           or set an access key in the builder";
            return Err(Error::new(Code::Unauthenticated, message));
        };
        let key = Self::new(access_key, secret_key)?;
        match get("VOLC_SESSION_TOKEN") {
            Some(token) => key.with_session_token(token),
            None => Ok(key),
        }
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn secret_key(&self) -> &str {
        &self.secret_key
    }

    pub(super) fn session_token(&self) -> Option<&str> {
        self.session_token.as_deref()
    }

    /// Replaces the access key, the secret key and the session token in a text from the service.
    pub(super) fn redact(&self, text: &str) -> String {
        let secrets = [Some(&self.id), Some(&self.secret_key), self.session_token.as_ref()];
        secrets
            .into_iter()
            .flatten()
            .fold(text.to_owned(), |text, secret| text.replace(secret, "[redacted]"))
    }
}

/// Checks that a value can be sent in a header. The error message must not contain the value.
fn check(name: &str, value: &str) -> Result<(), Error> {
    let is_valid = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_graphic());
    is_valid.then_some(()).ok_or_else(|| {
        let message = format!("the {name} is empty, or contains spaces or non-ASCII characters");
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
    fn access_key_is_read_from_environment_variables() {
        let pair = [("VOLC_ACCESSKEY", "AK"), ("VOLC_SECRETKEY", "SK")];
        let key = of(&pair).expect("a valid access key");
        assert_eq!((key.id(), key.secret_key()), ("AK", "SK"));
        assert_eq!(key.session_token(), None);

        let temporary = [pair[0], pair[1], ("VOLC_SESSION_TOKEN", "ST")];
        assert_eq!(of(&temporary).expect("a valid access key").session_token(), Some("ST"));
    }

    #[test]
    fn missing_access_key_error_contains_the_environment_variables() {
        for short in [&[][..], &[("VOLC_ACCESSKEY", "AK")], &[("VOLC_SECRETKEY", "SK")]] {
            let error = of(short).expect_err("incomplete");
            assert_eq!(error.code(), Code::Unauthenticated);
            assert!(error.message().contains("VOLC_ACCESSKEY and VOLC_SECRETKEY"), "{error}");
        }
    }

    #[test]
    fn debug_redact_and_errors_do_not_contain_secrets() {
        let key =
            AccessKey::new("AKSHOWN", "SKSHOWN").and_then(|key| key.with_session_token("STSHOWN"));
        let key = key.expect("valid");
        assert!(!format!("{key:?}").contains("SHOWN"));
        assert_eq!(key.redact("AKSHOWN, SKSHOWN, STSHOWN, x").matches("[redacted]").count(), 3);
        assert!(!key.redact("AKSHOWN, SKSHOWN, STSHOWN, x").contains("SHOWN"));

        for result in [AccessKey::new("AK\nSHOWN", "SK"), key.with_session_token("ST SHOWN")] {
            let error = result.expect_err("not valid in a header");
            assert!(!format!("{error:?} {error}").contains("SHOWN"), "{error}");
        }
        assert!(AccessKey::new("", "SK").is_err() && AccessKey::new("AK", "").is_err());
    }
}
