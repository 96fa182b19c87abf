//! The locations that the emulated service lists.

use super::{
    paging::{self, Listed, Query},
    regions::REGIONS,
    state::State,
    status,
};
use livestream_client::{
    name::{LocationName, ProjectName, ResourceName as _},
    proto::google::cloud::location::{
        GetLocationRequest, ListLocationsRequest, ListLocationsResponse, Location,
    },
};
use std::collections::HashMap;
use tonic::Status;

impl Listed for Location {
    type Message = Self;

    fn name(&self) -> &str {
        &self.name
    }

    fn with_message<T>(&self, read: impl FnOnce(&Self) -> T) -> T {
        read(self)
    }
}

fn location(project: &str, (id, display_name): (&str, &str)) -> Location {
    Location {
        name: format!("{project}/locations/{id}"),
        location_id: id.to_owned(),
        display_name: display_name.to_owned(),
        labels: HashMap::from([("cloud.googleapis.com/region".to_owned(), id.to_owned())]),
        metadata: None,
    }
}

pub(super) fn list(
    state: &mut State,
    request: &ListLocationsRequest,
) -> Result<ListLocationsResponse, Status> {
    ProjectName::check(&request.name).map_err(|e| status::invalid("name", format!("is {e}")))?;
    let all = REGIONS.map(|region| location(&request.name, region));
    let query = Query {
        parent: &request.name,
        page_size: request.page_size,
        page_token: &request.page_token,
        filter: &request.filter,
        order_by: "",
    };
    let (locations, next_page_token) = paging::page(&all, &query, state.tokens())?;
    Ok(ListLocationsResponse { locations, next_page_token })
}

pub(super) fn get(state: &mut State, request: &GetLocationRequest) -> Result<Location, Status> {
    let name: LocationName =
        request.name.parse().map_err(|e| status::invalid("name", format!("is {e}")))?;
    let id = name.location();
    let region = REGIONS.into_iter().find(|(known, _)| *known == id);
    let region = region.or(state.settings.any_location.then_some((id, id)));
    let region = region.ok_or_else(|| status::not_found(name.as_str()))?;
    Ok(location(name.parent().as_str(), region))
}
