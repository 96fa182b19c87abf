//! Time shift of Volcengine's live streaming service: viewers go back in a live stream by up to 15
//! days (feature `volcengine`).
//!
//! The vendor offers signed JSON over HTTPS. Here it is a gRPC service of this crate's own: four
//! methods, in `proto/volcengine`. [`TimeShift`] implements the *generated server trait* by sending
//! signed requests, and [`TimeShift::client`] hands it to the *generated client*, in process and
//! below this crate's layers. So a program gets an ordinary tonic client, with deadlines and retries
//! as everywhere in this crate; and the same [`TimeShift`] can be served as a gRPC gateway, so that
//! other programs need no keys.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use livestream_client::volcengine::{TimeShift, model::CreateTimeShiftPresetRequest};
//!
//! // The access key from VOLC_ACCESSKEY and VOLC_SECRETKEY.
//! let mut client = TimeShift::from_env()?.client();
//! client
//!     .create_time_shift_preset(CreateTimeShiftPresetRequest {
//!         vhost: "push.example.com".into(),
//!         app: "live".into(),
//!         max_shift_time: 86_400,
//!         pull_domain: "pull.example.com".into(),
//!         ..Default::default()
//!     })
//!     .await?;
//! # Ok(()) }
//! ```
//!
//! **Failures** are a [`tonic::Status`]. Its metadata holds the vendor's request id
//! ([`REQUEST_ID`]), to be quoted to support, and error code ([`ERROR_CODE`]). A field that no
//! document allows is refused before anything is sent, as `InvalidArgument` with a
//! `google.rpc.BadRequest`.
//!
//! | code | when |
//! |---|---|
//! | `InvalidArgument` | a field is refused, here or there |
//! | `Unauthenticated` | the keys, the signature or the clock is wrong |
//! | `PermissionDenied` | the keys do not permit it |
//! | `Unimplemented` | the vendor does not know the action |
//! | `ResourceExhausted` | too many requests |
//! | `Unavailable` | no connection, or HTTP 502 or 503 |
//! | `DeadlineExceeded` | time ran out, here or there (HTTP 504) |
//! | `Unknown` | anything else |
//!
//! **Retries**: listing changes nothing, and is tried again while the service is unavailable. The
//! other three are sent once, whatever happens: the vendor cannot recognise a repeat. After
//! `Unavailable` or `DeadlineExceeded`, list to see what became of them.
//!
//! **Time**: a call takes 60 s at most, connecting, waiting and retries included, unless
//! [`tonic::Request::set_timeout`] or the builder says otherwise.

mod access_key;
mod answer;
mod builder;
mod https;
mod rate_limiter;
mod sign;
mod wire;

pub use crate::proto::volcengine::live::v20230101 as model;
pub use access_key::AccessKey;
pub use builder::Builder;

use crate::gax::{
    client::{GrpcStack, grpc_stack},
    context::CallContext,
    error::Error,
    net::endpoint::Endpoint,
    policy::CallPolicy,
    rpc::{Idempotency, InvalidField},
    stack::{grpc_timeout, policy::PolicyLayer},
};
use bytes::Bytes;
use http::{HeaderValue, Request, header::AUTHORIZATION};
use http_body_util::{BodyExt, Full, Limited};
use https::Https;
use model::{
    CreateTimeShiftPresetRequest, CreateTimeShiftPresetResponse, DeleteTimeShiftPresetRequest,
    ListTimeShiftPresetsRequest, ListTimeShiftPresetsResponse, UpdateTimeShiftPresetRequest,
    time_shift_service_client::TimeShiftServiceClient,
    time_shift_service_server::{SERVICE_NAME, TimeShiftService, TimeShiftServiceServer},
};
use rate_limiter::RateLimiter;
use std::{
    error::Error as StdError,
    fmt, iter,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::time::timeout;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};
use tower::Layer;
use wire::Action;

/// The metadata key of the vendor's id for a request: on failures, and on answers.
pub const REQUEST_ID: &str = "volc-request-id";

/// The metadata key of the vendor's own code for a failure, such as `InvalidParameter`.
pub const ERROR_CODE: &str = "volc-error-code";

/// The version of the API, part of every request.
const VERSION: &str = "2023-01-01";

/// The maximum size of a response, in bytes.
const MAX_RESPONSE: usize = 16 << 20;

/// A tonic client of [`TimeShift`], with all of this crate's policy below it.
pub type TimeShiftClient = TimeShiftServiceClient<GrpcStack>;

/// The time-shift service, as what implements it: each call is one signed request to the vendor.
///
/// Clones share connections and the limit on requests a second; the vendor counts by user, so keep
/// one for each key pair. To call it, see [`client`](Self::client). To serve it to others, give it
/// to a [`TimeShiftServiceServer`]: calls then end at their own `grpc-timeout`, and nothing is
/// retried but by the caller.
#[derive(Clone)]
pub struct TimeShift(Arc<Inner>);

struct Inner {
    https: Https,
    endpoint: Endpoint,
    host: String,
    keys: AccessKey,
    pace: RateLimiter,
    policy: CallPolicy,
}

impl TimeShift {
    /// With everything at its default, and keys from `VOLC_ACCESSKEY`, `VOLC_SECRETKEY` and, for
    /// temporary ones, `VOLC_SESSION_TOKEN`.
    ///
    /// # Errors
    /// If there are no keys.
    pub fn from_env() -> Result<Self, Error> {
        Self::builder().build()
    }

