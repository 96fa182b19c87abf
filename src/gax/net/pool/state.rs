//! The rules of the pool, as a plain state machine: no socket, no task, no clock.
//!
//! Each method is an input, with the present time where it matters. What follows from it is put into
//! a list of [`Action`]s, which the driver carries out after it has released its lock.

use super::{PoolLimits, queue::Queue, reconnect::Reconnect};
use crate::gax::{planted::planted, policy::Sent, transport_error::TransportError};
use std::{mem, time::Duration};
use tokio::time::Instant;
use tonic::Code;

/// The number of a connection; numbers are not used twice.
pub(super) type ConnectionId = u64;

/// How many calls a connection takes before the server's settings tell its limit. Servers allow at
/// least this many, as a rule, and a stream that a server refuses is sent again.
const EARLY_CALLS: usize = 8;

/// How long an opening may take before a waiting call starts another one beside it. The time doubles
/// with each opening that stalls.
const STALL: Duration = Duration::from_secs(1);

/// The last idle connection stays open this many times as long as the others.
const LAST_STAYS: u32 = 5;

/// All connections and waiters of a client. `C` is the handle of a connection, `W` is how a waiter is
/// answered.
#[derive(Debug)]
pub(super) struct State<C, W> {
    limits: PoolLimits,
    connections: Vec<Connection<C>>,
    queue: Queue<W>,
    reconnect: Reconnect,
    /// The streams that the server allowed on the last connection that was opened.
    last_streams: usize,
    next_id: ConnectionId,
    actions: Vec<Action<C, W>>,
}

/// What the driver must do.
#[derive(Debug)]
pub(super) enum Action<C, W> {
    /// Open a connection.
    Open(ConnectionId),
    /// Stop opening this connection.
    Abort(ConnectionId),
    /// Give a waiter its place.
    Serve(W, ConnectionId, C),
    /// Tell a waiter that it gets no place.
    Fail(W, TransportError),
    /// Ping this connection, which may be dead.
    Probe(C),
    /// Drop this handle. The connection closes after its last call.
    Drop(C),
}

/// A connection, from the beginning of its opening until it takes no more calls.
#[derive(Debug)]
struct Connection<C> {
    id: ConnectionId,
    phase: Phase,
    handle: Option<C>,
    begun: Instant,
    calls: usize,
    capacity: usize,
    idle_since: Instant,
    has_answered: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// It is being opened.
    Opening,
    /// It is being opened, and takes too long.
    Stalled,
    /// It is encrypted and writable, but the server's settings have not arrived.
    Early,
    Open,
    /// It has reached its maximum age. It takes calls until its successor is open.
    Aged,
    /// It has been silent while calls waited. It takes no calls unless it is heard again.
    Suspect,
}

impl<C> Connection<C> {
    /// Ends its opening. With a handle, calls may be on it, so it closes after the last one.
    fn release<W>(self) -> Action<C, W> {
        self.handle.map_or(Action::Abort(self.id), Action::Drop)
    }

    fn has_room(&self, is_repeatable: bool) -> bool {
        let takes = match self.phase {
            Phase::Open | Phase::Aged => true,
            Phase::Early => is_repeatable,
            Phase::Opening | Phase::Stalled | Phase::Suspect => false,
        };
        planted!("uses suspect connections", let takes = takes || self.phase == Phase::Suspect);
        planted!("ignores the stream limit", return takes);
        takes && self.calls < self.capacity
    }

    fn is_opening(&self) -> bool {
        matches!(self.phase, Phase::Opening | Phase::Early)
    }

    /// Whether it may carry calls now or later, so that it is worth waiting for.
    fn is_hopeful(&self) -> bool {
        self.phase != Phase::Suspect
    }

    /// Whether it counts against the maximum number of connections.
    fn counts(&self) -> bool {
        planted!("ignores the connection limit", return false);
        matches!(self.phase, Phase::Opening | Phase::Early | Phase::Open)
    }
}

impl<C: Clone, W> State<C, W> {
    pub(super) fn new(limits: PoolLimits, jitter: fastrand::Rng) -> Self {
        let reconnect = Reconnect::new(&limits, jitter);
        let (connections, actions) = (Vec::new(), Vec::new());
        Self {
            limits,
            connections,
            queue: Queue::new(),
            reconnect,
            last_streams: EARLY_CALLS,
            next_id: 0,
            actions,
        }
    }

    /// The actions since the last time.
    pub(super) fn take_actions(&mut self) -> Vec<Action<C, W>> {
        mem::take(&mut self.actions)
    }

