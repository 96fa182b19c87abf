//! What a network, or a service that is down, does to calls: on purpose, and counted.

use http::{Request, Response};
use std::{
    collections::VecDeque,
    future::pending,
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};
use tonic::{Status, body::Body};
use tower::BoxError;
use tower::{Layer, Service};

/// A layer under which the next attempts go wrong.
///
/// Give it to [`Builder::layer`](livestream_client::Builder::layer), and keep a clone to tell it what
/// is to happen: clones share that, and the count. What is asked for happens in its order, one thing
/// an attempt; then all is well again. A service that is down for good: `usize::MAX` attempts.
///
/// ```
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), livestream_client::Error> {
/// use livestream_emulator::{Emulator, Faults};
/// use livestream_client::name::LocationName;
/// use tonic::Status;
///
/// let (emulator, faults) = (Emulator::new(), Faults::new());
/// let client = emulator.client_builder().layer(faults.clone()).build()?;
/// let location = LocationName::new("my-project", "us-central1")?;
///
/// faults.refuse(2, Status::unavailable("down"));
/// client.list_channels(&location).await?;
/// assert_eq!(faults.attempts(), 3);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Faults(Arc<Mutex<Plan>>);

#[derive(Debug, Default)]
struct Plan {
    /// What comes next, and how often.
    next: VecDeque<(Injected, usize)>,
    attempts: usize,
}

#[derive(Clone, Debug)]
enum Injected {
    Refused(Status),
    AnswerLost,
    Stalled,
}

impl Faults {
    /// Nothing goes wrong yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// So many attempts get this status, and do not reach the service.
    pub fn refuse(&self, attempts: usize, status: Status) {
        self.plan(attempts, Injected::Refused(status));
    }

    /// So many attempts are carried out by the service, but the connection breaks before the answer
    /// arrives.
    pub fn lose_answers(&self, attempts: usize) {
        self.plan(attempts, Injected::AnswerLost);
    }

    /// So many attempts do not reach the service, and never end by themselves: only a deadline ends
    /// them.
    pub fn stall(&self, attempts: usize) {
        self.plan(attempts, Injected::Stalled);
    }

    /// How many attempts there have been, those included that went wrong.
    pub fn attempts(&self) -> usize {
        self.lock().attempts
    }

    fn plan(&self, attempts: usize, fault: Injected) {
        if attempts > 0 {
            self.lock().next.push_back((fault, attempts));
        }
    }

    fn begin_attempt(&self) -> Option<Injected> {
        let mut plan = self.lock();
        plan.attempts += 1;
        let (fault, left) = plan.next.front_mut()?;
        *left -= 1;
        let (fault, is_last) = (fault.clone(), *left == 0);
        if is_last {
            plan.next.pop_front();
        }
        Some(fault)
    }

    fn lock(&self) -> MutexGuard<'_, Plan> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S> Layer<S> for Faults {
    type Service = Faulty<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Faulty { inner, faults: self.clone() }
    }
}

/// A service below [`Faults`].
#[derive(Clone, Debug)]
pub struct Faulty<S> {
    inner: S,
    faults: Faults,
}

impl<S> Service<Request<Body>> for Faulty<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        match self.faults.begin_attempt() {
            Some(Injected::Refused(status)) => Box::pin(async move { Ok(status.into_http()) }),
            Some(Injected::Stalled) => Box::pin(pending()),
            Some(Injected::AnswerLost) => {
                let call = self.inner.call(request);
                Box::pin(async move {
                    call.await.map_err(Into::into)?;
                    Err(io::Error::from(io::ErrorKind::ConnectionReset).into())
                })
            }
            None => {
                let call = self.inner.call(request);
                Box::pin(async move { call.await.map_err(Into::into) })
            }
        }
    }
}
