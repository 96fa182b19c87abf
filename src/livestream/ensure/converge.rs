//! The loop that brings a resource to a wanted state.
//!
//! Every turn reads the resource and takes the one step that its state asks for. So a run that was
//! killed is continued by the next one, and nothing is stored. A step can be refused because another
//! caller was faster. The loop then waits for the operation of that caller, and reads again.

use super::{
    plan::{Wanted, not_kept},
    resources::{Declared, Phase, Started, Work},
};
use crate::{
    gax::{
        context::require_runtime, descriptor::is_same_name, error::Error, name::OperationName,
        policy::PollPolicy, poll::Poller, rpc::Rpc, transport_error::TransportError,
    },
    livestream::LivestreamClient,
    model::OperationMetadata,
};
use prost::Message as _;
use std::time::Duration;
use tokio::time::error::Elapsed;
use tonic::Code;

/// The way of one resource to a wanted state.
pub(super) struct Convergence<'a, N> {
    pub(super) client: &'a LivestreamClient,
    pub(super) name: &'a N,
    policy: PollPolicy,
    poller: Poller,
    /// Whether a step was sent that changes something.
    has_begun: bool,
    /// The refused steps since the last one that was accepted.
    refused: u32,
    /// The operation that is waited for.
    operation: Option<OperationName>,
    /// Whether no operation was under way when it was looked for last.
    was_idle: bool,
}

impl<'a, N: Declared> Convergence<'a, N> {
    pub(super) fn new(client: &'a LivestreamClient, name: &'a N, policy: PollPolicy) -> Self {
        let mut poller = Poller::new(policy);
        // Every pause follows a read.
        poller.skip_first();
        Self {
            client,
            name,
            policy,
            poller,
            has_begun: false,
            refused: 0,
            operation: None,
            was_idle: false,
        }
    }

    /// The time limit of the whole way.
    ///
    /// # Errors
    /// `FAILED_PRECONDITION` outside a Tokio runtime.
    pub(super) fn limit(&self) -> Result<Duration, Error> {
        require_runtime().map_err(TransportError::into_error)?;
        Ok(self.policy.limit())
    }

    /// The result of a way, or the error of its limit.
    pub(super) fn end<T>(mut self, ended: Result<Result<T, Error>, Elapsed>) -> Result<T, Error> {
        ended.unwrap_or_else(|_| {
            let limit = self.policy.limit();
            let message = format!(
                "the resource was not as wanted within {limit:?}; what was started goes on"
            );
            let error = self.error(Code::DeadlineExceeded, message);
            let error = match self.poller.last_poll_error() {
                Some(source) => error.with_source(source),
                None => error,
            };
            Err(match self.operation {
                Some(operation) => error.with_operation(operation),
                None => error,
            })
        })
    }

    /// The policy of the waits for operations: the limit of the whole way holds for them too.
    pub(super) fn policy(&self) -> PollPolicy {
        self.policy.with_limit(Duration::MAX)
    }

    /// Creates or updates the resource until it is as wanted.
    pub(super) async fn apply(&mut self, wanted: &Wanted<N>) -> Result<N::Resource, Error> {
        loop {
            let Some(actual) = self.read().await? else {
                let resource = wanted.resource.clone();
                let step = self.name.create(self.client, resource, self.policy());
                match self.take(step, &[Code::AlreadyExists, Code::Aborted]).await? {
                    Some(created) => return Ok(created),
                    None => continue,
                }
            };
            let phase = N::phase(&actual);
            if matches!(phase, Phase::Leaving) {
                self.pause().await;
                continue;
            }
            let update = wanted.update(&actual)?;
            match (phase, update) {
                (Phase::Failed(reason), _) => {
                    let message = format!("the resource has failed: {reason}");
                    return Err(self.error(Code::FailedPrecondition, message));
                }
                (Phase::Changing, _) => self.pause().await,
                (_, None) => return Ok(actual),
                (_, Some(_)) if !self.is_idle().await? => {}
                (_, Some(update)) => {
                    let (resource, mask) = (update.resource, update.mask);
                    let step = self.name.update(self.client, resource, mask, self.policy());
                    if let Some(updated) = self.take(step, &OUTDATED).await? {
                        return match wanted.update(&updated)? {
                            None => Ok(updated),
                            Some(rest) => Err(self.error(Code::Aborted, not_kept(&rest))),
                        };
                    }
                }
            }
        }
    }

    /// Removes the resource.
    pub(super) async fn remove(&mut self) -> Result<(), Error> {
        let mut stays_absent = false;
        loop {
            let actual = match self.read().await? {
                Some(actual) => actual,
                None if stays_absent => return Ok(()),
                None => {
                    // A creation that is under way would leave a resource behind, as would one that
                    // ends between the read and the listing.
                    match self.under_way().await? {
                        Some(operation) => self.join(operation).await?,
                        None => stays_absent = true,
                    }
                    continue;
                }
            };
            stays_absent = false;
            if matches!(N::phase(&actual), Phase::Leaving) {
                self.pause().await;
                continue;
            }
            match self.name.remove(self.client, &actual, self.policy()) {
                Some(step) => stays_absent = self.take(step, &OUTDATED).await?.is_some(),
                None => self.pause().await,
            }
        }
    }

    /// Reads the resource; `None` if it does not exist.
    pub(super) async fn read(&mut self) -> Result<Option<N::Resource>, Error> {
        loop {
            let read = self.name.get(self.client).await;
            match self.answered(read).await {
                None => {}
                Some(Err(e)) if e.is_not_found() => return Ok(None),
                Some(read) => return read.map(Some),
            }
        }
    }

