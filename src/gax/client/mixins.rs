//! Operations and locations: two services that every API here mixes in, so every client has their
//! methods.
//!
//! A program that started an operation itself waits on what the call returned. A program that was
//! restarted resumes by name (`resume`). The methods here are for one that looks after what others
//! have begun.

use crate::{gax::call::Call, proto::google::longrunning::ListOperationsRequest};

impl Call<ListOperationsRequest> {
    /// Answers even where some locations cannot be reached, and names those in `unreachable`.
    ///
    /// Only for a listing across locations, that is, of `locations/-`; a service that does not
    /// document it answers `UNIMPLEMENTED`, and none of this crate's does.
    pub fn return_partial_success(self, partial: bool) -> Self {
        self.with(|request| request.return_partial_success = partial)
    }
}

/// Gives a client the methods; the module is where users find it, for the examples.
macro_rules! mixins {
    ($client:ident in $module:literal, $location:ty, $project:ty) => {
        impl $client {
            /// Lists the operations of one location.
            ///
            /// Awaiting yields one page; [`items`](crate::Call::items) yields all operations, one
            /// by one, each as the raw message.
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

            /// Reads the latest state of an operation, as the raw message.
            ///
            /// Awaiting yields the message at once, whether the operation is done or not.
            ///
            /// # Errors
            /// `NOT_FOUND` where there is no such operation, or none any more.
            pub fn get_operation(
                &self,
                name: &$crate::gax::name::OperationName,
            ) -> $crate::Call<$crate::proto::google::longrunning::GetOperationRequest> {
                self.call($crate::proto::google::longrunning::GetOperationRequest {
                    name: name.into(),
                })
            }

            /// Forgets an operation: only its record goes, work under way goes on.
            ///
            /// Awaiting yields `()`. The service has no way to recognise a repeat of this call, so
            /// it is sent again only where it surely never arrived.
            ///
            /// # Errors
            /// `NOT_FOUND` where there is no such operation.
            pub fn delete_operation(
                &self,
                name: &$crate::gax::name::OperationName,
            ) -> $crate::Call<$crate::proto::google::longrunning::DeleteOperationRequest> {
                self.call($crate::proto::google::longrunning::DeleteOperationRequest {
                    name: name.into(),
                })
            }

            /// Asks the service to cancel an operation, which it may or may not manage.
            ///
            /// Awaiting yields `()` once the wish is heard, not once it is fulfilled: read the
            /// operation again. One that was cancelled is done, with an error of code 1
            /// (`CANCELLED`). A repeat of this call is not recognised, so it is sent again only
            /// where it surely never arrived.
            ///
            /// # Errors
            /// `NOT_FOUND` where there is no such operation.
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
            /// Awaiting yields one page; [`items`](crate::Call::items) yields all locations, one by
            /// one.
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

            /// Reads one location: what it is called and what labels it has.
            ///
            /// Awaiting yields the location.
            ///
            /// # Errors
            /// `NOT_FOUND` where the service has no such location.
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