    /// A call wants a place. `None` means that it must [wait](Self::wait).
    pub(super) fn acquire(&mut self, now: Instant, is_repeatable: bool) -> Option<(u64, C)> {
        let place = self.place(is_repeatable)?;
        self.grow(now);
        Some(place)
    }

    /// A call waits for a place. Returns the waiter's number, if it is not refused at once.
    pub(super) fn wait(&mut self, now: Instant, is_repeatable: bool, waiter: W) -> Option<u64> {
        if let Some((_, error)) = self.reconnect.waiting(now)
            && !self.connections.iter().any(Connection::is_hopeful)
        {
            self.actions.push(Action::Fail(waiter, error.clone()));
            return None;
        }
        if self.queue.len() >= self.limits.waiting {
            let message = format!("{} calls are waiting for a connection", self.queue.len());
            let error = TransportError::new(Code::ResourceExhausted, Sent::No, message);
            self.actions.push(Action::Fail(waiter, error.permanent()));
            return None;
        }
        let number = self.queue.push(is_repeatable, waiter);
        self.grow(now);
        Some(number)
    }

    /// A waiter has given up.
    pub(super) fn give_up(&mut self, waiter: u64) -> Option<W> {
        self.queue.remove(waiter)
    }

    /// A call has ended, with a response or without one. Returns whether its connection is idle now.
    pub(super) fn release(&mut self, now: Instant, id: ConnectionId, is_answered: bool) -> bool {
        if is_answered {
            self.reconnect.answered();
        }
        let Some(connection) = self.find(id) else { return false };
        connection.calls -= 1;
        connection.idle_since = now;
        connection.has_answered |= is_answered;
        let is_idle = connection.calls == 0;
        self.serve();
        is_idle
    }

    /// A connection can be written to, but the server's settings have not arrived.
    pub(super) fn writable(&mut self, id: ConnectionId, handle: C) {
        let capacity = EARLY_CALLS.min(self.last_streams).min(self.limits.calls_per_connection);
        if !self.is_welcome(id) {
            return self.actions.push(Action::Drop(handle));
        }
        let connection = self.find(id).expect("a welcome connection is known");
        (connection.phase, connection.handle) = (Phase::Early, Some(handle));
        connection.capacity = capacity;
        self.serve();
    }

    /// The server's settings have arrived. Returns whether the connection is still wanted.
    pub(super) fn opened(&mut self, now: Instant, id: ConnectionId, streams: usize) -> bool {
        if !self.is_welcome(id) {
            return false;
        }
        self.last_streams = streams;
        let capacity = streams.min(self.limits.calls_per_connection);
        let connection = self.find(id).expect("a welcome connection is known");
        (connection.phase, connection.capacity) = (Phase::Open, capacity);
        (connection.begun, connection.idle_since) = (now, now);
        let replaced = self.extract(|other| matches!(other.phase, Phase::Stalled | Phase::Aged));
        self.actions.extend(replaced.into_iter().map(Connection::release));
        self.serve();
        self.grow(now);
        true
    }

    /// Nobody opens this connection any longer, for a reason that says nothing about the server.
    pub(super) fn abandoned(&mut self, id: ConnectionId, error: &TransportError) {
        if self.remove(id).is_some() && !self.connections.iter().any(Connection::is_hopeful) {
            self.fail_all(error);
        }
    }

    /// A connection could not be opened, has ended, or takes no more calls because of a GOAWAY.
    pub(super) fn ended(&mut self, now: Instant, id: ConnectionId, error: TransportError) {
        let Some(connection) = self.remove(id) else { return };
        let has_failed = match connection.phase {
            Phase::Opening | Phase::Stalled | Phase::Early => {
                self.reconnect.fail(connection.begun, now, error.clone());
                true
            }
            _ if connection.has_answered => false,
            _ => self.reconnect.end_unanswered(connection.begun, now, error.clone()),
        };
        if has_failed && !self.connections.iter().any(Connection::is_hopeful) {
            self.fail_all(&error);
        }
        self.grow(now);
    }

    /// The server has changed the number of streams that it allows.
    pub(super) fn allows(&mut self, now: Instant, id: ConnectionId, streams: usize) {
        let capacity = streams.min(self.limits.calls_per_connection);
        let Some(connection) = self.find(id) else { return };
        connection.capacity = capacity;
        let is_opening = matches!(connection.phase, Phase::Early | Phase::Stalled);
        if capacity == 0 && !is_opening {
            let message = "the server allows no more calls on its connections";
            return self.ended(now, id, TransportError::new(Code::Unavailable, Sent::No, message));
        }
        self.serve();
        self.grow(now);
    }

