//! The locations that the emulated service lists. Resources can be created in any other location
//! too, so that a test does not depend on this list.

use super::{
    paging::{self, Listed, Query},
    state::State,
    status,
};
use livestream_client::{
    name::{LocationName, ProjectName, ResourceName as _},
    proto::google::cloud::location::{
        GetLocationRequest, ListLocationsRequest, ListLocationsResponse, Location,
    },
};
use std::{borrow::Cow, collections::HashMap, time::SystemTime};
use tonic::Status;

const REGIONS: [(&str, &str); 10] = [
    ("asia-east1", "Changhua County"),
    ("asia-northeast1", "Tokyo"),
    ("asia-south1", "Mumbai"),
    ("asia-southeast1", "Singapore"),
    ("europe-west1", "St. Ghislain"),
    ("europe-west4", "Eemshaven"),
    ("southamerica-east1", "Sao Paulo"),
    ("us-central1", "Council Bluffs"),
    ("us-east1", "Moncks Corner"),
    ("us-west1", "The Dalles"),
];

impl Listed for Location {
    fn name(&self) -> &str {
        &self.name
    }

    fn created(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }

    fn field(&self, path: &str) -> Option<Cow<'_, str>> {
        match path {
            "name" => Some((&*self.name).into()),
            "location_id" => Some((&*self.location_id).into()),
            "display_name" => Some((&*self.display_name).into()),
            _ => None,
        }
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
    _: &mut State,
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
    let (locations, next_page_token) = paging::page(&all, &query)?;
    Ok(ListLocationsResponse { locations, next_page_token })
}

pub(super) fn get(_: &mut State, request: &GetLocationRequest) -> Result<Location, Status> {
    let name: LocationName =
        request.name.parse().map_err(|e| status::invalid("name", format!("is {e}")))?;
    let region = REGIONS.into_iter().find(|(id, _)| *id == name.location());
    let region = region.ok_or_else(|| status::not_found(name.as_str()))?;
    Ok(location(name.parent().as_str(), region))
}
