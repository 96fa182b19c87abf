//! Every interleaving of the threads that share a retry budget or a connection.
//!
//! The files are the client's own. Only `gax::sync` is another one here: with loom's atomics, which run
//! a model once for each order of their accesses that the memory model allows.

#![allow(dead_code, reason = "the models use a part of each file")]

#[path = "../../../src/gax/net/pool/activity.rs"]
mod activity;
#[path = "../../../src/gax/policy/budget.rs"]
mod budget;
mod connection;

mod gax {
    pub(crate) mod planted {
        macro_rules! planted {
            ($($anything:tt)*) => {};
        }
        pub(crate) use planted;
    }
    pub(crate) mod sync {
        pub(crate) use loom::sync::{Arc, atomic};
    }
}

use budget::Budget;
use loom::thread;

fn main() {
    report("a budget never gives more tokens than it has", || {
        let budget = Budget::new(2, 0.0);
        let other = budget.clone();
        let two = thread::spawn(move || [other.withdraw(), other.withdraw()]);
        let mine = budget.withdraw();
        let [first, second] = two.join().expect("no panic");
        let given = [mine, first, second].into_iter().filter(|is_given| *is_given).count();
        assert_eq!((given, budget.available()), (2, Some(0.0)));
    });
    report("a budget never holds more than its capacity, and loses no success", || {
        let budget = Budget::new(1, 0.5);
        assert!(budget.withdraw());
        let threads = [0, 1].map(|_| {
            let budget = budget.clone();
            thread::spawn(move || budget.deposit())
        });
        budget.deposit();
        threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
        assert_eq!(budget.available(), Some(1.0));
        assert!(budget.withdraw() && !budget.withdraw());
    });
    report("the last call and a doubt close a connection", connection::last_call_and_doubt);
    report("a suspect connection that is heard of is trusted", connection::trust_and_doubt);
}

fn report(what: &str, model: impl Fn() + Send + Sync + 'static) {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    RUNS.store(0, Ordering::Relaxed);
    loom::model(move || {
        RUNS.fetch_add(1, Ordering::Relaxed);
        model();
    });
    println!("{what}: {} interleavings", RUNS.load(Ordering::Relaxed));
}
