//! Every way in which a call can end, for any method: a service that answers by a script.

// Each test binary uses a part of this module.
#![allow(dead_code, unreachable_pub)]

use bytes::Bytes;
use http_body_util::Full;
use livestream_client::{
    Error, LivestreamClient,
    name::ChannelName,
    policy::{RetryPolicy, Timeouts},
    rpc::{Idempotency, Method},
};
use std::{
    collections::VecDeque,
    future::pending,
    io,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::time::timeout;
use tonic::{Code, body::Body};
use tower::{BoxError, ServiceExt, service_fn};

/// A call, what becomes of its attempts, and the codes that telemetry must name.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub name: String,
    /// The code of the call.
    pub code: Code,
    /// The code of each attempt.
    pub attempts: Vec<Code>,
    /// The number of attempts before each, without transparent retries.
    pub previous: Vec<u32>,
    pub retries: u32,
    pub transparent_retries: u32,
    answers: Vec<Answer>,
    limit: Duration,
    patience: Duration,
}

#[derive(Clone, Copy, Debug)]
enum Answer {
    Status(Code),
    /// A proxy answers.
    Http(u16),
    /// A gRPC response without a status.
    Nothing,
    /// There is no connection.
    Refused,
    /// The server refuses the stream.
    Unseen,
    /// The connection breaks.
    Lost,
    /// No answer comes.
    Silence,
}

/// Where the calls of all outcomes go.
pub const ADDRESS: &str = "service.test";
pub const PORT: &str = "8443";

impl Outcome {
    fn new(name: impl Into<String>, code: Code, answers: &[(Answer, Code)]) -> Self {
        Self {
            name: name.into(),
            code,
            attempts: answers.iter().map(|(_, code)| *code).collect(),
            previous: (0..).take(answers.len()).collect(),
            retries: 0,
            transparent_retries: 0,
            answers: answers.iter().map(|(answer, _)| *answer).collect(),
            limit: Duration::from_secs(60),
            patience: Duration::from_secs(3600),
        }
    }

    /// All outcomes of a method.
    pub fn all(method: &Method) -> Vec<Self> {
        let answered = |code| (Answer::Status(code), code);
        let mut all = vec![Self::new("success", Code::Ok, &[answered(Code::Ok)])];
        let codes = (1..17).map(Code::from_i32);
        all.extend(codes.map(|code| Self::new(format!("{code:?}"), code, &[answered(code)])));
        for (name, answer, code) in [
            ("a proxy's answer", Answer::Http(403), Code::PermissionDenied),
            ("no status", Answer::Nothing, Code::Unknown),
            ("no connection", Answer::Refused, Code::Unavailable),
            ("a lost connection", Answer::Lost, Code::Unavailable),
        ] {
            all.push(Self::new(name, code, &[(answer, code)]));
        }
        let refused = (Answer::Refused, Code::Unavailable);
        let retried = Self::new("retry", Code::Ok, &[refused, answered(Code::Ok)]);
        all.push(Self { retries: 1, ..retried });
        let unseen = (Answer::Unseen, Code::Unavailable);
        let transparent = Self::new("transparent retry", Code::Ok, &[unseen, answered(Code::Ok)]);
        all.push(Self { transparent_retries: 1, previous: vec![0, 0], ..transparent });
        if method.idempotency() == Idempotency::Safe {
            let script = [unseen, answered(Code::Unavailable), answered(Code::NotFound)];
            let both = Self::new("retries of both kinds", Code::NotFound, &script);
            let previous = vec![0, 0, 1];
            all.push(Self { retries: 1, transparent_retries: 1, previous, ..both });
        }
        let silence = |code| [(Answer::Silence, code)];
        let late = Self::new("deadline", Code::DeadlineExceeded, &silence(Code::DeadlineExceeded));
        all.push(Self { limit: Duration::from_secs(2), ..late });
        let no_time = Self::new("deadline before the first attempt", Code::DeadlineExceeded, &[]);
        all.push(Self { limit: Duration::ZERO, ..no_time });
        let dropped = Self::new("cancellation", Code::Cancelled, &silence(Code::Cancelled));
        all.push(Self { patience: Duration::from_secs(1), ..dropped });
        let paused = Self::new("cancellation between attempts", Code::Cancelled, &[refused]);
        all.push(Self { patience: Duration::from_millis(1), ..paused });
        all
    }

