//! Drives one connection, and tells what happens to it.
//!
//! A connection knows nothing of the pool that keeps it.

use super::activity::Activity;
use crate::gax::{
    error::BoxError,
    net::{
        connection::{Driver, Sender},
        liveness::{Keepalive, Liveness, Signs, Step},
    },
    planted::planted,
};
use futures_util::{future::FutureExt, task::AtomicWaker};
use std::{
    future::poll_fn,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    runtime::{self, Handle},
    sync::{Notify, futures::Notified},
    time::{Instant, Sleep, sleep_until},
};

/// How long a connection may take to close once nobody needs it. A peer that stops reading must not
/// keep its buffers and its socket.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);

/// Longer than any timer here.
const FAR: Duration = Duration::from_secs(365 * 86_400);

/// A connection, as the pool and its calls share it. It closes when the last of them drops it.
#[derive(Debug)]
pub(super) struct Slot {
    sender: Sender,
    peer: Option<SocketAddr>,
    runtime: runtime::Id,
    since: Instant,
    activity: Activity,
    /// The connection does not acknowledge a ping.
    is_silent: AtomicBool,
    /// The server allows no streams.
    is_closed: AtomicBool,
    /// Wakes the calls when one of the two begins.
    trouble: Notify,
    task: Arc<AtomicWaker>,
}

impl Slot {
    pub(super) fn sender(&self) -> &Sender {
        &self.sender
    }

    /// The number of calls on it.
    pub(super) fn calls(&self) -> usize {
        self.activity.calls().0
    }

    pub(super) fn begin_call(&self) {
        self.activity.begin_call();
    }

    pub(super) fn end_call(&self, is_answered: bool) {
        if self.activity.end_call(is_answered) {
            // It may not be needed any more.
            self.task.wake();
        }
    }

    /// The address at the other end, if it is a TCP connection.
    pub(super) fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }

    /// When it was opened.
    pub(super) fn since(&self) -> Instant {
        self.since
    }

    /// Whether another runtime than the present one drives the connection.
    pub(super) fn is_on_another_runtime(&self) -> bool {
        Handle::try_current().is_ok_and(|here| here.id() != self.runtime)
    }

    /// Has the connection pinged.
    pub(super) fn doubt(&self) {
        self.activity.doubt();
        self.task.wake();
    }

    /// Whether the connection does not acknowledge a ping.
    pub(super) fn is_silent(&self) -> bool {
        self.is_silent.load(Ordering::Relaxed)
    }

    /// Whether the server allows no streams.
    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Relaxed)
    }

    /// Returns when the connection is silent or closed, if that begins after this call.
    pub(super) fn trouble(&self) -> Notified<'_> {
        self.trouble.notified()
    }

    fn signs(&self) -> Signs {
        let (calls, is_suspect) = self.activity.calls();
        Signs {
            reads: self.sender.traffic().reads(),
            answers: self.activity.answers(),
            is_awaited: calls > 0,
            is_suspect,
        }
    }
}

impl Drop for Slot {
    /// h2 itself does not wake a connection that waits for its peer to read.
    fn drop(&mut self) {
        self.task.wake();
    }
}

/// What happens to a connection.
#[derive(Debug)]
pub(super) enum Event {
    /// The server's settings have arrived, or changed: it allows this many streams at once.
    Streams(usize),
    /// It takes no more calls, because of a GOAWAY or because it is closing.
    Refused(h2::Error),
    /// It has not acknowledged a ping in time. New calls must go elsewhere.
    Silent,
    /// It was suspected, and something has arrived.
    Heard,
    /// It was suspected, its calls have ended, and no ping may clear it soon.
    Doubtful,
    /// It is closed. This is the last event.
    Ended(Result<(), BoxError>),
}

/// One connection while it is driven.
pub(super) struct Drive {
    driver: Driver,
    peer: Option<SocketAddr>,
    /// For its refusal, as long as there is a slot: h2 closes a connection without senders.
    sender: Option<Sender>,
    slot: Weak<Slot>,
    task: Arc<AtomicWaker>,
    liveness: Liveness,
    timer: Pin<Box<Sleep>>,
    is_timer_set: bool,
    /// The number of streams that the server allows.
    streams: usize,
    /// It takes no more calls.
    has_left: bool,
    ended: Option<Result<(), BoxError>>,
    /// When it must have closed, once nobody needs it.
    closes_by: Option<Instant>,
}

