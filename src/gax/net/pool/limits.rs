//! The limits on a client's connections.

use std::time::Duration;

/// The limits on a client's connections: 16 connections of 100 calls each, unless set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolLimits {
    pub(super) connections: usize,
    pub(super) calls_per_connection: usize,
    pub(super) waiting: usize,
    pub(super) idle: Duration,
    pub(super) max_age: Option<Duration>,
    pub(super) reconnect_initial: Duration,
    pub(super) reconnect_max: Duration,
}

impl PoolLimits {
    /// Sets the maximum number of connections. 0 counts as 1.
    ///
    /// A connection that does not answer does not count, so that it cannot keep another from being
    /// opened.
    pub fn with_max_connections(mut self, most: usize) -> Self {
        self.connections = most.max(1);
        self
    }

    /// Sets the maximum number of calls on one connection, if the server does not allow fewer. 0 counts
    /// as 1, and more than a million as a million.
    pub fn with_max_calls_per_connection(mut self, most: usize) -> Self {
        self.calls_per_connection = most.clamp(1, 1_000_000);
        self
    }

    /// Sets the maximum number of calls that wait for a place on a connection: 65,536 unless set. A
    /// call beyond it fails at once with RESOURCE_EXHAUSTED, and nothing is sent.
    pub fn with_max_waiting(mut self, most: usize) -> Self {
        self.waiting = most;
        self
    }

    /// Sets how long a connection stays open without calls: 60 s unless set. The last connection stays
    /// five times as long.
    pub fn with_idle_timeout(mut self, idle: Duration) -> Self {
        self.idle = idle;
        self
    }

    /// Replaces a connection when it reaches this age, so that the client follows changes in DNS. The
    /// calls on it run to their end. Unless set, a connection may have any age.
    pub fn with_max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// Sets the wait between attempts to connect: `initial` after the first failure, then 1.6 times
    /// as long after each, up to `max`, with 20 % of jitter: 1 s and 120 s unless set
    /// ([gRPC connection backoff](https://github.com/grpc/grpc/blob/master/doc/connection-backoff.md)).
    ///
    /// A call during the wait fails at once with the error of the last attempt, and certainly was not
    /// sent; the client's [retry policy](crate::policy::RetryPolicy) decides what follows.
    pub fn with_reconnect_backoff(mut self, initial: Duration, max: Duration) -> Self {
        (self.reconnect_initial, self.reconnect_max) = (initial, max);
        self
    }
}

impl Default for PoolLimits {
    fn default() -> Self {
        Self {
            connections: 16,
            calls_per_connection: 100,
            waiting: 1 << 16,
            idle: Duration::from_secs(60),
            max_age: None,
            reconnect_initial: Duration::from_secs(1),
            reconnect_max: Duration::from_secs(120),
        }
    }
}