    /// Makes the call.
    pub async fn run(&self, method: &Method) {
        let answers = Arc::new(Mutex::new(VecDeque::from(self.answers.clone())));
        let channel = service_fn(move |_: http::Request<Body>| {
            let next = answers.lock().expect("no test panics under the lock").pop_front();
            async move { next.unwrap_or(Answer::Silence).give().await }
        });
        // A second attempt only where the script has one; a pause of some length before it.
        let is_retried = self.answers.len() > 1 || self.patience < Duration::from_millis(2);
        let attempts = if is_retried { 5 } else { 1 };
        let client = LivestreamClient::builder()
            .endpoint(format!("https://{ADDRESS}:{PORT}"))
            .channel(channel)
            .timeouts(Timeouts::new(self.limit))
            .retry(RetryPolicy::default().with_max_attempts(attempts).with_seed(1))
            .build()
            .expect("a client");
        let request = http::Request::post(method.path()).body(Body::empty());
        let call = client.stack().oneshot(request.expect("the path is valid"));
        match timeout(self.patience, call).await {
            Ok(response) => {
                let found = response.map_or_else(|status| status.code(), |found| code(&found));
                assert_eq!(found, self.code, "{self:?} of {method:?}");
            }
            Err(_) => assert_eq!(self.code, Code::Cancelled, "{self:?} of {method:?}"),
        }
    }
}

impl Answer {
    async fn give(self) -> Result<http::Response<Body>, BoxError> {
        let response = http::Response::builder().header("content-type", "application/grpc");
        let response = match self {
            Self::Status(code) => response.header("grpc-status", code as i32),
            Self::Http(status) => http::Response::builder().status(status),
            Self::Nothing => response,
            Self::Refused => return Err(io::Error::from(io::ErrorKind::ConnectionRefused).into()),
            Self::Unseen => return Err(h2::Error::from(h2::Reason::REFUSED_STREAM).into()),
            Self::Lost => return Err(io::Error::from(io::ErrorKind::ConnectionReset).into()),
            Self::Silence => return pending().await,
        };
        Ok(response.body(Body::empty()).expect("the headers are valid"))
    }
}

/// Responses with status OK to a typed call, which the client cannot read.
pub const UNREADABLE: [(&str, &[u8]); 5] = [
    ("no message", &[]),
    ("a message that cannot be decoded", &[0, 0, 0, 0, 1, 0xff]),
    ("a compressed message", &[1, 0, 0, 0, 0]),
    ("less than one message", &[0, 0, 0, 0, 9, 0x0a]),
    ("an operation without a name", &[0, 0, 0, 0, 0]),
];

/// Starts a channel, to which the service responds with these bytes and status OK.
pub async fn start_channel(response: &'static [u8]) -> Error {
    let channel = service_fn(move |_: http::Request<Body>| async move {
        let answer = http::Response::builder().header("content-type", "application/grpc");
        let body = Body::new(Full::new(Bytes::from_static(response)));
        Ok::<_, BoxError>(answer.header("grpc-status", "0").body(body).expect("valid headers"))
    });
    let client = LivestreamClient::builder()
        .endpoint(format!("https://{ADDRESS}:{PORT}"))
        .channel(channel)
        .build()
        .expect("a client");
    let name = ChannelName::new("p", "us-central1", "news").expect("valid");
    client.start_channel(&name).await.expect_err("the response is unreadable")
}

/// The code of a response. It is in the headers, but where the client adds it to the trailers.
fn code(response: &http::Response<Body>) -> Code {
    let status = response.headers().get("grpc-status");
    status.map_or(Code::Unknown, |status| Code::from_bytes(status.as_bytes()))
}

/// The fully qualified name of a method.
pub fn method_name(method: &Method) -> &'static str {
    method.path().trim_start_matches('/')
}

/// The name of a code in gRPC's list: `NOT_FOUND` for `NotFound`.
pub fn code_name(code: Code) -> String {
    let mut name = String::new();
    for c in format!("{code:?}").chars() {
        if c.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(c.to_ascii_uppercase());
    }
    name
}
