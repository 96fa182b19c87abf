//! Long-running operations: work that goes on at the service, and how to wait for it.
//!
//! The service has no call that waits, so a wait polls: at once, then with growing pauses, until the
//! operation is done or the wait's limit is reached. Each poll is a call with retries of its own, and
//! the wait continues through an outage that is longer than one poll. Dropping a wait ends the polling
//! and nothing else: the operation goes on, and its name resumes it, also in another process
//! ([AIP-151](https://google.aip.dev/151)).

mod shared;
mod state;

pub use shared::SharedWaits;

use crate::{
    gax::{
        call::{Call, CallKind, Core},
        context::require_runtime,
        descriptor::{Described, Descriptor},
        error::Error,
        name::OperationName,
        observe::{self, Began, Wait},
        policy::PollPolicy,
        poll::Poller,
        rpc::{LongRunning, LongRunningKind, Payload},
    },
    proto::google::longrunning::{
        self, CancelOperationRequest, DeleteOperationRequest, GetOperationRequest,
    },
};
use futures_core::Stream;
use futures_util::stream;
use state::Started;
use std::{fmt, marker::PhantomData, sync::Arc, time::Duration};
use tokio::time::timeout;
use tonic::Code;

/// An operation at the service with a result `T`, and metadata `M` while it runs.
///
#[doc = include_str!("../../guide/examples/operation.md")]
#[must_use = "the operation runs at the service, but nothing waits for it"]
pub struct Operation<T, M> {
    core: Arc<Core>,
    name: OperationName,
    /// The last state seen; `None` until a resumed operation is first polled.
    state: Option<longrunning::Operation>,
    /// The request that is said to have started a resumed operation.
    request: Option<Started>,
    /// The fields of the metadata; `None` if only the type of the result is known.
    fields: Option<&'static Descriptor>,
    policy: PollPolicy,
    began: Began,
    types: PhantomData<fn() -> (T, M)>,
}

impl<T, M> Operation<T, M> {
    pub(crate) fn started(
        core: Arc<Core>,
        state: longrunning::Operation,
        began: Began,
    ) -> Result<Self, Error>
    where
        M: Described,
    {
        let name = state.name.parse().map_err(|e| {
            Error::unreadable("the service started an operation without a proper name")
                .with_source(e)
        })?;
        observe::started(&name);
        let fields = Some(M::DESCRIPTOR);
        Ok(Self { state: Some(state), began, fields, ..Self::resumed(core, name) })
    }

    pub(crate) fn resumed(core: Arc<Core>, name: OperationName) -> Self {
        let policy = core.poll;
        let began = Began::default();
        let (state, request, fields) = (None, None, None);
        Self { core, name, state, request, fields, policy, began, types: PhantomData }
    }

    /// Checks at the first poll that a request of type `R` started the operation.
    pub(crate) fn started_by<R: LongRunning>(mut self) -> Self {
        self.request = Some(Started::by::<R>());
        self.fields = Some(R::Metadata::DESCRIPTOR);
        self
    }

    /// The operation's name. Keep it to resume the wait elsewhere.
    pub fn name(&self) -> &OperationName {
        &self.name
    }

    /// Whether the operation was done in the last state that was seen.
    pub fn is_done(&self) -> bool {
        self.state.as_ref().is_some_and(|state| state.done)
    }

    /// The last state that was seen, as the service sent it; `None` before a resumed operation is
    /// polled.
    pub fn state(&self) -> Option<&longrunning::Operation> {
        self.state.as_ref()
    }