    /// A connection has been silent while a call waited.
    pub(super) fn suspect(&mut self, now: Instant, id: ConnectionId) {
        let Some(connection) = self.find(id) else { return };
        if connection.phase != Phase::Suspect
            && let Some(handle) = connection.handle.clone()
        {
            connection.phase = Phase::Suspect;
            self.actions.push(Action::Probe(handle));
            self.grow(now);
        }
    }

    /// A silent connection has been heard again.
    pub(super) fn heard(&mut self, now: Instant, id: ConnectionId) {
        let is_open = |other: &&Connection<C>| other.phase == Phase::Open;
        let is_surplus = self.connections.iter().filter(is_open).count() >= self.limits.connections;
        let Some(connection) = self.find(id).filter(|found| found.phase == Phase::Suspect) else {
            return;
        };
        if is_surplus {
            self.remove(id);
            return;
        }
        (connection.phase, connection.idle_since) = (Phase::Open, now);
        self.serve();
        if self.count() > self.limits.connections {
            // Its replacement is not needed any more.
            let newest = self.connections.iter().rposition(Connection::is_opening);
            let newest = newest.map(|index| self.connections.remove(index));
            self.actions.extend(newest.map(Connection::release));
        }
    }

    /// The time of [`next_timer`](Self::next_timer) has come.
    pub(super) fn timer(&mut self, now: Instant) {
        let patience = self.patience();
        if !self.queue.is_empty() {
            let slow =
                |other: &&mut Connection<C>| other.is_opening() && now >= other.begun + patience;
            for connection in self.connections.iter_mut().filter(slow) {
                connection.phase = Phase::Stalled;
            }
        }
        self.expire(now);
        self.grow(now);
    }

    /// When [`timer`](Self::timer) has something to do.
    pub(super) fn next_timer(&self, now: Instant) -> Option<Instant> {
        let patience = self.patience();
        let retry = self.reconnect.waiting(now).map(|(until, _)| until);
        let retry = retry.filter(|_| !self.queue.is_empty() || self.has_aged());
        let own = self.connections.iter().filter_map(|connection| match connection.phase {
            Phase::Opening | Phase::Early if !self.queue.is_empty() => {
                Some(connection.begun + patience)
            }
            Phase::Open => {
                let idle_since = if connection.calls > 0 { now } else { connection.idle_since };
                let idle = idle_since + self.idle_limit(connection.id);
                let age = self.limits.max_age.map(|age| connection.begun + age);
                Some(age.map_or(idle, |age| age.min(idle)))
            }
            _ => None,
        });
        own.chain(retry).min()
    }

    /// The numbers of open connections, of openings, and of waiting calls.
    pub(super) fn numbers(&self) -> (usize, usize, usize) {
        let openings = self.connections.iter().filter(|other| other.is_opening()).count();
        (self.connections.len() - openings, openings, self.queue.len())
    }

    /// The connections that can be written to: the handle, whether it is suspect, and its limit.
    pub(super) fn connections(&self) -> impl Iterator<Item = (&C, bool, usize)> {
        self.connections.iter().filter_map(|connection| {
            let handle = connection.handle.as_ref()?;
            Some((handle, connection.phase == Phase::Suspect, connection.capacity))
        })
    }

    pub(super) fn max_connections(&self) -> usize {
        self.limits.connections
    }

    #[cfg(test)]
    pub(super) fn live(&self) -> usize {
        self.count()
    }

    #[cfg(test)]
    pub(super) fn reconnect_wait(&self) -> Option<Duration> {
        self.reconnect.wait()
    }

    /// A place on the connection with the fewest calls, if one has room.
    fn place(&mut self, is_repeatable: bool) -> Option<(ConnectionId, C)> {
        let with_room = self.connections.iter_mut().filter(|other| other.has_room(is_repeatable));
        let best = with_room.min_by_key(|other| (other.phase == Phase::Early, other.calls))?;
        let handle = best.handle.clone()?;
        best.calls += 1;
        Some((best.id, handle))
    }

    /// Gives free places to the waiters, in their order.
    fn serve(&mut self) {
        while !self.queue.is_empty() {
            let (place, waiter) = match self.place(false) {
                Some(place) => (place, self.queue.pop()),
                None => match self.place(true) {
                    Some(place) => (place, self.queue.pop_repeatable()),
                    None => return,
                },
            };
            let (id, handle) = place;
            let Some(waiter) = waiter else {
                // Only calls that must wait for the settings are left.
                self.find(id).expect("it has just had room").calls -= 1;
                return;
            };
            self.actions.push(Action::Serve(waiter, id, handle));
        }
    }

