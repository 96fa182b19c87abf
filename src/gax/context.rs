//! What a request carries down the stack beside its message: the options and the deadline of its
//! call.

use crate::gax::{
    policy::{RetryPolicy, Sent, Timeouts},
    rpc::Idempotency,
    transport_error::TransportError,
};
use futures_util::{FutureExt, future::Either};
use std::{cell::Cell, panic::catch_unwind, pin::Pin, time::Duration};
use tokio::{
    runtime::{self, Handle},
    time::{Instant, sleep, timeout_at},
};
use tonic::Code;

pub(crate) type BoxFuture<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

/// Tells a unary method's idempotency by its path, such as
/// `/google.longrunning.Operations/GetOperation`; `None` for a method to leave alone.
pub type Classify = fn(path: &str) -> Option<Idempotency>;

/// One call's options and deadline.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallContext {
    pub(crate) idempotency: Idempotency,
    pub(crate) timeouts: Timeouts,
    pub(crate) retry: RetryPolicy,
    /// The deadline of the current attempt, once there is one.
    pub(crate) deadline: Option<Instant>,
}

/// Refuses to go on outside a Tokio runtime, or in one without timers: both would panic later.
pub(crate) fn require_runtime() -> Result<(), TransportError> {
    let refuse =
        |message| TransportError::new(Code::FailedPrecondition, Sent::No, message).permanent();
    let runtime = Handle::try_current()
        .map_err(|_| refuse("calls and waits need a Tokio runtime: make them inside one"))?;
    thread_local! {
        /// The last runtime on this thread that was seen to have timers.
        static WITH_TIMERS: Cell<Option<runtime::Id>> = const { Cell::new(None) };
    }
    let id = runtime.id();
    if WITH_TIMERS.get() == Some(id) {
        return Ok(());
    }
    // Tokio has no other way to ask. Where it panics, the panic hook reports it once more.
    catch_unwind(|| drop(sleep(Duration::ZERO))).map_err(|_| {
        let message = "calls and waits need timers: build the Tokio runtime with `enable_time` or \
                       `enable_all`";
        refuse(message)
    })?;
    WITH_TIMERS.set(Some(id));
    Ok(())
}

/// `now + wait`, or thirty years from now if that overflows.
pub(crate) fn after(now: Instant, wait: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(86_400 * 365 * 30);
    now.checked_add(wait.min(FAR)).unwrap_or(now)
}

/// Waits until the deadline for something that a request needs before it can be sent. If time runs
/// out here, and not in the layers above, the request was certainly not sent.
pub(crate) fn before_sending<T>(
    deadline: Option<Instant>,
    what: &str,
    wait: impl Future<Output = Result<T, TransportError>>,
) -> impl Future<Output = Result<T, TransportError>> {
    let Some(deadline) = deadline else { return Either::Left(wait) };
    Either::Right(timeout_at(deadline, wait).map(move |outcome| {
        // The wait may have ended together with the time.
        let outcome = outcome.ok().filter(|outcome| outcome.is_err() || Instant::now() < deadline);
        outcome.unwrap_or_else(|| Err(not_sent(&format!("before there was {what}"))))
    }))
}

/// The error of a request that was not sent because its time had run out.
pub(crate) fn not_sent(when: &str) -> TransportError {
    let message = format!("time ran out {when}");
    TransportError::new(Code::DeadlineExceeded, Sent::No, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::ready;

    #[tokio::test(start_paused = true)]
    async fn what_is_ready_at_the_deadline_is_too_late() {
        let wait = |ahead| {
            let deadline = Instant::now() + Duration::from_millis(ahead);
            before_sending(Some(deadline), "a token", ready(Ok(())))
        };
        wait(1).await.expect("in time");
        let error = wait(0).await.expect_err("too late");
        assert_eq!((error.code(), error.sent), (Code::DeadlineExceeded, Sent::No));
        assert_eq!(error.message(), "time ran out before there was a token");
    }
}
