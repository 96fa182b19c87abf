//! The locations of the service.

/// Each location with the place where it is.
pub(super) const REGIONS: [(&str, &str); 18] = [
    ("asia-east1", "Changhua County"),
    ("asia-east2", "Hong Kong"),
    ("asia-northeast1", "Tokyo"),
    ("asia-south1", "Mumbai"),
    ("asia-southeast1", "Singapore"),
    ("australia-southeast1", "Sydney"),
    ("europe-north1", "Hamina"),
    ("europe-west1", "St. Ghislain"),
    ("europe-west2", "London"),
    ("europe-west3", "Frankfurt"),
    ("europe-west4", "Eemshaven"),
    ("northamerica-northeast1", "Montreal"),
    ("southamerica-east1", "Sao Paulo"),
    ("us-central1", "Council Bluffs"),
    ("us-east1", "Moncks Corner"),
    ("us-east4", "Ashburn"),
    ("us-west1", "The Dalles"),
    ("us-west2", "Los Angeles"),
];

/// Whether the service is in the location of a resource name. True for a name without a location.
pub(super) fn is_known(name: &str) -> bool {
    let mut segments = name.split('/').skip(2);
    match (segments.next(), segments.next()) {
        (Some("locations"), Some(id)) => REGIONS.iter().any(|(region, _)| *region == id),
        _ => true,
    }
}
