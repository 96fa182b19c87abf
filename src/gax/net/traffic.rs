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

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, BufStream, duplex};

    #[tokio::test]
    async fn reads_count_bytes_and_not_the_end_of_the_stream() {
        let (ours, mut theirs) = duplex(64);
        let (mut io, traffic) = CountedIo::new(Box::new(ours));
        theirs.write_all(b"bytes").await.expect("there is room");
        drop(theirs);
        assert_eq!(io.read(&mut [0; 64]).await.expect("bytes"), 5);
        assert_eq!(traffic.reads(), 1);
        assert_eq!(io.read(&mut [0; 64]).await.expect("the end"), 0);
        assert_eq!((traffic.reads(), traffic.writes()), (1, 0));
    }

    #[tokio::test]
    async fn flush_and_shutdown_reach_the_byte_stream() {
        let (ours, mut theirs) = duplex(64);
        let (mut io, traffic) = CountedIo::new(Box::new(BufStream::new(ours)));
        io.write_all(b"bytes").await.expect("there is room");
        assert_eq!((traffic.reads(), traffic.writes()), (0, 1));
        io.flush().await.expect("it is open");
        let mut read = [0; 64];
        assert_eq!(theirs.read(&mut read).now_or_never().expect("flushed").expect("bytes"), 5);
        // The end arrives although this side still exists.
        io.shutdown().await.expect("it is open");
        assert_eq!(theirs.read(&mut read).now_or_never().expect("shut down").expect("the end"), 0);
    }
}
