//! The backend: a live channel for each event, over HTTP.
//!
//! | request | what it does | success |
//! |---|---|---|
//! | `POST /events/{id}` | puts the event on air | 200, or 202 if the work goes on |
//! | `GET /events/{id}` | reads the state | 200 |
//! | `GET /events/{id}/watch` | follows the state, as server-sent events | 200 |
//! | `DELETE /events/{id}` | stops and removes the event | 204, or 202 if the work goes on |
//! | `GET /ready` | the readiness probe | 204 |
//!
//! The backend stores nothing. Each request reads a state from the service, or declares one. So a request can
//! be repeated, instances need no coordination, and a repeat continues the work that a restart has ended.

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    response::{
        IntoResponse, Response, Sse,
        sse::{self, KeepAlive},
    },
    routing::{get, post},
};
use futures_util::{
    FutureExt, Stream, StreamExt,
    future::{BoxFuture, Shared},
};
use livestream_client::{
    Error, LivestreamClient, WatchEvent, Watches,
    ladder::Ladder,
    model::{Channel, Input},
    name::{ChannelName, InputName, InvalidName, LocationName},
};
use serde::Serialize;
use std::{
    collections::HashMap,
    future::ready,
    io,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{net::TcpListener, time::timeout};
use tokio_util::sync::CancellationToken;
use tonic::Code;

/// How long a request waits for the work of the service, which takes minutes. It is longer than the
/// deadline of a call, so that a request fails if the service cannot be reached.
const PATIENCE: Duration = Duration::from_secs(15);
/// The deadline of the client's calls.
pub const DEADLINE: Duration = Duration::from_secs(10);
const UNPOISONED: &str = "nothing panics under the lock";

/// Work on an event, with its outcome for all requests that wait for it.
type Work = Shared<BoxFuture<'static, Result<Option<Event>, Error>>>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Goal {
    OnAir,
    Absent,
}

/// What all requests share. Clones share the connections and the listing.
#[derive(Clone, Debug)]
pub struct App {
    client: LivestreamClient,
    location: LocationName,
    bucket: String,
    /// One listing a tick serves all watchers, and none if nobody watches.
    channels: Watches<ChannelName>,
    /// The work in progress. A repeated request joins it, instead of polling beside it.
    works: Arc<Mutex<HashMap<(Goal, String), Work>>>,
    stopping: CancellationToken,
}

impl App {
    pub fn new(client: LivestreamClient, location: LocationName, bucket: String) -> Self {
        let channels = client.watch_channels(&location).states_only();
        let (works, stopping) = (Arc::default(), CancellationToken::new());
        Self { client, location, bucket, channels, works, stopping }
    }

    /// Serves until `stop` is ready. The watches then end, and the other requests are completed.
    pub async fn serve(
        self,
        listener: TcpListener,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        let stopping = self.stopping.clone();
        let stop = async move {
            stop.await;
            stopping.cancel();
        };
        axum::serve(listener, self.router()).with_graceful_shutdown(stop).await
    }

    fn router(self) -> Router {
        Router::new()
            .route("/events/{id}", post(put_on_air).get(show).delete(remove))
            .route("/events/{id}/watch", get(watch))
            .route("/ready", get(is_ready))
            .with_state(self)
    }

    fn names(&self, id: &str) -> Result<(InputName, ChannelName), InvalidName> {
        Ok((self.location.input(id)?, self.location.channel(id)?))
    }

    /// Begins work unless it is in progress, and waits for it for a while. The work goes on after that,
    /// and after the caller disconnects.
    async fn work(
        &self,
        goal: Goal,
        id: String,
        work: impl Future<Output = Result<Option<Event>, Error>> + Send + 'static,
    ) -> Result<Response, Failure> {
        let (key, works) = ((goal, id), self.works.clone());
        let begin = || {
            let key = key.clone();
            let work = async move {
                let ended = work.await.inspect_err(log);
                works.lock().expect(UNPOISONED).remove(&key);
                ended
            };
            let work = work.boxed().shared();
            tokio::spawn(work.clone());
            work
        };
        let work =
            self.works.lock().expect(UNPOISONED).entry(key.clone()).or_insert_with(begin).clone();
        match timeout(PATIENCE, work).await {
            Ok(ended) => Ok(match ended? {
                Some(event) => Json(event).into_response(),
                None => StatusCode::NO_CONTENT.into_response(),
            }),
            Err(_) => Ok(StatusCode::ACCEPTED.into_response()),
        }
    }
}

async fn put_on_air(State(app): State<App>, Path(id): Path<String>) -> Result<Response, Failure> {
    let (input, channel) = app.names(&id)?;
    let (client, output) = (app.client.clone(), format!("gs://{}/{id}/", app.bucket));
    let on_air = async move {
        let wanted = Ladder::hd().channel(output).input("camera", &input).build()?;
        let input = client.ensure_input(&input, Input::rtmp()).await?;
        client.ensure_channel(&channel, wanted).await?;
        let channel = client.ensure_running(&channel).await?;
        Ok(Some(Event::new(&channel, Some(input))))
    };
    app.work(Goal::OnAir, id, on_air).await
}

