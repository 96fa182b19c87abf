//! Where the tokens of calls come from.
//!
//! A [`TokenSource`] is asked for a [`Token`] once for each attempt of a call. A closure is one too:
//!
#![doc = include_str!("../guide/examples/token_source.md")]
//!
//! The trait is this crate's own, so that a program that brings its own tokens needs no library that
//! finds them. The feature `adc` adds one: `google-cloud-auth`, whose credentials convert into
//! [`Credentials`] too.
//!
//! A source caches its tokens itself: it knows when they expire. A source that fails says whether
//! trying again may help ([`TokenError`]). A panic of a source becomes an error of the call.

use crate::gax::error::BoxError;
use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use std::{
    error::Error as StdError,
    fmt,
    future::ready,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
};

/// Gives the tokens of calls.
///
/// Each attempt asks once, within its time limit, before anything is sent. A source that has to
/// fetch its token keeps it until shortly before it expires: nothing else does.
///
/// A closure that returns a future is a source. A type of your own is one in a few lines:
///
#[doc = include_str!("../guide/examples/token_source_by_hand.md")]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a token source",
    note = "a token source implements `TokenSource`, or is a closure such as \
            `|| async {{ Token::bearer(\"…\") }}` that is `Send + Sync + 'static`"
)]
pub trait TokenSource: Send + Sync + 'static {
    /// The token of one attempt.
    ///
    /// # Errors
    /// A [transient](TokenError::transient) error is retried like any request that was not sent; a
    /// [permanent](TokenError::permanent) one ends the call.
    fn token(&self) -> TokenFuture<'_>;

    /// The domain of the universe that the tokens are for, such as `googleapis.com`; `None` if the
    /// source cannot tell, as by default.
    ///
    /// A client asks after it has its first token, until the answer is its own
    /// [`universe_domain`](crate::Builder::universe_domain) or `None`. With any other answer, the call
    /// fails as `FAILED_PRECONDITION`, and the token is not sent.
    fn universe_domain(&self) -> UniverseDomainFuture<'_> {
        Box::pin(ready(None))
    }
}

/// The future of [`TokenSource::token`].
pub type TokenFuture<'a> = Pin<Box<dyn Future<Output = Result<Token, TokenError>> + Send + 'a>>;

/// The future of [`TokenSource::universe_domain`].
pub type UniverseDomainFuture<'a> = Pin<Box<dyn Future<Output = Option<String>> + Send + 'a>>;

/// The domain of the public cloud.
pub(crate) const DEFAULT_UNIVERSE_DOMAIN: &str = "googleapis.com";

/// Any token source, ready for use. Clones share the source.
///
/// Every [`TokenSource`] converts into it, and with the feature `adc` so do the credentials of
/// `google-cloud-auth`.
#[derive(Clone)]
pub struct Credentials(Arc<dyn TokenSource>);

/// What authenticates an attempt: a bearer token, or other headers.
///
/// Its `Debug` form shows none of it, and its headers are marked as sensitive. Clones are cheap.
#[derive(Clone)]
pub struct Token(Arc<HeaderMap>);

/// A token source has no token.
///
/// It holds the reason as its [`source`](StdError::source), which becomes part of the error of the
/// call, and thus of its `Debug` form: give a reason that shows no secret.
#[derive(Debug)]
pub struct TokenError {
    is_transient: bool,
    message: &'static str,
    source: Option<BoxError>,
}

impl<F, R> TokenSource for F
where
    F: Fn() -> R + Send + Sync + 'static,
    R: Future<Output = Result<Token, TokenError>> + Send + 'static,
{
    fn token(&self) -> TokenFuture<'_> {
        Box::pin(self())
    }
}

impl Credentials {
    /// Asks the source for a token. A panic of the source is a permanent error.
    pub(crate) async fn token(&self) -> Result<Token, TokenError> {
        let token = without_panic(async { self.0.token().await }).await;
        token.unwrap_or_else(|| Err(TokenError::because("the token source panicked")))
    }

