//! Time shift of Volcengine's live streaming service (feature `volcengine`). Viewers can go back in
//! a live stream by up to 15 days.
//!
//! The vendor's API is signed JSON over HTTPS. This module provides it as a gRPC service with four
//! methods, which is defined in `proto/volcengine`. [`TimeShift`] implements the generated *server*
//! trait by sending signed requests. You can use it in two ways:
//!
//! - [`TimeShift::client`] returns the generated *client*, which calls the service in process with
//!   this crate's deadlines and retries.
//! - You can serve a [`TimeShift`] as a gRPC gateway, so that other programs need no access key.
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
//! # Errors
//!
//! Errors are a [`tonic::Status`]. Its metadata contains the vendor's request id ([`REQUEST_ID`]),
//! which you can give to the vendor's support, and the vendor's error code ([`ERROR_CODE`]). A
//! request with a field that the documentation does not allow fails with `InvalidArgument` and a
//! `google.rpc.BadRequest`, and is not sent.
//!
//! | code | cause |
//! |---|---|
//! | `InvalidArgument` | the client or the service rejects a field |
//! | `Unauthenticated` | the access key, the signature or the clock is wrong |
//! | `PermissionDenied` | the access key does not permit the action |
//! | `Unimplemented` | the service does not know the action |
//! | `ResourceExhausted` | too many requests |
//! | `Unavailable` | there is no connection, or HTTP 502 or 503 |
//! | `DeadlineExceeded` | the deadline of the call has passed, or HTTP 504 |
//! | `Unknown` | any other failure |
//!
//! # Retries
//!
//! The client retries only the method that lists presets, while the service is unavailable. It
//! sends the requests of the other methods once, because the service cannot recognise a repeated
//! request. After `Unavailable` or `DeadlineExceeded`, list the presets to see whether the change
//! was made.
//!
//! # Timeouts
//!
//! A call takes at most 60 s by default, including connecting, waiting and retries.
//! [`tonic::Request::set_timeout`] and [`Builder::timeouts`] set another limit.

mod access_key;
mod builder;
mod https;
mod rate_limiter;
mod response;
mod sign;
mod wire;

pub use crate::proto::volcengine::live::v20230101 as model;
pub use access_key::AccessKey;
pub use builder::Builder;

