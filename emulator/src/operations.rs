//! Long-running operations ([AIP-151](https://google.aip.dev/151)): work that takes virtual time.
//!
//! What an operation still has to do (its job) is kept apart from its record, since deleting the
//! record does not stop the work. A resource has at most one operation at a time.

use super::{
    fault,
    paging::{self, Listed, Query},
    settings::Work,
    world::{Due, World, location_of, to_time},
};
use livestream_client::{
    model::OperationMetadata,
    name::{LocationName, ResourceName as _},
    proto::google::longrunning::{
        CancelOperationRequest, DeleteOperationRequest, GetOperationRequest, ListOperationsRequest,
        ListOperationsResponse, Operation, operation::Result as Outcome,
    },
    rpc::{LongRunning, Method},
};
use prost::Name;
use prost_types::Any;
use std::{
    borrow::Cow,
    collections::BTreeMap,
    time::{Duration, SystemTime},
};
use tonic::Status;

/// How long the record of an operation is kept once it is done.
const RECORD_LIFETIME: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// All operations.
#[derive(Default)]
pub(super) struct Operations {
    records: BTreeMap<String, Record>,
    /// The jobs still to be done, by operation.
    jobs: BTreeMap<String, Job>,
    /// The operation that works on a resource, by resource.
    targets: BTreeMap<String, String>,
}

impl Operations {
    /// The operation that works on a resource now.
    pub(super) fn on(&self, target: &str) -> Option<&str> {
        self.targets.get(target).map(|operation| &**operation)
    }

    /// How many there are that are not done.
    pub(super) fn running(&self) -> usize {
        self.jobs.len()
    }

    /// The names of the resources with a certain beginning that are being worked on.
    pub(super) fn targets_below(&self, prefix: &str) -> impl Iterator<Item = &String> {
        let from = self.targets.range(prefix.to_owned()..);
        from.map(|(target, _)| target).take_while(move |target| target.starts_with(prefix))
    }
}

/// What is told of an operation.
#[derive(Clone)]
struct Record {
    name: String,
    metadata: OperationMetadata,
    tell: fn(&OperationMetadata) -> Any,
    outcome: Option<Outcome>,
}

struct Job {
    method: &'static Method,
    target: String,
    /// When it will be done.
    due: Due,
    finish: Finish,
    undo: Undo,
}

type Finish = Box<dyn FnOnce(&mut World) -> Result<Any, Status> + Send>;
type Undo = Box<dyn FnOnce(&mut World, &Status) + Send>;

/// The metadata that a service tells: the same in the message of each.
pub(super) trait Metadata: Name {
    fn of(metadata: &OperationMetadata) -> Self;
}

impl Metadata for OperationMetadata {
    fn of(metadata: &OperationMetadata) -> Self {
        metadata.clone()
    }
}

impl Record {
    fn to_message(&self) -> Operation {
        Operation {
            name: self.name.clone(),
            metadata: Some((self.tell)(&self.metadata)),
            done: self.outcome.is_some(),
            result: self.outcome.clone(),
        }
    }
}

impl Listed for Record {
    fn name(&self) -> &str {
        &self.name
    }

    fn created(&self) -> SystemTime {
        self.metadata.create_time.map_or(SystemTime::UNIX_EPOCH, to_time)
    }

    fn field(&self, path: &str) -> Option<Cow<'_, str>> {
        match path {
            "name" => Some((&*self.name).into()),
            "done" => Some(self.outcome.is_some().to_string().into()),
            "metadata.target" => Some((&*self.metadata.target).into()),
            "metadata.verb" => Some((&*self.metadata.verb).into()),
            _ => None,
        }
    }
}

fn pack<T: Name>(message: &T) -> Any {
    Any { type_url: T::type_url(), value: message.encode_to_vec() }
}

/// What to do about work that did not succeed: nothing.
pub(super) fn nothing(_: &mut World, _: &Status) {}

