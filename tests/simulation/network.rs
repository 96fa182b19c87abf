//! Byte streams between the client and the servers, with delays and faults.

use crate::{server::Service, trace::Trace};
use std::{
    future::pending,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf, duplex, split},
    sync::watch,
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
    /// Times during which nothing arrives.
    partitions: Vec<(Duration, Duration)>,
}

impl Faults {
    /// Each rate is zero in half of the runs, so that faults also occur alone.
    pub(crate) fn draw(rng: &mut fastrand::Rng) -> Self {
        let mut rate = |most: u8| if rng.bool() { rng.u8(..most) } else { 0 };
        let (refuses, stalls, breaks, falls_silent) = (rate(40), rate(30), rate(60), rate(40));
        let partitions = (0..rng.u8(..3)).map(|_| {
            let begin = Duration::from_millis(rng.u64(..60_000));
            (begin, begin + Duration::from_millis(rng.u64(100..20_000)))
        });
        let partitions = partitions.collect();
        let latency = Duration::from_millis(rng.u64(..100));
        Self { latency, refuses, stalls, breaks, falls_silent, partitions }
    }
}

/// The network of a run. Clones share it.
#[derive(Clone)]
pub(crate) struct Network {
    trace: Trace,
    faults: Arc<Faults>,
    service: Service,
    rng: Arc<std::sync::Mutex<fastrand::Rng>>,
    dials: Arc<AtomicU64>,
    begun: Instant,
    is_healed: Arc<AtomicBool>,
    closed: watch::Sender<bool>,
}

/// What will go wrong on one connection.
struct Fate {
    /// The byte at which it breaks, in each direction.
    breaks_at: [Option<usize>; 2],
    silent_at: [Option<usize>; 2],
}

impl Network {
    pub(crate) fn new(trace: Trace, faults: Faults, service: Service, rng: fastrand::Rng) -> Self {
        trace.log("network", || format!("{faults:?}"));
        Self {
            trace,
            faults: Arc::new(faults),
            service,
            rng: Arc::new(rng.into()),
            dials: Arc::default(),
            begun: Instant::now(),
            is_healed: Arc::default(),
            closed: watch::Sender::new(false),
        }
    }

    /// Nothing goes wrong on connections that begin from now on.
    pub(crate) fn heal(&self) {
        self.trace.log("network", || "healed".into());
        self.is_healed.store(true, Ordering::Relaxed);
        self.service.heal();
    }

    /// Ends all connections.
    pub(crate) fn close(&self) {
        self.closed.send_replace(true);
    }

    /// Opens a connection to a server.
    pub(crate) async fn dial(self) -> io::Result<DuplexStream> {
        let id = self.dials.fetch_add(1, Ordering::Relaxed);
        let mut rng = self.rng.lock().expect("no panic under the lock").fork();
        let is_healed = self.is_healed.load(Ordering::Relaxed);
        let Faults { latency, refuses, stalls, breaks, falls_silent, .. } = *self.faults;
        let mut happens = |percent: u8| !is_healed && rng.u8(..100) < percent;
        let (is_refused, is_stalled) = (happens(refuses), happens(stalls));
        let (is_broken, is_silent) = (happens(breaks), happens(falls_silent));
        sleep(latency * 2).await;
        if is_stalled {
            self.trace.log("dial", || format!("connection {id} stalls"));
            pending::<()>().await;
        }
        if is_refused {
            self.trace.log("dial", || format!("connection {id} is refused"));
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        self.trace.log("dial", || format!("connection {id}"));
        let mut byte = |happens| (happens && rng.bool()).then(|| rng.usize(..4_000));
        let fate = Fate {
            breaks_at: [byte(is_broken), byte(is_broken)],
            silent_at: [byte(is_silent), byte(is_silent)],
        };
        let (client, near) = duplex(1 << 14);
        let (far, server) = duplex(1 << 14);
        self.service.clone().serve(id, server, rng.fork());
        tokio::spawn(self.clone().carry(id, near, far, fate, rng));
        Ok(client)
    }

    /// Carries bytes both ways until the connection breaks or the run ends.
    async fn carry(
        self,
        id: u64,
        near: DuplexStream,
        far: DuplexStream,
        fate: Fate,
        mut rng: fastrand::Rng,
    ) {
        let ((near_in, near_out), (far_in, far_out)) = (split(near), split(far));
        let mut closed = self.closed.subscribe();
        let (up, down) = (rng.fork(), rng.fork());
        let [breaks_up, breaks_down] = fate.breaks_at;
        let [silent_up, silent_down] = fate.silent_at;
        let why = tokio::select! {
            biased;
            // In no order that a second run would repeat.
            _ = closed.wait_for(|is_closed| *is_closed) => return,
            () = self.copy(near_in, far_out, breaks_up, silent_up, up) => "from the client",
            () = self.copy(far_in, near_out, breaks_down, silent_down, down) => "from the server",
        };
        self.trace.log("end", || format!("connection {id} ended: {why}"));
    }

    /// Copies pieces of random sizes, each with the latency; returns when the stream ends.
    async fn copy(
        &self,
        mut from: ReadHalf<DuplexStream>,
        mut to: WriteHalf<DuplexStream>,
        breaks_at: Option<usize>,
        silent_at: Option<usize>,
        mut rng: fastrand::Rng,
    ) {
        let (mut carried, mut buffer) = (0, [0; 2_048]);
        loop {
            let most = rng.usize(1..=buffer.len());
            let Ok(read) = from.read(&mut buffer[..most]).await else { return };
            if read == 0 {
                // The other side closes only after what is on its way has arrived.
                return;
            }
            let end =
                |at: Option<usize>| at.map_or(read, |at| at.saturating_sub(carried).min(read));
            let piece = end(breaks_at).min(end(silent_at));
            sleep(self.faults.latency.mul_f64(0.5 + rng.f64())).await;
            self.pass_partitions().await;
            if to.write_all(&buffer[..piece]).await.is_err() {
                return;
            }
            carried += piece;
            if piece < read {
                if silent_at == Some(carried) {
                    pending::<()>().await;
                }
                return;
            }
        }
    }

    async fn pass_partitions(&self) {
        for (begin, end) in &self.faults.partitions {
            if (*begin..*end).contains(&self.begun.elapsed())
                && !self.is_healed.load(Ordering::Relaxed)
            {
                sleep_until(self.begun + *end).await;
            }
        }
    }
}
