//! Byte streams between the client and the servers, with delays and faults.

use crate::{
    server::Service,
    trace::Trace,
    wire::{ClientEnd, Cutter, Frame, Ledger},
};
use std::{
    collections::VecDeque,
    future::pending,
    io, mem,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf, duplex, split},
    sync::Notify,
    time::{Instant, sleep, sleep_until},
};

/// How often the network fails, in percent of the connections, and how slow it is.
#[derive(Clone, Debug)]
pub(crate) struct Faults {
    latency: Duration,
    refuses: u8,
    stalls: u8,
    /// Connections that break at some byte.
    breaks: u8,
    /// Connections that fall silent at some byte, in one direction or in both.
    falls_silent: u8,
    /// Connections whose peer reads slowly, and which hold few bytes.
    reads_slowly: u8,
    /// Times during which nothing arrives.
    partitions: Vec<(Duration, Duration)>,
    /// When the servers crash, and for how long there are none.
    pub(crate) crashes: Vec<(Duration, Duration)>,
    /// When the clock jumps forward, and how far.
    jumps: Vec<(Duration, Duration)>,
    /// When the faults end.
    pub(crate) heals_at: Duration,
}

impl Faults {
    /// Each rate is zero in half of the runs, so that faults also occur alone.
    pub(crate) fn draw(rng: &mut fastrand::Rng) -> Self {
        let mut rate = |most: u8| if rng.bool() { rng.u8(..most) } else { 0 };
        let (refuses, stalls, breaks, falls_silent) = (rate(40), rate(30), rate(60), rate(40));
        let reads_slowly = rate(50);
        let mut times = |most: u64| {
            let begin = Duration::from_millis(rng.u64(..60_000));
            (begin, Duration::from_millis(rng.u64(100..most)))
        };
        let partitions = (times(20_000), times(20_000));
        let crashes = (times(30_000), times(5_000));
        let jumps = [times(3_000), times(30_000)];
        let partitions = [partitions.0, partitions.1].into_iter().take(rng.usize(..3));
        let crashes = [crashes.0, crashes.1].into_iter().take(rng.usize(..6).saturating_sub(3));
        let jumps = jumps.into_iter().take(rng.usize(..6).saturating_sub(3)).collect();
        let (partitions, mut crashes) = (partitions.collect(), crashes.collect::<Vec<_>>());
        let mut heals_at = Duration::from_secs(rng.u64(20..120));
        if rng.u8(..32) == 0 {
            // An outage that outlasts the memory of request ids.
            let lasts = Duration::from_secs(rng.u64(57..70) * 60);
            crashes = vec![(Duration::from_millis(rng.u64(..20_000)), lasts)];
            heals_at = lasts + Duration::from_secs(180);
        }
        let latency = Duration::from_millis(rng.u64(..100));
        Self {
            latency,
            refuses,
            stalls,
            breaks,
            falls_silent,
            reads_slowly,
            partitions,
            crashes,
            jumps,
            heals_at,
        }
    }

    /// The same faults for a workload of long operations.
    pub(crate) fn for_longer(self) -> Self {
        Self { heals_at: self.heals_at * 10, ..self }
    }

    /// Whether the faults last for longer than request ids are remembered.
    pub(crate) fn are_long(&self) -> bool {
        self.heals_at > Duration::from_secs(1_000)
    }
}

/// The network of a run. Clones share it.
#[derive(Clone)]
pub(crate) struct Network {
    trace: Trace,
    pub(crate) ledger: Ledger,
    faults: Arc<Faults>,
    service: Service,
    rng: Arc<Mutex<fastrand::Rng>>,
    dials: Arc<AtomicU64>,
    begun: Instant,
    is_healed: Arc<AtomicBool>,
    is_down: Arc<AtomicBool>,
    crashed: Arc<Notify>,
    closed: Arc<Notify>,
}

/// What will go wrong on one connection.
struct Fate {
    /// The byte at which it breaks, in each direction.
    breaks_at: [Option<usize>; 2],
    silent_at: [Option<usize>; 2],
    /// How long the server takes before each read.
    slowness: Duration,
    /// Whether only one direction ends when the connection breaks.
    stays_half_open: bool,
    /// Whether the client sees a reset at the end, instead of an orderly close.
    is_reset: bool,
    /// Whether the client does not notice a crash.
    crashes_silently: bool,
}

/// How a server reaches into its connection, below its HTTP/2.
#[derive(Default)]
pub(crate) struct Link {
    inbox: Mutex<Vec<Frame>>,
    arrived: Notify,
    cut: Notify,
    /// For each SETTINGS on its way, whether it was put in here.
    settings: Mutex<VecDeque<bool>>,
}

impl Link {
    /// Sends a frame of which the server's HTTP/2 knows nothing.
    pub(crate) fn inject(&self, frame: Frame) {
        self.inbox.lock().expect("no panic under the lock").push(frame);
        self.arrived.notify_one();
    }

    /// Ends the connection.
    pub(crate) fn cut(&self) {
        self.cut.notify_one();
    }

