//! A stand-in for the vendor's service, for tests and examples. It keeps presets in memory and
//! refuses every request that the vendor would refuse.
//!
//! It verifies the signature from the received request alone, with code that shares nothing with
//! the crate's.

use hmac::{Hmac, KeyInit, Mac};
use prost_types::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeMap, VecDeque},
    convert::Infallible,
    fmt::Write as _,
    sync::{Arc, Mutex},
    time::SystemTime,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufStream, DuplexStream, duplex},
    net::TcpListener,
    time::Instant,
};
use tower::{Service, service_fn};

/// The keys that it accepts, with every permission.
pub(crate) const ACCESS_KEY: &str = "AKLTEXAMPLE";
pub(crate) const SECRET_KEY: &str = "c2VjcmV0";

/// The maximum difference of a request's date, in seconds.
const WINDOW: i64 = 900;

#[derive(Clone, Default)]
pub(crate) struct Vendor(Arc<State>);

#[derive(Default)]
struct State {
    /// The session token that requests must have; empty for none.
    session_token: String,
    /// The number of seconds that its clock is ahead.
    ahead: i64,
    script: Mutex<VecDeque<Reply>>,
    seen: Mutex<Vec<Seen>>,
    presets: Mutex<Vec<Value>>,
}

/// Replaces the outcome of the next request that it accepts.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Answer(u16, String),
    /// It never responds.
    Stall,
    /// It begins a response and never ends it.
    StallInBody,
    HangUp,
}

/// A request that it accepted.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) action: String,
    pub(crate) body: Value,
    pub(crate) at: Instant,
}

/// A request as received; header names are in lower case.
#[derive(Clone, Debug)]
pub(crate) struct Raw {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

/// An HTTP status, the vendor's code, and the reason.
pub(crate) type Refusal = (u16, &'static str, String);

impl Vendor {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Also requires a session token.
    pub(crate) fn with_session_token(token: &str) -> Self {
        Self(Arc::new(State { session_token: token.to_owned(), ..State::default() }))
    }

    /// Sets its clock ahead.
    pub(crate) fn with_clock_ahead(seconds: i64) -> Self {
        Self(Arc::new(State { ahead: seconds, ..State::default() }))
    }

    /// Sets the replies to the next requests.
    pub(crate) fn reply(&self, replies: impl IntoIterator<Item = Reply>) {
        self.0.script.lock().unwrap().extend(replies);
    }

    /// The requests that it has accepted so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.0.seen.lock().unwrap().clone()
    }

    /// Listens on loopback, and returns its origin.
    pub(crate) async fn listen(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let vendor = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(vendor.clone().serve(stream));
            }
        });
        origin
    }

    /// Connections in memory, which work with a paused clock.
    pub(crate) fn connector(
        &self,
    ) -> impl Service<http::Uri, Response = DuplexStream, Error = Infallible, Future: Send>
    + Clone
    + Send
    + Sync
    + 'static {
        let vendor = self.clone();
        service_fn(move |_| {
            let (near, far) = duplex(1 << 16);
            tokio::spawn(vendor.clone().serve(far));
            async { Ok(near) }
        })
    }

    async fn serve(self, io: impl AsyncRead + AsyncWrite + Unpin) {
        let mut io = BufStream::new(io);
        while let Some(request) = receive(&mut io).await {
            match self.handle(&request) {
                Reply::Answer(status, body) => send(&mut io, status, &body, body.len()).await,
                Reply::Stall => std::future::pending().await,
                Reply::StallInBody => {
                    send(&mut io, 200, "{", 2).await;
                    std::future::pending().await
                }
                Reply::HangUp => return,
            }
        }
    }

    fn handle(&self, request: &Raw) -> Reply {
        let now = Timestamp::from(SystemTime::now()).seconds + self.0.ahead;
        let action = match verify(request, &self.0.session_token, now) {
            Ok(action) => action,
            Err((status, code, message)) => {
                let error = json!({"Code": code, "Message": message});
                return answer(status, "", json!({"Error": error}), Value::Null);
            }
        };
        let body = serde_json::from_slice::<Value>(&request.body).unwrap();
        let seen = Seen { action: action.clone(), body: body.clone(), at: Instant::now() };
        self.0.seen.lock().unwrap().push(seen);
        match self.0.script.lock().unwrap().pop_front() {
            Some(reply) => reply,
            None => answer(200, &action, json!({}), self.carry_out(&action, body)),
        }
    }

    /// A field that a request leaves out is left out of its preset.
    fn carry_out(&self, action: &str, mut body: Value) -> Value {
        let mut presets = self.0.presets.lock().unwrap();
        let is_same = |preset: &Value, keys: &[&str]| keys.iter().all(|k| preset[k] == body[k]);
        match action {
            "CreateTimeShiftPresetV3" => {
                let name = format!("preset-{}", presets.len() + 1);
                body["Name"] = json!(name);
                body["Domain"] = body["PullDomain"].take();
                body["Status"] = json!(0);
                body["Type"] = json!("vod");
                presets.push(body);
                json!({"PresetName": name})
            }
            "UpdateTimeShiftPresetV3" => {
                let same = |preset: &&mut Value| is_same(preset, &["Vhost", "App", "Stream"]);
                for preset in presets.iter_mut().filter(same) {
                    preset["MaxShiftTime"] = body["MaxShiftTime"].clone();
                    preset["Status"] = json!(1);
                }
                Value::Null
            }
            "DeleteTimeShiftPresetV3" => {
                presets.retain(|preset| !is_same(preset, &["Vhost", "App"]));
                Value::Null
            }
            _ => {
                let keys = if body["Vhost"].is_null() { &["Type"][..] } else { &["Vhost", "Type"] };
                let list = presets.iter().filter(|preset| is_same(preset, keys));
                json!({"List": list.collect::<Vec<_>>()})
            }
        }
    }
}

