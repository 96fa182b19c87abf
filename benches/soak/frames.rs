//! Single HTTP/2 frames. Of a request, nothing here decodes the header block: the message in the body
//! says which call it belongs to. Responses encode their headers as literals, which HPACK allows.

use crate::faults::Fields;
use bytes::{BufMut, BytesMut};
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Frame types ([RFC 9113](https://www.rfc-editor.org/rfc/rfc9113#section-6)).
pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PUSH_PROMISE: u8 = 5;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;
pub const PADDED: u8 = 8;

/// SETTINGS parameters ([RFC 9113](https://www.rfc-editor.org/rfc/rfc9113#section-6.5.2)).
pub const HEADER_TABLE_SIZE: u16 = 1;
pub const MAX_CONCURRENT_STREAMS: u16 = 3;
pub const INITIAL_WINDOW_SIZE: u16 = 4;

pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

pub async fn read(io: &mut (impl AsyncRead + Unpin)) -> io::Result<Frame> {
    let mut head = [0; 9];
    io.read_exact(&mut head).await?;
    let [a, b, c, kind, flags, id @ ..] = head;
    let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
    io.read_exact(&mut payload).await?;
    Ok(Frame { kind, flags, stream: u32::from_be_bytes(id) & (u32::MAX >> 1), payload })
}

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = BytesMut::new();
    frame.put_uint(payload.len() as u64, 3);
    frame.put_u8(kind);
    frame.put_u8(flags);
    frame.put_u32(stream);
    frame.put_slice(payload);
    frame.to_vec()
}

pub fn settings(settings: &[(u16, u32)]) -> Vec<u8> {
    let mut payload = BytesMut::new();
    for (parameter, value) in settings {
        payload.put_u16(*parameter);
        payload.put_u32(*value);
    }
    frame(SETTINGS, 0, 0, &payload)
}

/// The server has not processed any stream above `last`, and never will.
pub fn go_away(last: u32, code: u32, text: &str) -> Vec<u8> {
    let payload = [&last.to_be_bytes()[..], &code.to_be_bytes(), text.as_bytes()].concat();
    frame(GOAWAY, 0, 0, &payload)
}

pub fn window_update(stream: u32, more: usize) -> Vec<u8> {
    let more = u32::try_from(more).expect("at most 31 bits");
    frame(WINDOW_UPDATE, 0, stream, &more.to_be_bytes())
}

/// A header block in as many frames as it needs, of at most `most` bytes each.
pub fn headers(stream: u32, fields: &Fields, flags: u8, most: usize) -> Vec<u8> {
    let block = literals(fields);
    let mut frames = Vec::new();
    let pieces: Vec<_> = block.chunks(most).collect();
    for (number, piece) in pieces.iter().enumerate() {
        let end = if number + 1 == pieces.len() { END_HEADERS } else { 0 };
        let (kind, flags) = if number == 0 { (HEADERS, flags) } else { (CONTINUATION, 0) };
        frames.extend(frame(kind, flags | end, stream, piece));
    }
    frames
}

/// Header fields as literals, without indexing and without Huffman coding
/// ([RFC 7541](https://www.rfc-editor.org/rfc/rfc7541#section-6.2.2)).
fn literals(fields: &Fields) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        put_text(&mut block, name.as_bytes());
        put_text(&mut block, value.as_bytes());
    }
    block
}

fn put_text(block: &mut Vec<u8>, text: &[u8]) {
    // An integer with a prefix of seven bits.
    if text.len() < 127 {
        block.push(u8::try_from(text.len()).expect("less than 127"));
    } else {
        block.push(127);
        let mut rest = text.len() - 127;
        while rest >= 128 {
            block.push(u8::try_from(rest % 128).expect("seven bits") | 128);
            rest /= 128;
        }
        block.push(u8::try_from(rest).expect("seven bits"));
    }
    block.extend_from_slice(text);
}
