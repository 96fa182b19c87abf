//! A server that writes its frames by hand, for sequences that no server library sends.
//!
//! What it says of a request is true: it does not carry out a stream that its GOAWAY excludes, nor one
//! that it refuses before the response headers. The faults in which a frame claims otherwise come after
//! the response headers, which prove that the server saw the request.

use crate::{
    faults::{self, Act, Fault, Opening, Plan, Step, framed, grpc, millis},
    frames::{
        self, ACK, DATA, END_HEADERS, END_STREAM, HEADERS, INITIAL_WINDOW_SIZE,
        MAX_CONCURRENT_STREAMS, PADDED, PING, PUSH_PROMISE, RST_STREAM, SETTINGS, WINDOW_UPDATE,
        frame, go_away, headers, settings, window_update,
    },
    proxy::BoxIo,
    truth::{Kind, Request},
    world::{Drawn, World},
};
use bytes::Bytes;
use fastrand::Rng;
use livestream_client::{
    model::{Channel, PreviewInputResponse},
    proto::google::longrunning::Operation,
};
use prost::Message;
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, BufReader, ReadHalf, WriteHalf, split},
    sync::{Mutex as AsyncMutex, Notify},
    task::{AbortHandle, JoinSet},
    time::sleep,
};

const MAX_FRAME: usize = 16_384;
const MAX_STREAM: u32 = u32::MAX >> 1;
const PREFACE: usize = 24;

/// One connection, as its tasks share it.
struct Connection {
    world: Arc<World>,
    writer: AsyncMutex<WriteHalf<BoxIo>>,
    book: Mutex<Book>,
    closed: Notify,
}

/// The streams of a connection.
#[derive(Default)]
struct Book {
    /// The last stream that the server may process, once it has said so.
    last: Option<u32>,
    /// The highest stream that it has begun to process.
    begun: u32,
    active: BTreeSet<u32>,
}

/// A request while it arrives.
struct Arriving {
    fault: Option<Drawn>,
    body: Vec<u8>,
}

/// The answer to a request. It names the call.
pub fn answer_to(request: &Request) -> Bytes {
    let id = request.kind.id(request.number);
    let location = "projects/p/locations/us-central1";
    let message = match request.kind {
        Kind::Read => Channel { name: format!("{location}/channels/{id}"), ..Default::default() }
            .encode_to_vec(),
        Kind::Unkeyed => {
            PreviewInputResponse { uri: format!("https://preview.test/{id}"), ..Default::default() }
                .encode_to_vec()
        }
        _ => Operation { name: format!("{location}/operations/{id}"), ..Default::default() }
            .encode_to_vec(),
    };
    framed(0, &message, 0)
}

/// Serves one connection to its end.
pub async fn serve(io: BoxIo, world: Arc<World>) {
    let (reader, writer) = split(io);
    let (writer, book) = (AsyncMutex::new(writer), Mutex::default());
    let connection = Arc::new(Connection { world, writer, book, closed: Notify::new() });
    let closed = connection.clone();
    tokio::select! {
        // No caller needs the result.
        _ = connection.serve(BufReader::new(reader)) => {}
        () = closed.closed.notified() => {}
    }
}

