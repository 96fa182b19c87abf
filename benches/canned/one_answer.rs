//! A minimal HTTP/2 server that gives the same answer to every call.
//!
//! A server made with a library uses as much CPU for each call as the client. It would limit the throughput,
//! and the number of answers that a client finds at once would be random, although it determines the
//! client's CPU time. This server reads only frame headers, and has its answers ready.
//!
//! It relies on the habits of gRPC clients: a header table of the default size, and windows that are larger
//! than an answer. A connection lasts for tens of millions of calls, which use 2 GiB of window.

use std::{
    io::{ErrorKind, Read, Result, Write},
    net::TcpStream,
    thread,
};

const PREFACE: usize = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".len();
const HEAD: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;

const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

/// `:status: 200` and `content-type: application/grpc`, which enters the header table.
const FIRST_HEADERS: &[u8] = b"\x88\x5f\x10application/grpc";
/// `grpc-status: 0`, which enters the header table.
const FIRST_TRAILERS: &[u8] = b"\x40\x0bgrpc-status\x010";
/// The same headers, from the header table.
const LATER_HEADERS: &[u8] = b"\x88\xbf";
const LATER_TRAILERS: &[u8] = b"\xbe";

/// Answers each call of one connection with these bytes, until the client disconnects.
pub fn serve_connection(mut stream: TcpStream, answer: &[u8], awake: bool) -> Result<()> {
    assert!(answer.len() <= 16_384, "an answer is one frame");
    stream.set_nodelay(true)?;
    stream.set_nonblocking(awake)?;
    let mut input = Vec::with_capacity(1 << 16);
    let mut output = Vec::with_capacity(1 << 16);
    // SETTINGS_MAX_CONCURRENT_STREAMS, and the largest window for requests.
    frame(&mut output, SETTINGS, 0, 0, &[0, 3, 0, 0, 3, 232]);
    frame(&mut output, WINDOW_UPDATE, 0, 0, &(i32::MAX - 65_535).to_be_bytes());
    let mut chunk = vec![0; 1 << 16];
    let mut calls = Calls { answer, answered: 0, room: 65_535, waiting: Vec::new() };
    let mut begun = false;
    loop {
        send(&mut stream, &mut output)?;
        let Some(read) = receive(&mut stream, &mut chunk)? else { return Ok(()) };
        input.extend_from_slice(&chunk[..read]);
        let mut at = 0;
        if !begun && input.len() >= PREFACE {
            (begun, at) = (true, PREFACE);
        }
        while begun && input.len() >= at + HEAD {
            let head = &input[at..at + HEAD];
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            let (kind, flags) = (head[3], head[4]);
            let id = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            let Some(payload) = input.get(at + HEAD..at + HEAD + length) else { break };
            match kind {
                SETTINGS if flags & ACK == 0 => frame(&mut output, SETTINGS, ACK, 0, &[]),
                PING if flags & ACK == 0 => frame(&mut output, PING, ACK, 0, payload),
                WINDOW_UPDATE if id == 0 => {
                    let more = payload.try_into().expect("four bytes");
                    calls.room += i64::from(u32::from_be_bytes(more));
                }
                DATA | HEADERS if flags & END_STREAM != 0 => calls.waiting.push(id),
                _ => {}
            }
            at += HEAD + length;
        }
        input.drain(..at);
        calls.answer_waiting(&mut output);
    }
}

/// The calls of one connection.
struct Calls<'a> {
    answer: &'a [u8],
    answered: u64,
    /// The number of bytes that the client still accepts.
    room: i64,
    waiting: Vec<u32>,
}

impl Calls<'_> {
    fn answer_waiting(&mut self, output: &mut Vec<u8>) {
        let length = i64::try_from(self.answer.len()).expect("a small answer");
        let room = usize::try_from(self.room / length).unwrap_or(0);
        for id in self.waiting.drain(..room.min(self.waiting.len())) {
            let (headers, trailers) = match self.answered {
                0 => (FIRST_HEADERS, FIRST_TRAILERS),
                _ => (LATER_HEADERS, LATER_TRAILERS),
            };
            frame(output, HEADERS, END_HEADERS, id, headers);
            frame(output, DATA, 0, id, self.answer);
            frame(output, HEADERS, END_HEADERS | END_STREAM, id, trailers);
            self.answered += 1;
            self.room -= length;
        }
    }
}

fn frame(output: &mut Vec<u8>, kind: u8, flags: u8, id: u32, payload: &[u8]) {
    let length = u32::try_from(payload.len()).expect("a small frame");
    output.extend_from_slice(&length.to_be_bytes()[1..]);
    output.extend_from_slice(&[kind, flags]);
    output.extend_from_slice(&id.to_be_bytes());
    output.extend_from_slice(payload);
}

/// Returns `None` after the client has disconnected.
fn receive(stream: &mut TcpStream, chunk: &mut [u8]) -> Result<Option<usize>> {
    loop {
        match stream.read(chunk) {
            Ok(0) => return Ok(None),
            Ok(read) => return Ok(Some(read)),
            // Let the thread of another connection run.
            Err(e) if e.kind() == ErrorKind::WouldBlock => thread::yield_now(),
            Err(e) => return Err(e),
        }
    }
}

fn send(stream: &mut TcpStream, output: &mut Vec<u8>) -> Result<()> {
    let mut sent = 0;
    while sent < output.len() {
        match stream.write(&output[sent..]) {
            Ok(some) => sent += some,
            // Let the thread of another connection run.
            Err(e) if e.kind() == ErrorKind::WouldBlock => thread::yield_now(),
            Err(e) => return Err(e),
        }
    }
    output.clear();
    Ok(())
}
