//! The calls that wait for a place on a connection, in the order of their arrival.

use std::collections::BTreeMap;

/// Waiting calls. `W` is how a waiter is answered.
#[derive(Debug)]
pub(super) struct Queue<W> {
    /// Calls that may use a connection before the server's settings have arrived.
    repeatable: BTreeMap<u64, W>,
    once: BTreeMap<u64, W>,
    next: u64,
}

impl<W> Queue<W> {
    pub(super) const fn new() -> Self {
        Self { repeatable: BTreeMap::new(), once: BTreeMap::new(), next: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.repeatable.len() + self.once.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.repeatable.is_empty() && self.once.is_empty()
    }

    /// Adds a waiter at the end, and returns its number.
    pub(super) fn push(&mut self, is_repeatable: bool, waiter: W) -> u64 {
        let number = self.next;
        self.next += 1;
        let queue = if is_repeatable { &mut self.repeatable } else { &mut self.once };
        queue.insert(number, waiter);
        number
    }

    /// Removes a waiter that has given up.
    pub(super) fn remove(&mut self, number: u64) -> Option<W> {
        self.repeatable.remove(&number).or_else(|| self.once.remove(&number))
    }

    /// Takes the waiter that came first.
    pub(super) fn pop(&mut self) -> Option<W> {
        let first = |queue: &BTreeMap<u64, W>| queue.keys().next().copied().unwrap_or(u64::MAX);
        if first(&self.once) < first(&self.repeatable) {
            return self.once.pop_first().map(|(_, waiter)| waiter);
        }
        self.pop_repeatable()
    }

    /// Takes the repeatable call that came first.
    pub(super) fn pop_repeatable(&mut self) -> Option<W> {
        self.repeatable.pop_first().map(|(_, waiter)| waiter)
    }
}