impl Connection {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().expect("nothing panics under the lock")
    }

    async fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let mut writer = self.writer.lock().await;
        writer.write_all(bytes).await?;
        writer.flush().await
    }

    async fn serve(self: Arc<Self>, mut reader: BufReader<ReadHalf<BoxIo>>) -> io::Result<()> {
        let mut rng = self.world.rng();
        let mut preface = [0; PREFACE];
        reader.read_exact(&mut preface).await?;
        let opening = self.world.opening();
        let mut tasks = JoinSet::new();
        let connection = self.clone();
        let mut opener = rng.fork();
        tasks.spawn(async move { connection.open(opening, &mut opener).await });
        let is_mean = opening == Some(Opening::WindowTiny);
        let closes = matches!(opening, Some(Opening::CloseBeforeSettings));
        let mut arriving = BTreeMap::<u32, Arriving>::new();
        let mut handlers = BTreeMap::<u32, AbortHandle>::new();
        loop {
            let frame = frames::read(&mut reader).await?;
            let (stream, is_end) = (frame.stream, frame.flags & END_STREAM != 0);
            match frame.kind {
                HEADERS if closes => return Ok(()),
                HEADERS => {
                    let fault = self.world.fault_by_hand();
                    if let Some(Drawn::Stream(fault)) = fault
                        && fault.is_early()
                    {
                        let plan = faults::plan(Some(fault), &Bytes::new(), &mut rng);
                        let run = self.clone().run(stream, None, plan);
                        handlers.insert(stream, tasks.spawn(run));
                    } else {
                        arriving.insert(stream, Arriving { fault, body: Vec::new() });
                    }
                }
                DATA => {
                    if !frame.payload.is_empty() && !is_mean {
                        let length = frame.payload.len();
                        let mut more = window_update(0, length);
                        if !is_end {
                            more.extend(window_update(stream, length));
                        }
                        self.write(&more).await?;
                    }
                    if let Some(request) = arriving.get_mut(&stream) {
                        request.body.extend_from_slice(&frame.payload);
                    }
                }
                RST_STREAM => {
                    arriving.remove(&stream);
                    if let Some(handler) = handlers.remove(&stream) {
                        handler.abort();
                        self.book().active.remove(&stream);
                    }
                }
                SETTINGS if frame.flags & ACK == 0 && opening != Some(Opening::SettingsNever) => {
                    self.write(&frames::frame(SETTINGS, ACK, 0, &[])).await?;
                }
                PING if frame.flags & ACK == 0 => {
                    self.write(&frames::frame(PING, ACK, 0, &frame.payload)).await?;
                }
                _ => {}
            }
            if is_end
                && matches!(frame.kind, HEADERS | DATA)
                && let Some(request) = arriving.remove(&stream)
                && let Some(task) = self.arrived(stream, request, &mut rng)
            {
                handlers.insert(stream, tasks.spawn(task));
            }
            while tasks.try_join_next().is_some() {}
            handlers.retain(|_, handler| !handler.is_finished());
        }
    }

    /// Sends the settings in the usual way or in another one.
    async fn open(self: Arc<Self>, opening: Option<Opening>, rng: &mut Rng) -> io::Result<()> {
        let usual = settings(&[(MAX_CONCURRENT_STREAMS, [8, 50, 100, 1000][rng.usize(..4)])]);
        match opening {
            None => self.write(&usual).await,
            Some(Opening::SettingsLate) => {
                sleep(millis(50..1500, rng)).await;
                self.write(&usual).await
            }
            Some(Opening::SettingsNever | Opening::CloseBeforeSettings) => Ok(()),
            Some(Opening::CloseAfterSettings) => {
                self.write(&usual).await?;
                sleep(millis(0..30, rng)).await;
                self.closed.notify_one();
                Ok(())
            }
            Some(Opening::GoAwayAtOnce) => {
                let last = self.exclude(0);
                self.write(&[usual, go_away(last, 0, "")].concat()).await?;
                sleep(millis(0..100, rng)).await;
                self.closed.notify_one();
                Ok(())
            }
            Some(Opening::WindowTiny) => {
                self.write(&settings(&[(INITIAL_WINDOW_SIZE, 16)])).await?;
                sleep(millis(100..3000, rng)).await;
                self.write(&settings(&[(INITIAL_WINDOW_SIZE, 1 << 20)])).await
            }
            Some(Opening::StreamsZeroAtFirst) => {
                self.write(&settings(&[(MAX_CONCURRENT_STREAMS, 0)])).await?;
                sleep(millis(50..1500, rng)).await;
                self.write(&settings(&[(MAX_CONCURRENT_STREAMS, 100)])).await
            }
            Some(Opening::OneStream) => self.write(&settings(&[(MAX_CONCURRENT_STREAMS, 1)])).await,
        }
    }

    /// A request is there as a whole.
    fn arrived(
        self: &Arc<Self>,
        stream: u32,
        arrived: Arriving,
        rng: &mut Rng,
    ) -> Option<impl Future<Output = io::Result<()>> + Send + use<>> {
        let request = self.world.truth.read(&arrived.body)?;
        let answer = answer_to(&request);
        let (act, fault) = match arrived.fault {
            Some(Drawn::Connection(act)) => (Some(act), None),
            Some(Drawn::Stream(fault)) => (None, Some(fault)),
            None => (None, None),
        };
        let plan = faults::plan(fault, &answer, rng);
        let (connection, mut rng) = (self.clone(), rng.fork());
        Some(async move {
            match act {
                None => connection.run(stream, Some(request), plan).await,
                Some(act) => connection.act(stream, request, act, plan, &mut rng).await,
            }
        })
    }

    /// Begins to process a stream, unless a GOAWAY has excluded it, and carries the request out.
    fn begin(&self, stream: u32, request: Option<&Request>, carries_out: bool) -> bool {
        let mut book = self.book();
        if book.last.is_some_and(|last| stream > last) {
            return false;
        }
        book.begun = book.begun.max(stream);
        book.active.insert(stream);
        if let Some(request) = request.filter(|_| carries_out) {
            self.world.truth.carry_out(request);
        }
        true
    }

    /// Excludes all streams that have not begun. Returns the last that is included.
    fn exclude(&self, at_least: u32) -> u32 {
        let mut book = self.book();
        let last = book.begun.max(at_least).min(book.last.unwrap_or(MAX_STREAM));
        book.last = Some(last);
        last
    }

    async fn run(
        self: Arc<Self>,
        stream: u32,
        request: Option<Request>,
        plan: Plan,
    ) -> io::Result<()> {
        if !self.begin(stream, request.as_ref(), plan.carries_out) {
            return Ok(());
        }
        for step in plan.steps {
            self.step(stream, step).await?;
        }
        self.book().active.remove(&stream);
        Ok(())
    }

    async fn step(&self, stream: u32, step: Step) -> io::Result<()> {
        let bytes = match step {
            Step::Wait(time) => {
                sleep(time).await;
                return Ok(());
            }
            Step::Silence => std::future::pending().await,
            Step::Headers(fields) => headers(stream, &fields, 0, MAX_FRAME),
            Step::Only(fields) | Step::Trailers(fields) => {
                headers(stream, &fields, END_STREAM, MAX_FRAME)
            }
            Step::OpenTrailers(fields) => headers(stream, &fields, 0, MAX_FRAME),
            Step::SplitHeaders(fields) => headers(stream, &fields, 0, 10),
            Step::Interim => headers(stream, &vec![(":status", "103".into())], 0, MAX_FRAME),
            Step::Data(data) => frame(DATA, 0, stream, &data),
            Step::LastData(data) => frame(DATA, END_STREAM, stream, &data),
            Step::PaddedData(data) => {
                let payload = [&[9][..], &data, &[0; 9]].concat();
                frame(DATA, PADDED, stream, &payload)
            }
            Step::Reset(code) => frame(RST_STREAM, 0, stream, &code.to_be_bytes()),
        };
        self.write(&bytes).await
    }

    async fn close(&self, wait: Duration) -> io::Result<()> {
        sleep(wait).await;
        self.closed.notify_one();
        Ok(())
    }

    /// Answers a request, or not, and strikes its connection.
    async fn act(
        self: Arc<Self>,
        stream: u32,
        request: Request,
        act: Act,
        plan: Plan,
        rng: &mut Rng,
    ) -> io::Result<()> {
        let (soon, later) = (millis(0..5, rng), millis(0..300, rng));
        let coin = rng.bool();
        match act {
            Act::GoAwayExcluding => {
                let last = self.exclude(0);
                self.write(&go_away(last, 0, "")).await?;
                return self.close(later).await;
            }
            Act::CloseBeforeItRuns => return self.close(soon).await,
            _ => {}
        }
        let is_begun = self.begin(stream, Some(&request), true);
        let head = headers(stream, &grpc(), 0, MAX_FRAME);
        let strike = match act {
            Act::GoAwayExcluding | Act::CloseBeforeItRuns => unreachable!("handled above"),
            Act::GoAwayGraceful => {
                self.write(&go_away(MAX_STREAM, 0, "")).await?;
                sleep(soon).await;
                let last = self.exclude(0);
                self.write(&go_away(last, 0, "")).await?;
                Vec::new()
            }
            Act::GoAwayThenClose => {
                let last = self.exclude(0);
                self.write(&go_away(last, 0, "")).await?;
                return self.close(soon).await;
            }
            Act::GoAwayTooManyPings => go_away(self.exclude(0), 11, "too_many_pings"),
            Act::GoAwayInternalError => go_away(self.exclude(0), 2, ""),
            Act::GoAwayProtocolError => go_away(self.exclude(0), 1, ""),
            // False: the response headers prove that the server has seen the request. No other
            // request may be in progress, of which it would be false without proof.
            Act::GoAwayAfterHeadersExcluding if is_begun => {
                self.write(&head).await?;
                sleep(soon).await;
                let is_alone = {
                    let mut book = self.book();
                    let is_alone = book.active.iter().eq([&stream]);
                    if is_alone {
                        book.last = Some(stream);
                    }
                    is_alone
                };
                if is_alone {
                    self.write(&go_away(stream.saturating_sub(2), 0, "")).await?;
                }
                return self.close(later).await;
            }
            Act::GoAwayAfterHeadersExcluding | Act::CloseAfterItRan => {
                return self.close(soon).await;
            }
            Act::CloseAfterHeaders => {
                self.write(&head).await?;
                return self.close(soon).await;
            }
            Act::CloseWithinData => {
                let data = frame(DATA, 0, stream, &answer_to(&request));
                let cut = data.len() - rng.usize(1..data.len());
                self.write(&[head, data[..cut].to_vec()].concat()).await?;
                return self.close(soon).await;
            }
            Act::StreamsLowered => settings(&[(MAX_CONCURRENT_STREAMS, rng.u32(1..5))]),
            Act::StreamsZero => settings(&[(MAX_CONCURRENT_STREAMS, 0)]),
            Act::StreamsRaised => settings(&[(MAX_CONCURRENT_STREAMS, 2000)]),
            Act::WindowZero => {
                self.write(&settings(&[(INITIAL_WINDOW_SIZE, 0)])).await?;
                sleep(later * 3).await;
                settings(&[(INITIAL_WINDOW_SIZE, 1 << 20)])
            }
            Act::HeaderTableZero => settings(&[(frames::HEADER_TABLE_SIZE, 0)]),
            Act::PingFlood => frame(PING, 0, 0, &[7; 8]).repeat(100),
            Act::UnknownFrames => frame(0xfa, 0xff, if coin { 0 } else { stream }, &[1; 50]),
            Act::WindowOverflow => frame(WINDOW_UPDATE, 0, 0, &MAX_STREAM.to_be_bytes()),
            // Index 0 is not used.
            Act::MalformedHeaderBlock => frame(HEADERS, END_HEADERS, stream, &[0x80]),
            Act::PushPromise => {
                let promise = [&2_u32.to_be_bytes()[..], &[0x82]].concat();
                frame(PUSH_PROMISE, END_HEADERS, stream, &promise)
            }
            Act::ResetOfIdleStream => frame(RST_STREAM, 0, MAX_STREAM, &[0; 4]),
            Act::FrameTooLarge => frame(DATA, 0, stream, &[0; MAX_FRAME + 1]),
            Act::DataOnIdleStream => frame(DATA, 0, MAX_STREAM, b"0"),
        };
        self.write(&strike).await?;
        if is_begun {
            for step in plan.steps {
                self.step(stream, step).await?;
            }
            self.book().active.remove(&stream);
        }
        match act {
            Act::GoAwayGraceful
            | Act::GoAwayTooManyPings
            | Act::GoAwayInternalError
            | Act::GoAwayProtocolError => self.close(later).await,
            _ => Ok(()),
        }
    }
}

/// Faults strike while a request is processed, so the list of them must fit.
const _: () = assert!(Fault::BY_HAND.len() == 8);
