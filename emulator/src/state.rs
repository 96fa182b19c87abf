//! The state of the emulated service: its resources, its timers and the virtual time.
//!
//! No task runs in the background. Before a request is served, [`State::advance_to`] fires the timers
//! that are due by then. The rules are in the module of each resource.

#[cfg(feature = "visionai")]
use super::visionai::VisionTables;
use super::{
    clip_order::ClipOrder,
    clock,
    ids::IdRule,
    paging::{self, Listed, Page, Query, TokenKey},
    pipeline::{Feed, Object, Pipeline},
    records::Operations,
    request_ids::RequestIdCache,
    request_quota::RequestQuota,
    settings::{Limit, Settings},
    status,
    timers::{TimerKey, Timers},
};
use livestream_client::model::{Asset, Channel, Clip, DvrSession, Event, Input, Pool};
use prost_types::Timestamp;
use std::{
    collections::{BTreeMap, HashMap},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::Arc,
    time::{Duration, SystemTime},
};
use tonic::Status;

/// Resources of one type, by name.
pub(super) type Table<T> = BTreeMap<String, T>;

/// Everything that the emulated service knows. A clone is a snapshot.
#[derive(Clone)]
pub(super) struct State {
    now: SystemTime,
    pub(super) settings: Settings,
    timers: Timers<State>,
    random: Random,
    tokens: TokenKey,
    pub(super) request_ids: RequestIdCache,
    pub(super) operations: Operations<State>,
    channels: Table<Channel>,
    inputs: Table<Input>,
    events: Table<Event>,
    clips: Table<Clip>,
    dvr_sessions: Table<DvrSession>,
    assets: Table<Asset>,
    pools: Table<Pool>,
    #[cfg(feature = "visionai")]
    pub(super) vision: VisionTables,
    /// What a channel does beyond what its resource shows, by channel name.
    pub(super) pipelines: HashMap<String, Pipeline>,
    /// The state of the encoders, by source: the name of an input, or of a channel that has
    /// an encoder of its own.
    pub(super) feeds: HashMap<String, Feed>,
    /// The known files in Cloud Storage, by URI.
    pub(super) objects: HashMap<String, Object>,
    pub(super) clip_order: ClipOrder,
    pub(super) request_quota: RequestQuota,
    /// The tokens for previews of inputs, each with its end.
    pub(super) preview_tokens: BTreeMap<String, SystemTime>,
}

/// The common fields of all resources.
pub(super) trait Resource: prost::Message + prost::Name + Clone + Default + 'static {
    /// The collection id before the resource id in a name, such as `channels`.
    const COLLECTION: &'static str;
    /// What an id may look like.
    const IDS: IdRule;

    fn name(&self) -> &str;
    fn create_time(&self) -> Option<Timestamp>;
    fn set_create_time(&mut self, time: Timestamp);
    fn set_update_time(&mut self, time: Timestamp);
    fn table(state: &State) -> &Table<Self>;
    fn table_mut(state: &mut State) -> &mut Table<Self>;
}

/// Implements [`Resource`] for messages with the common fields.
macro_rules! resources {
    ($($resource:ident in $($table:ident).+ as $collection:literal with $ids:ident ids;)+) => {$(
        impl $crate::state::Resource for $resource {
            const COLLECTION: &'static str = $collection;
            const IDS: $crate::ids::IdRule = $crate::ids::IdRule::$ids;

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
            fn table(
                state: &$crate::state::State,
            ) -> &$crate::state::Table<Self> {
                &state.$($table).+
            }
            fn table_mut(
                state: &mut $crate::state::State,
            ) -> &mut $crate::state::Table<Self> {
                &mut state.$($table).+
            }
        }
    )+};
}
#[cfg(feature = "visionai")]
pub(super) use resources;

resources! {
    Channel in channels as "channels" with Strict ids;
    Input in inputs as "inputs" with Strict ids;
    Event in events as "events" with Strict ids;
    Clip in clips as "clips" with Lenient ids;
    DvrSession in dvr_sessions as "dvrSessions" with Lenient ids;
    Asset in assets as "assets" with Strict ids;
    Pool in pools as "pools" with Strict ids;
}

