//! Services for tests: one with scripted responses, and a wrapper that logs the requests of any
//! service and can fail them.
#![allow(dead_code, reason = "no test binary uses all of it")]

pub(crate) mod fixture;
pub(crate) mod grpc;

use http_body_util::BodyExt;
use livestream_client::{
    Builder, LivestreamClient, methods,
    rpc::{Idempotency, Method, Rpc},
};
use std::{
    collections::HashMap,
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::Instant;
use tonic::{Status, body::Body};
use tower::Service;

type Request = http::Request<Body>;
type Response = http::Response<Body>;
type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type Answer = Arc<dyn Fn(bytes::Bytes) -> BoxFuture<Result<Vec<u8>, Status>> + Send + Sync>;

/// A service with scripted responses; it answers UNIMPLEMENTED to all other requests.
#[derive(Clone, Default)]
pub(crate) struct Scripted(HashMap<&'static str, Answer>);

impl Scripted {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Answers the requests of one type.
    pub(crate) fn on<R: Rpc>(
        self,
        answer: impl Fn(R) -> Result<R::Response, Status> + Send + Sync + 'static,
    ) -> Self {
        self.on_async(move |request| std::future::ready(answer(request)))
    }

    /// Answers the requests of one type with an async function.
    pub(crate) fn on_async<R: Rpc, F>(
        mut self,
        answer: impl Fn(R) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<R::Response, Status>> + Send + 'static,
    {
        let answer = move |body: bytes::Bytes| {
            let request = R::decode(&body[5..]).expect("a framed request of its type");
            let answer = answer(request);
            Box::pin(async move { Ok(prost::Message::encode_to_vec(&answer.await?)) }) as _
        };
        self.0.insert(R::METHOD.path(), Arc::new(answer));
        self
    }
}

impl Service<Request> for Scripted {
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let answer = self.0.get(request.uri().path()).cloned();
        Box::pin(async move {
            let Some(answer) = answer else {
                return Ok(Status::unimplemented("not in the script").into_http());
            };
            let body = request.into_body().collect().await.expect("a complete body").to_bytes();
            Ok(match answer(body).await {
                Ok(message) => grpc::response(&message),
                Err(status) => status.into_http(),
            })
        })
    }
}

/// A service that keeps a log of its requests, and fails some of them.
#[derive(Clone)]
pub(crate) struct Observed<S> {
    inner: S,
    log: Log,
    fault: Fault,
}

type Fault = Arc<dyn Fn(&str) -> Option<Status> + Send + Sync>;

impl<S> Observed<S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
    pub(crate) fn new(inner: S) -> Self {
        Self { inner, log: Log::default(), fault: Arc::new(|_| None) }
    }

    /// Fails a request if `fault` returns a status for its path.
    pub(crate) fn failing(
        mut self,
        fault: impl Fn(&str) -> Option<Status> + Send + Sync + 'static,
    ) -> Self {
        self.fault = Arc::new(fault);
        self
    }

    pub(crate) fn log(&self) -> Log {
        self.log.clone()
    }

    pub(crate) fn client(&self) -> LivestreamClient {
        self.client_builder().build().expect("the settings are valid")
    }

    pub(crate) fn client_builder(&self) -> Builder<LivestreamClient> {
        LivestreamClient::builder().channel(self.clone())
    }
}

impl<S> Service<Request> for Observed<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<Result<Response, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let path = request.uri().path().to_owned();
        let fault = (self.fault)(&path);
        self.log.0.lock().expect("no panic under the lock").push((Instant::now(), path));
        match fault {
            Some(status) => Box::pin(std::future::ready(Ok(status.into_http()))),
            None => Box::pin(self.inner.call(request)),
        }
    }
}

/// The path and the time of every request to a service.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<(Instant, String)>>>);

impl Log {
    pub(crate) fn total(&self) -> usize {
        self.0.lock().expect("no panic under the lock").len()
    }

    /// The number of requests that can change something.
    pub(crate) fn mutations(&self) -> usize {
        let log = self.0.lock().expect("no panic under the lock");
        let is_mutation = |path: &str| {
            let method = methods::of_path(path).expect("a known method");
            method.idempotency() != Idempotency::Safe
        };
        log.iter().filter(|(_, path)| is_mutation(path)).count()
    }

    pub(crate) fn count(&self, method: &Method) -> usize {
        self.times(method).len()
    }

    pub(crate) fn times(&self, method: &Method) -> Vec<Instant> {
        let log = self.0.lock().expect("no panic under the lock");
        let of_method = log.iter().filter(|(_, path)| path == method.path());
        of_method.map(|(time, _)| *time).collect()
    }

    /// The time between successive requests of one method.
    pub(crate) fn gaps(&self, method: &Method) -> Vec<Duration> {
        self.times(method).windows(2).map(|pair| pair[1] - pair[0]).collect()
    }
}
