//! Tokens: each attempt fetches one, and a call without a token fails with its cause.

use super::{
    assert_failed, channel, millis, preview, read,
    server::{ReceivedRequest, Server},
    within,
};
use google_cloud_auth::{
    credentials::{CacheableResource, Credentials, CredentialsProvider, EntityTag},
    errors::CredentialsError,
};
use http::{Extensions, HeaderMap, HeaderValue, header::AUTHORIZATION};
use livestream_client::policy::Timeouts;
use std::{
    error::Error as _,
    fmt,
    future::pending,
    sync::atomic::{AtomicUsize, Ordering},
};
use tonic::Code;

const DEADLINE: std::time::Duration = millis(2000);

/// The response of the credentials to one request for a token.
enum Token {
    Fresh(&'static str),
    /// The token that the client already has.
    Unchanged,
    Missing {
        is_transient: bool,
    },
    Pending,
}

/// Credentials with a script, which gets the number of the request, from 1.
struct ScriptedCredentials {
    asked: AtomicUsize,
    script: fn(usize) -> Token,
}

impl fmt::Debug for ScriptedCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScriptedCredentials")
    }
}

impl CredentialsProvider for ScriptedCredentials {
    async fn headers(
        &self,
        known: Extensions,
    ) -> Result<CacheableResource<HeaderMap>, CredentialsError> {
        match (self.script)(self.asked.fetch_add(1, Ordering::SeqCst) + 1) {
            Token::Fresh(token) => {
                let value = HeaderValue::try_from(format!("Bearer {token}"));
                let data = [(AUTHORIZATION, value.expect("ASCII"))].into_iter().collect();
                Ok(CacheableResource::New { entity_tag: EntityTag::new(), data })
            }
            Token::Unchanged => {
                assert!(
                    known.get::<EntityTag>().is_some(),
                    "the client sends the tag of its token"
                );
                Ok(CacheableResource::NotModified)
            }
            Token::Missing { is_transient } => {
                Err(CredentialsError::from_msg(is_transient, "the metadata server is out"))
            }
            Token::Pending => pending().await,
        }
    }

    async fn universe_domain(&self) -> Option<String> {
        None
    }
}

fn credentials(script: fn(usize) -> Token) -> Credentials {
    ScriptedCredentials { asked: AtomicUsize::new(0), script }.into()
}

/// A server that fails the first two of every three requests.
async fn fail_two_of_three() -> Server {
    Server::start(|exchange| async {
        match exchange.number % 3 {
            0 => exchange.succeed(&channel()),
            _ => exchange.fail(Code::Unavailable),
        }
    })
    .await
}

fn tokens(requests: &[ReceivedRequest]) -> Vec<&str> {
    requests.iter().map(|request| request.header("authorization")).collect()
}

#[tokio::test]
async fn a_token_that_expires_between_attempts_is_replaced() {
    let server = fail_two_of_three().await;
    let credentials = credentials(|asked| match asked {
        1 => Token::Fresh("old"),
        2 => Token::Unchanged,
        _ => Token::Fresh("new"),
    });
    let client = server.client().credentials(credentials).build().expect("a client");
    within(DEADLINE, read(&client)).await.expect("the third attempt succeeds");
    assert_eq!(tokens(&server.requests()), ["Bearer old", "Bearer old", "Bearer new"]);
}

#[tokio::test]
async fn a_token_that_is_briefly_unavailable_is_fetched_again() {
    let server = Server::start(|exchange| async { exchange.succeed(&channel()) }).await;
    let credentials = credentials(|asked| match asked {
        ..3 => Token::Missing { is_transient: true },
        _ => Token::Fresh("late"),
    });
    let client = server.client().credentials(credentials).build().expect("a client");
    within(DEADLINE, read(&client)).await.expect("the third token is there");
    assert_eq!(tokens(&server.requests()), ["Bearer late"]);
}

#[tokio::test]
async fn a_call_whose_token_stays_unavailable_sends_nothing() {
    let server = Server::start(|exchange| async { exchange.succeed(&channel()) }).await;
    let missing = credentials(|_| Token::Missing { is_transient: true });
    let client = server.client().credentials(missing).build().expect("a client");
    let call = preview(&client).retry(super::short_backoff().with_max_attempts(3));
    let error = within(DEADLINE, call).await.expect_err("no token");
    assert_failed(&error, Code::Unavailable, 3, false);

    let silent = credentials(|_| Token::Pending);
    let builder = server.client().credentials(silent).timeouts(Timeouts::new(millis(200)));
    let client = builder.build().expect("a client");
    let error = within(millis(200), preview(&client)).await.expect_err("no token");
    assert_failed(&error, Code::DeadlineExceeded, 1, false);
    assert_eq!(server.attempts(), 0);
}

#[tokio::test]
async fn a_permanent_credentials_error_keeps_its_cause() {
    let server = Server::start(|exchange| async { exchange.succeed(&channel()) }).await;
    let credentials = credentials(|_| Token::Missing { is_transient: false });
    let client = server.client().credentials(credentials).build().expect("a client");
    let error = within(DEADLINE, read(&client)).await.expect_err("no token");
    assert_failed(&error, Code::Unauthenticated, 1, false);
    let why = error.source().expect("a cause").to_string();
    assert!(why.contains("the metadata server is out"), "{why}");
    assert_eq!(server.attempts(), 0);
}
