//! What the server read and did, and what the callers were told.

use livestream_client::model::{StartChannelRequest, UpdateChannelRequest};
use prost::Message;
use std::{
    collections::{BTreeMap, HashMap, hash_map::RandomState},
    hash::BuildHasher,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Instant,
};

/// The kind of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Read,
    /// A mutation with a `request_id`.
    Keyed,
    /// One with a message that may exceed the flow-control window.
    LargeKeyed,
    /// A mutation without a `request_id`.
    Unkeyed,
    LargeUnkeyed,
}

/// A request, as the server reads it.
#[derive(Clone, Debug)]
pub struct Request {
    pub kind: Kind,
    pub number: usize,
    pub id: Option<String>,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum End {
    #[default]
    Open,
    Succeeded,
    /// With this cause, of those that were told.
    MayHaveRun(u16),
    HasNotRun(u16),
}

/// One call.
#[derive(Clone, Debug)]
struct Record {
    kind: Kind,
    end: End,
    is_late: bool,
    is_mixed_up: bool,
    /// Whether it succeeded before it was carried out.
    is_lost: bool,
    read_whole: u16,
    carried_out: u8,
    repeats: u16,
    /// The hash of the `request_id` under which it was carried out.
    id: u64,
    /// Milliseconds from the begin of the run to the first time that it was carried out.
    carried_out_at: u32,
    ended_at: u32,
}

/// All calls.
pub struct Truth {
    calls: Mutex<Vec<Record>>,
    causes: Mutex<Causes>,
    hasher: RandomState,
    begun: Instant,
    requests: AtomicU64,
    malformed: AtomicU64,
    made: AtomicUsize,
}

#[derive(Default)]
struct Causes {
    numbers: HashMap<String, u16>,
    texts: Vec<String>,
}

/// The comparison of what the callers were told with what the server did.
#[derive(Debug, Default)]
pub struct Verdict {
    pub calls: usize,
    pub succeeded: usize,
    pub may_have_run: usize,
    pub did_run: usize,
    pub repeats: usize,
    pub lost: Vec<usize>,
    pub twice: Vec<usize>,
    pub wrong: Vec<usize>,
    pub mixed_up: Vec<usize>,
    pub late: Vec<usize>,
    pub needless: Vec<usize>,
    pub needless_by_cause: BTreeMap<String, usize>,
}

const MARK: &[u8] = b"soak-";

impl Kind {
    pub const fn letter(self) -> char {
        match self {
            Self::Read => 'r',
            Self::Keyed => 'k',
            Self::LargeKeyed => 'l',
            Self::Unkeyed => 'u',
            Self::LargeUnkeyed => 'v',
        }
    }

    fn of(letter: u8) -> Option<Self> {
        let all = [Self::Read, Self::Keyed, Self::LargeKeyed, Self::Unkeyed, Self::LargeUnkeyed];
        all.into_iter().find(|kind| kind.letter() == char::from(letter))
    }

    /// The last part of the name of the resource of a call.
    pub fn id(self, number: usize) -> String {
        format!("soak-{}-{number}", self.letter())
    }
}

impl Request {
    /// Reads the body of a request: the resource's name says which call it belongs to. `None` unless
    /// it is one whole message of a known call.
    pub fn parse(body: &[u8]) -> Option<Self> {
        let (prefix, message) = body.split_at_checked(5)?;
        let length = u32::from_be_bytes(prefix[1..].try_into().ok()?);
        if prefix[0] != 0 || length as usize != message.len() {
            return None;
        }
        let at = message.windows(MARK.len()).position(|window| window == MARK)? + MARK.len();
        let kind = Kind::of(*message.get(at)?)?;
        let digits = message[at + 2..].iter().take_while(|byte| byte.is_ascii_digit());
        let number = digits.fold(0, |number, digit| number * 10 + usize::from(digit - b'0'));
        let id = match kind {
            Kind::Keyed => Some(StartChannelRequest::decode(message).ok()?.request_id),
            Kind::LargeKeyed => Some(UpdateChannelRequest::decode(message).ok()?.request_id),
            _ => None,
        };
        Some(Self { kind, number, id })
    }
}

impl Truth {
    /// Has room for this many calls.
    pub fn new(most: usize) -> Self {
        // Not zero anywhere, so that all of the memory is in use from the beginning.
        let empty = Record {
            kind: Kind::Unkeyed,
            end: End::Open,
            is_late: false,
            is_mixed_up: false,
            is_lost: false,
            read_whole: 0,
            carried_out: 0,
            repeats: 0,
            id: u64::MAX,
            carried_out_at: u32::MAX,
            ended_at: u32::MAX,
        };
        Self {
            calls: Mutex::new(vec![empty; most]),
            causes: Mutex::default(),
            hasher: RandomState::new(),
            begun: Instant::now(),
            requests: AtomicU64::new(0),
            malformed: AtomicU64::new(0),
            made: AtomicUsize::new(0),
        }
    }

