//! Operations: the records of long-running work, seen from outside.
//!
//! A program that started the work itself waits on what the call returned. The methods here are for
//! the others: a program that was restarted, or one that looks after what others have begun. The
//! service keeps a record for about 30 days and offers no call that waits, so whoever wants the end
//! polls.

use super::LivestreamClient;
use crate::{
    call::Call,
    name::{LocationName, OperationName},
    proto::google::longrunning::{
        CancelOperationRequest, DeleteOperationRequest, GetOperationRequest, ListOperationsRequest,
    },
};

impl LivestreamClient {
    /// Lists the operations of one location.
    ///
    /// Awaiting yields one page; [`items`](Call::items) yields all operations, one by one, each as
    /// the raw message.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for a filter or a page token that the service cannot use.
    ///
    /// # Examples
    /// ```
    /// # use livestream_client::{LivestreamClient, name::LocationName};
    /// use std::pin::pin;
    /// use tokio_stream::StreamExt;
    ///
    /// # async fn example(
    /// #     client: LivestreamClient,
    /// #     location: LocationName,
    /// # ) -> Result<(), livestream_client::Error> {
    /// let mut operations = pin!(client.list_operations(&location).items());
    /// while let Some(operation) = operations.next().await {
    ///     let operation = operation?;
    ///     println!("{} {}", operation.name, if operation.done { "done" } else { "under way" });
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn list_operations(&self, location: &LocationName) -> Call<ListOperationsRequest> {
        self.call(ListOperationsRequest { name: location.into(), ..Default::default() })
    }

    /// Reads the latest state of an operation, as the raw message.
    ///
    /// Awaiting yields the message at once, whether the operation is done or not.
    ///
    /// # Errors
    /// `NOT_FOUND` where there is no such operation, or none any more.
    pub fn get_operation(&self, name: &OperationName) -> Call<GetOperationRequest> {
        self.call(GetOperationRequest { name: name.into() })
    }

    /// Forgets an operation: only its record goes, work under way goes on.
    ///
    /// Awaiting yields `()`. The service has no way to recognise a repeat of this call, so it is
    /// sent again only where it surely never arrived.
    ///
    /// # Errors
    /// `NOT_FOUND` where there is no such operation.
    pub fn delete_operation(&self, name: &OperationName) -> Call<DeleteOperationRequest> {
        self.call(DeleteOperationRequest { name: name.into() })
    }

    /// Asks the service to cancel an operation, which it may or may not manage.
    ///
    /// Awaiting yields `()` once the wish is heard, not once it is fulfilled: read the operation
    /// again. One that was cancelled is done, with an error of code 1 (`CANCELLED`). A repeat of
    /// this call is not recognised, so it is sent again only where it surely never arrived.
    ///
    /// # Errors
    /// `NOT_FOUND` where there is no such operation.
    ///
    /// # Examples
    /// ```
    /// # use livestream_client::{LivestreamClient, name::OperationName};
    /// # async fn example(
    /// #     client: LivestreamClient,
    /// #     name: OperationName,
    /// # ) -> Result<(), livestream_client::Error> {
    /// client.cancel_operation(&name).await?;
    /// if !client.get_operation(&name).await?.done {
    ///     println!("{name} is not cancelled yet");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn cancel_operation(&self, name: &OperationName) -> Call<CancelOperationRequest> {
        self.call(CancelOperationRequest { name: name.into() })
    }
}

impl Call<ListOperationsRequest> {
    /// Answers even where some locations cannot be reached, and names those in `unreachable`.
    ///
    /// Only for a listing across locations, that is, of `locations/-`; a service that does not
    /// document it answers `UNIMPLEMENTED`, and this one does not.
    pub fn return_partial_success(self, partial: bool) -> Self {
        self.with(|request| request.return_partial_success = partial)
    }
}