impl<T: Resource> Listed for T {
    type Message = T;

    fn name(&self) -> &str {
        Resource::name(self)
    }

    fn with_message<R>(&self, read: impl FnOnce(&T) -> R) -> R {
        read(self)
    }
}

impl State {
    pub(super) fn new(now: SystemTime, settings: Settings, seed: u64) -> Self {
        Self {
            now,
            settings,
            timers: Timers::new(),
            random: Random { seed, drawn: 0 },
            tokens: TokenKey::new(seed),
            request_ids: RequestIdCache::default(),
            operations: Operations::new(),
            channels: Table::new(),
            inputs: Table::new(),
            events: Table::new(),
            clips: Table::new(),
            dvr_sessions: Table::new(),
            assets: Table::new(),
            pools: Table::new(),
            #[cfg(feature = "visionai")]
            vision: VisionTables::default(),
            pipelines: HashMap::new(),
            feeds: HashMap::new(),
            objects: HashMap::new(),
            clip_order: ClipOrder::default(),
            request_quota: RequestQuota::default(),
            preview_tokens: BTreeMap::new(),
        }
    }

    /// The virtual time; while a timer fires, the time that it was set to.
    pub(super) fn now(&self) -> SystemTime {
        self.now
    }

    /// The virtual time after a delay. It can be a time that the clock never reaches.
    pub(super) fn after(&self, delay: Duration) -> SystemTime {
        self.now.checked_add(delay).unwrap_or_else(clock::never)
    }

    /// Fires every timer that is due by `now`, each at its own time. Time never goes back.
    pub(super) fn advance_to(&mut self, now: SystemTime) {
        while let Some((time, change)) = self.timers.pop_due(now) {
            self.now = self.now.max(time);
            change(self);
        }
        self.now = self.now.max(now);
        self.operations.expire(self.now);
        self.request_ids.expire(self.now);
    }

    /// Schedules a change. A change whose time is past happens before the next request.
    pub(super) fn schedule(
        &mut self,
        time: SystemTime,
        change: impl Fn(&mut Self) + Send + Sync + 'static,
    ) -> TimerKey {
        self.timers.schedule(time, Arc::new(change))
    }

    /// Removes a scheduled change.
    pub(super) fn cancel(&mut self, key: TimerKey) {
        self.timers.cancel(key);
    }

    /// Sets what a resource does by itself next, in place of what was set before.
    pub(super) fn set_next(
        &mut self,
        name: &str,
        time: SystemTime,
        change: impl Fn(&mut Self) + Send + Sync + 'static,
    ) {
        self.timers.set_next(name, time, Arc::new(change));
    }

    /// Lets a resource do nothing by itself any more.
    pub(super) fn clear_next(&mut self, name: &str) {
        self.timers.clear_next(name);
    }

    /// The resource with a name.
    ///
    /// # Errors
    /// `NOT_FOUND`.
    pub(super) fn find<T: Resource>(&self, name: &str) -> Result<&T, Status> {
        T::table(self).get(name).ok_or_else(|| status::not_found(name))
    }

    /// Changes a resource and its `update_time`, and returns the changed resource.
    ///
    /// # Errors
    /// `NOT_FOUND`.
    pub(super) fn edit<T: Resource>(
        &mut self,
        name: &str,
        change: impl FnOnce(&mut T),
    ) -> Result<T, Status> {
        let now = self.now.into();
        let resource = T::table_mut(self).get_mut(name).ok_or_else(|| status::not_found(name))?;
        change(resource);
        resource.set_update_time(now);
        Ok(resource.clone())
    }

    /// Adds a new resource, and sets its times.
    pub(super) fn insert<T: Resource>(&mut self, mut resource: T) -> T {
        resource.set_create_time(self.now.into());
        resource.set_update_time(self.now.into());
        T::table_mut(self).insert(Resource::name(&resource).to_owned(), resource.clone());
        resource
    }