    /// Waits with this policy instead of the client's.
    pub fn poll_policy(mut self, policy: PollPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Asks the service to cancel the operation. A cancelled operation ends with [`Code::Cancelled`].
    /// An operation that is done before ends with its own result.
    ///
    /// A clone can cancel an operation that is being waited for:
    #[doc = include_str!("../../guide/examples/cancel.md")]
    ///
    /// # Errors
    /// The error of the call: NOT_FOUND if the operation's record was deleted.
    pub async fn cancel(&self) -> Result<(), Error> {
        let name = String::from(&self.name);
        Call::new(self.core.clone(), CancelOperationRequest { name }).respond().await
    }

    /// Deletes the operation's record. The operation itself goes on.
    ///
    /// # Errors
    /// The error of the call: NOT_FOUND if the operation's record was deleted.
    pub async fn delete(self) -> Result<(), Error> {
        let name = String::from(&self.name);
        Call::new(self.core.clone(), DeleteOperationRequest { name }).respond().await
    }
}

impl<T: Payload, M: Payload> Operation<T, M> {
    /// The metadata in the last state that was seen.
    ///
    /// # Errors
    /// INTERNAL if the service sent metadata that is not an `M`.
    pub fn metadata(&self) -> Result<Option<M>, Error> {
        let Some(state) = &self.state else { return Ok(None) };
        state.metadata_as().map_err(|e| self.error(e))
    }

    /// Gets the current state once. Yields the result if the operation is done.
    ///
    /// # Errors
    /// The error of the call, or the error of the operation.
    pub async fn poll(&mut self) -> Result<Option<T>, Error> {
        // A caller that polls has no wait, so the span of the call need not stay open for a link.
        self.began = Began::default();
        self.refresh().await.map_err(|e| self.error(e))?;
        self.result()
    }

    /// Waits until the operation is done, and yields its result. If the wait is dropped or fails, the
    /// operation goes on, and you can wait for it again.
    ///
    /// # Errors
    /// The error of the operation; [`Code::Cancelled`] if it was cancelled; DEADLINE_EXCEEDED, with the
    /// operation's name, if the policy's limit is reached first; INTERNAL if the result is not a `T`;
    /// NOT_FOUND if the operation's record was deleted. The wait continues while the service cannot be
    /// reached, but not if its certificate is not trusted.
    pub async fn wait(&mut self) -> Result<T, Error> {
        if let Some(result) = self.result()? {
            return Ok(result);
        }
        let wait = Wait::begin(&self.name, &mut self.began);
        let waited = wait.over(async {
            let mut poller = Poller::new(self.policy);
            loop {
                self.refresh_in_time(&mut poller).await?;
                if let Some(result) = self.result()? {
                    return Ok(result);
                }
            }
        });
        waited.await.inspect_err(|e: &Error| wait.failed(e.code()))
    }

    /// Returns the states of the operation as a stream: its state now, then the state after each poll,
    /// until it is done.
    ///
    /// The stream ends after the state with [`Progress::result`], or with an error as from
    /// [`wait`](Self::wait). Metadata that cannot be read does not end it: see
    /// [`Progress::metadata_error`].
    ///
    #[doc = include_str!("../../guide/examples/progress.md")]
    pub fn progress(self) -> impl Stream<Item = Result<Progress<T, M>, Error>> + Send + Unpin {
        let mut poller = Poller::new(self.policy);
        let mut is_new = self.state.is_some();
        if is_new {
            poller.skip_first();
        }
        let start = Some((self, poller, None));
        Box::pin(stream::try_unfold(start, move |rest| {
            let is_new = std::mem::take(&mut is_new);
            async move {
                let Some((mut operation, mut poller, mut wait)) = rest else { return Ok(None) };
                if !is_new {
                    let wait = wait
                        .get_or_insert_with(|| Wait::begin(&operation.name, &mut operation.began));
                    let refreshed = wait.over(operation.refresh_in_time(&mut poller)).await;
                    refreshed.inspect_err(|e| wait.failed(e.code()))?;
                }
                let result = operation.result().inspect_err(|e| {
                    if let Some(wait) = &wait {
                        wait.failed(e.code());
                    }
                })?;
                let (metadata, metadata_error) = match operation.metadata() {
                    Ok(metadata) => (metadata, None),
                    Err(error) => (None, Some(error)),
                };
                let elapsed = poller.elapsed();
                let progress = Progress { metadata, metadata_error, result, elapsed };
                let rest = progress.result.is_none().then_some((operation, poller, wait));
                Ok(Some((progress, rest)))
            }
        }))
    }