    /// The outcome of a request that changes nothing. After the first step that changes something, an
    /// outage does not end the way: returns `None` after a pause, and the caller asks again.
    async fn answered<T>(&mut self, asked: Result<T, Error>) -> Option<Result<T, Error>> {
        if !self.has_begun {
            return Some(asked);
        }
        let answered = self.poller.answered(asked);
        if answered.is_none() {
            self.pause().await;
        }
        answered
    }

    pub(super) async fn pause(&mut self) {
        self.was_idle = false;
        self.poller.pause(|_, _| {}).await;
    }

    /// Takes a step and waits for its end. Returns `None` if it is to be decided anew: it was refused
    /// with one of these codes because another caller was faster, or it is unknown whether it was
    /// taken.
    pub(super) async fn take<T>(
        &mut self,
        step: Work<Started<T>>,
        outdated: &[Code],
    ) -> Result<Option<T>, Error> {
        self.has_begun = true;
        match step.await {
            Ok(Started::Done(result)) => Ok(Some(result)),
            Ok(Started::Operation(name, wait)) => {
                self.refused = 0;
                self.operation = Some(name);
                let result = wait.await?;
                self.operation = None;
                self.poller.restart();
                Ok(Some(result))
            }
            Err(e) if e.is_unavailable() || e.is_deadline_exceeded() => {
                let _: Option<Result<(), Error>> = self.poller.answered(Err(e));
                self.pause().await;
                Ok(None)
            }
            Err(e) if outdated.contains(&e.code()) => {
                self.settle(e).await?;
                Ok(None)
            }
            Err(e) => Err(e),
        }
    }

    /// Whether no operation was under way before the last read. Otherwise the resource is to be read
    /// again: an update of another caller may show only at its end, and nothing in the API prevents
    /// that it is repeated.
    async fn is_idle(&mut self) -> Result<bool, Error> {
        if std::mem::take(&mut self.was_idle) {
            return Ok(true);
        }
        match self.under_way().await {
            Ok(Some(operation)) => self.join(operation).await?,
            Ok(None) => self.was_idle = true,
            // An update needs no permission to list operations.
            Err(e) if e.is_permission_denied() => self.was_idle = true,
            Err(e) => return Err(e),
        }
        Ok(false)
    }

    /// Waits for what made the service refuse a step.
    async fn settle(&mut self, refusal: Error) -> Result<(), Error> {
        self.refused += 1;
        self.was_idle = false;
        let exists = refusal.is_already_exists();
        if self.refused == 1 && !exists {
            // The next read may show why.
            return Ok(());
        }
        match self.under_way().await? {
            Some(operation) => self.join(operation).await,
            // The operation has ended meanwhile, or the service does not list it.
            None if exists || refusal.code() == Code::Aborted => {
                self.pause().await;
                Ok(())
            }
            None if self.refused < FINAL_REFUSAL => Ok(()),
            None => Err(refusal),
        }
    }

    /// Finds the operation that works on the resource.
    async fn under_way(&mut self) -> Result<Option<OperationName>, Error> {
        // It is not documented whether the service can filter operations.
        for filter in ["done = false", ""] {
            let found = loop {
                let found = self.find_operation(filter).await;
                if let Some(found) = self.answered(found).await {
                    break found;
                }
            };
            match found {
                Err(e) if matches!(e.code(), Code::InvalidArgument | Code::Unimplemented) => {}
                found => return found,
            }
        }
        Ok(None)
    }

    async fn find_operation(&self, filter: &str) -> Result<Option<OperationName>, Error> {
        let location = self.name.location();
        let mut listing = self.client.list_operations(&location).filter(filter);
        listing = listing.page_size(PAGE_SIZE).fields(["name", "done", "metadata"]);
        for _ in 0..MAX_PAGES {
            let page = listing.clone().await?;
            let found = page.operations.into_iter().filter(|operation| !operation.done);
            let mut found = found.filter(|operation| {
                let metadata = operation.metadata.as_ref();
                let metadata = metadata.and_then(|any| OperationMetadata::decode(&*any.value).ok());
                metadata.is_some_and(|found| is_same_name(&found.target, self.name.as_str()))
            });
            if let Some(operation) = found.next() {
                return Ok(Some(operation.name.parse()?));
            }
            if page.next_page_token.is_empty() {
                break;
            }
            listing = listing.page_token(page.next_page_token);
        }
        Ok(None)
    }

    /// Waits until another caller's operation is done. Its result does not matter.
    async fn join(&mut self, operation: OperationName) -> Result<(), Error> {
        self.poller.restart();
        self.operation = Some(operation.clone());
        loop {
            self.pause().await;
            let polled = self.client.get_operation(&operation).fields(["done"]).await;
            match self.poller.answered(polled) {
                Some(Ok(state)) if !state.done => {}
                None => {}
                // The record may have been deleted.
                Some(Err(e)) if !e.is_not_found() => return Err(e.with_operation(operation)),
                Some(_) => break,
            }
        }
        self.operation = None;
        self.refused = 0;
        self.poller.restart();
        Ok(())
    }

    pub(super) fn error(&self, code: Code, message: String) -> Error {
        Error::new(code, message).with_subject(N::Get::METHOD, self.name.as_str())
    }
}

/// The codes that tell that the state of the resource has changed since it was read.
pub(super) const OUTDATED: [Code; 3] = [Code::FailedPrecondition, Code::Aborted, Code::NotFound];

/// The refusal that is an error although nothing is under way. After the ones before it, an operation
/// may have ended between the refusal and the listing.
const FINAL_REFUSAL: u32 = 3;
/// The maximum number of operations in a page; the service may give fewer.
const PAGE_SIZE: i32 = 500;
/// The pages to search for an operation. The listing may hold the history of 30 days.
const MAX_PAGES: usize = 10;
