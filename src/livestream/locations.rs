//! Locations: the regions that the service runs in.

use super::LivestreamClient;
use crate::{
    call::Call,
    name::{LocationName, ProjectName},
    proto::google::cloud::location::{GetLocationRequest, ListLocationsRequest},
};

impl LivestreamClient {
    /// Lists the locations in which a project can use the service.
    ///
    /// Awaiting yields one page; [`items`](Call::items) yields all locations, one by one.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for a filter or a page token that the service cannot use.
    ///
    /// # Examples
    /// ```
    /// # use livestream_client::{LivestreamClient, name::ProjectName};
    /// # async fn example(
    /// #     client: LivestreamClient,
    /// #     project: ProjectName,
    /// # ) -> Result<(), livestream_client::Error> {
    /// for location in client.list_locations(&project).page_size(100).await?.locations {
    ///     println!("{}", location.location_id);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn list_locations(&self, project: &ProjectName) -> Call<ListLocationsRequest> {
        self.call(ListLocationsRequest { name: project.into(), ..Default::default() })
    }

    /// Reads one location: what it is called and what labels it has.
    ///
    /// Awaiting yields the location.
    ///
    /// # Errors
    /// `NOT_FOUND` where the service has no such location.
    pub fn get_location(&self, name: &LocationName) -> Call<GetLocationRequest> {
        self.call(GetLocationRequest { name: name.into() })
    }
}