    /// Opens as many connections as the waiters need, or one if the open ones are nearly full.
    fn grow(&mut self, now: Instant) {
        if self.reconnect.waiting(now).is_some() {
            return;
        }
        let (mut live, mut opening, mut calls, mut places, mut widest) = (0, 0, 0, 0, 0);
        for connection in &self.connections {
            live += usize::from(connection.counts());
            opening += usize::from(connection.is_opening());
            if connection.phase == Phase::Open {
                calls += connection.calls;
                places += connection.capacity;
                widest = widest.max(connection.capacity);
            }
        }
        let is_nearly_full = calls * 10 > places * 9;
        let is_short = opening == 0 && (is_nearly_full || self.has_aged());
        if self.queue.is_empty() && !is_short {
            return;
        }
        // The next connection probably allows as many streams as the open ones.
        let each = if widest > 0 { widest } else { self.limits.calls_per_connection };
        let missing = self.queue.len().div_ceil(each).saturating_sub(opening);
        let allowed = self.limits.connections.saturating_sub(live);
        // After a failure, one connection tries whether the server is back.
        let at_once =
            if self.reconnect.has_failed() { 1_usize.saturating_sub(opening) } else { allowed };
        for _ in 0..missing.max(usize::from(is_short)).min(allowed).min(at_once) {
            self.open(now);
        }
    }

    fn open(&mut self, now: Instant) {
        let id = self.next_id;
        self.next_id += 1;
        self.connections.push(Connection {
            id,
            phase: Phase::Opening,
            handle: None,
            begun: now,
            calls: 0,
            capacity: 0,
            idle_since: now,
            has_answered: false,
        });
        self.actions.push(Action::Open(id));
    }

    fn fail_all(&mut self, error: &TransportError) {
        while let Some(waiter) = self.queue.pop() {
            planted!("forgets a waiter when an opening fails", return mem::forget(waiter));
            self.actions.push(Action::Fail(waiter, error.clone()));
        }
    }

    /// Closes connections that are idle for too long, and marks those that are too old.
    fn expire(&mut self, now: Instant) {
        let idle: Vec<_> = self
            .connections
            .iter()
            .filter(|other| other.phase == Phase::Open && other.calls == 0)
            .filter(|other| now >= other.idle_since + self.idle_limit(other.id))
            .map(|other| other.id)
            .collect();
        idle.into_iter().for_each(|id| drop(self.remove(id)));
        let Some(max_age) = self.limits.max_age else { return };
        let aged =
            |other: &Connection<C>| other.phase == Phase::Open && now >= other.begun + max_age;
        let is_idle = |other: &Connection<C>| other.calls == 0;
        let idle = self.extract(|other| aged(other) && is_idle(other));
        self.actions.extend(idle.into_iter().map(Connection::release));
        for old in self.connections.iter_mut().filter(|other| aged(other)) {
            old.phase = Phase::Aged;
        }
    }

    /// How long this connection may be idle. One stays longer than the others.
    fn idle_limit(&self, id: ConnectionId) -> Duration {
        let open = self.connections.iter().filter(|other| other.phase == Phase::Open);
        let last = open.max_by_key(|other| (other.calls > 0, other.idle_since, other.id));
        let is_last = last.is_some_and(|last| last.id == id);
        if is_last { self.limits.idle * LAST_STAYS } else { self.limits.idle }
    }

    /// How long an opening may take before another one starts beside it.
    fn patience(&self) -> Duration {
        let stalled = self.connections.iter().filter(|other| other.phase == Phase::Stalled).count();
        STALL * (1 << stalled.min(10))
    }

    fn has_aged(&self) -> bool {
        self.connections.iter().any(|other| other.phase == Phase::Aged)
    }

    fn count(&self) -> usize {
        self.connections.iter().filter(|other| other.counts()).count()
    }

    /// Whether an opening is still wanted. One that stalled may have been replaced.
    fn is_welcome(&mut self, id: ConnectionId) -> bool {
        let is_full = self.count() >= self.limits.connections;
        match self.find(id).map(|connection| connection.phase) {
            None => false,
            Some(Phase::Stalled | Phase::Suspect) if is_full => {
                self.remove(id);
                false
            }
            Some(_) => true,
        }
    }

    fn find(&mut self, id: ConnectionId) -> Option<&mut Connection<C>> {
        self.connections.iter_mut().find(|other| other.id == id)
    }

    /// Removes a connection, and drops its handle.
    fn remove(&mut self, id: ConnectionId) -> Option<Connection<C>> {
        let index = self.connections.iter().position(|other| other.id == id)?;
        let mut connection = self.connections.remove(index);
        self.actions.extend(connection.handle.take().map(Action::Drop));
        Some(connection)
    }

    fn extract(&mut self, wanted: impl Fn(&Connection<C>) -> bool) -> Vec<Connection<C>> {
        self.connections.extract_if(.., |other| wanted(other)).collect()
    }
}
