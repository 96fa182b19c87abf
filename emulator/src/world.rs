//! The state of the emulated service: resources, what will change by itself, and the virtual time.
//!
//! No task runs in the background. Whatever happens later stands in an agenda, in the order of
//! time; before a request is served, [`World::advance_to`] lets all of it happen that is due by
//! then, each at its own time. The rules live in the module of each resource.

use super::{
    answers::Answers,
    fault,
    operations::Operations,
    paging::{self, Listed, Query},
    settings::{Limit, Settings},
    streaming::{Feed, Pipeline},
};
use livestream_client::model::{Asset, Channel, Clip, DvrSession, Event, Input, Pool};
use prost_types::Timestamp;
use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    time::{Duration, SystemTime},
};
use tonic::Status;

/// Resources of one type, by name.
pub(super) type Table<T> = BTreeMap<String, T>;

/// Everything that the emulated service knows.
pub(super) struct World {
    now: SystemTime,
    pub(super) settings: Settings,
    agenda: Agenda,
    random: Random,
    pub(super) answers: Answers,
    pub(super) operations: Operations,
    channels: Table<Channel>,
    inputs: Table<Input>,
    events: Table<Event>,
    clips: Table<Clip>,
    dvr_sessions: Table<DvrSession>,
    assets: Table<Asset>,
    pools: Table<Pool>,
    #[cfg(feature = "visionai")]
    pub(super) vision: super::visionai::Tables,
    /// What a channel does beyond what its resource tells, by channel name.
    pub(super) pipelines: HashMap<String, Pipeline>,
    /// What is known of the encoders, by [`source`](super::streaming::source).
    pub(super) feeds: HashMap<String, Feed>,
    /// The files in Cloud Storage that someone described, by URI.
    pub(super) objects: HashMap<String, Object>,
}

/// A file in Cloud Storage.
#[derive(Clone, Copy, Debug)]
pub(super) struct Object {
    pub(super) bytes: u64,
    pub(super) crc32c: u32,
}

/// What is to happen, in the order of time.
#[derive(Default)]
struct Agenda {
    changes: BTreeMap<Due, Change>,
    /// The one change that a resource is to make by itself next, by name.
    plans: HashMap<String, Due>,
    last: u64,
}

/// When something happens; the number keeps those apart that happen at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Due(SystemTime, u64);

type Change = Box<dyn FnOnce(&mut World) + Send>;

/// What all resources have in common.
pub(super) trait Resource: prost::Message + prost::Name + Clone + Default + 'static {
    /// The segment that names stand behind, such as `channels`.
    const COLLECTION: &'static str;

    fn name(&self) -> &str;
    fn create_time(&self) -> Option<Timestamp>;
    fn set_create_time(&mut self, time: Timestamp);
    fn set_update_time(&mut self, time: Timestamp);
    fn labels(&self) -> &HashMap<String, String>;
    /// The name of its state, as in the definition; empty for a resource without one.
    fn state_name(&self) -> &'static str;
    /// The value of a text field that filters know, beyond those that all have.
    fn text(&self, field: &str) -> Option<&str>;
    fn table(world: &World) -> &Table<Self>;
    fn table_mut(world: &mut World) -> &mut Table<Self>;
}

/// Implements [`Resource`] for messages that all have its fields; those in brackets can be filtered
/// by as well.
macro_rules! resources {
    ($(
        $resource:ident in $($table:ident).+ as $collection:literal, $state:expr
        $(, [$($field:ident),+])?;
    )+) => {$(
        impl $crate::world::Resource for $resource {
            const COLLECTION: &'static str = $collection;

            fn name(&self) -> &str {
                &self.name
            }
            fn create_time(&self) -> Option<prost_types::Timestamp> {
                self.create_time
            }
            fn set_create_time(&mut self, time: prost_types::Timestamp) {
                self.create_time = Some(time);
            }
            fn set_update_time(&mut self, time: prost_types::Timestamp) {
                self.update_time = Some(time);
            }
            fn labels(&self) -> &std::collections::HashMap<String, String> {
                &self.labels
            }
            fn state_name(&self) -> &'static str {
                let name: fn(&Self) -> &'static str = $state;
                name(self)
            }
            fn text(&self, field: &str) -> Option<&str> {
                let known: &[(&str, &str)] = &[$($((stringify!($field), &self.$field)),+)?];
                known.iter().find(|(name, _)| *name == field).map(|(_, value)| *value)
            }
            fn table(
                world: &$crate::world::World,
            ) -> &$crate::world::Table<Self> {
                &world.$($table).+
            }
            fn table_mut(
                world: &mut $crate::world::World,
            ) -> &mut $crate::world::Table<Self> {
                &mut world.$($table).+
            }
        }
    )+};
}
#[cfg(feature = "visionai")]
pub(super) use resources;

