//! Request ids: a repeated request gets the response of the first one
//! ([AIP-155](https://google.aip.dev/155)).

use super::status;
use livestream_client::rpc::Rpc;
use std::{any::Any, collections::HashMap, time::Duration};
use tonic::Status;
use uuid::Uuid;

/// How long the service remembers a request id.
pub(super) const REQUEST_ID_LIFETIME: Duration = Duration::from_secs(60 * 60);

/// The requests of the last hour that had a request id, each with its response.
#[derive(Default)]
pub(super) struct RequestIdCache(HashMap<Uuid, Box<dyn Any + Send>>);

impl RequestIdCache {
    /// The response to a repeated request; `None` for a new request id.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` if the id belongs to another request.
    pub(super) fn get<R>(&self, id: Uuid, request: &R) -> Result<Option<R::Response>, Status>
    where
        R: Rpc + PartialEq,
        R::Response: Clone,
    {
        let Some(known) = self.0.get(&id) else { return Ok(None) };
        match known.downcast_ref::<(R, R::Response)>() {
            Some((first, response)) if first == request => Ok(Some(response.clone())),
            _ => Err(status::invalid("request_id", "was already used for another request")),
        }
    }

    pub(super) fn insert<R>(&mut self, id: Uuid, request: R, response: R::Response)
    where
        R: Rpc,
        R::Response: Send,
    {
        self.0.insert(id, Box::new((request, response)));
    }

    pub(super) fn remove(&mut self, id: Uuid) {
        self.0.remove(&id);
    }
}