    fn down(&self, cutter: &mut Cutter, bytes: &[u8]) -> Vec<u8> {
        let mut settings = self.settings.lock().expect("no panic under the lock");
        let mut frames = cutter.cut(bytes);
        settings.extend(frames.iter().filter(|frame| frame.is_settings()).map(|_| false));
        let injected = mem::take(&mut *self.inbox.lock().expect("no panic under the lock"));
        settings.extend(injected.iter().filter(|frame| frame.is_settings()).map(|_| true));
        frames.extend(injected);
        frames.into_iter().flat_map(|frame| frame.bytes).collect()
    }

    /// The server would not know what an acknowledgement of injected settings is for.
    fn up(&self, cutter: &mut Cutter, bytes: &[u8]) -> Vec<u8> {
        let mut settings = self.settings.lock().expect("no panic under the lock");
        let mut frames = cutter.cut(bytes);
        frames.retain(|frame| {
            !frame.is_settings_ack() || settings.pop_front().is_none_or(|injected| !injected)
        });
        frames.into_iter().flat_map(|frame| frame.bytes).collect()
    }
}

/// One direction of a connection.
struct Direction {
    breaks_at: Option<usize>,
    silent_at: Option<usize>,
    slowness: Duration,
    rng: fastrand::Rng,
    cutter: Cutter,
    is_down: bool,
}

impl Network {
    pub(crate) fn new(
        trace: Trace,
        faults: Faults,
        service: Service,
        ledger: Ledger,
        rng: fastrand::Rng,
    ) -> Self {
        trace.log("network", || format!("{faults:?}"));
        Self {
            trace,
            ledger,
            faults: Arc::new(faults),
            service,
            rng: Arc::new(rng.into()),
            dials: Arc::default(),
            begun: Instant::now(),
            is_healed: Arc::default(),
            is_down: Arc::default(),
            crashed: Arc::default(),
            closed: Arc::default(),
        }
    }

    pub(crate) fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Crashes and restarts the servers, and heals the network, each at its time.
    pub(crate) async fn fail_and_heal(self) {
        let crash = async {
            for (at, lasts) in &self.faults.crashes {
                sleep_until(self.begun + *at).await;
                self.trace.log("network", || format!("all servers crash for {lasts:?}"));
                self.trace.count_fault("crash of all servers");
                self.is_down.store(true, Ordering::Relaxed);
                self.service.crash();
                self.crashed.notify_waiters();
                sleep(*lasts).await;
                self.is_down.store(false, Ordering::Relaxed);
            }
            pending::<()>().await;
        };
        let jump = async {
            for (at, by) in &self.faults.jumps {
                sleep_until(self.begun + *at).await;
                self.trace.jump(*by).await;
            }
            pending::<()>().await;
        };
        self.faults.partitions.iter().for_each(|_| self.trace.count_fault("partition"));
        tokio::select! {
            biased;
            () = sleep_until(self.begun + self.faults.heals_at) => {}
            () = crash => {}
            () = jump => {}
        }
        // Nothing goes wrong on connections that begin from now on.
        self.trace.log("network", || "healed".into());
        self.is_down.store(false, Ordering::Relaxed);
        self.is_healed.store(true, Ordering::Relaxed);
        self.service.heal();
    }

    /// Ends all connections.
    pub(crate) fn close(&self) {
        self.service.crash();
        self.closed.notify_waiters();
    }