    /// Asks the source for the domain of its universe. A panic of the source is a permanent error.
    pub(crate) async fn universe_domain(&self) -> Result<Option<String>, TokenError> {
        let domain = without_panic(async { self.0.universe_domain().await }).await;
        domain.ok_or_else(|| TokenError::because("the token source panicked"))
    }
}

impl<S: TokenSource> From<S> for Credentials {
    fn from(source: S) -> Self {
        Self(Arc::new(source))
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

impl Token {
    /// An OAuth 2.0 bearer token ([RFC 6750](https://www.rfc-editor.org/rfc/rfc6750)), without the
    /// word `Bearer`.
    ///
    /// # Errors
    /// If the text is empty or cannot be part of a header, as with a line break at its end. The error
    /// is permanent, and does not show the text.
    pub fn bearer(token: &str) -> Result<Self, TokenError> {
        let value = HeaderValue::try_from(format!("Bearer {token}"));
        match value {
            Ok(value) if !token.is_empty() => {
                Ok(Self::from(HeaderMap::from_iter([(AUTHORIZATION, value)])))
            }
            Ok(_) => Err(TokenError::because("the token is empty")),
            Err(_) => {
                let message = "the token cannot be sent in a header: it holds a line break or \
                               another control character";
                Err(TokenError::because(message))
            }
        }
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.0
    }
}

/// Headers other than `authorization: Bearer …`, such as `x-goog-api-key`. They replace headers of
/// the same name.
impl From<HeaderMap> for Token {
    fn from(mut headers: HeaderMap) -> Self {
        // Besides hiding the value from `Debug`, this makes HTTP/2 send it as a literal that is never
        // indexed, at every hop (RFC 7541, section 7.1.3): a value in a compression table can be
        // guessed by the sizes of other requests. The price is the encoding of the whole token in each
        // call. h2 pays it for `authorization` in any case, because it never indexes that header.
        headers.values_mut().for_each(|value| value.set_sensitive(true));
        Self(Arc::new(headers))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token([redacted])")
    }
}

impl TokenError {
    /// Trying again may help: a token service cannot be reached, say. The call retries, as its policy
    /// and its deadline allow, and fails as `UNAVAILABLE` in the end.
    pub fn transient(reason: impl Into<BoxError>) -> Self {
        let message = "the token source has no token for the moment";
        Self { is_transient: true, message, source: Some(reason.into()) }
    }

    /// Trying again does not help: a key has been revoked, say. The call fails as `UNAUTHENTICATED`.
    pub fn permanent(reason: impl Into<BoxError>) -> Self {
        let message = "the token source has no token, and trying again does not help";
        Self { is_transient: false, message, source: Some(reason.into()) }
    }

    /// Whether trying again may help.
    pub fn is_transient(&self) -> bool {
        self.is_transient
    }

    /// A permanent error that needs no other reason than its message.
    pub(crate) fn because(message: &'static str) -> Self {
        Self { is_transient: false, message, source: None }
    }

    #[cfg(feature = "adc")]
    pub(crate) fn with_message(mut self, message: &'static str) -> Self {
        self.message = message;
        self
    }

    pub(crate) fn into_source(self) -> Option<BoxError> {
        self.source
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message)
    }
}

impl StdError for TokenError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// `None` if the future panics.
pub(crate) async fn without_panic<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    std::future::poll_fn(|cx| {
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)));
        polled.map_or(Poll::Ready(None), |poll| poll.map(Some))
    })
    .await
}

/// Without the feature `adc` there are no Application Default Credentials.
#[cfg(not(feature = "adc"))]
pub(crate) fn application_default(
    _: &[String],
    _: Option<&str>,
) -> Result<Credentials, crate::gax::error::Error> {
    let message = "no credentials: give a token source to the client's builder (`credentials`), \
                   or enable the feature `adc`, which finds Application Default Credentials";
    Err(crate::gax::error::Error::new(tonic::Code::Unauthenticated, message))
}
