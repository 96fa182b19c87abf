//! Request ids: a repeated request gets the response of the first one
//! ([AIP-155](https://google.aip.dev/155)).

use super::status;
use livestream_client::rpc::Rpc;
use std::{
    any::Any,
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::{Duration, SystemTime},
};
use tonic::Status;
use uuid::Uuid;

/// How long the service remembers a request id.
pub(super) const REQUEST_ID_LIFETIME: Duration = Duration::from_secs(60 * 60);

/// How many request ids are remembered: a program that creates resources all day must not grow.
const MAX_REQUEST_IDS: usize = 100_000;

/// The requests of the last hour that had a request id, each with its response.
#[derive(Clone, Default)]
pub(super) struct RequestIdCache {
    known: HashMap<Uuid, Arc<dyn Any + Send + Sync>>,
    /// The request ids, each with the time at which it is forgotten, in this order.
    ends: VecDeque<(SystemTime, Uuid)>,
}

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
        let Some(known) = self.known.get(&id) else { return Ok(None) };
        match known.downcast_ref::<(R, R::Response)>() {
            Some((first, response)) if first == request => Ok(Some(response.clone())),
            _ => Err(status::invalid("request_id", "was already used for another request")),
        }
    }

    /// Remembers a request and its response until a time.
    pub(super) fn insert<R>(
        &mut self,
        id: Uuid,
        request: R,
        response: R::Response,
        until: SystemTime,
    ) where
        R: Rpc,
        R::Response: Send + Sync,
    {
        self.known.insert(id, Arc::new((request, response)));
        self.ends.push_back((until, id));
        if self.ends.len() > MAX_REQUEST_IDS
            && let Some((_, oldest)) = self.ends.pop_front()
        {
            self.known.remove(&oldest);
        }
    }

    /// Forgets the request ids whose time has come.
    pub(super) fn expire(&mut self, now: SystemTime) {
        while self.ends.front().is_some_and(|(until, _)| *until <= now) {
            let Some((_, id)) = self.ends.pop_front() else { return };
            self.known.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use livestream_client::{model::CreateInputRequest, proto::google::longrunning::Operation};

    #[test]
    fn the_last_hundred_thousand_request_ids_are_remembered() {
        let mut cache = RequestIdCache::default();
        let request = CreateInputRequest::default();
        let mut ids = (0..).map(Uuid::from_u128);
        let mut insert = |cache: &mut RequestIdCache, count: usize| {
            for id in ids.by_ref().take(count) {
                let response = Operation::default();
                cache.insert(id, request.clone(), response, SystemTime::UNIX_EPOCH);
            }
        };
        let is_known = |cache: &RequestIdCache, n: u128| {
            cache.get(Uuid::from_u128(n), &request).is_ok_and(|found| found.is_some())
        };
        insert(&mut cache, MAX_REQUEST_IDS);
        assert!(is_known(&cache, 0));
        insert(&mut cache, 1);
        assert!(!is_known(&cache, 0));
        assert!(is_known(&cache, 1) && is_known(&cache, 100_000));
    }
}
