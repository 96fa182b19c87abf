//! The state of the pool at one moment, for [`Diagnostics`](crate::Diagnostics).

use super::{drive::Slot, driver::Pool};
use crate::gax::observe::diagnostics::{ConnectionDiagnostics, ConnectionState, PoolDiagnostics};
use std::sync::Arc;
use tokio::time::Instant;

impl Pool {
    pub(super) fn diagnostics(&self) -> PoolDiagnostics {
        let now = Instant::now();
        let inner = self.inner();
        let (_, opening, waiting) = inner.state.numbers();
        let kept = inner.state.connections().map(|(slot, is_suspect, max_streams)| {
            let state = if is_suspect { ConnectionState::Suspect } else { ConnectionState::Ready };
            describe(slot, state, max_streams, now)
        });
        let leaving = inner.leaving.iter().filter_map(std::sync::Weak::upgrade);
        let leaving = leaving
            .map(|slot: Arc<Slot>| describe(&slot, ConnectionState::Draining, slot.calls(), now));
        PoolDiagnostics {
            connections: kept.chain(leaving).collect(),
            opening,
            waiting,
            max_connections: inner.state.max_connections(),
        }
    }
}

fn describe(
    slot: &Slot,
    state: ConnectionState,
    max_streams: usize,
    now: Instant,
) -> ConnectionDiagnostics {
    ConnectionDiagnostics {
        state,
        peer: slot.peer(),
        streams: slot.calls(),
        max_streams,
        age: now.saturating_duration_since(slot.since()),
    }
}