resources! {
    Channel in channels as "channels", |channel| channel.streaming_state().as_str_name();
    Input in inputs as "inputs", |_| "";
    Event in events as "events", |event| event.state().as_str_name();
    Clip in clips as "clips", |clip| clip.state().as_str_name();
    DvrSession in dvr_sessions as "dvrSessions", |session| session.state().as_str_name();
    Asset in assets as "assets", |asset| asset.state().as_str_name();
    Pool in pools as "pools", |_| "";
}

impl<T: Resource> Listed for T {
    fn name(&self) -> &str {
        Resource::name(self)
    }

    fn created(&self) -> SystemTime {
        self.create_time().map_or(SystemTime::UNIX_EPOCH, to_time)
    }

    fn field(&self, path: &str) -> Option<Cow<'_, str>> {
        match path {
            "name" => Some(Resource::name(self).into()),
            "state" | "streaming_state" => {
                Some(self.state_name()).filter(|name| !name.is_empty()).map(Into::into)
            }
            _ => match path.strip_prefix("labels.") {
                Some(key) => Some(self.labels().get(key).map_or("", |value| value).into()),
                None => self.text(path).map(Into::into),
            },
        }
    }
}

impl World {
    pub(super) fn new(now: SystemTime, settings: Settings, seed: u64) -> Self {
        Self {
            now,
            settings,
            agenda: Agenda::default(),
            random: Random { seed, drawn: 0 },
            answers: Answers::default(),
            operations: Operations::default(),
            channels: Table::new(),
            inputs: Table::new(),
            events: Table::new(),
            clips: Table::new(),
            dvr_sessions: Table::new(),
            assets: Table::new(),
            pools: Table::new(),
            #[cfg(feature = "visionai")]
            vision: super::visionai::Tables::default(),
            pipelines: HashMap::new(),
            feeds: HashMap::new(),
            objects: HashMap::new(),
        }
    }

    /// The virtual time; while something due happens, the time at which it was due.
    pub(super) fn now(&self) -> SystemTime {
        self.now
    }

    /// The virtual time after a while, or the latest that can be told.
    pub(super) fn after(&self, delay: Duration) -> SystemTime {
        self.now.checked_add(delay).unwrap_or(self.now)
    }

    /// Lets everything happen that is due by `now`. Time never goes back.
    pub(super) fn advance_to(&mut self, now: SystemTime) {
        while let Some(next) = self.agenda.changes.first_entry().filter(|next| next.key().0 <= now)
        {
            let (Due(time, _), change) = next.remove_entry();
            self.now = self.now.max(time);
            change(self);
        }
        self.now = self.now.max(now);
    }

    /// Has something happen at a time; at once where that is past, but not before the next
    /// request.
    pub(super) fn at(
        &mut self,
        time: SystemTime,
        change: impl FnOnce(&mut Self) + Send + 'static,
    ) -> Due {
        self.agenda.last += 1;
        let due = Due(time, self.agenda.last);
        self.agenda.changes.insert(due, Box::new(change));
        due
    }

    /// Has it not happen after all.
    pub(super) fn revoke(&mut self, due: Due) {
        self.agenda.changes.remove(&due);
    }

    /// Says what a resource does by itself next, in place of what was planned for it before.
    pub(super) fn plan(
        &mut self,
        name: &str,
        time: SystemTime,
        change: impl FnOnce(&mut Self) + Send + 'static,
    ) {
        let due = self.at(time, change);
        if let Some(earlier) = self.agenda.plans.insert(name.to_owned(), due) {
            self.revoke(earlier);
        }
    }

    /// Says that a resource does nothing by itself any more.
    pub(super) fn unplan(&mut self, name: &str) {
        if let Some(due) = self.agenda.plans.remove(name) {
            self.revoke(due);
        }
    }

    /// The resource of that name.
    ///
    /// # Errors
    /// `NOT_FOUND`.
    pub(super) fn find<T: Resource>(&self, name: &str) -> Result<&T, Status> {
        T::table(self).get(name).ok_or_else(|| fault::not_found(name))
    }

    /// Changes a resource, and its `update_time`; returns it as it is then.
    ///
    /// # Errors
    /// `NOT_FOUND`.
    pub(super) fn edit<T: Resource>(
        &mut self,
        name: &str,
        change: impl FnOnce(&mut T),
    ) -> Result<T, Status> {
        let now = self.now.into();
        let resource = T::table_mut(self).get_mut(name).ok_or_else(|| fault::not_found(name))?;
        change(resource);
        resource.set_update_time(now);
        Ok(resource.clone())
    }

