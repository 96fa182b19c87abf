//! Counts the reads and the writes of a byte stream.
//!
//! A call that has seen no byte since it was sent is on a connection that may be dead. A call since
//! which h2 has not tried to write is still in h2's queue, so it was certainly not sent.

use super::dial::BoxIo;
use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How often bytes have been read from a stream, and how often somebody tried to write to it.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    reads: AtomicU64,
    writes: AtomicU64,
}

impl Traffic {
    pub(super) fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }

    pub(super) fn writes(&self) -> u64 {
        self.writes.load(Ordering::Relaxed)
    }
}

/// A byte stream whose traffic is counted.
pub(super) struct CountedIo {
    io: BoxIo,
    traffic: Arc<Traffic>,
}

impl CountedIo {
    pub(super) fn new(io: BoxIo) -> (Self, Arc<Traffic>) {
        let traffic = Arc::<Traffic>::default();
        (Self { io, traffic: traffic.clone() }, traffic)
    }

    /// Counts a write before it is tried. What h2 tries to write, it keeps in a buffer if there is no
    /// room, and writes later, also after an error of the connection.
    fn count_write(&self) {
        self.traffic.writes.fetch_add(1, Ordering::Relaxed);
    }
}

impl AsyncRead for CountedIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buffer))?;
        if buffer.filled().len() > before {
            self.traffic.reads.fetch_add(1, Ordering::Relaxed);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for CountedIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.count_write();
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.count_write();
        Pin::new(&mut self.io).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
