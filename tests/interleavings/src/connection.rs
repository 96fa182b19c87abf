//! The calls of a connection, another call that doubts it, and the task that drives it.

use crate::activity::Activity;
use loom::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

/// A connection with one call, and whether its task has found it suspect and unused.
#[derive(Clone)]
struct Connection(Arc<(Activity, AtomicBool)>);

impl Connection {
    fn new() -> Self {
        let activity = Activity::new();
        activity.begin_call();
        Self(Arc::new((activity, AtomicBool::new(false))))
    }

    /// What its task does when it is woken.
    fn drive(&self) {
        if self.0.0.calls() == (0, true) {
            self.0.1.store(true, Ordering::Relaxed);
        }
    }

    fn is_closed(&self) -> bool {
        self.0.1.load(Ordering::Relaxed)
    }
}

pub(crate) fn last_call_and_doubt() {
    let connection = Connection::new();
    let caller = connection.clone();
    let ending = thread::spawn(move || {
        if caller.0.0.end_call(false) {
            caller.drive();
        }
    });
    connection.0.0.doubt();
    connection.drive();
    ending.join().expect("no panic");
    assert!(connection.is_closed());
}

pub(crate) fn trust_and_doubt() {
    let connection = Connection::new();
    connection.0.0.doubt();
    let task = connection.clone();
    let hearing = thread::spawn(move || task.0.0.trust());
    connection.0.0.begin_call();
    assert!(!connection.0.0.end_call(true), "there is another call");
    hearing.join().expect("no panic");
    assert_eq!(connection.0.0.calls(), (1, false));
    assert!(!connection.0.0.end_call(true), "it is trusted");
    assert_eq!((connection.0.0.calls(), connection.0.0.answers()), ((0, false), 2));
}
