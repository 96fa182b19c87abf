//! HTTP/2 frames as they pass, and what the client must not do at its end of a connection.

use crate::trace::Trace;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf},
    time::Instant,
};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;

/// END_STREAM of DATA and HEADERS, ACK of SETTINGS and PING.
const FLAG: u8 = 1;
const MAX_CONCURRENT_STREAMS: u16 = 3;

const PREFACE: usize = 24;
const HEAD: usize = 9;

/// A timer of tokio's has a precision of a millisecond.
pub(crate) const TICK: Duration = Duration::from_millis(2);

/// A whole frame, or the preface.
pub(crate) struct Frame {
    pub(crate) bytes: Vec<u8>,
    is_preface: bool,
}

impl Frame {
    fn new(kind: u8, payload: &[u8]) -> Self {
        let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
        let mut bytes = vec![length[1], length[2], length[3], kind, 0, 0, 0, 0, 0];
        bytes.extend_from_slice(payload);
        Self { bytes, is_preface: false }
    }

    /// Excludes all streams above `last`.
    pub(crate) fn goaway(last: u32) -> Self {
        let mut payload = last.to_be_bytes().to_vec();
        payload.extend_from_slice(&[0; 4]);
        Self::new(GOAWAY, &payload)
    }

    pub(crate) fn settings(streams: u32) -> Self {
        let mut payload = MAX_CONCURRENT_STREAMS.to_be_bytes().to_vec();
        payload.extend_from_slice(&streams.to_be_bytes());
        Self::new(SETTINGS, &payload)
    }

    fn kind(&self) -> Option<u8> {
        (!self.is_preface).then(|| self.bytes[3])
    }

    fn has_flag(&self) -> bool {
        self.bytes[4] & FLAG != 0
    }

    fn stream(&self) -> u32 {
        number(&self.bytes[5..HEAD])
    }

    pub(crate) fn is_settings(&self) -> bool {
        self.kind() == Some(SETTINGS) && !self.has_flag()
    }

    pub(crate) fn is_settings_ack(&self) -> bool {
        self.kind() == Some(SETTINGS) && self.has_flag()
    }

    /// The limit on streams that it sets.
    fn max_streams(&self) -> Option<u32> {
        let settings = self.bytes[HEAD..].chunks_exact(6);
        let id = MAX_CONCURRENT_STREAMS.to_be_bytes();
        settings
            .filter(|setting| setting[..2] == id)
            .map(|setting| number(&setting[2..]))
            .next_back()
    }
}

