//! The state of an operation as types: its metadata, its result, and the request that started it.

use crate::{
    gax::{
        descriptor::{Described as _, Descriptor},
        details,
        error::Error,
        rpc::{LongRunning, Method, Payload},
    },
    proto::google::{
        longrunning::{Operation, operation::Result as Outcome},
        rpc,
    },
};
use prost::Message as _;
use prost_types::Any;
use tonic::{Code, Status};

/// The typed view of an operation, such as one of a listing.
impl Operation {
    /// The metadata as an `M`: the verb, the target and the times; `None` if there is none.
    ///
    /// # Errors
    /// INTERNAL if the metadata is not an `M`.
    pub fn metadata_as<M: Payload>(&self) -> Result<Option<M>, Error> {
        self.metadata.as_ref().map(|any| unpack(any, "metadata")).transpose()
    }

    /// The result as a `T`; `None` if the operation is not done.
    ///
    /// # Errors
    /// The error of the operation; INTERNAL if the result is not a `T`.
    pub fn result_as<T: Payload>(&self) -> Result<Option<T>, Error> {
        result(self)
    }
}

pub(super) fn result<T: Payload>(state: &Operation) -> Result<Option<T>, Error> {
    match &state.result {
        _ if !state.done => Ok(None),
        Some(Outcome::Response(any)) => unpack(any, "result").map(Some),
        Some(Outcome::Error(status)) => Err(failure(status)),
        None => {
            let message = "the operation is done, with neither a result nor an error";
            Err(Error::unreadable(message))
        }
    }
}

/// The error of an operation. An error with code OK is an error too.
fn failure(status: &rpc::Status) -> Error {
    let status = details::readable(status.clone());
    let code = match Code::from_i32(status.code) {
        Code::Ok => Code::Unknown,
        code => code,
    };
    let details = status.encode_to_vec().into();
    Error::from_status(Status::with_details(code, status.message, details))
}

/// Whether it contains a `P`, by its type's name.
pub(super) fn is_packed<P: Payload>(any: &Any) -> bool {
    full_name(any) == P::full_name()
}

fn full_name(any: &Any) -> &str {
    any.type_url.rsplit('/').next().unwrap_or_default()
}

fn unpack<P: Payload>(any: &Any, what: &str) -> Result<P, Error> {
    if !is_packed::<P>(any) {
        let found = full_name(any);
        let message = format!("the operation's {what} is a `{found}`, not a `{}`", P::full_name());
        return Err(Error::unreadable(message));
    }
    P::decode(&*any.value).map_err(|e| {
        let message = format!("the operation's {what} cannot be decoded");
        Error::unreadable(message).with_source(e)
    })
}

/// The request that started an operation.
///
/// The metadata of Google's services contains the verb and the target of an operation. The result
/// is the same for a start and a stop, and it comes only at the end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Started {
    method: &'static Method,
    metadata: &'static Descriptor,
}

/// The verbs that the services are known to use.
const VERBS: [&str; 5] = ["create", "update", "delete", "start", "stop"];

impl Started {
    pub(super) fn by<R: LongRunning>() -> Self {
        Self { method: R::METHOD, metadata: R::Metadata::DESCRIPTOR }
    }

    /// Refuses an operation whose metadata has another verb or another kind of target. Metadata
    /// without them is accepted.
    pub(super) fn check(self, state: &Operation) -> Result<(), Error> {
        let Some(any) = &state.metadata else { return Ok(()) };
        let text = |field| self.metadata.text(&any.value, field).unwrap_or_default();
        let (verb, target) = (text("verb"), text("target"));
        let method = self.method.name();
        if is_of(method, verb, target) {
            return Ok(());
        }
        let message =
            format!("the operation is the {verb:?} of {target}: {method} did not start it");
        Err(Error::new(Code::InvalidArgument, message))
    }
}

fn is_of(method: &str, verb: &str, target: &str) -> bool {
    let known = VERBS.iter().find(|known| known.eq_ignore_ascii_case(verb));
    let own = VERBS.iter().find(|own| method.to_ascii_lowercase().starts_with(**own));
    let (Some(known), Some(own)) = (known, own) else { return true };
    let kind = method[own.len()..].to_ascii_lowercase();
    // The target of a start or a stop may be a resource that contains the started one.
    let names_its_target = matches!(*own, "create" | "update" | "delete");
    let is_kind = match target.rsplit('/').nth(1).map(str::to_ascii_lowercase) {
        Some(collection) if names_its_target => {
            collection == kind || collection == format!("{kind}s")
        }
        _ => true,
    };
    known == own && is_kind
}

#[cfg(test)]
mod tests {
    use super::is_of;

    #[test]
    fn an_operation_belongs_to_a_method_by_its_verb_and_its_target() {
        let book = "projects/p/locations/l/books/b";
        for (method, verb, target) in [
            ("CreateBook", "create", book),
            ("CreateBook", "CREATE", book),
            ("CreateBook", "", ""),
            ("CreateBook", "create", ""),
            ("CreateBook", "publish", book),
            ("CreateSeries", "create", "projects/p/series/s"),
            ("UpdateBookShelf", "update", "projects/p/bookShelves/s/bookShelfs/b"),
            ("StartPage", "start", book),
            ("PublishBook", "create", book),
        ] {
            assert!(is_of(method, verb, target), "{method} {verb} {target}");
        }
        for (method, verb, target) in [
            ("CreateBook", "update", book),
            ("CreatePage", "create", book),
            ("StartBook", "stop", book),
            ("DeleteBook", "delete", "projects/p/locations/l/books/b/pages/1"),
        ] {
            assert!(!is_of(method, verb, target), "{method} {verb} {target}");
        }
    }
}
