//! Operations and locations: two services that are mixed into every API, so that every client has
//! their methods.
//!
//! A program that started an operation waits for the operation that the call returned. A program that
//! was restarted resumes the operation by its name (`resume`). The methods here are for a program that
//! manages the operations of others.

use crate::{gax::call::Call, proto::google::longrunning::ListOperationsRequest};

impl Call<ListOperationsRequest> {
    /// Lists the reachable locations if others cannot be reached, and names those in `unreachable`.
    ///
    /// This is for a listing across locations, that is, of `locations/-`. A service that does not
    /// document it answers `UNIMPLEMENTED`. No service of this crate documents it.
    pub fn return_partial_success(self, partial: bool) -> Self {
        self.with(|request| request.return_partial_success = partial)
    }
}

/// Adds the methods to a client. The examples import the client from the module.
macro_rules! mixins {
    ($client:ident in $module:literal, $location:ty, $project:ty) => {
        impl $client {
            /// Lists the operations of one location.
            ///
            /// Awaiting the call yields one page. [`items`](crate::Call::items) streams all
            /// operations, each as the raw message.
            ///
            /// # Errors
            /// `INVALID_ARGUMENT` for a filter or a page token that the service cannot use.
            ///
            /// # Examples
            /// ```
            #[doc = concat!("# use ", $module, "::", stringify!($client), ";")]
            #[doc = concat!("# use ", env!("CARGO_CRATE_NAME"), "::name::LocationName;")]
            /// use tokio_stream::StreamExt;
            ///
            /// # async fn example(
            #[doc = concat!("#     client: ", stringify!($client), ",")]
            /// #     location: LocationName,
            #[doc = concat!("# ) -> Result<(), ", env!("CARGO_CRATE_NAME"), "::Error> {")]
            /// let mut operations = client.list_operations(&location).items();
            /// while let Some(operation) = operations.next().await {
            ///     let operation = operation?;
            ///     let state = if operation.done { "done" } else { "under way" };
            ///     println!("{} {state}", operation.name);
            /// }
            /// # Ok(())
            /// # }
            /// ```
            pub fn list_operations(
                &self,
                location: &$location,
            ) -> $crate::Call<$crate::proto::google::longrunning::ListOperationsRequest> {
                self.call($crate::proto::google::longrunning::ListOperationsRequest {
                    name: location.into(),
                    ..Default::default()
                })
            }

            /// Gets the latest state of an operation, as the raw message.
            ///
            /// The call does not wait for the operation to be done.
            ///
            /// # Errors
            /// `NOT_FOUND` if there is no such operation, or if its record was deleted.
            pub fn get_operation(
                &self,
                name: &$crate::gax::name::OperationName,
            ) -> $crate::Call<$crate::proto::google::longrunning::GetOperationRequest> {
                self.call($crate::proto::google::longrunning::GetOperationRequest {
                    name: name.into(),
                })
            }

            /// Deletes the record of an operation. The operation itself goes on.
            ///
            /// The service cannot recognise a repeat of this call, so the client sends it again only
            /// if it certainly never reached the service.
            ///
            /// # Errors
            /// `NOT_FOUND` if there is no such operation.
            pub fn delete_operation(
                &self,
                name: &$crate::gax::name::OperationName,
            ) -> $crate::Call<$crate::proto::google::longrunning::DeleteOperationRequest> {
                self.call($crate::proto::google::longrunning::DeleteOperationRequest {
                    name: name.into(),
                })
            }

            /// Asks the service to cancel an operation. The service may not be able to.
            ///
            /// The call ends when the service has accepted the request, not when the operation has
            /// ended: get the operation to see its state. A cancelled operation is done, with an
            /// error of code 1 (`CANCELLED`). The service cannot recognise a repeat of this call, so
            /// the client sends it again only if it certainly never reached the service.
            ///
            /// # Errors
            /// `NOT_FOUND` if there is no such operation.
            ///
            /// # Examples
            /// ```
            #[doc = concat!("# use ", $module, "::", stringify!($client), ";")]
            #[doc = concat!("# use ", env!("CARGO_CRATE_NAME"), "::name::OperationName;")]
            /// # async fn example(
            #[doc = concat!("#     client: ", stringify!($client), ",")]
            /// #     name: OperationName,
            #[doc = concat!("# ) -> Result<(), ", env!("CARGO_CRATE_NAME"), "::Error> {")]
            /// client.cancel_operation(&name).await?;
            /// if !client.get_operation(&name).await?.done {
            ///     println!("{name} is not cancelled yet");
            /// }
            /// # Ok(())
            /// # }
            /// ```
            pub fn cancel_operation(
                &self,
                name: &$crate::gax::name::OperationName,
            ) -> $crate::Call<$crate::proto::google::longrunning::CancelOperationRequest> {
                self.call($crate::proto::google::longrunning::CancelOperationRequest {
                    name: name.into(),
                })
            }

            /// Lists the locations in which a project can use the service.
            ///
            /// Awaiting the call yields one page. [`items`](crate::Call::items) streams all
            /// locations.
            ///
            /// # Errors
            /// `INVALID_ARGUMENT` for a filter or a page token that the service cannot use.
            ///
            /// # Examples
            /// ```
            #[doc = concat!("# use ", $module, "::", stringify!($client), ";")]
            #[doc = concat!("# use ", env!("CARGO_CRATE_NAME"), "::name::ProjectName;")]
            /// # async fn example(
            #[doc = concat!("#     client: ", stringify!($client), ",")]
            /// #     project: ProjectName,
            #[doc = concat!("# ) -> Result<(), ", env!("CARGO_CRATE_NAME"), "::Error> {")]
            /// for location in client.list_locations(&project).page_size(100).await?.locations {
            ///     println!("{}", location.location_id);
            /// }
            /// # Ok(())
            /// # }
            /// ```
            pub fn list_locations(
                &self,
                project: &$project,
            ) -> $crate::Call<$crate::proto::google::cloud::location::ListLocationsRequest> {
                self.call($crate::proto::google::cloud::location::ListLocationsRequest {
                    name: project.into(),
                    ..Default::default()
                })
            }

            /// Gets a location, with its name and its labels.
            ///
            /// # Errors
            /// `NOT_FOUND` if the service has no such location.
            pub fn get_location(
                &self,
                name: &$location,
            ) -> $crate::Call<$crate::proto::google::cloud::location::GetLocationRequest> {
                self.call($crate::proto::google::cloud::location::GetLocationRequest {
                    name: name.into(),
                })
            }
        }
    };
}
pub(crate) use mixins;
