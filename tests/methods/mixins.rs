//! The tables of the two services that every API mixes in. Each client has their methods.

use crate::resources::*;
use livestream_client::{
    LivestreamClient,
    proto::google::{
        cloud::location::{GetLocationRequest, ListLocationsRequest, ListLocationsResponse},
        longrunning::{
            CancelOperationRequest, DeleteOperationRequest, GetOperationRequest,
            ListOperationsRequest, ListOperationsResponse,
        },
    },
    visionai::StreamsClient,
};

/// The tables for one client. No trait connects the clients' methods of the same name.
macro_rules! mixins {
    ($module:ident, $client:ty) => {
        pub(crate) mod $module {
            use super::*;

            type Case = crate::case::Case<$client>;

            pub(crate) fn operations() -> Vec<Case> {
                vec![
                    Case::unary(
                        "ListOperations",
                        ("name", LOCATION),
                        |client| {
                            client
                                .list_operations(&name(LOCATION))
                                .filter(FILTER)
                                .return_partial_success(true)
                        },
                        ListOperationsRequest {
                            name: LOCATION.into(),
                            filter: FILTER.into(),
                            return_partial_success: true,
                            ..Default::default()
                        },
                        ListOperationsResponse {
                            operations: vec![operation()],
                            ..Default::default()
                        },
                    ),
                    Case::unary(
                        "GetOperation",
                        ("name", OPERATION),
                        |client| client.get_operation(&name(OPERATION)),
                        GetOperationRequest { name: OPERATION.into() },
                        operation(),
                    ),
                    Case::unary(
                        "DeleteOperation",
                        ("name", OPERATION),
                        |client| client.delete_operation(&name(OPERATION)),
                        DeleteOperationRequest { name: OPERATION.into() },
                        (),
                    ),
                    Case::unary(
                        "CancelOperation",
                        ("name", OPERATION),
                        |client| client.cancel_operation(&name(OPERATION)),
                        CancelOperationRequest { name: OPERATION.into() },
                        (),
                    ),
                ]
            }

            pub(crate) fn locations() -> Vec<Case> {
                vec![
                    Case::unary(
                        "ListLocations",
                        ("name", PROJECT),
                        |client| client.list_locations(&name(PROJECT)).filter(FILTER),
                        ListLocationsRequest {
                            name: PROJECT.into(),
                            filter: FILTER.into(),
                            ..Default::default()
                        },
                        ListLocationsResponse { locations: vec![location()], ..Default::default() },
                    ),
                    Case::unary(
                        "GetLocation",
                        ("name", LOCATION),
                        |client| client.get_location(&name(LOCATION)),
                        GetLocationRequest { name: LOCATION.into() },
                        location(),
                    ),
                ]
            }
        }
    };
}

mixins!(livestream, LivestreamClient);
mixins!(visionai, StreamsClient);
