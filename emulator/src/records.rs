//! The records of operations, and their jobs: the work that is still to be done.
//!
//! A job is kept apart from its record, since the deletion of a record does not stop the work. The
//! jobs are closures over a type parameter, so that this file depends on no state.

use super::{paging::Listed, timers::TimerKey};
use livestream_client::{
    model::OperationMetadata,
    proto::google::longrunning::{Operation, operation::Result as Outcome},
    rpc::Method,
};
use prost_types::Any;
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::{Duration, SystemTime},
};
use tonic::Status;

/// How long the record of an operation is kept after it is done.
const LIFETIME: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// How many records of operations that are done are kept: a program that runs for weeks must not grow.
const MAX_DONE: usize = 20_000;

/// All operations of a service with the state `S`.
#[derive(Clone)]
pub(super) struct Operations<S> {
    pub(super) records: BTreeMap<String, Record>,
    /// The jobs that are not done, by operation name.
    jobs: BTreeMap<String, Job<S>>,
    /// The operation that works on a resource, by resource name.
    targets: BTreeMap<String, String>,
    /// The operations that are done, each with the time of its end, in this order.
    done: VecDeque<(SystemTime, String)>,
}

impl<S> Operations<S> {
    pub(super) fn new() -> Self {
        Self {
            records: BTreeMap::new(),
            jobs: BTreeMap::new(),
            targets: BTreeMap::new(),
            done: VecDeque::new(),
        }
    }

    /// Adds an operation with a job.
    pub(super) fn begin(&mut self, name: String, record: Record, job: Job<S>) {
        self.targets.insert(job.target.clone(), name.clone());
        self.jobs.insert(name.clone(), job);
        self.records.insert(name, record);
    }

    /// Keeps the record of an operation that is done for its lifetime, and at most [`MAX_DONE`]
    /// records.
    pub(super) fn retire(&mut self, name: String, now: SystemTime) {
        self.done.push_back((now, name));
        if self.done.len() > MAX_DONE
            && let Some((_, oldest)) = self.done.pop_front()
        {
            self.records.remove(&oldest);
        }
    }

    /// Removes the records whose lifetime has ended.
    pub(super) fn expire(&mut self, now: SystemTime) {
        let is_over = |ended: &SystemTime| ended.checked_add(LIFETIME).is_some_and(|t| t <= now);
        while self.done.front().is_some_and(|(ended, _)| is_over(ended)) {
            let Some((_, oldest)) = self.done.pop_front() else { return };
            self.records.remove(&oldest);
        }
    }

    /// Takes the job of an operation; `None` if the operation is done.
    pub(super) fn take_job(&mut self, name: &str) -> Option<Job<S>> {
        let job = self.jobs.remove(name)?;
        self.targets.remove(&job.target);
        Some(job)
    }

    /// The operation that works on a resource now.
    pub(super) fn on(&self, target: &str) -> Option<&str> {
        self.targets.get(target).map(|operation| &**operation)
    }

    /// The number of operations that are not done.
    pub(super) fn running(&self) -> usize {
        self.jobs.len()
    }

    /// The names of the resources that operations work on, out of those with a prefix.
    pub(super) fn targets_below(&self, prefix: &str) -> impl Iterator<Item = &String> {
        let from = self.targets.range(prefix.to_owned()..);
        from.map(|(target, _)| target).take_while(move |target| target.starts_with(prefix))
    }
}

/// What a client can read of an operation.
#[derive(Clone)]
pub(super) struct Record {
    /// The name that clients see; it may have the number of the project.
    pub(super) name: String,
    pub(super) metadata: OperationMetadata,
    /// Packs the metadata as the message of the operation's service.
    pub(super) pack_metadata: fn(&OperationMetadata) -> Any,
    pub(super) outcome: Option<Outcome>,
}

impl Record {
    pub(super) fn to_message(&self) -> Operation {
        Operation {
            name: self.name.clone(),
            metadata: Some((self.pack_metadata)(&self.metadata)),
            done: self.outcome.is_some(),
            result: self.outcome.clone(),
        }
    }
}

impl Listed for Record {
    type Message = Operation;

    fn name(&self) -> &str {
        &self.name
    }

    fn with_message<T>(&self, read: impl FnOnce(&Operation) -> T) -> T {
        read(&self.to_message())
    }
}

/// The work of an operation.
#[derive(Clone)]
pub(super) struct Job<S> {
    pub(super) method: &'static Method,
    pub(super) target: String,
    /// Ends the operation when the work is done.
    pub(super) timer: TimerKey,
    pub(super) finish: Finish<S>,
    pub(super) undo: Undo<S>,
}

/// Completes the work and returns the response.
pub(super) type Finish<S> = Arc<dyn Fn(&mut S) -> Result<Any, Status> + Send + Sync>;

/// Puts the resource right after work that did not succeed.
pub(super) type Undo<S> = Arc<dyn Fn(&mut S, &Status) + Send + Sync>;
