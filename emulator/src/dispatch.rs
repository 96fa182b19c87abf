//! Dispatch: one request at a time, by the rule of its method, on the state as it is now.

use super::{regions, request_ids::REQUEST_ID_LIFETIME, response_mask, state::State, status};
use livestream_client::{
    mask::Selection,
    rpc::{Described, Rpc},
};
use prost::Name;
use tonic::{Status, metadata::MetadataMap};
use uuid::Uuid;

/// The rule of a method: changes the state as a request asks, and returns the response.
pub(super) type Rule<R> = fn(&mut State, &R) -> Result<<R as Rpc>::Response, Status>;

impl State {
    /// Responds to a request by its rule, or to a repeated request as before. A refused request
    /// leaves no trace: the caller can correct it and send it again under the same id.
    pub(super) fn answer<R>(&mut self, request: R, rule: Rule<R>) -> Result<R::Response, Status>
    where
        R: Rpc + Name + PartialEq,
        R::Response: Clone + Send + Sync,
    {
        let drawn = self.drawn();
        let answer = self.answer_once(self.settings.projects.by_id(request), rule);
        if answer.is_err() {
            self.undraw(drawn);
        }
        answer.map_err(|status| status::for_service(R::METHOD, status))
    }

    fn answer_once<R>(&mut self, request: R, rule: Rule<R>) -> Result<R::Response, Status>
    where
        R: Rpc + PartialEq,
        R::Response: Clone + Send + Sync,
    {
        request.check().map_err(|violation| status::invalid_field(&violation))?;
        let (_, name) = request.route();
        if is_regional(R::METHOD.service())
            && !self.settings.any_location
            && !regions::is_known(name)
        {
            return Err(status::no_location(name));
        }
        if self.settings.request_quota {
            let now = self.now();
            self.request_quota.count(R::METHOD, name, now)?;
        }
        let Some(id) = request.request_id().and_then(|id| Uuid::try_parse(id).ok()) else {
            return rule(self, &request);
        };
        if let Some(response) = self.request_ids.get(id, &request)? {
            return Ok(response);
        }
        let response = rule(self, &request)?;
        self.request_ids.insert(id, request, response.clone(), self.after(REQUEST_ID_LIFETIME));
        Ok(response)
    }
}

/// The fields that a caller wants in the response: the system parameter `x-goog-fieldmask`.
///
/// # Errors
/// `INVALID_ARGUMENT` for a field that the response does not have.
pub(super) fn selection<T: Described>(
    metadata: &MetadataMap,
) -> Result<Option<Selection<T>>, Status> {
    let Some(mask) = metadata.get("x-goog-fieldmask") else { return Ok(None) };
    let refuse = |reason: &str| status::invalid("x-goog-fieldmask", reason);
    let mask = mask.to_str().map_err(|_| refuse("is invalid: it is not ASCII"))?;
    let paths = response_mask::paths(mask).map_err(|reason| refuse(&reason))?;
    if paths.iter().any(|path| path == "*") {
        return Ok(None);
    }
    Selection::of(paths).map(Some).map_err(|unknown| refuse(unknown.reason()))
}

/// Whether a service has the locations in [`regions`].
fn is_regional(service: &str) -> bool {
    service.starts_with("google.cloud.video.livestream.")
}

/// Implements a service: each method responds by its rule. `$replay` executes a request from a journal,
/// unless its path is that of another service.
macro_rules! serve {
    ($service:ty, $replay:ident { $($method:ident($request:ty) by $rule:path;)+ } $($rest:item)*) => {
        #[cfg(feature = "http")]
        pub(crate) fn $replay(
            state: &mut $crate::state::State,
            path: &str,
            message: &[u8],
        ) -> Option<Result<(), tonic::Status>> {
            $(if path == <$request as livestream_client::rpc::Rpc>::METHOD.path() {
                let request = <$request as prost::Message>::decode(message);
                let request = request.map_err(|e| tonic::Status::data_loss(e.to_string()));
                return Some(request.and_then(|request| state.answer(request, $rule).map(drop)));
            })+
            None
        }

        #[tonic::async_trait]
        impl $service for $crate::emulator::Emulator {
            $(async fn $method(
                &self,
                request: tonic::Request<$request>,
            ) -> Result<tonic::Response<<$request as livestream_client::rpc::Rpc>::Response>, tonic::Status>
            {
                let selection = $crate::dispatch::selection(request.metadata())?;
                let (answer, ticket) = self.execute(request.into_inner(), $rule);
                self.settled(ticket).await?;
                let mut response = answer?;
                if let Some(selection) = selection {
                    selection.retain(&mut response);
                }
                Ok(tonic::Response::new(response))
            })+
            $($rest)*
        }
    };
}
pub(super) use serve;