async fn show(State(app): State<App>, Path(id): Path<String>) -> Result<Json<Event>, Failure> {
    let (input, channel) = app.names(&id)?;
    let channel = async { app.client.get_channel(&channel).await };
    let input = async { app.client.get_input(&input).await };
    let (channel, input) = tokio::try_join!(channel, input).inspect_err(log)?;
    Ok(Json(Event::new(&channel, Some(input))))
}

/// Follows an event. It need not exist yet.
async fn watch(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Sse<impl Stream<Item = Result<sse::Event, axum::Error>>>, Failure> {
    let (_, channel) = app.names(&id)?;
    let changes = app.channels.changes().filter_map(move |change| ready(message(&channel, change)));
    // A stream without an end would keep the server from stopping.
    let messages = changes.take_until(app.stopping.cancelled_owned());
    Ok(Sse::new(messages).keep_alive(KeepAlive::default()))
}

/// The message for the watchers of a channel, unless the change is of another one.
///
/// An error ends the stream, and a browser's `EventSource` then connects again.
fn message(
    of: &ChannelName,
    change: Result<WatchEvent<ChannelName>, Error>,
) -> Option<Result<sse::Event, axum::Error>> {
    // The service may name a project by its number. In one location, the ids are unique.
    match change {
        Ok(WatchEvent::Changed(channel)) => {
            let name = channel.resource_name().ok().filter(|name| name.id() == of.id());
            name.map(|_| sse::Event::default().event("state").json_data(Event::new(&channel, None)))
        }
        Ok(WatchEvent::Deleted(name)) if name.id() == of.id() => {
            Some(Ok(sse::Event::default().event("deleted").data("{}")))
        }
        Ok(_) => None,
        Err(error) => Some(Err(axum::Error::new(error))),
    }
}

async fn remove(State(app): State<App>, Path(id): Path<String>) -> Result<Response, Failure> {
    let (input, channel) = app.names(&id)?;
    let client = app.client.clone();
    let removal = async move {
        client.ensure_absent(&channel).await?;
        client.ensure_absent(&input).await?;
        Ok(None)
    };
    app.work(Goal::Absent, id, removal).await
}

/// Is ready with a token and a connection.
async fn is_ready(State(app): State<App>) -> Result<StatusCode, Failure> {
    app.client.connect().await.inspect_err(log)?;
    Ok(StatusCode::NO_CONTENT)
}

fn log(error: &Error) {
    eprintln!("{error}");
}

/// An event, as the callers of the backend see it.
#[derive(Clone, Debug, Serialize)]
struct Event {
    state: &'static str,
    /// Why the channel cannot write its output.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// The address that the encoder pushes to.
    #[serde(skip_serializing_if = "Option::is_none")]
    push_to: Option<String>,
}

impl Event {
    fn new(channel: &Channel, input: Option<Input>) -> Self {
        Self {
            state: channel.streaming_state().as_str_name(),
            error: channel.streaming_error.as_ref().map(|status| status.message.clone()),
            push_to: input.map(|input| input.uri),
        }
    }
}

/// Why a request failed.
#[derive(Debug)]
enum Failure {
    InvalidId,
    Service(Error),
}

impl From<InvalidName> for Failure {
    fn from(_: InvalidName) -> Self {
        Self::InvalidId
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Service(error)
    }
}

impl IntoResponse for Failure {
    /// The messages are for the callers of the backend. The log has the error of the service.
    fn into_response(self) -> Response {
        let (status, message) = match &self {
            Self::InvalidId => (
                StatusCode::BAD_REQUEST,
                "an id has 1 to 63 letters, digits, hyphens or underscores",
            ),
            Self::Service(error) => describe(error.code()),
        };
        (status, Json(Message { error: message })).into_response()
    }
}

#[derive(Debug, Serialize)]
struct Message {
    error: &'static str,
}

fn describe(code: Code) -> (StatusCode, &'static str) {
    match code {
        Code::NotFound => (StatusCode::NOT_FOUND, "there is no such event"),
        Code::FailedPrecondition | Code::Aborted | Code::AlreadyExists => {
            (StatusCode::CONFLICT, "the event is changing or has failed: look at its state")
        }
        Code::ResourceExhausted => {
            (StatusCode::TOO_MANY_REQUESTS, "there are too many events or requests: try later")
        }
        Code::Unavailable => {
            (StatusCode::SERVICE_UNAVAILABLE, "the service is not available: try again")
        }
        Code::DeadlineExceeded => {
            (StatusCode::GATEWAY_TIMEOUT, "the service did not respond in time: try again")
        }
        _ => (StatusCode::BAD_GATEWAY, "the service refused the request"),
    }
}