impl Drive {
    pub(super) fn new(
        sender: Sender,
        driver: Driver,
        peer: Option<SocketAddr>,
        keepalive: Option<Keepalive>,
    ) -> (Arc<Slot>, Self) {
        let (now, task) = (Instant::now(), Arc::<AtomicWaker>::default());
        let slot = Arc::new(Slot {
            sender,
            peer,
            runtime: Handle::current().id(),
            since: now,
            activity: Activity::new(),
            is_silent: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
            trouble: Notify::new(),
            task: task.clone(),
        });
        let drive = Self {
            driver,
            peer,
            sender: Some(slot.sender.clone()),
            slot: Arc::downgrade(&slot),
            task,
            liveness: Liveness::new(keepalive, now),
            timer: Box::pin(sleep_until(now + FAR)),
            is_timer_set: false,
            streams: 0,
            has_left: false,
            ended: None,
            closes_by: None,
        };
        (slot, drive)
    }

    /// The address at the other end, if it is a TCP connection.
    pub(super) fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }

    /// Moves the connection until something happens to it.
    pub(super) async fn next(&mut self) -> Event {
        poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        self.task.register(cx.waker());
        loop {
            if self.ended.is_none()
                && let Poll::Ready(ended) = self.driver.poll(cx)
            {
                self.ended = Some(ended.map_err(Into::into));
            }
            let now = Instant::now();
            let slot = self.slot.upgrade();
            if slot.is_none() && self.sender.take().is_some() {
                cx.waker().wake_by_ref();
            }
            if let Some(event) = self.news() {
                return Poll::Ready(event);
            }
            if let Some(ended) = self.ended.take() {
                return Poll::Ready(Event::Ended(ended));
            }
            let due = match slot {
                Some(slot) => match self.check(now, &slot) {
                    Ok(due) => due,
                    Err(event) => return Poll::Ready(event),
                },
                None => {
                    planted!("waits forever for a connection to close", return Poll::Pending);
                    let limit = *self.closes_by.get_or_insert(now + CLOSE_LIMIT);
                    if now >= limit {
                        let error = timed_out("the peer does not let the connection close");
                        return Poll::Ready(Event::Ended(Err(error)));
                    }
                    Some(limit)
                }
            };
            if let Some(due) = due.filter(|due| *due < self.timer.deadline()) {
                self.timer.as_mut().reset(due);
                self.is_timer_set = false;
            }
            // The timer remembers this task, so one poll is enough.
            if self.is_timer_set && now < self.timer.deadline() {
                return Poll::Pending;
            }
            self.is_timer_set = true;
            ready!(self.timer.poll_unpin(cx));
            self.timer.as_mut().reset(now + FAR);
            self.is_timer_set = false;
        }
    }

    /// Tells the calls on the connection how many streams the server allows. A request that h2 keeps
    /// for want of a stream may never get one.
    pub(super) fn tell_limit(&self) {
        let Some(slot) = self.slot.upgrade() else { return };
        slot.is_closed.store(self.streams == 0, Ordering::Relaxed);
        if self.streams == 0 {
            slot.trouble.notify_waiters();
        }
    }

    /// New settings, or the news that the connection takes no more calls. The settings and the end may
    /// come together.
    fn news(&mut self) -> Option<Event> {
        if let Some(streams) = self.driver.max_streams().filter(|max| *max != self.streams) {
            self.streams = streams;
            return Some(Event::Streams(streams));
        }
        if self.has_left {
            return None;
        }
        let refusal = self.sender.as_mut()?.refusal()?;
        self.has_left = true;
        Some(Event::Refused(refusal))
    }

    /// Pings the peer where that is due. Returns when to check again.
    fn check(&mut self, now: Instant, slot: &Slot) -> Result<Option<Instant>, Event> {
        loop {
            match self.liveness.step(now, slot.signs()) {
                Step::Wait(due) => return Ok(due),
                Step::Doubtful if self.has_left => return Ok(None),
                Step::Doubtful => {
                    self.has_left = true;
                    return Err(Event::Doubtful);
                }
                Step::Ping => self.driver.ping(),
                Step::Suspect => {
                    slot.is_silent.store(true, Ordering::Relaxed);
                    slot.trouble.notify_waiters();
                    return Err(Event::Silent);
                }
                Step::Recovered => {
                    slot.is_silent.store(false, Ordering::Relaxed);
                    slot.activity.trust();
                    return Err(Event::Heard);
                }
                Step::Dead => {
                    planted!("keeps dead connections", return Ok(None));
                    return Err(Event::Ended(Err(timed_out("a ping went unanswered"))));
                }
            }
        }
    }
}

fn timed_out(message: &'static str) -> BoxError {
    io::Error::new(io::ErrorKind::TimedOut, message).into()
}
