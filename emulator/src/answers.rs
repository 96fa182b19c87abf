//! One answer per request: a `request_id` makes a repeated request harmless
//! ([AIP-155](https://google.aip.dev/155)).

use super::{fault, world::World};
use livestream_client::rpc::Rpc;
use std::{any::Any, collections::HashMap, time::Duration};
use tonic::Status;
use uuid::Uuid;

/// How long the service remembers a request id.
const MEMORY: Duration = Duration::from_secs(60 * 60);

/// The requests answered within the last hour, by id, each with its answer.
#[derive(Default)]
pub(super) struct Answers(HashMap<Uuid, Box<dyn Any + Send>>);

/// What a rule makes of a request.
pub(super) type Rule<R> = fn(&mut World, &R) -> Result<<R as Rpc>::Response, Status>;

impl World {
    /// Answers a request: by its rule, or, if it is a repeat, as it was answered before. A refused
    /// request leaves no trace, so it may be put right and sent again under the same id.
    pub(super) fn answer<R>(&mut self, request: R, rule: Rule<R>) -> Result<R::Response, Status>
    where
        R: Rpc + PartialEq,
        R::Response: Clone + Send,
    {
        self.answer_once(request, rule).map_err(|status| fault::said_by(R::METHOD, status))
    }

    fn answer_once<R>(&mut self, request: R, rule: Rule<R>) -> Result<R::Response, Status>
    where
        R: Rpc + PartialEq,
        R::Response: Clone + Send,
    {
        request.check().map_err(|fault| fault::invalid_field(&fault))?;
        let Some(id) = request.request_id().and_then(|id| Uuid::try_parse(id).ok()) else {
            return rule(self, &request);
        };
        if let Some(known) = self.answers.0.get(&id) {
            return match known.downcast_ref::<(R, R::Response)>() {
                Some((first, answer)) if *first == request => Ok(answer.clone()),
                _ => Err(fault::invalid("request_id", "was already used for another request")),
            };
        }
        let answer = rule(self, &request)?;
        self.answers.0.insert(id, Box::new((request, answer.clone())));
        self.at(self.after(MEMORY), move |world| {
            world.answers.0.remove(&id);
        });
        Ok(answer)
    }
}