    /// Opens a connection to a server.
    pub(crate) async fn dial(self) -> io::Result<ClientEnd> {
        let id = self.dials.fetch_add(1, Ordering::Relaxed);
        let mut rng = self.rng.lock().expect("no panic under the lock").fork();
        let is_healed = self.is_healed.load(Ordering::Relaxed);
        let Faults { latency, refuses, stalls, breaks, falls_silent, reads_slowly, .. } =
            *self.faults;
        let mut happens = |fault, percent: u8| {
            let happens = !is_healed && rng.u8(..100) < percent;
            if happens {
                self.trace.count_fault(fault);
            }
            happens
        };
        let is_refused = happens("refused connection", refuses);
        let is_stalled = happens("stalled connection", stalls);
        let is_broken = happens("broken connection", breaks);
        let is_silent = happens("silent connection", falls_silent);
        let is_slow = happens("slow reader", reads_slowly);
        sleep(latency * 2).await;
        if is_stalled {
            self.trace.log("dial", || format!("connection {id} stalls"));
            pending::<()>().await;
        }
        if is_refused || self.is_down.load(Ordering::Relaxed) {
            self.trace.log("dial", || format!("connection {id} is refused"));
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        self.trace.log("dial", || format!("connection {id}"));
        let mut byte = |happens| (happens && rng.bool()).then(|| rng.usize(..4_000));
        let (breaks_at, silent_at) =
            ([byte(is_broken), byte(is_broken)], [byte(is_silent), byte(is_silent)]);
        let slowness = Duration::from_millis(if is_slow { rng.u64(..5_000) } else { 0 });
        let fate = Fate {
            breaks_at,
            silent_at,
            slowness,
            stays_half_open: rng.u8(..4) == 0,
            is_reset: rng.bool(),
            crashes_silently: rng.u8(..3) == 0,
        };
        let holds = if is_slow { [16, 64, 1_024][rng.usize(..3)] } else { 1 << 14 };
        let (client, near) = duplex(holds);
        let (far, server) = duplex(1 << 14);
        let link = Arc::<Link>::default();
        self.service.clone().serve(id, server, link.clone(), rng.fork());
        let end =
            ClientEnd::new(id, client, fate.is_reset, self.trace.clone(), self.ledger.clone());
        tokio::spawn(self.clone().carry(id, near, far, fate, link, rng));
        Ok(end)
    }

    /// Carries bytes both ways until the connection breaks or the run ends.
    async fn carry(
        self,
        id: u64,
        near: DuplexStream,
        far: DuplexStream,
        fate: Fate,
        link: Arc<Link>,
        mut rng: fastrand::Rng,
    ) {
        let (near, far) = (split(near), split(far));
        let (mut closed, mut crashed) =
            (pin!(self.closed.notified()), pin!(self.crashed.notified()));
        closed.as_mut().enable();
        crashed.as_mut().enable();
        let mut up = Direction {
            breaks_at: fate.breaks_at[0],
            silent_at: fate.silent_at[0],
            slowness: fate.slowness,
            rng: rng.fork(),
            cutter: Cutter::of_client(),
            is_down: false,
        };
        let mut down = Direction {
            breaks_at: fate.breaks_at[1],
            silent_at: fate.silent_at[1],
            slowness: Duration::ZERO,
            rng: rng.fork(),
            cutter: Cutter::of_server(),
            is_down: true,
        };
        let ((near_in, mut near_out), (far_in, mut far_out)) = (near, far);
        let both = async {
            let mut up = pin!(self.copy(&link, near_in, &mut far_out, &mut up));
            let mut down = pin!(self.copy(&link, far_in, &mut near_out, &mut down));
            tokio::select! {
                biased;
                is_fault = &mut up => {
                    if is_fault && fate.stays_half_open {
                        down.await;
                    }
                    "from the client"
                }
                is_fault = &mut down => {
                    if is_fault && fate.stays_half_open {
                        up.await;
                    }
                    "from the server"
                }
            }
        };
        let why = tokio::select! {
            biased;
            () = closed => return,
            () = crashed => {
                if fate.crashes_silently {
                    self.trace.log("end", || format!("connection {id} is silent after a crash"));
                    return self.closed.notified().await;
                }
                "crash"
            }
            () = link.cut.notified() => "cut by the server",
            why = both => why,
        };
        self.trace.log("end", || format!("connection {id} ended: {why}"));
    }

    /// Copies pieces of random sizes, each with the latency, until the stream ends. Returns whether a
    /// fault ended it.
    async fn copy(
        &self,
        link: &Link,
        mut from: ReadHalf<DuplexStream>,
        to: &mut WriteHalf<DuplexStream>,
        direction: &mut Direction,
    ) -> bool {
        let Direction { breaks_at, silent_at, slowness, is_down, .. } = *direction;
        let Direction { rng, cutter, .. } = direction;
        let (mut carried, mut buffer) = (0, [0; 2_048]);
        loop {
            if !self.is_healed.load(Ordering::Relaxed) && !slowness.is_zero() {
                sleep(slowness).await;
            }
            let read = tokio::select! {
                biased;
                () = link.arrived.notified(), if is_down => 0,
                read = from.read(&mut buffer) => match read {
                    // The other side closes only after what is on its way has arrived.
                    Ok(0) | Err(_) => return false,
                    Ok(read) => read,
                },
            };
            let read = &buffer[..read];
            let bytes = if is_down { link.down(cutter, read) } else { link.up(cutter, read) };
            let mut bytes = &bytes[..];
            while !bytes.is_empty() {
                let (piece, rest) = bytes.split_at(rng.usize(1..=2_048).min(bytes.len()));
                bytes = rest;
                let end = |at: Option<usize>| {
                    at.map_or(piece.len(), |at| at.saturating_sub(carried).min(piece.len()))
                };
                let passes = end(breaks_at).min(end(silent_at));
                sleep(self.faults.latency.mul_f64(0.5 + rng.f64())).await;
                self.pass_partitions().await;
                if to.write_all(&piece[..passes]).await.is_err() {
                    return false;
                }
                carried += passes;
                if passes < piece.len() {
                    if silent_at == Some(carried) {
                        pending::<()>().await;
                    }
                    let _ = to.shutdown().await;
                    return true;
                }
            }
        }
    }

    async fn pass_partitions(&self) {
        for (begin, lasts) in &self.faults.partitions {
            let end = *begin + *lasts;
            if (*begin..end).contains(&self.begun.elapsed())
                && !self.is_healed.load(Ordering::Relaxed)
            {
                sleep_until(self.begun + end).await;
            }
        }
    }
}
