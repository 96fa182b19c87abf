//! Watches what passes over a byte stream.
//!
//! A call that has seen no byte since it was sent is on a connection that may be dead. A call whose
//! HEADERS h2 has not tried to write was certainly not sent.

use super::dial::BoxIo;
use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How often bytes have been read from a stream, and which requests somebody tried to write to it.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    reads: AtomicU64,
    opened: AtomicU32,
}

impl Traffic {
    pub(super) fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }

    /// The highest HTTP/2 stream whose HEADERS somebody tried to write. Streams open in the order of
    /// their numbers ([RFC 9113](https://www.rfc-editor.org/rfc/rfc9113#section-5.1.1)).
    pub(super) fn opened(&self) -> u32 {
        self.opened.load(Ordering::Relaxed)
    }
}

/// A byte stream whose traffic is watched.
pub(super) struct WatchedIo {
    io: BoxIo,
    frames: Frames,
    traffic: Arc<Traffic>,
}

impl WatchedIo {
    pub(super) fn new(io: BoxIo) -> (Self, Arc<Traffic>) {
        let traffic = Arc::<Traffic>::default();
        (Self { io, frames: Frames::new(), traffic: traffic.clone() }, traffic)
    }

    /// Writes, and notes the streams that open before that. What h2 tries to write, it keeps in a buffer
    /// if there is no room, and writes later, also after an error of the connection.
    fn watched(
        &mut self,
        pieces: &[IoSlice<'_>],
        write: impl FnOnce(Pin<&mut BoxIo>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let mut ahead = self.frames;
        let opened = pieces.iter().map(|piece| ahead.pass(piece)).max().unwrap_or(0);
        self.traffic.opened.fetch_max(opened, Ordering::Relaxed);
        let written = ready!(write(Pin::new(&mut self.io)))?;
        self.advance(pieces, written);
        Poll::Ready(Ok(written))
    }

    fn advance(&mut self, pieces: &[IoSlice<'_>], mut written: usize) {
        for piece in pieces {
            let passed = piece.len().min(written);
            self.frames.pass(&piece[..passed]);
            written -= passed;
        }
    }
}

/// A place in a sequence of HTTP/2 frames.
#[derive(Clone, Copy)]
struct Frames {
    /// The rest of the preface or of a payload.
    skipped: usize,
    head: [u8; 9],
    /// How much of `head` is there.
    filled: usize,
}

impl Frames {
    const PREFACE: usize = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".len();
    const HEADERS: u8 = 1;

    const fn new() -> Self {
        Self { skipped: Self::PREFACE, head: [0; 9], filled: 0 }
    }

    /// Passes over these bytes, and returns the highest stream whose HEADERS begin in them, or 0.
    fn pass(&mut self, mut bytes: &[u8]) -> u32 {
        let mut opened = 0;
        loop {
            let skipped = self.skipped.min(bytes.len());
            self.skipped -= skipped;
            let filled = (self.head.len() - self.filled).min(bytes.len() - skipped);
            let (piece, rest) = bytes[skipped..].split_at(filled);
            self.head[self.filled..][..filled].copy_from_slice(piece);
            self.filled += filled;
            if self.filled < self.head.len() {
                return opened;
            }
            let [a, b, c, kind, _, stream @ ..] = self.head;
            if kind == Self::HEADERS {
                opened = opened.max(u32::from_be_bytes(stream));
            }
            (self.skipped, self.filled) = (u32::from_be_bytes([0, a, b, c]) as usize, 0);
            bytes = rest;
        }
    }
}

impl AsyncRead for WatchedIo {
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

impl AsyncWrite for WatchedIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.watched(&[IoSlice::new(bytes)], |io| io.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.watched(pieces, |io| io.poll_write_vectored(cx, pieces))
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
        let (mut io, traffic) = WatchedIo::new(Box::new(ours));
        theirs.write_all(b"bytes").await.expect("there is room");
        drop(theirs);
        assert_eq!(io.read(&mut [0; 64]).await.expect("bytes"), 5);
        assert_eq!(traffic.reads(), 1);
        assert_eq!(io.read(&mut [0; 64]).await.expect("the end"), 0);
        assert_eq!(traffic.reads(), 1);
    }

    #[tokio::test]
    async fn flush_and_shutdown_reach_the_byte_stream() {
        let (ours, mut theirs) = duplex(64);
        let (mut io, _) = WatchedIo::new(Box::new(BufStream::new(ours)));
        io.write_all(b"bytes").await.expect("there is room");
        io.flush().await.expect("it is open");
        let mut read = [0; 64];
        assert_eq!(theirs.read(&mut read).now_or_never().expect("flushed").expect("bytes"), 5);
        // The end arrives although this side still exists.
        io.shutdown().await.expect("it is open");
        assert_eq!(theirs.read(&mut read).now_or_never().expect("shut down").expect("the end"), 0);
    }

    /// The client's preface, SETTINGS, HEADERS and DATA of the streams 1 and 3, and HEADERS of 5.
    fn requests() -> Vec<u8> {
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        let frames = [(4, 0, 6), (1, 1, 300), (0, 1, 9), (1, 3, 40), (0, 3, 9), (1, 5, 20)];
        for (kind, stream, size) in frames {
            let [.., a, b] = usize::to_be_bytes(size);
            bytes.extend([0, a, b, kind, 0, 0, 0, 0, stream]);
            bytes.resize(bytes.len() + size, 1);
        }
        bytes
    }

    #[test]
    fn headers_are_found_at_every_boundary_of_writes() {
        let bytes = requests();
        for size in 1..=bytes.len() {
            let mut frames = Frames::new();
            let opened = bytes.chunks(size).map(|piece| frames.pass(piece));
            let opened = opened.filter(|opened| *opened > 0).collect::<Vec<_>>();
            assert!(opened.is_sorted(), "{size}: {opened:?}");
            assert_eq!(opened.last(), Some(&5), "{size}: {opened:?}");
        }
    }

    #[tokio::test]
    async fn a_stream_counts_as_opened_before_its_headers_are_written() {
        let bytes = requests();
        let (second, split) = (bytes.len() - 96, 30);
        for is_vectored in [false, true] {
            let (ours, mut theirs) = duplex(100);
            let (mut io, traffic) = WatchedIo::new(Box::new(ours));
            io.write_all(&bytes[..split]).await.expect("there is room");
            assert_eq!(traffic.opened(), 0);
            let mut rest = &bytes[split..second];
            let mut try_to_write = |rest: &[u8]| {
                let pieces = [IoSlice::new(&rest[..20]), IoSlice::new(&rest[20..])];
                match is_vectored {
                    true => io.write_vectored(&pieces).now_or_never(),
                    false => io.write(rest).now_or_never(),
                }
            };
            while let Some(written) = try_to_write(rest) {
                rest = &rest[written.expect("it is open")..];
            }
            assert_eq!(traffic.opened(), 1);
            let rest = [rest, &bytes[second..]].concat();
            assert!(try_to_write(&rest).is_none(), "it is full");
            assert_eq!(traffic.opened(), 5);
            assert_eq!(theirs.read(&mut [0; 100]).await.expect("bytes"), 100);
        }
    }
}