/// A response in the vendor's envelope.
fn answer(status: u16, action: &str, metadata: Value, result: Value) -> Reply {
    let mut body = json!({"ResponseMetadata": metadata, "Result": result});
    body["ResponseMetadata"]["RequestId"] = json!("20240102030405010203040506070809");
    body["ResponseMetadata"]["Action"] = json!(action);
    Reply::Answer(status, body.to_string())
}

/// The action of a request, if its signature is valid.
pub(crate) fn verify(request: &Raw, session_token: &str, now: i64) -> Result<String, Refusal> {
    let refuse = |status, code, message: &str| Err((status, code, message.to_owned()));
    let mismatch = |message: String| (401, "SignatureDoesNotMatch", message);
    let header = |name: &str| {
        let missing = || (400, "MissingParameter", format!("no header {name}"));
        request.headers.get(name).map(String::as_str).ok_or_else(missing)
    };
    let Some(query) = request.target.strip_prefix("/?").filter(|_| request.method == "POST") else {
        return refuse(404, "ServiceNotFound", "not `POST /`");
    };
    if header("content-type")? != "application/json" {
        return refuse(400, "InvalidParameter", "the body is not JSON");
    }
    if hex(&Sha256::digest(&request.body)) != header("x-content-sha256")? {
        return Err(mismatch("the body is not what its hash says".into()));
    }

    let date = header("x-date")?;
    let Some(sent) = parse_date(date).filter(|sent| (now - sent).abs() <= WINDOW) else {
        return refuse(401, "InvalidTimestamp", "the date is off by more than 900 s");
    };
    let day = Timestamp { seconds: sent, nanos: 0 }.to_string()[..10].replace('-', "");
    let scope = format!("{day}/cn-north-1/live/request");
    let mut names = vec!["content-type", "host", "x-content-sha256", "x-date"];
    if !session_token.is_empty() {
        if header("x-security-token")? != session_token {
            return refuse(401, "InvalidAccessKey", "not the session token of these keys");
        }
        names.push("x-security-token");
    }
    let names = names.join(";");
    let authorization = header("authorization")?;
    let own = format!("HMAC-SHA256 Credential={ACCESS_KEY}/");
    let Some(rest) = authorization.strip_prefix(&own) else {
        return refuse(
            401,
            "InvalidAccessKey",
            &format!("who is {}?", authorization.split(['=', '/']).nth(1).unwrap_or_default()),
        );
    };
    let expected = format!("{scope}, SignedHeaders={names}, Signature=");
    let Some(signature) = rest.strip_prefix(&expected) else {
        return Err(mismatch(format!("{expected} expected")));
    };

    let mut canonical = format!("POST\n/\n{query}\n");
    for name in names.split(';') {
        writeln!(canonical, "{name}:{}", header(name)?.trim()).unwrap();
    }
    write!(canonical, "\n{names}\n{}", header("x-content-sha256")?).unwrap();
    let hash = hex(&Sha256::digest(&canonical));
    let key = [&*day, "cn-north-1", "live", "request"]
        .into_iter()
        .fold(SECRET_KEY.as_bytes().to_vec(), |key, part| mac(&key, part));
    if hex(&mac(&key, &format!("HMAC-SHA256\n{date}\n{scope}\n{hash}"))) != signature {
        return Err(mismatch(format!("another signature expected of {canonical:?}")));
    }

    let action = query.strip_prefix("Action=").and_then(|q| q.strip_suffix("&Version=2023-01-01"));
    match action {
        Some(
            "CreateTimeShiftPresetV3"
            | "UpdateTimeShiftPresetV3"
            | "DeleteTimeShiftPresetV3"
            | "ListTimeShiftPresetV2",
        ) => Ok(action.unwrap_or_default().to_owned()),
        _ => refuse(404, "InvalidActionOrVersion", query),
    }
}

/// Seconds since 1970 of `YYYYMMDDTHHMMSSZ`.
pub(crate) fn parse_date(date: &str) -> Option<i64> {
    let part = |from, to| date.get(from..to);
    let (day, time) = (
        [part(0, 4)?, part(4, 6)?, part(6, 8)?].join("-"),
        [part(9, 11)?, part(11, 13)?, part(13, 16)?].join(":"),
    );
    let is_whole = date.len() == 16 && part(8, 9) == Some("T");
    format!("{day}T{time}").parse::<Timestamp>().ok().filter(|_| is_whole).map(|at| at.seconds)
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The next HTTP/1.1 request; `None` at the end of the connection.
async fn receive(io: &mut (impl AsyncRead + Unpin)) -> Option<Raw> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(io.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let mut lines = head.lines();
    let mut words = lines.next()?.split(' ').map(str::to_owned);
    let (method, target) = (words.next()?, words.next()?);
    let headers = lines.filter_map(|line| line.split_once(':'));
    let headers = headers.map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()));
    let headers = headers.collect::<BTreeMap<_, _>>();
    let length = headers.get("content-length").map_or(Some(0), |length| length.parse().ok())?;
    let mut body = vec![0; length];
    io.read_exact(&mut body).await.ok()?;
    Some(Raw { method, target, headers, body })
}

/// Ignores errors, since the client may have disconnected.
async fn send(io: &mut (impl AsyncWrite + Unpin), status: u16, body: &str, length: usize) {
    let head = format!("HTTP/1.1 {status} -\r\ncontent-length: {length}\r\n\r\n");
    let _ = io.write_all(format!("{head}{body}").as_bytes()).await;
    let _ = io.flush().await;
}