    fn calls(&self) -> MutexGuard<'_, Vec<Record>> {
        self.calls.lock().expect("nothing panics under the lock")
    }

    fn now(&self) -> u32 {
        u32::try_from(self.begun.elapsed().as_millis()).expect("less than 49 days")
    }

    /// The number of a new call, as long as there is room.
    pub fn begin(&self, kind: Kind) -> Option<usize> {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        self.calls().get_mut(number)?.kind = kind;
        Some(number)
    }

    /// The server has read all of a request.
    pub fn read(&self, body: &[u8]) -> Option<Request> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let request = Request::parse(body);
        let mut calls = self.calls();
        match request.as_ref().and_then(|request| calls.get_mut(request.number)) {
            Some(call) => call.read_whole += 1,
            None => drop(self.malformed.fetch_add(1, Ordering::Relaxed)),
        }
        request
    }

    /// The server carries a request out, or recognizes it as a repeat.
    pub fn carry_out(&self, request: &Request) {
        let now = self.now();
        let id = request.id.as_ref().map(|id| self.hasher.hash_one(id));
        let mut calls = self.calls();
        let call = &mut calls[request.number];
        if call.carried_out > 0 && id == Some(call.id) {
            call.repeats += 1;
            return;
        }
        if call.carried_out == 0 {
            call.carried_out_at = now;
        }
        call.carried_out += 1;
        call.id = id.unwrap_or(u64::MAX);
    }

    /// A caller has an answer, of the call that `answer` names.
    pub fn succeeded(&self, number: usize, answer: &str) {
        let now = self.now();
        let mut calls = self.calls();
        let call = &mut calls[number];
        (call.end, call.ended_at) = (End::Succeeded, now);
        call.is_lost = call.kind != Kind::Read && call.carried_out == 0;
        call.is_mixed_up = !answer.ends_with(&call.kind.id(number));
    }

    /// A caller has an error.
    pub fn failed(&self, number: usize, may_have_run: bool, cause: &str) {
        let now = self.now();
        let cause = self.causes.lock().expect("nothing panics under the lock").number(cause);
        let end = if may_have_run { End::MayHaveRun(cause) } else { End::HasNotRun(cause) };
        let mut calls = self.calls();
        (calls[number].end, calls[number].ended_at) = (end, now);
    }

    pub fn is_late(&self, number: usize) {
        self.calls()[number].is_late = true;
    }

    /// The number of requests that were read whole.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    pub fn malformed(&self) -> u64 {
        self.malformed.load(Ordering::Relaxed)
    }

    pub fn verdict(&self) -> Verdict {
        let (calls, causes) = (self.calls(), self.causes.lock().expect("as above"));
        let mut verdict = Verdict::default();
        let made = self.made.load(Ordering::Relaxed);
        for (number, call) in calls.iter().take(made).enumerate() {
            verdict.calls += 1;
            verdict.succeeded += usize::from(call.end == End::Succeeded);
            verdict.repeats += usize::from(call.repeats);
            let mut note = |is_so: bool, list: fn(&mut Verdict) -> &mut Vec<usize>| {
                if is_so {
                    list(&mut verdict).push(number);
                }
            };
            note(call.is_late, |verdict| &mut verdict.late);
            note(call.is_mixed_up, |verdict| &mut verdict.mixed_up);
            if call.kind == Kind::Read {
                continue;
            }
            note(call.is_lost, |verdict| &mut verdict.lost);
            note(call.carried_out > 1, |verdict| &mut verdict.twice);
            let did_run = call.carried_out > 0;
            note(matches!(call.end, End::HasNotRun(_)) && did_run, |verdict| &mut verdict.wrong);
            if let End::MayHaveRun(cause) = call.end {
                verdict.may_have_run += 1;
                verdict.did_run += usize::from(did_run);
                if call.read_whole == 0 {
                    verdict.needless.push(number);
                    let cause = causes.texts[usize::from(cause)].clone();
                    *verdict.needless_by_cause.entry(cause).or_default() += 1;
                }
            }
        }
        verdict
    }

    /// The first of these calls, in words.
    pub fn tell(&self, numbers: &[usize]) -> String {
        let (calls, causes) = (self.calls(), self.causes.lock().expect("as above"));
        let tell = |number: &usize| {
            let call = &calls[*number];
            let cause = match call.end {
                End::MayHaveRun(cause) | End::HasNotRun(cause) => &causes.texts[usize::from(cause)],
                _ => "",
            };
            format!("\n  call {number}: {call:?} {cause}")
        };
        numbers.iter().take(10).map(tell).collect()
    }
}

impl Causes {
    fn number(&mut self, cause: &str) -> u16 {
        // Numbers in a message are not another cause.
        let cause = cause.replace(|letter: char| letter.is_ascii_digit(), "#");
        if let Some(number) = self.numbers.get(&cause) {
            return *number;
        }
        let number = u16::try_from(self.texts.len()).expect("few causes");
        self.texts.push(cause.clone());
        self.numbers.insert(cause, number);
        number
    }
}