    /// One poll of a wait that is answered, within the wait's limit.
    async fn refresh_in_time(&mut self, poller: &mut Poller) -> Result<(), Error> {
        require_runtime().map_err(|e| self.error(e.into_error()))?;
        let polled = timeout(poller.remaining(), async {
            loop {
                poller.pause(|polls, pause| observe::pausing(&self.name, polls, pause)).await;
                let polled = self.refresh().await;
                if let Some(answered) = poller.answered(polled) {
                    return answered;
                }
            }
        });
        match polled.await {
            Err(_) => Err(self.expired(poller.last_poll_error())),
            Ok(polled) => polled.map_err(|e| self.error(e)),
        }
    }

    async fn refresh(&mut self) -> Result<(), Error> {
        let request = GetOperationRequest { name: String::from(&self.name) };
        let state = Call::new(self.core.clone(), request).respond().await?;
        if let Some(request) = self.request {
            request.check(&state)?;
            self.request = None;
        }
        self.state = Some(state);
        observe::polled(&self.name, self.is_done());
        Ok(())
    }

    /// The result in the last state that was seen, if the operation is done.
    fn result(&self) -> Result<Option<T>, Error> {
        let Some(state) = &self.state else { return Ok(None) };
        state::result(state).map_err(|e| self.error(self.name_target(e)))
    }

    /// Takes over the final state, which may come without the metadata that an earlier state had.
    fn end(&mut self, mut state: longrunning::Operation) {
        let metadata = self.state.take().and_then(|state| state.metadata);
        state.metadata = state.metadata.or(metadata);
        self.state = Some(state);
    }

    /// Names the resource that the operation works on, if its metadata was read.
    fn name_target(&self, error: Error) -> Error {
        let metadata = self.state.as_ref().and_then(|state| state.metadata.as_ref());
        let target = metadata.zip(self.fields).and_then(|(any, fields)| {
            let is_known = state::is_packed::<M>(any);
            is_known.then(|| fields.text(&any.value, "target")).flatten()
        });
        match target {
            Some(target) => error.with_resource(target),
            None => error,
        }
    }

    fn expired(&self, last_poll_error: Option<Error>) -> Error {
        let limit = self.policy.limit();
        let error =
            |message| self.error(self.name_target(Error::new(Code::DeadlineExceeded, message)));
        match last_poll_error {
            None => error(format!("the operation was not done within {limit:?}, and goes on")),
            Some(source) => error(format!(
                "the operation was not seen done within {limit:?}: the service did not answer the \
                 last poll"
            ))
            .with_source(source),
        }
    }

    fn error(&self, error: Error) -> Error {
        error.with_operation(self.name.clone())
    }
}

/// A clone is another handle on the same operation, with the same state.
impl<T, M> Clone for Operation<T, M> {
    fn clone(&self) -> Self {
        let (core, name, state) = (self.core.clone(), self.name.clone(), self.state.clone());
        let (request, fields, policy) = (self.request, self.fields, self.policy);
        let began = self.began.clone();
        Self { core, name, state, request, fields, policy, began, types: PhantomData }
    }
}

impl<T, M> fmt::Debug for Operation<T, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operation")
            .field("name", &self.name)
            .field("is_done", &self.is_done())
            .finish_non_exhaustive()
    }
}

impl<R: LongRunning> Call<R> {
    /// Sends the request, and waits for the operation that it starts.
    ///
    /// # Errors
    /// As the call and [`Operation::wait`].
    pub async fn wait(self) -> Result<<R as LongRunning>::Output, Error> {
        self.await?.wait().await
    }
}

impl<T, M: Described> CallKind<longrunning::Operation> for LongRunningKind<T, M> {
    type Output = Operation<T, M>;

    fn finish(
        core: &Arc<Core>,
        started: longrunning::Operation,
        began: Began,
    ) -> Result<Self::Output, Error> {
        Operation::started(core.clone(), started, began)
    }
}

/// One state of an operation.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Progress<T, M> {
    /// The metadata, if the service sent any that can be read.
    pub metadata: Option<M>,
    /// Why the metadata that the service sent cannot be read: it is not an `M`, or not a message at
    /// all. The operation goes on, and so does the stream.
    pub metadata_error: Option<Error>,
    /// The result, in the final state.
    pub result: Option<T>,
    /// How long the wait has taken so far.
    pub elapsed: Duration,
}
