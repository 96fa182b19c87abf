//! Injected faults: refused attempts, lost responses, stalled attempts.

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

/// A layer that injects faults into the next attempts.
///
/// Give it to [`Builder::layer`](livestream_client::Builder::layer), and keep a clone to control it:
/// clones share the faults and the count of attempts. The faults happen in the order in which they
/// were requested, one for each attempt. Later attempts reach the service. For a service that stays
/// down, request a fault for `usize::MAX` attempts.
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
pub struct Faults(Arc<Mutex<Schedule>>);

#[derive(Debug, Default)]
struct Schedule {
    /// The next faults, each with its number of attempts.
    next: VecDeque<(Injected, usize)>,
    attempts: usize,
}

#[derive(Clone, Debug)]
enum Injected {
    Refused(Status),
    ResponseLost,
    Stalled,
}

impl Faults {
    /// Creates a layer without faults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Responds to a number of attempts with a status. They do not reach the service.
    pub fn refuse(&self, attempts: usize, status: Status) {
        self.inject(attempts, Injected::Refused(status));
    }

    /// Breaks the connection of a number of attempts after the service has executed them, before the
    /// response arrives.
    pub fn lose_answers(&self, attempts: usize) {
        self.inject(attempts, Injected::ResponseLost);
    }

    /// Stalls a number of attempts. They do not reach the service, and only a deadline ends them.
    pub fn stall(&self, attempts: usize) {
        self.inject(attempts, Injected::Stalled);
    }

    /// The number of attempts so far, including those with a fault.
    pub fn attempts(&self) -> usize {
        self.lock().attempts
    }

    fn inject(&self, attempts: usize, fault: Injected) {
        if attempts > 0 {
            self.lock().next.push_back((fault, attempts));
        }
    }

    fn begin_attempt(&self) -> Option<Injected> {
        let mut schedule = self.lock();
        schedule.attempts += 1;
        let (fault, left) = schedule.next.front_mut()?;
        *left -= 1;
        let (fault, is_last) = (fault.clone(), *left == 0);
        if is_last {
            schedule.next.pop_front();
        }
        Some(fault)
    }

    fn lock(&self) -> MutexGuard<'_, Schedule> {
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
            Some(Injected::ResponseLost) => {
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
