//! Long-running operations ([AIP-151](https://google.aip.dev/151)): work that takes virtual time.
//!
//! A resource has at most one operation at a time.

use super::{
    paging::{self, Query},
    records::{Job, Record},
    settings::Latency,
    state::{State, location_of},
    status,
};
use livestream_client::{
    model::OperationMetadata,
    name::{LocationName, ResourceName as _},
    proto::google::longrunning::{
        CancelOperationRequest, DeleteOperationRequest, GetOperationRequest, ListOperationsRequest,
        ListOperationsResponse, Operation, operation::Result as Outcome,
    },
    rpc::LongRunning,
};
use prost::Name;
use prost_types::Any;
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};
use tonic::Status;

/// The metadata message of a service. Those of all services have the same content.
pub(super) trait Metadata: Name {
    fn of(metadata: &OperationMetadata) -> Self;
}

impl Metadata for OperationMetadata {
    fn of(metadata: &OperationMetadata) -> Self {
        metadata.clone()
    }
}

fn pack<T: Name>(message: &T) -> Any {
    Any { type_url: T::type_url(), value: message.encode_to_vec() }
}

/// The undo of work that leaves nothing behind if it does not succeed.
pub(super) fn no_undo(_: &mut State, _: &Status) {}

impl State {
    /// Begins the operation on a resource that a request of type `R` asks for. It ends after `work`
    /// with the result of `finish`. If that is an error, or if the operation is cancelled or made to
    /// fail before, `undo` puts the resource right.
    ///
    /// # Errors
    /// `FAILED_PRECONDITION` while another operation works on the resource.
    pub(super) fn begin<R: LongRunning<Metadata: Metadata>>(
        &mut self,
        (verb, target): (&str, &str),
        work: Duration,
        finish: impl Fn(&mut State) -> Result<R::Output, Status> + Send + Sync + 'static,
        undo: impl Fn(&mut State, &Status) + Send + Sync + 'static,
    ) -> Result<Operation, Status> {
        self.check_idle(target)?;
        let name = self.new_operation_name(target);
        let timer = {
            let name = name.clone();
            self.schedule(self.after(work), move |state| {
                state.end_operation(&name, None);
            })
        };
        let job = Job {
            method: R::METHOD,
            target: target.to_owned(),
            timer,
            finish: Arc::new(move |state| finish(state).map(|output| pack(&output))),
            undo: Arc::new(undo),
        };
        let record = Record {
            name: self.settings.projects.with_number(&name),
            metadata: OperationMetadata {
                create_time: Some(self.now().into()),
                target: target.to_owned(),
                verb: verb.to_owned(),
                api_version: "v1".to_owned(),
                ..Default::default()
            },
            pack_metadata: |metadata| pack(&R::Metadata::of(metadata)),
            outcome: None,
        };
        let operation = record.to_message();
        self.operations.begin(name, record, job);
        Ok(operation)
    }

    /// Whether no operation works on a resource.
    ///
    /// # Errors
    /// `FAILED_PRECONDITION`.
    pub(super) fn check_idle(&self, target: &str) -> Result<(), Status> {
        self.operations.on(target).map_or(Ok(()), |operation| {
            let reason = format!("'{operation}' has not ended");
            Err(status::precondition("OPERATION_IN_PROGRESS", target, reason))
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

    /// Ends an operation: with the result of its job, or with an interruption. Returns `false` if it
    /// was done already.
    pub(super) fn end_operation(&mut self, name: &str, interruption: Option<Status>) -> bool {
        let Some(job) = self.operations.take_job(name) else { return false };
        self.cancel(job.timer);
        let result = match interruption {
            None => (job.finish)(self),
            Some(status) => Err(status),
        };
        let outcome = match result {
            Ok(response) => Outcome::Response(response),
            Err(status) => {
                let status = status::for_service(job.method, status);
                (job.undo)(self, &status);
                Outcome::Error(status::to_message(&status))
            }
        };
        let now = self.now();
        if let Some(record) = self.operations.records.get_mut(name) {
            record.outcome = Some(outcome);
            record.metadata.end_time = Some(now.into());
            self.operations.retire(name.to_owned(), now);
        }
        true
    }
}

pub(super) fn get(state: &mut State, request: &GetOperationRequest) -> Result<Operation, Status> {
    let record = state.operations.records.get(&request.name);
    record.map(Record::to_message).ok_or_else(|| status::not_found(&request.name))
}

pub(super) fn list(
    state: &mut State,
    request: &ListOperationsRequest,
) -> Result<ListOperationsResponse, Status> {
    LocationName::check(&request.name).map_err(|e| status::invalid("name", format!("is {e}")))?;
    if request.return_partial_success {
        return Err(status::unimplemented("return_partial_success"));
    }
    let query = Query {
        parent: &request.name,
        page_size: request.page_size,
        page_token: &request.page_token,
        filter: &request.filter,
        order_by: "",
    };
    let prefix = format!("{}/operations/", request.name);
    let records = state.operations.records.range(prefix.clone()..);
    let records =
        records.take_while(|(name, _)| name.starts_with(&prefix)).map(|(_, record)| record);
    let (page, next_page_token) = paging::page(records, &query, state.tokens())?;
    let operations = page.iter().map(Record::to_message).collect();
    Ok(ListOperationsResponse { operations, next_page_token, ..Default::default() })
}

/// Requests the cancellation of an operation, which ends a little later unless the work is done
/// first.
pub(super) fn cancel(state: &mut State, request: &CancelOperationRequest) -> Result<(), Status> {
    let name = request.name.clone();
    let Some(record) = state.operations.records.get_mut(&name) else {
        return Err(status::not_found(&name));
    };
    if record.outcome.is_none() {
        record.metadata.requested_cancellation = true;
        let time = state.after(state.settings.duration_of(Latency::Cancel));
        state.schedule(time, move |state| {
            state.end_operation(&name, Some(status::cancelled()));
        });
    }
    Ok(())
}

/// Deletes the record of an operation. Its work goes on.
pub(super) fn delete(state: &mut State, request: &DeleteOperationRequest) -> Result<(), Status> {
    let gone = state.operations.records.remove(&request.name);
    gone.map(drop).ok_or_else(|| status::not_found(&request.name))
}
