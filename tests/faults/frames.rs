//! Single HTTP/2 frames, in sequences that no server library sends.
//!
//! Of a request, only the frame headers are read; nothing here decodes HPACK. Responses encode
//! their headers as literals, which HPACK allows.

use bytes::{BufMut, BytesMut};
use std::io;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

/// A connection from the client, after both sides have sent their settings.
pub(crate) struct RawConnection(BufReader<TcpStream>);

/// Frame types ([RFC 9113](https://www.rfc-editor.org/rfc/rfc9113#section-6)).
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const RST_STREAM: u8 = 3;
const PING: u8 = 6;
const GOAWAY: u8 = 7;

const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

impl RawConnection {
    /// Accepts the next connection, reads the client's preface and sends the settings.
    pub(crate) async fn accept(listener: &TcpListener) -> io::Result<Self> {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let mut connection = Self(BufReader::new(socket));
        let mut preface = [0; 24];
        connection.0.read_exact(&mut preface).await?;
        assert_eq!(&preface, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        connection.write(SETTINGS, 0, 0, &[]).await?;
        Ok(connection)
    }

    /// Reads until a request is complete, and returns its stream id.
    pub(crate) async fn request(&mut self) -> io::Result<u32> {
        loop {
            let (kind, flags, stream, payload) = self.read().await?;
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

    async fn read(&mut self) -> io::Result<(u8, u8, u32, Vec<u8>)> {
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
