//! What all parts of the program share.

use crate::{
    faults::{Act, Credential, Deck, Fault, Link, Opening},
    truth::Truth,
};
use fastrand::Rng;
use std::{
    collections::BTreeMap,
    fmt::Debug,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::runtime::Handle;

pub struct World {
    pub truth: Truth,
    pub tally: Tally,
    pub calls: AtomicUsize,
    pub stop: AtomicBool,
    pub seed: u64,
    /// The longest time that a call took after its deadline, in microseconds.
    latest: AtomicU64,
    decks: Mutex<Decks>,
    clients: OnceLock<Handle>,
}

struct Decks {
    rng: Rng,
    ordinary: Deck<Fault>,
    by_hand: Deck<Fault>,
    acts: Deck<Act>,
    openings: Deck<Opening>,
    links: Deck<Link>,
    tokens: Deck<Credential>,
}

/// One request in five meets a fault.
const FAULTS: f64 = 0.2;
/// Of those, on connections served by hand, this share hits the whole connection.
const ACTS: f64 = 0.35;
/// Of the connections, this share is opened in an odd way, and this share has a fault of the network.
const OPENINGS: f64 = 0.2;
const LINKS: f64 = 0.5;
/// This share of the tokens is late or missing.
const TOKENS: f64 = 0.01;

/// A fault for one request, or for its connection.
#[derive(Clone, Copy, Debug)]
pub enum Drawn {
    Stream(Fault),
    Connection(Act),
}

impl World {
    pub fn new(seed: u64, most_calls: usize) -> Arc<Self> {
        let mut rng = Rng::with_seed(seed);
        let decks = Decks {
            ordinary: Deck::new(Fault::ORDINARY, rng.fork()),
            by_hand: Deck::new(Fault::BY_HAND, rng.fork()),
            acts: Deck::new(Act::ALL, rng.fork()),
            openings: Deck::new(Opening::ALL, rng.fork()),
            links: Deck::new(Link::ALL, rng.fork()),
            tokens: Deck::new(Credential::ALL, rng.fork()),
            rng,
        };
        Arc::new(Self {
            truth: Truth::new(most_calls),
            tally: Tally::default(),
            calls: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
            seed,
            latest: AtomicU64::new(0),
            decks: Mutex::new(decks),
            clients: OnceLock::new(),
        })
    }

    fn draw<T>(&self, share: f64, draw: impl FnOnce(&mut Decks) -> T) -> Option<T> {
        let mut decks = self.decks.lock().expect("nothing panics under the lock");
        let is_hit = decks.rng.f64() < share && !self.stop.load(Ordering::Relaxed);
        is_hit.then(|| draw(&mut decks))
    }

    /// A fault that a server library can produce.
    pub fn ordinary_fault(&self) -> Option<Fault> {
        let fault = self.draw(FAULTS, |decks| decks.ordinary.draw());
        self.tally.note(&fault);
        fault
    }

    pub fn fault_by_hand(&self) -> Option<Drawn> {
        let drawn = self.draw(FAULTS, |decks| {
            if decks.rng.f64() < ACTS {
                Drawn::Connection(decks.acts.draw())
            } else if decks.rng.bool() {
                Drawn::Stream(decks.ordinary.draw())
            } else {
                Drawn::Stream(decks.by_hand.draw())
            }
        });
        match drawn {
            Some(Drawn::Stream(fault)) => self.tally.note(&Some(fault)),
            Some(Drawn::Connection(act)) => self.tally.note(&Some(act)),
            None => {}
        }
        drawn
    }

    pub fn opening(&self) -> Option<Opening> {
        let opening = self.draw(OPENINGS, |decks| decks.openings.draw());
        self.tally.note(&opening);
        opening
    }

    pub fn link(&self) -> Option<Link> {
        let link = self.draw(LINKS, |decks| decks.links.draw());
        self.tally.note(&link);
        link
    }

    pub fn token(&self) -> Option<Credential> {
        let token = self.draw(TOKENS, |decks| decks.tokens.draw());
        self.tally.note(&token);
        token
    }

    pub fn rng(&self) -> Rng {
        self.decks.lock().expect("nothing panics under the lock").rng.fork()
    }

    pub fn note_overrun(&self, overrun: Duration) {
        let micros = u64::try_from(overrun.as_micros()).expect("short");
        self.latest.fetch_max(micros, Ordering::Relaxed);
    }

    pub fn latest(&self) -> Duration {
        Duration::from_micros(self.latest.load(Ordering::Relaxed))
    }

    /// Called on the clients' runtime.
    pub fn watch_tasks(&self) {
        let _ = self.clients.set(Handle::current());
    }

    pub fn client_tasks(&self) -> usize {
        self.clients.get().map_or(0, |clients| clients.metrics().num_alive_tasks())
    }
}

/// How often each kind of fault occurred.
#[derive(Default)]
pub struct Tally(Mutex<BTreeMap<String, u64>>);

impl Tally {
    fn note(&self, fault: &Option<impl Debug>) {
        if let Some(fault) = fault {
            let mut counts = self.0.lock().expect("nothing panics under the lock");
            *counts.entry(format!("{fault:?}")).or_default() += 1;
        }
    }

    pub fn list(&self) -> Vec<(String, u64)> {
        self.0.lock().expect("nothing panics under the lock").clone().into_iter().collect()
    }

    pub fn kinds(&self) -> usize {
        self.0.lock().expect("nothing panics under the lock").len()
    }

    pub fn total(&self) -> u64 {
        self.0.lock().expect("nothing panics under the lock").values().sum()
    }
}