    /// Adds a new resource under its name, and tells it the time.
    pub(super) fn insert<T: Resource>(&mut self, mut resource: T) -> T {
        resource.set_create_time(self.now.into());
        resource.set_update_time(self.now.into());
        T::table_mut(self).insert(Resource::name(&resource).to_owned(), resource.clone());
        resource
    }

    /// Takes a resource away, with what was planned for it.
    pub(super) fn remove<T: Resource>(&mut self, name: &str) {
        self.unplan(name);
        T::table_mut(self).remove(name);
    }

    /// The resources of one type below a parent, by name.
    pub(super) fn children<T: Resource>(
        &self,
        parent: &str,
    ) -> impl Iterator<Item = &T> + use<'_, T> {
        let prefix = format!("{parent}/{}/", T::COLLECTION);
        let from = T::table(self).range(prefix.clone()..);
        from.take_while(move |(name, _)| name.starts_with(&prefix)).map(|(_, child)| child)
    }

    /// The names of [`World::children`].
    pub(super) fn child_names<T: Resource>(&self, parent: &str) -> Vec<String> {
        self.children::<T>(parent).map(|child| Resource::name(child).to_owned()).collect()
    }

    /// One page of [`World::children`], and the token of the next.
    pub(super) fn list<T: Resource>(&self, query: &Query<'_>) -> Result<(Vec<T>, String), Status> {
        paging::page(self.children::<T>(query.parent), query)
    }

    /// The name for a new resource below a parent.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for an id that is none, `ALREADY_EXISTS` for one that is taken.
    pub(super) fn new_name<T: Resource>(
        &self,
        parent: &str,
        (field, id): (&str, &str),
    ) -> Result<String, Status> {
        if !is_id(id) {
            let reason = "must be 1 to 63 lower-case letters, digits and inner hyphens";
            return Err(fault::invalid(field, reason));
        }
        let name = format!("{parent}/{}/{id}", T::COLLECTION);
        if T::table(self).contains_key(&name) || self.operations.on(&name).is_some() {
            return Err(fault::already_exists(&name));
        }
        Ok(name)
    }

    /// Whether there may be one more below a parent; what is still being created counts.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED`.
    pub(super) fn check_limit<T: Resource>(
        &self,
        parent: &str,
        limit: Limit,
    ) -> Result<(), Status> {
        let most = self.settings.most(limit);
        if T::table(self).len() + self.operations.running() < most {
            // Far from any limit: no need to count, which a test with 10,000 channels would feel.
            return Ok(());
        }
        let prefix = format!("{parent}/{}/", T::COLLECTION);
        let is_new = |name: &&String| {
            !name[prefix.len()..].contains('/') && !T::table(self).contains_key(*name)
        };
        let creating = self.operations.targets_below(&prefix).filter(is_new).count();
        if self.children::<T>(parent).count() + creating >= most {
            return Err(fault::exhausted(parent, T::COLLECTION, most));
        }
        Ok(())
    }

    /// A number that nobody can foresee but who knows the seed.
    pub(super) fn random(&mut self) -> u64 {
        self.random.next()
    }
}

/// The strict form of ids: `^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`.
fn is_id(id: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&id.len())
        && id.bytes().all(is_allowed)
        && !id.starts_with('-')
        && !id.ends_with('-')
}

/// A sequence of numbers that its seed determines.
struct Random {
    seed: u64,
    drawn: u64,
}

impl Random {
    fn next(&mut self) -> u64 {
        self.drawn += 1;
        let mut hasher = DefaultHasher::new();
        (self.seed, self.drawn).hash(&mut hasher);
        hasher.finish()
    }
}

/// The time that a timestamp tells; one that tells none is the epoch.
pub(super) fn to_time(timestamp: Timestamp) -> SystemTime {
    SystemTime::try_from(timestamp).unwrap_or(SystemTime::UNIX_EPOCH)
}

/// The location that a resource's name is below.
pub(super) fn location_of(name: &str) -> &str {
    name.match_indices('/').nth(3).map_or(name, |(end, _)| &name[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_strict() {
        for id in ["a", "0", "a-b", "a--b", &"x".repeat(63)] {
            assert!(is_id(id), "{id}");
        }
        for id in ["", "-", "-a", "a-", "A", "a_b", "a.b", "ä", "a/b", &"x".repeat(64)] {
            assert!(!is_id(id), "{id}");
        }
    }

    #[test]
    fn the_location_is_what_every_name_begins_with() {
        assert_eq!(location_of("projects/p/locations/l"), "projects/p/locations/l");
        assert_eq!(location_of("projects/p/locations/l/channels/c"), "projects/p/locations/l");
    }
}
