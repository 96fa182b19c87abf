//! Whether there is a metadata server, which gives tokens on Google Cloud.
//!
//! Without a credentials file, google-cloud-auth relies on that server. Elsewhere nothing has its
//! name or its address, and a call would try for its whole time to get a token. So the server is asked
//! first, with a short limit, and once: which universe are you in?

use crate::gax::credentials::{DEFAULT_UNIVERSE_DOMAIN, TokenError};
use bytes::Bytes;
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use std::{
    env,
    error::Error as StdError,
    fs, io,
    iter::successors,
    path::PathBuf,
    sync::{Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};
use tokio::{
    runtime::Handle,
    sync::watch,
    time::{sleep, timeout},
};

/// The variable that names another metadata server, as `host` or `host:port`.
const HOST_VARIABLE: &str = "GCE_METADATA_HOST";
const HOST: &str = "metadata.google.internal";

/// The limit on finding out whether there is a metadata server. On Google Cloud it answers within
/// milliseconds.
const LIMIT: Duration = Duration::from_millis(2_500);
/// The pause after a failure that comes at once, as while a machine starts.
const PAUSE: Duration = Duration::from_millis(250);
/// How long the answer "there is none" holds. An attempt that is shorter than the limit learns of it in
/// the next attempt.
const KEPT: Duration = Duration::from_secs(5);
/// A domain is short. Anything longer is another service's page.
const MAX_ANSWER: usize = 1024;

/// The metadata server, and what is known of it.
pub(super) struct Metadata {
    host: String,
    universe_domain: OnceLock<String>,
    /// The last question, which may still be open.
    asked: Mutex<Option<watch::Receiver<Option<Answer>>>>,
}

#[derive(Clone)]
enum Answer {
    /// It is there, in the universe of this domain.
    Found(String),
    /// It is there, but cannot answer for the moment.
    Busy(String),
    Missing(String, Instant),
}

/// Whether Application Default Credentials come from the metadata server: there is no file
/// ([AIP-4110](https://google.aip.dev/auth/4110)).
pub(super) fn is_needed() -> bool {
    if env::var_os("GOOGLE_APPLICATION_CREDENTIALS").is_some() {
        return false;
    }
    let (root, folder) =
        if cfg!(windows) { ("APPDATA", "gcloud") } else { ("HOME", ".config/gcloud") };
    let Some(root) = env::var_os(root) else { return true };
    let file = PathBuf::from(root).join(folder).join("application_default_credentials.json");
    fs::metadata(file).is_err_and(|e| e.kind() == io::ErrorKind::NotFound)
}

impl Metadata {
    pub(super) fn new() -> Self {
        let host = env::var(HOST_VARIABLE).unwrap_or_else(|_| HOST.to_owned());
        Self { host, universe_domain: OnceLock::new(), asked: Mutex::default() }
    }

    /// The domain of the universe, once the server has told it.
    pub(super) fn universe_domain(&self) -> Option<String> {
        self.universe_domain.get().cloned()
    }

    /// Waits until the server has answered once.
    pub(super) async fn require(&self, runtime: &Handle) -> Result<(), TokenError> {
        if self.universe_domain.get().is_some() {
            return Ok(());
        }
        let mut asked = self.ask(runtime);
        let answer = asked.wait_for(Option::is_some).await.ok().and_then(|answer| answer.clone());
        match answer {
            Some(Answer::Found(domain)) => {
                self.universe_domain.get_or_init(|| domain);
                Ok(())
            }
            Some(Answer::Busy(reason)) => {
                let message = "the metadata server has no token for the moment; outside Google \
                               Cloud, `gcloud auth application-default login` gives credentials";
                Err(TokenError::transient(reason).with_message(message))
            }
            Some(Answer::Missing(reason, _)) => {
                let message = "no credentials: there is no file of Application Default Credentials, \
                               and no metadata server, as there is on Google Cloud: run \
                               `gcloud auth application-default login`, set \
                               GOOGLE_APPLICATION_CREDENTIALS, or give credentials to the client's \
                               builder";
                Err(TokenError::permanent(reason).with_message(message))
            }
            None => Err(TokenError::transient("the search for a metadata server ended early")),
        }
    }

    /// Asks the server, unless the last answer still holds or is still to come. The question goes on
    /// when the caller gives up.
    fn ask(&self, runtime: &Handle) -> watch::Receiver<Option<Answer>> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = &*asked
            && holds(last)
        {
            return last.clone();
        }
        let (sender, receiver) = watch::channel(None);
        let host = self.host.clone();
        runtime.spawn(async move { sender.send_replace(Some(answer(&host).await)) });
        *asked = Some(receiver.clone());
        receiver
    }
}

fn holds(last: &watch::Receiver<Option<Answer>>) -> bool {
    match &*last.borrow() {
        Some(Answer::Found(_)) => true,
        Some(Answer::Busy(_)) => false,
        Some(Answer::Missing(_, since)) => since.elapsed() < KEPT,
        None => last.has_changed().is_ok(),
    }
}

/// The server's answer within the limit.
async fn answer(host: &str) -> Answer {
    let mut reason = "nothing answers".to_owned();
    let tries = async {
        loop {
            match try_once(host).await {
                Ok(answer) => break answer,
                Err(e) => reason = describe(&*e),
            }
            sleep(PAUSE).await;
        }
    };
    match timeout(LIMIT, tries).await {
        Ok(answer) => answer,
        Err(_) => Answer::Missing(format!("{host}: {reason} within {LIMIT:?}"), Instant::now()),
    }
}

/// An error says that there seems to be no server.
async fn try_once(host: &str) -> Result<Answer, Box<dyn StdError + Send + Sync>> {
    let uri = Uri::builder()
        .scheme("http")
        .authority(host)
        .path_and_query("/computeMetadata/v1/universe/universe-domain")
        .build()?;
    let request =
        Request::get(uri).header("metadata-flavor", "Google").body(Empty::<Bytes>::new())?;
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let response = match client.request(request).await {
        Ok(response) => response,
        // A system that refuses a connection is there: the server in it may still be starting.
        Err(e) if is_refusal(&e) => return Ok(Answer::Busy(format!("{host}: {}", describe(&e)))),
        Err(e) => return Err(e.into()),
    };
    let status = response.status();
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        return Ok(Answer::Busy(format!("{host}: HTTP {status}")));
    }
    let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
    let text = body.map(|body| String::from_utf8_lossy(&body.to_bytes()).trim().to_owned());
    // Older servers do not know the question: there was one universe.
    let domain = text.ok().filter(|text| status.is_success() && is_domain(text));
    Ok(Answer::Found(domain.unwrap_or_else(|| DEFAULT_UNIVERSE_DOMAIN.to_owned())))
}

fn is_domain(text: &str) -> bool {
    text.contains('.') && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'))
}

fn is_refusal(error: &(dyn StdError + 'static)) -> bool {
    causes(error).any(|cause| {
        let kind = cause.downcast_ref::<io::Error>().map(io::Error::kind);
        matches!(kind, Some(io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset))
    })
}

/// The last cause says the most: "Connection refused" below "client error (Connect)".
fn describe(error: &(dyn StdError + 'static)) -> String {
    causes(error).last().map(ToString::to_string).unwrap_or_default()
}

fn causes<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    fn cause<'a>(error: &&'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
        (*error).source()
    }
    successors(Some(error), cause)
}
