//! What the calls on a connection and the task that drives it tell each other.

use crate::gax::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// The calls on a connection, their answers, and whether the connection is suspect.
///
/// The number of calls and the suspicion are one number. When the last call ends on one thread while
/// another thread begins to doubt the connection, one of the two sees what the other did, and the
/// connection closes.
#[derive(Debug)]
pub(super) struct Activity {
    calls: AtomicUsize,
    answers: AtomicU64,
}

/// Set in the number of calls if the connection is suspect.
const SUSPECT: usize = 1 << (usize::BITS - 1);

impl Activity {
    pub(super) fn new() -> Self {
        Self { calls: AtomicUsize::new(0), answers: AtomicU64::new(0) }
    }

    pub(super) fn begin_call(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns whether that was the last call on a suspect connection.
    pub(super) fn end_call(&self, is_answered: bool) -> bool {
        if is_answered {
            self.answers.fetch_add(1, Ordering::Relaxed);
        }
        self.calls.fetch_sub(1, Ordering::AcqRel) == SUSPECT + 1
    }

    pub(super) fn doubt(&self) {
        self.calls.fetch_or(SUSPECT, Ordering::AcqRel);
    }

    pub(super) fn trust(&self) {
        self.calls.fetch_and(!SUSPECT, Ordering::AcqRel);
    }

    /// The number of calls, and whether the connection is suspect.
    pub(super) fn calls(&self) -> (usize, bool) {
        let calls = self.calls.load(Ordering::Acquire);
        (calls & !SUSPECT, calls & SUSPECT != 0)
    }

    /// The number of calls that have been answered.
    pub(super) fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_call_on_a_suspect_connection_wakes_it() {
        let activity = Activity::new();
        activity.begin_call();
        assert!(!activity.end_call(true), "it is trusted");
        activity.begin_call();
        activity.begin_call();
        activity.doubt();
        assert_eq!(activity.calls(), (2, true));
        assert!(!activity.end_call(false), "there is another call");
        assert!(activity.end_call(true));
        activity.trust();
        assert_eq!((activity.calls(), activity.answers()), ((0, false), 2));
    }
}