impl World {
    /// Begins an operation on a resource, as the RPC of `R` asks for. It ends with what `finish`
    /// yields when the work is due; where that fails, or the operation is cancelled or made to fail
    /// before, `undo` puts the resource right.
    ///
    /// # Errors
    /// `FAILED_PRECONDITION` while another operation works on the resource.
    pub(super) fn begin<R: LongRunning<Metadata: Metadata>>(
        &mut self,
        (verb, target): (&str, &str),
        work: Duration,
        finish: impl FnOnce(&mut World) -> Result<R::Output, Status> + Send + 'static,
        undo: impl FnOnce(&mut World, &Status) + Send + 'static,
    ) -> Result<Operation, Status> {
        self.check_idle(target)?;
        let name = self.new_operation_name(target);
        let due = {
            let name = name.clone();
            self.at(self.after(work), move |world| {
                world.end_operation(&name, None);
            })
        };
        let job = Job {
            method: R::METHOD,
            target: target.to_owned(),
            due,
            finish: Box::new(|world| finish(world).map(|output| pack(&output))),
            undo: Box::new(undo),
        };
        let record = Record {
            name: name.clone(),
            metadata: OperationMetadata {
                create_time: Some(self.now().into()),
                target: target.to_owned(),
                verb: verb.to_owned(),
                api_version: "v1".to_owned(),
                ..Default::default()
            },
            tell: |metadata| pack(&R::Metadata::of(metadata)),
            outcome: None,
        };
        let operation = record.to_message();
        self.operations.targets.insert(target.to_owned(), name.clone());
        self.operations.jobs.insert(name.clone(), job);
        self.operations.records.insert(name, record);
        Ok(operation)
    }

    /// Whether no operation works on a resource.
    ///
    /// # Errors
    /// `FAILED_PRECONDITION`.
    pub(super) fn check_idle(&self, target: &str) -> Result<(), Status> {
        self.operations.on(target).map_or(Ok(()), |operation| {
            let reason = format!("{operation} is still working on it");
            Err(fault::precondition("OPERATION_IN_PROGRESS", target, reason))
        })
    }

    fn new_operation_name(&mut self, target: &str) -> String {
        let since = self.now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let (one, two) = (self.random(), self.random());
        format!(
            "{}/operations/operation-{}-{:013x}-{:08x}-{:08x}",
            location_of(target),
            since.as_millis(),
            one >> 12,
            two >> 32,
            two & 0xffff_ffff,
        )
    }

    /// Ends an operation: with what its job yields, or with an interruption. Returns whether there
    /// was still something to end.
    pub(super) fn end_operation(&mut self, name: &str, interruption: Option<Status>) -> bool {
        let Some(job) = self.operations.jobs.remove(name) else { return false };
        self.operations.targets.remove(&job.target);
        self.revoke(job.due);
        let result = match interruption {
            None => (job.finish)(self),
            Some(status) => Err(status),
        };
        let outcome = match result {
            Ok(response) => Outcome::Response(response),
            Err(status) => {
                let status = fault::said_by(job.method, status);
                (job.undo)(self, &status);
                Outcome::Error(fault::to_message(&status))
            }
        };
        let now = self.now().into();
        if let Some(record) = self.operations.records.get_mut(name) {
            record.outcome = Some(outcome);
            record.metadata.end_time = Some(now);
        }
        let name = name.to_owned();
        self.at(self.after(RECORD_LIFETIME), move |world| {
            world.operations.records.remove(&name);
        });
        true
    }
}

pub(super) fn get(world: &mut World, request: &GetOperationRequest) -> Result<Operation, Status> {
    let record = world.operations.records.get(&request.name);
    record.map(Record::to_message).ok_or_else(|| fault::not_found(&request.name))
}

pub(super) fn list(
    world: &mut World,
    request: &ListOperationsRequest,
) -> Result<ListOperationsResponse, Status> {
    LocationName::check(&request.name).map_err(|e| fault::invalid("name", format!("is {e}")))?;
    if request.return_partial_success {
        return Err(fault::unimplemented("return_partial_success"));
    }
    let query = Query {
        parent: &request.name,
        page_size: request.page_size,
        page_token: &request.page_token,
        filter: &request.filter,
        order_by: "",
    };
    let prefix = format!("{}/operations/", request.name);
    let records = world.operations.records.range(prefix.clone()..);
    let records =
        records.take_while(|(name, _)| name.starts_with(&prefix)).map(|(_, record)| record);
    let (page, next_page_token) = paging::page(records, &query)?;
    let operations = page.iter().map(Record::to_message).collect();
    Ok(ListOperationsResponse { operations, next_page_token, ..Default::default() })
}

/// Asks for the end of an operation, which comes a little later unless the work is done first.
pub(super) fn cancel(world: &mut World, request: &CancelOperationRequest) -> Result<(), Status> {
    let name = request.name.clone();
    let Some(record) = world.operations.records.get_mut(&name) else {
        return Err(fault::not_found(&name));
    };
    if record.outcome.is_none() {
        record.metadata.requested_cancellation = true;
        let time = world.after(world.settings.takes(Work::Cancel));
        world.at(time, move |world| {
            world.end_operation(&name, Some(fault::cancelled(&name)));
        });
    }
    Ok(())
}

/// Forgets an operation; its work goes on.
pub(super) fn delete(world: &mut World, request: &DeleteOperationRequest) -> Result<(), Status> {
    let gone = world.operations.records.remove(&request.name);
    gone.map(drop).ok_or_else(|| fault::not_found(&request.name))
}