    /// Removes a resource, with its next change.
    pub(super) fn remove<T: Resource>(&mut self, name: &str) {
        self.clear_next(name);
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

    /// The names of [`State::children`].
    pub(super) fn child_names<T: Resource>(&self, parent: &str) -> Vec<String> {
        self.children::<T>(parent).map(|child| Resource::name(child).to_owned()).collect()
    }

    /// One page of [`State::children`].
    pub(super) fn list<T: Resource>(&self, query: &Query<'_>) -> Result<Page<T>, Status> {
        let location = location_of(query.parent);
        if self
            .settings
            .unreachable
            .iter()
            .any(|own| location.ends_with(&format!("/locations/{own}")))
        {
            return Ok(Page { unreachable: vec![location.to_owned()], ..Page::default() });
        }
        let children = self.children::<T>(query.parent);
        if self.settings.empty_pages && query.page_token.is_empty() {
            let next_page_token = paging::first_token(query, self.tokens);
            return Ok(Page { next_page_token, ..Page::default() });
        }
        let (items, next_page_token) = paging::page(children, query, self.tokens)?;
        Ok(Page { items, next_page_token, unreachable: Vec::new() })
    }

    /// The key of the page tokens.
    pub(super) fn tokens(&self) -> TokenKey {
        self.tokens
    }

    /// The name of a new resource below a parent.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for an invalid id, `ALREADY_EXISTS` for an id that is taken.
    pub(super) fn new_name<T: Resource>(
        &self,
        parent: &str,
        (field, id): (&str, &str),
    ) -> Result<String, Status> {
        T::IDS.check(id).map_err(|reason| status::invalid(field, reason))?;
        let name = format!("{parent}/{}/{id}", T::COLLECTION);
        if T::table(self).contains_key(&name) || self.operations.on(&name).is_some() {
            return Err(status::already_exists(&name));
        }
        Ok(name)
    }

    /// Whether a parent has room for one more resource; resources that are being created count.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED`.
    pub(super) fn check_limit<T: Resource>(
        &self,
        parent: &str,
        limit: Limit,
    ) -> Result<(), Status> {
        let max = self.settings.max(limit);
        if T::table(self).len() + self.operations.running() < max {
            // Far from the limit: counting would be slow in a test with 10,000 channels.
            return Ok(());
        }
        let prefix = format!("{parent}/{}/", T::COLLECTION);
        let is_new = |name: &&String| {
            !name[prefix.len()..].contains('/') && !T::table(self).contains_key(*name)
        };
        let creating = self.operations.targets_below(&prefix).filter(is_new).count();
        if self.children::<T>(parent).count() + creating >= max {
            return Err(status::exhausted(parent, T::COLLECTION, max));
        }
        Ok(())
    }

    /// The next random number of the seed.
    pub(super) fn random(&mut self) -> u64 {
        self.random.next()
    }

    /// The seed of the random numbers.
    #[cfg(feature = "http")]
    pub(super) fn seed(&self) -> u64 {
        self.random.seed
    }

    /// The service without resources, at the same time and with the same settings and seed.
    pub(super) fn emptied(&self) -> Self {
        Self::new(self.now, self.settings.clone(), self.random.seed)
    }

    /// Whether nothing was done yet: every operation draws a random number.
    #[cfg(feature = "http")]
    pub(super) fn is_fresh(&self) -> bool {
        self.random.drawn == 0 && self.objects.is_empty() && self.feeds.is_empty()
    }

    /// How many random numbers were drawn.
    pub(super) fn drawn(&self) -> u64 {
        self.random.drawn
    }

    /// Returns to an earlier value of [`State::drawn`].
    pub(super) fn undraw(&mut self, drawn: u64) {
        self.random.drawn = drawn;
    }
}

/// A sequence of numbers that depends on its seed alone.
#[derive(Clone, Debug)]
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

/// The location of a resource, from its name.
pub(super) fn location_of(name: &str) -> &str {
    name.match_indices('/').nth(3).map_or(name, |(end, _)| &name[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn location_of_a_name_is_its_first_four_segments() {
        assert_eq!(location_of("projects/p/locations/l"), "projects/p/locations/l");
        assert_eq!(location_of("projects/p/locations/l/channels/c"), "projects/p/locations/l");
    }
}
