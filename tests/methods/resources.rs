//! The resources of the table: names, typed names and messages.
//!
//! The project has a domain, so that names contain characters that need escaping (`/` and `:`) and
//! characters that must not be escaped (`.`, `-` and `_`).

use livestream_client::{
    model::{Asset, Channel, Clip, DvrSession, Event, Input, Pool},
    proto::google::{cloud::location::Location, longrunning::Operation},
};
use prost_types::FieldMask;
use std::{fmt::Debug, str::FromStr};

pub(crate) const PROJECT: &str = "projects/example.com:studio";
pub(crate) const LOCATION: &str = "projects/example.com:studio/locations/us-central1";
pub(crate) const CHANNEL: &str = "projects/example.com:studio/locations/us-central1/channels/news";
pub(crate) const INPUT: &str = "projects/example.com:studio/locations/us-central1/inputs/camera";
pub(crate) const EVENT: &str =
    "projects/example.com:studio/locations/us-central1/channels/news/events/ad";
pub(crate) const CLIP: &str =
    "projects/example.com:studio/locations/us-central1/channels/news/clips/goal";
pub(crate) const DVR_SESSION: &str =
    "projects/example.com:studio/locations/us-central1/channels/news/dvrSessions/Late_Show";
pub(crate) const ASSET: &str = "projects/example.com:studio/locations/us-central1/assets/slate";
pub(crate) const POOL: &str = "projects/example.com:studio/locations/us-central1/pools/default";
pub(crate) const OPERATION: &str =
    "projects/example.com:studio/locations/us-central1/operations/op-1.5_a";

pub(crate) const FILTER: &str = "labels.show:*";
pub(crate) const ORDER: &str = "create_time desc";

pub(crate) fn name<N: FromStr<Err: Debug>>(text: &str) -> N {
    text.parse().expect("the names of this table are valid")
}

pub(crate) fn mask(path: &str) -> FieldMask {
    FieldMask { paths: vec![path.into()] }
}

pub(crate) fn channel() -> Channel {
    Channel { name: CHANNEL.into(), ..Default::default() }
}

pub(crate) fn input() -> Input {
    Input { name: INPUT.into(), ..Default::default() }
}

pub(crate) fn event() -> Event {
    Event { name: EVENT.into(), ..Default::default() }
}

pub(crate) fn clip() -> Clip {
    Clip { name: CLIP.into(), ..Default::default() }
}

pub(crate) fn dvr_session() -> DvrSession {
    DvrSession { name: DVR_SESSION.into(), ..Default::default() }
}

pub(crate) fn asset() -> Asset {
    Asset { name: ASSET.into(), ..Default::default() }
}

pub(crate) fn pool() -> Pool {
    Pool { name: POOL.into(), ..Default::default() }
}

pub(crate) fn operation() -> Operation {
    Operation { name: OPERATION.into(), ..Default::default() }
}

pub(crate) fn location() -> Location {
    Location { name: LOCATION.into(), ..Default::default() }
}
