//! What all calls of one client share: where they go, the propagator, and the failures so far.

#[cfg(any(feature = "tracing", feature = "metrics"))]
use super::server::Server;
use super::{
    diagnostics::{Diagnostics, PoolDiagnostics},
    health::Health,
};
use crate::gax::policy::CallPolicy;
use http::{HeaderMap, Uri};
use std::{
    fmt,
    sync::{Arc, OnceLock},
};
use tokio::time::Instant;

/// The telemetry of one client.
#[derive(Default)]
pub(crate) struct Observer {
    #[cfg(any(feature = "tracing", feature = "metrics"))]
    pub(super) server: Option<Server>,
    endpoint: Option<String>,
    pub(super) health: Health,
    pub(super) propagator: Option<Propagator>,
    pool: OnceLock<PoolState>,
}

/// Writes the headers by which a service continues a trace.
pub(crate) type Propagator = Arc<dyn Fn(&mut HeaderMap) + Send + Sync>;

type PoolState = Box<dyn Fn() -> PoolDiagnostics + Send + Sync>;

impl Observer {
    /// Observes calls to this origin.
    pub(crate) fn new(origin: &Uri, propagator: Option<Propagator>) -> Self {
        let endpoint = origin.scheme().zip(origin.authority());
        Self {
            #[cfg(any(feature = "tracing", feature = "metrics"))]
            server: Server::of(origin),
            endpoint: endpoint.map(|(scheme, authority)| format!("{scheme}://{authority}")),
            propagator,
            ..Self::default()
        }
    }

    /// Sets the source of the pool's part in the diagnostics. It must not keep the pool alive.
    pub(crate) fn watch_pool(&self, state: impl Fn() -> PoolDiagnostics + Send + Sync + 'static) {
        let _ = self.pool.set(Box::new(state));
    }

    /// The state of the client now.
    pub(crate) fn diagnostics(&self, policy: &CallPolicy) -> Diagnostics {
        let now = Instant::now();
        let pool = self.pool.get().map(|state| state());
        let (streak, last) = (self.health.streak(), self.health.last());
        Diagnostics::new(self.endpoint.clone(), policy, streak, &last, pool, now)
    }
}

/// Adds the propagator's headers. A header that the request has already stays as it is, so that a
/// propagator cannot change what a request means.
pub(super) fn propagate(propagator: &Propagator, headers: &mut HeaderMap) {
    let mut carried = HeaderMap::new();
    propagator(&mut carried);
    // A name comes with the first of its values only.
    let mut added = None;
    for (name, value) in carried {
        if let Some(name) = name {
            added = (!headers.contains_key(&name)).then_some(name);
        }
        if let Some(name) = &added {
            headers.append(name, value);
        }
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observer")
            .field("endpoint", &self.endpoint)
            .field("propagates", &self.propagator.is_some())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn a_propagator_adds_headers_and_replaces_none() {
        let propagator: Propagator = Arc::new(|headers| {
            headers.insert("traceparent", HeaderValue::from_static("00-a-b-01"));
            headers.insert("baggage", HeaderValue::from_static("show=news"));
            headers.append("baggage", HeaderValue::from_static("studio=4"));
            headers.insert("content-type", HeaderValue::from_static("text/plain"));
        });
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("application/grpc"));
        propagate(&propagator, &mut headers);
        assert_eq!(headers["traceparent"], "00-a-b-01");
        assert_eq!(headers["content-type"], "application/grpc");
        assert_eq!(
            headers.get_all("baggage").iter().collect::<Vec<_>>(),
            ["show=news", "studio=4"]
        );
        assert_eq!(headers.len(), 4);
    }

    #[test]
    fn diagnostics_show_the_pool_that_the_observer_watches() {
        let observer = Observer::new(&Uri::from_static("https://service.test"), None);
        assert_eq!(observer.diagnostics(&CallPolicy::new()).pool, None);
        observer.watch_pool(|| PoolDiagnostics { waiting: 3, ..PoolDiagnostics::default() });
        let pool = observer.diagnostics(&CallPolicy::new()).pool;
        assert_eq!(pool.map(|pool| pool.waiting), Some(3));
    }
}