fn number(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

/// Cuts a stream of bytes into frames.
pub(crate) struct Cutter {
    is_preface: bool,
    rest: Vec<u8>,
}

impl Cutter {
    pub(crate) fn of_client() -> Self {
        Self { is_preface: true, rest: Vec::new() }
    }

    pub(crate) fn of_server() -> Self {
        Self { is_preface: false, rest: Vec::new() }
    }

    /// The frames that are whole now.
    pub(crate) fn cut(&mut self, bytes: &[u8]) -> Vec<Frame> {
        self.rest.extend_from_slice(bytes);
        let mut frames = Vec::new();
        loop {
            let length = match (self.is_preface, self.rest.get(..3)) {
                (true, _) => PREFACE,
                (false, Some(length)) => HEAD + number(length) as usize,
                (false, None) => return frames,
            };
            if self.rest.len() < length {
                return frames;
            }
            let rest = self.rest.split_off(length);
            let bytes = std::mem::replace(&mut self.rest, rest);
            frames.push(Frame { bytes, is_preface: std::mem::take(&mut self.is_preface) });
        }
    }
}

/// What the client did on its connections. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Ledger(Arc<Mutex<Entries>>);

#[derive(Default)]
struct Entries {
    sent_at: BTreeMap<(u64, u32), Option<Instant>>,
    /// When the last frame of an answer arrived that the client still waited for.
    answered_at: BTreeMap<(u64, u32), Instant>,
    /// The connections that the client has not dropped.
    held: BTreeSet<u64>,
}

impl Ledger {
    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the client wrote the headers of this request, unless they may have waited in a buffer.
    pub(crate) fn sent_at(&self, connection: u64, stream: u32) -> Option<Instant> {
        self.entries().sent_at[&(connection, stream)]
    }

    pub(crate) fn answered_at(&self, connection: u64, stream: u32) -> Option<Instant> {
        self.entries().answered_at.get(&(connection, stream)).copied()
    }

    pub(crate) fn held(&self) -> Vec<u64> {
        self.entries().held.iter().copied().collect()
    }
}

/// The client's end of a connection. It checks what the client writes.
pub(crate) struct ClientEnd {
    io: DuplexStream,
    /// Whether the end of the stream is a reset.
    is_reset: bool,
    rules: Rules,
}

struct Rules {
    id: u64,
    trace: Trace,
    ledger: Ledger,
    up: Cutter,
    down: Cutter,
    goaway_at: Option<Instant>,
    /// The ping since which nothing has arrived.
    pinged_at: Option<Instant>,
    last_ping: Option<Instant>,
    /// The peer did not take bytes at once: what is written may be older than it seems.
    was_blocked: bool,
    open: BTreeSet<u32>,
    /// When all streams were last in use that the server allows: others may have waited in HTTP/2.
    full_at: Option<Instant>,
    /// The limits on streams in settings that the client has not acknowledged.
    told: VecDeque<u32>,
    max_streams: u32,
}

/// As the client's documentation says: a connection that has not answered a ping for a second takes no
/// new calls.
const SILENCE: Duration = Duration::from_secs(1);
/// The least time between two pings.
const PING_INTERVAL: Duration = Duration::from_secs(10);

impl ClientEnd {
    pub(crate) fn new(
        id: u64,
        io: DuplexStream,
        is_reset: bool,
        trace: Trace,
        ledger: Ledger,
    ) -> Self {
        ledger.entries().held.insert(id);
        let rules = Rules {
            id,
            trace,
            ledger,
            up: Cutter::of_client(),
            down: Cutter::of_server(),
            goaway_at: None,
            pinged_at: None,
            last_ping: None,
            was_blocked: false,
            open: BTreeSet::new(),
            full_at: None,
            told: VecDeque::new(),
            max_streams: u32::MAX,
        };
        Self { io, is_reset, rules }
    }
}

impl Drop for ClientEnd {
    fn drop(&mut self) {
        self.rules.ledger.entries().held.remove(&self.rules.id);
    }
}

impl Rules {
    fn written(&mut self, bytes: &[u8]) {
        for frame in self.up.cut(bytes) {
            match frame.kind() {
                Some(HEADERS) => self.begun(frame.stream()),
                Some(RST_STREAM) => drop(self.open.remove(&frame.stream())),
                // After a frame that breaks the protocol, the client reads no answers.
                Some(GOAWAY) => {
                    let mut entries = self.ledger.entries();
                    entries.answered_at.retain(|(connection, _), _| *connection != self.id);
                }
                Some(SETTINGS) if frame.has_flag() => {
                    if self.open.len() >= self.max_streams as usize {
                        self.full_at = Some(Instant::now());
                    }
                    self.max_streams = self.told.pop_front().unwrap_or(self.max_streams);
                }
                Some(PING) if !frame.has_flag() => self.pinged(),
                _ => {}
            }
        }
    }

    fn begun(&mut self, stream: u32) {
        let Self { id, max_streams, .. } = *self;
        let now = Instant::now();
        let sent_at = (!self.was_blocked).then_some(now);
        self.ledger.entries().sent_at.insert((id, stream), sent_at);
        self.open.insert(stream);
        let open = self.open.len();
        self.trace.require(open <= max_streams as usize, "stream limit", || {
            format!("{open} of {max_streams} streams on connection {id}")
        });
        let may_have_waited = self.full_at.is_some_and(|at| now <= at + TICK);
        if self.was_blocked || may_have_waited || open == max_streams as usize {
            return;
        }
        let is_late = |since: Option<Instant>| {
            since.is_some_and(|since| now > self.trace.reachable(since) + TICK)
        };
        self.trace.require(!is_late(self.goaway_at), "no request after a GOAWAY", || {
            format!("stream {stream} on connection {id}")
        });
        let silent_since = self.pinged_at.map(|at| at + SILENCE);
        self.trace.require(!is_late(silent_since), "no request on a silent connection", || {
            format!("stream {stream} on connection {id}")
        });
    }

    fn pinged(&mut self) {
        let now = Instant::now();
        let is_early = self.last_ping.is_some_and(|last| now + TICK < last + PING_INTERVAL);
        self.trace.require(!is_early || self.was_blocked, "ping interval", || {
            format!("two pings within {:?}", self.last_ping.map(|last| now - last))
        });
        self.last_ping = Some(now);
        self.pinged_at.get_or_insert(now);
    }

    fn read(&mut self, bytes: &[u8]) {
        self.pinged_at = None;
        if self.open.len() >= self.max_streams as usize {
            self.full_at = Some(Instant::now());
        }
        for frame in self.down.cut(bytes) {
            match frame.kind() {
                Some(GOAWAY) => drop(self.goaway_at.get_or_insert_with(Instant::now)),
                Some(RST_STREAM) => drop(self.open.remove(&frame.stream())),
                Some(HEADERS | DATA) if frame.has_flag() => {
                    let was_open = self.open.remove(&frame.stream());
                    // A reset that waits in a buffer says that nobody waits for the answer.
                    let is_awaited = was_open && !self.was_blocked;
                    let answer = (self.id, frame.stream());
                    let now = is_awaited.then(Instant::now);
                    self.ledger.entries().answered_at.extend(now.map(|now| (answer, now)));
                }
                Some(SETTINGS) if !frame.has_flag() => {
                    let latest = self.told.back().copied().unwrap_or(self.max_streams);
                    self.told.push_back(frame.max_streams().unwrap_or(latest));
                }
                _ => {}
            }
        }
    }
}

impl AsyncRead for ClientEnd {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buffer))?;
        let bytes = &buffer.filled()[before..];
        if bytes.is_empty() && self.is_reset {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if !bytes.is_empty() {
            self.rules.read(bytes);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ClientEnd {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, bytes);
        match &written {
            Poll::Ready(Ok(written)) => self.rules.written(&bytes[..*written]),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.rules.was_blocked = true,
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