use crate::gax::{
    client::{GrpcStack, stub::grpc_stack},
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

/// The metadata key of the vendor's request id, in responses and errors.
pub const REQUEST_ID: &str = "volc-request-id";

/// The metadata key of the vendor's error code, such as `InvalidParameter`.
pub const ERROR_CODE: &str = "volc-error-code";

/// The version of the API, which is part of every request.
const VERSION: &str = "2023-01-01";

/// The maximum size of a response, in bytes.
const MAX_RESPONSE: usize = 16 << 20;

/// A tonic client that calls a [`TimeShift`] in process, with this crate's deadlines and retries.
pub type TimeShiftClient = TimeShiftServiceClient<GrpcStack>;

/// The time-shift service. Each call sends one signed request to the vendor.
///
/// Clones share connections and the rate limiter. The vendor limits requests per user, so use
/// clones of one value for each access key.
///
/// To call the service, use [`client`](Self::client). To serve it to other programs, use it with a
/// [`TimeShiftServiceServer`]. Calls then end at their own `grpc-timeout`, and only the caller
/// retries.
#[derive(Clone)]
pub struct TimeShift(Arc<Inner>);

struct Inner {
    https: Https,
    endpoint: Endpoint,
    host: String,
    access_key: AccessKey,
    rate_limiter: RateLimiter,
    policy: CallPolicy,
}

impl TimeShift {
    /// Creates a service with default settings and the access key from the
    /// [environment](AccessKey::from_env).
    ///
    /// # Errors
    /// Returns an error if the environment has no valid access key.
    pub fn from_env() -> Result<Self, Error> {
        Self::builder().build()
    }

    /// Returns a builder to set the access key, limits and connections.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// Returns a tonic client that calls this service in process, with deadlines and retries.
    pub fn client(&self) -> TimeShiftClient {
        let policy = PolicyLayer::new(self.0.policy.clone(), classify);
        let stack = policy.layer(TimeShiftServiceServer::new(self.clone()));
        TimeShiftClient::new(grpc_stack(stack)).max_decoding_message_size(MAX_RESPONSE)
    }

    /// Calls an action within its deadline. tonic does not enforce deadlines in process.
    async fn call<A: Action>(
        &self,
        request: tonic::Request<A>,
    ) -> Result<tonic::Response<A::Response>, Status> {
        let limit = self.limit(&request);
        let action = request.into_inner();
        action.check().map_err(invalid_argument)?;
        let response = async {
            self.0.rate_limiter.acquire().await;
            self.send(&action).await
        };
        timeout(limit, response).await.unwrap_or_else(|_| {
            let message = format!("no response from {} within {limit:?}", self.0.endpoint);
            Err(Status::deadline_exceeded(message))
        })
    }

    /// The time limit of a call: the caller's `grpc-timeout`, or else the limit of this service.
    fn limit<A>(&self, request: &tonic::Request<A>) -> Duration {
        /// The layers of the in-process client enforce the deadline too, and decide about retries.
        /// The extra time lets them act first.
        const GRACE: Duration = Duration::from_secs(1);

        let timeouts = self.0.policy.timeouts;
        let own = timeouts.attempt().unwrap_or(timeouts.total());
        let limit = grpc_timeout::parse(request.metadata().as_ref()).unwrap_or(own);
        match request.extensions().get::<CallContext>() {
            Some(_) => limit.saturating_add(GRACE),
            None => limit,
        }
    }

    /// Signs and sends an action, and parses the response.
    async fn send<A: Action>(&self, action: &A) -> Result<tonic::Response<A::Response>, Status> {
        let Inner { https, access_key, .. } = &*self.0;
        let request = self.sign(action)?;
        let response = https.client().request(request).await.map_err(|e| self.unavailable(&e))?;
        let http = response.status();
        let body = Limited::new(response.into_body(), MAX_RESPONSE).collect().await;
        let body = body.map_err(|e| self.unavailable(&*e))?.to_bytes();
        response::parse::<A>(http, &body, access_key)
    }

    fn sign<A: Action>(&self, action: &A) -> Result<Request<Full<Bytes>>, Status> {
        let Inner { endpoint, host, access_key, .. } = &*self.0;
        let invalid = |e: http::Error| Status::internal(format!("cannot build the request: {e}"));
        let body = serde_json::to_vec(&action.body());
        let body = body.map_err(|e| Status::internal(format!("cannot encode the request: {e}")))?;
        let query = format!("Action={}&Version={VERSION}", A::NAME);
        let message = sign::Message {
            query: &query,
            host,
            date: &sign::date(SystemTime::now()),
            body_hash: &sign::sha256(&body),
            session_token: access_key.session_token(),
        };
        let origin = endpoint.to_string();
        let mut request = Request::post(format!("{}/?{query}", origin.trim_end_matches('/')));
        for (name, value) in message.headers() {
            let mut value = HeaderValue::from_str(value).map_err(|e| invalid(e.into()))?;
            value.set_sensitive(name == "x-security-token");
            request = request.header(name, value);
        }
        let authorization = HeaderValue::try_from(message.authorization(access_key));
        let mut authorization = authorization.map_err(|e| invalid(e.into()))?;
        authorization.set_sensitive(true);
        let request = request.header(AUTHORIZATION, authorization);
        request.body(Full::new(body.into())).map_err(invalid)
    }

    /// The status if there is no connection, or if it fails before the response is complete.
    fn unavailable(&self, error: &(dyn StdError + 'static)) -> Status {
        let chain = iter::successors(Some(error), |&error| error.source());
        let chain = chain.map(ToString::to_string).collect::<Vec<_>>().join(": ");
        Status::unavailable(format!("no response from {}: {chain}", self.0.endpoint))
    }
}

/// The status for a field that is not valid.
fn invalid_argument(invalid: InvalidField) -> Status {
    let details = ErrorDetails::with_bad_request_violation(invalid.field(), invalid.reason());
    Status::with_error_details(Code::InvalidArgument, invalid.to_string(), details)
}

impl fmt::Debug for TimeShift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { endpoint, rate_limiter, policy, .. } = &*self.0;
        f.debug_struct("TimeShift")
            .field("endpoint", endpoint)
            .field("rate_limiter", rate_limiter)
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
        self.call(request).await
    }

    async fn update_time_shift_preset(
        &self,
        request: tonic::Request<UpdateTimeShiftPresetRequest>,
    ) -> Result<tonic::Response<()>, Status> {
        self.call(request).await
    }

    async fn delete_time_shift_preset(
        &self,
        request: tonic::Request<DeleteTimeShiftPresetRequest>,
    ) -> Result<tonic::Response<()>, Status> {
        self.call(request).await
    }

    async fn list_time_shift_presets(
        &self,
        request: tonic::Request<ListTimeShiftPresetsRequest>,
    ) -> Result<tonic::Response<ListTimeShiftPresetsResponse>, Status> {
        self.call(request).await
    }
}

/// Only the method that lists presets is idempotent.
fn classify(path: &str) -> Option<Idempotency> {
    let method = path.strip_prefix('/')?.strip_prefix(SERVICE_NAME)?.strip_prefix('/')?;
    Some(if method == "ListTimeShiftPresets" { Idempotency::Safe } else { Idempotency::None })
}
