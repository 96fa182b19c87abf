//! Single HTTP/2 frames, in sequences that no server library sends.
//!
//! Of a request, only the frame headers are read; nothing here decodes HPACK. Responses encode
//! their headers as literals, which HPACK allows.

use bytes::{BufMut, BytesMut};
use std::io;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

/// A connection from the client, after its preface.
pub(crate) struct RawConnection<IO = TcpStream>(BufReader<IO>);

/// A frame from the client: its type, flags, stream and payload.
pub(crate) type RawFrame = (u8, u8, u32, Vec<u8>);

/// Frame types ([RFC 9113](https://www.rfc-editor.org/rfc/rfc9113#section-6)).
const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const RST_STREAM: u8 = 3;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;

const END_STREAM: u8 = 1;
pub(crate) const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

/// SETTINGS parameters ([RFC 9113](https://www.rfc-editor.org/rfc/rfc9113#section-6.5.2)).
pub(crate) const MAX_CONCURRENT_STREAMS: u16 = 3;
pub(crate) const INITIAL_WINDOW_SIZE: u16 = 4;

impl RawConnection {
    /// Accepts the next connection, reads the client's preface and sends the settings.
    pub(crate) async fn accept(listener: &TcpListener) -> io::Result<Self> {
        let mut connection = Self::accept_silently(listener).await?;
        connection.settings(&[]).await?;
        Ok(connection)
    }

    /// Like [`accept`](Self::accept), without settings.
    pub(crate) async fn accept_silently(listener: &TcpListener) -> io::Result<Self> {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        Self::over(socket).await
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> RawConnection<IO> {
    /// Reads the client's preface from this stream.
    pub(crate) async fn over(io: IO) -> io::Result<Self> {
        let mut connection = Self(BufReader::new(io));
        let mut preface = [0; 24];
        connection.0.read_exact(&mut preface).await?;
        assert_eq!(&preface, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        Ok(connection)
    }

    /// Sends settings.
    pub(crate) async fn settings(&mut self, settings: &[(u16, u32)]) -> io::Result<()> {
        let mut payload = BytesMut::new();
        for (parameter, value) in settings {
            payload.put_u16(*parameter);
            payload.put_u32(*value);
        }
        self.write(SETTINGS, 0, 0, &payload).await
    }

    /// Sends settings that let the client send as much as it wants.
    pub(crate) async fn open_windows(&mut self) -> io::Result<()> {
        const MAX_WINDOW: u32 = i32::MAX as u32;
        self.settings(&[(INITIAL_WINDOW_SIZE, MAX_WINDOW)]).await?;
        let increment = MAX_WINDOW - 65_535;
        self.write(WINDOW_UPDATE, 0, 0, &increment.to_be_bytes()).await
    }

    /// Lets the client send this much more on the connection.
    pub(crate) async fn widen(&mut self, more: u32) -> io::Result<()> {
        self.write(WINDOW_UPDATE, 0, 0, &more.to_be_bytes()).await
    }

    /// Acknowledges a ping.
    pub(crate) async fn pong(&mut self, payload: &[u8]) -> io::Result<()> {
        self.write(PING, ACK, 0, payload).await
    }

    /// Sends a GOAWAY with the error code ENHANCE_YOUR_CALM, as gRPC's servers do.
    pub(crate) async fn too_many_pings(&mut self) -> io::Result<()> {
        const ENHANCE_YOUR_CALM: u32 = 11;
        let mut payload = u32::MAX.to_be_bytes()[..].to_vec();
        payload[0] &= 0x7f;
        payload.extend(ENHANCE_YOUR_CALM.to_be_bytes());
        payload.extend(b"too_many_pings");
        self.write(GOAWAY, 0, 0, &payload).await
    }

    /// Sends an interim response.
    pub(crate) async fn interim(&mut self, stream: u32) -> io::Result<()> {
        let head = literals(&[(":status", "103")]);
        self.write(HEADERS, END_HEADERS, stream, &head).await
    }

    /// Reads until a request is complete, and returns its stream id.
    pub(crate) async fn request(&mut self) -> io::Result<u32> {
        loop {
            let (kind, flags, stream, payload) = self.read().await?;
            if kind == DATA {
                let received = u32::try_from(payload.len()).expect("at most 24 bits");
                self.write(WINDOW_UPDATE, 0, 0, &received.to_be_bytes()).await?;
            }
            match kind {
                HEADERS | DATA if flags & END_STREAM != 0 => return Ok(stream),
                SETTINGS if flags & ACK == 0 => self.write(SETTINGS, ACK, 0, &[]).await?,
                PING if flags & ACK == 0 => self.write(PING, ACK, 0, &payload).await?,
                _ => {}
            }
        }
    }

    /// Reads until the client closes the connection.
    pub(crate) async fn closed(mut self) {
        while self.read().await.is_ok() {}
    }

    /// Sends a GOAWAY: the server has not processed any stream above `last`, and never will.
    pub(crate) async fn go_away(&mut self, last: u32) -> io::Result<()> {
        let mut payload = last.to_be_bytes().to_vec();
        payload.extend(0_u32.to_be_bytes());
        self.write(GOAWAY, 0, 0, &payload).await
    }

    /// Breaks the protocol: the client ends the connection with an error.
    pub(crate) async fn data_on_stream_zero(&mut self) -> io::Result<()> {
        self.write(DATA, 0, 0, &[0]).await
    }

    /// Answers a stream with one message.
    pub(crate) async fn succeed(&mut self, stream: u32, message: &[u8]) -> io::Result<()> {
        let head = literals(&[(":status", "200"), ("content-type", "application/grpc")]);
        let trailers = literals(&[("grpc-status", "0")]);
        self.write(HEADERS, END_HEADERS, stream, &head).await?;
        self.write(DATA, 0, stream, message).await?;
        self.write(HEADERS, END_HEADERS | END_STREAM, stream, &trailers).await
    }

    /// Sends an RST_STREAM with this error code.
    pub(crate) async fn reset(&mut self, stream: u32, code: u32) -> io::Result<()> {
        self.write(RST_STREAM, 0, stream, &code.to_be_bytes()).await
    }

    /// Reads one frame.
    pub(crate) async fn read(&mut self) -> io::Result<RawFrame> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).await?;
        let [a, b, c, kind, flags, id @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        self.0.read_exact(&mut payload).await?;
        Ok((kind, flags, u32::from_be_bytes(id) & (u32::MAX >> 1), payload))
    }

    async fn write(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> io::Result<()> {
        let mut frame = BytesMut::new();
        frame.put_uint(payload.len() as u64, 3);
        frame.put_u8(kind);
        frame.put_u8(flags);
        frame.put_u32(stream);
        frame.put_slice(payload);
        self.0.write_all(&frame).await
    }
}

/// Encodes header fields as literals, without indexing and without Huffman coding
/// ([RFC 7541](https://www.rfc-editor.org/rfc/rfc7541#section-6.2.2)).
fn literals(fields: &[(&str, &str)]) -> Vec<u8> {
    let text = |text: &str| {
        let length = u8::try_from(text.len()).ok().filter(|length| *length < 127);
        [&[length.expect("headers here are short")], text.as_bytes()].concat()
    };
    fields.iter().flat_map(|(name, value)| [vec![0], text(name), text(value)].concat()).collect()
}
