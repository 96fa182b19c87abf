//! What narrows and orders a listing.
//!
//! The fields have one name and one meaning in every list request that has them, so their setters
//! are written once and given to each. Page size and page token belong to every paged call: the
//! core has them.

use crate::{
    call::Call,
    model::{
        ListAssetsRequest, ListChannelsRequest, ListClipsRequest, ListDvrSessionsRequest,
        ListEventsRequest, ListInputsRequest,
    },
    proto::google::{cloud::location::ListLocationsRequest, longrunning::ListOperationsRequest},
};

macro_rules! can_filter {
    ($($request:ty),+ $(,)?) => {$(
        impl Call<$request> {
            /// Lists only what matches an expression, such as `labels.show = "news"`, in the syntax
            /// of [AIP-160](https://google.aip.dev/160).
            ///
            /// Empty lists everything. The service does not document which fields it can filter
            /// by; an expression that it cannot use fails with `INVALID_ARGUMENT`.
            pub fn filter(self, filter: impl Into<String>) -> Self {
                self.with(|request| request.filter = filter.into())
            }
        }
    )+};
}

macro_rules! can_order {
    ($($request:ty),+ $(,)?) => {$(
        impl Call<$request> {
            /// Sorts by fields, separated by commas, with ` desc` after those that descend, such as
            /// `create_time desc` ([AIP-132](https://google.aip.dev/132#ordering)).
            ///
            /// Empty leaves the order to the service, which for some listings takes this as a hint
            /// only.
            pub fn order_by(self, order_by: impl Into<String>) -> Self {
                self.with(|request| request.order_by = order_by.into())
            }
        }
    )+};
}

can_filter! {
    ListAssetsRequest,
    ListChannelsRequest,
    ListClipsRequest,
    ListDvrSessionsRequest,
    ListEventsRequest,
    ListInputsRequest,
    ListLocationsRequest,
    ListOperationsRequest,
}

can_order! {
    ListAssetsRequest,
    ListChannelsRequest,
    ListClipsRequest,
    ListDvrSessionsRequest,
    ListEventsRequest,
    ListInputsRequest,
}