    /// Chooses keys, limits and how to connect.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// A tonic client that calls this service in process, with deadlines and retries.
    pub fn client(&self) -> TimeShiftClient {
        let policy = PolicyLayer::new(self.0.policy.clone(), classify);
        let stack = policy.layer(TimeShiftServiceServer::new(self.clone()));
        TimeShiftClient::new(grpc_stack(stack)).max_decoding_message_size(MAX_RESPONSE)
    }

    /// Carries out one action within its time, which tonic does not watch in process.
    async fn act<A: Action>(
        &self,
        request: tonic::Request<A>,
    ) -> Result<tonic::Response<A::Answer>, Status> {
        let limit = self.limit(&request);
        let action = request.into_inner();
        action.check().map_err(refuse)?;
        let sent = async {
            self.0.pace.turn().await;
            self.send(&action).await
        };
        timeout(limit, sent).await.unwrap_or_else(|_| {
            let message = format!("no answer from {} within {limit:?}", self.0.endpoint);
            Err(Status::deadline_exceeded(message))
        })
    }

    /// What the caller's `grpc-timeout` says, or else what this service allows.
    fn limit<A>(&self, request: &tonic::Request<A>) -> Duration {
        /// Layers above that bound the call know whether to try again: let them be first.
        const GRACE: Duration = Duration::from_secs(1);

        let timeouts = self.0.policy.timeouts;
        let own = timeouts.attempt().unwrap_or(timeouts.total());
        let limit = grpc_timeout::parse(request.metadata().as_ref()).unwrap_or(own);
        match request.extensions().get::<CallContext>() {
            Some(_) => limit.saturating_add(GRACE),
            None => limit,
        }
    }

    /// Signs and sends an action, and reads the answer.
    async fn send<A: Action>(&self, action: &A) -> Result<tonic::Response<A::Answer>, Status> {
        let Inner { https, keys, .. } = &*self.0;
        let request = self.sign(action)?;
        let response = https.request(request).await.map_err(|e| self.unreachable(&e))?;
        let http = response.status();
        let body = Limited::new(response.into_body(), MAX_RESPONSE).collect().await;
        let body = body.map_err(|e| self.unreachable(&*e))?.to_bytes();
        answer::read::<A>(http, &body, keys)
    }

    fn sign<A: Action>(&self, action: &A) -> Result<Request<Full<Bytes>>, Status> {
        let Inner { endpoint, host, keys, .. } = &*self.0;
        let unsendable = |e: http::Error| Status::internal(format!("no request can be made: {e}"));
        let body = action.to_json().map_err(|e| Status::internal(format!("no JSON: {e}")))?;
        let query = format!("Action={}&Version={VERSION}", A::NAME);
        let message = sign::Message {
            query: &query,
            host,
            date: &sign::date(SystemTime::now()),
            body_hash: &sign::sha256(&body),
            session_token: keys.session_token(),
        };
        let origin = endpoint.to_string();
        let mut request = Request::post(format!("{}/?{query}", origin.trim_end_matches('/')));
        for (name, value) in message.headers() {
            let mut value = HeaderValue::from_str(value).map_err(|e| unsendable(e.into()))?;
            value.set_sensitive(name == "x-security-token");
            request = request.header(name, value);
        }
        let authorization = HeaderValue::try_from(message.authorization(keys));
        let mut authorization = authorization.map_err(|e| unsendable(e.into()))?;
        authorization.set_sensitive(true);
        let request = request.header(AUTHORIZATION, authorization);
        request.body(Full::new(body.into())).map_err(unsendable)
    }

    /// No connection, or one that broke before the answer was whole.
    fn unreachable(&self, error: &(dyn StdError + 'static)) -> Status {
        let chain = iter::successors(Some(error), |&error| error.source());
        let chain = chain.map(ToString::to_string).collect::<Vec<_>>().join(": ");
        Status::unavailable(format!("no answer from {}: {chain}", self.0.endpoint))
    }
}

/// A field that the service cannot accept.
fn refuse(invalid: InvalidField) -> Status {
    let details = ErrorDetails::with_bad_request_violation(invalid.field(), invalid.reason());
    Status::with_error_details(Code::InvalidArgument, invalid.to_string(), details)
}

impl fmt::Debug for TimeShift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { endpoint, pace, policy, .. } = &*self.0;
        f.debug_struct("TimeShift")
            .field("endpoint", endpoint)
            .field("pace", pace)
            .field("policy", policy)
            .finish_non_exhaustive()
    }
}

#[tonic::async_trait]
impl TimeShiftService for TimeShift {
    async fn create_time_shift_preset(
        &self,
        request: tonic::Request<CreateTimeShiftPresetRequest>,
    ) -> Result<tonic::Response<CreateTimeShiftPresetResponse>, Status> {
        self.act(request).await
    }

    async fn update_time_shift_preset(
        &self,
        request: tonic::Request<UpdateTimeShiftPresetRequest>,
    ) -> Result<tonic::Response<()>, Status> {
        self.act(request).await
    }

    async fn delete_time_shift_preset(
        &self,
        request: tonic::Request<DeleteTimeShiftPresetRequest>,
    ) -> Result<tonic::Response<()>, Status> {
        self.act(request).await
    }

    async fn list_time_shift_presets(
        &self,
        request: tonic::Request<ListTimeShiftPresetsRequest>,
    ) -> Result<tonic::Response<ListTimeShiftPresetsResponse>, Status> {
        self.act(request).await
    }
}

/// Only listing may be repeated.
fn classify(path: &str) -> Option<Idempotency> {
    let method = path.strip_prefix('/')?.strip_prefix(SERVICE_NAME)?.strip_prefix('/')?;
    Some(if method == "ListTimeShiftPresets" { Idempotency::Safe } else { Idempotency::None })
}
