//! The kinds of faults, and the response that each kind of request fault makes.

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::{BufMut, Bytes, BytesMut};
use fastrand::Rng;
use prost::Message;
use std::time::Duration;

/// Draws each of its kinds equally often, in a random order.
pub struct Deck<T: 'static> {
    all: &'static [T],
    left: Vec<T>,
    rng: Rng,
}

impl<T: Copy> Deck<T> {
    pub fn new(all: &'static [T], rng: Rng) -> Self {
        Self { all, left: Vec::new(), rng }
    }

    pub fn draw(&mut self) -> T {
        if self.left.is_empty() {
            self.left.extend_from_slice(self.all);
            self.rng.shuffle(&mut self.left);
        }
        self.left.pop().expect("there are kinds")
    }
}

/// Declares an enumeration and the list of all its kinds.
macro_rules! kinds {
    ($(#[$doc:meta])* $name:ident: $($kind:ident)*) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($kind),* }

        impl $name {
            pub const ALL: &[Self] = &[$(Self::$kind),*];
        }
    };
}

kinds! {
    /// Faults of one request.
    Fault:
    // A server library can make these.
    Slow NoAnswer SilentAfterHeaders LateTrailers Dribbled
    RefusedStream ResetBeforeHeaders ResetAfterHeaders ResetAfterData
    RefusedAfterHeaders RefusedAfterData NoErrorAfterHeaders
    MissingTrailers MalformedStatus Unavailable UnavailableAfterwards Rejected Uncertain
    HtmlServerError HtmlClientError Pushback PushbackNever RetryInfo RetryInfoTooLong
    MalformedDetails QuotaExhausted QuotaWithRetryInfo
    TruncatedMessage EndWithinMessage GarbledMessage CompressedMessage TooLarge TwoMessages
    LongHeaders WrongContentType OkWithoutMessage EmptyData
    // These are written by hand.
    Interim InterimFlood Padded SplitHeaders RefusedBeforeBody AnsweredBeforeBody
    AnsweredTwice TrailersWithoutEnd
}

kinds! {
    /// Faults that one request brings to its connection.
    Act:
    GoAwayGraceful GoAwayThenClose GoAwayExcluding GoAwayTooManyPings GoAwayInternalError
    GoAwayProtocolError GoAwayAfterHeadersExcluding
    CloseBeforeItRuns CloseAfterItRan CloseAfterHeaders CloseWithinData
    StreamsLowered StreamsZero StreamsRaised WindowZero HeaderTableZero
    PingFlood UnknownFrames WindowOverflow MalformedHeaderBlock PushPromise ResetOfIdleStream
    FrameTooLarge DataOnIdleStream
}

kinds! {
    /// Odd ways to open an HTTP/2 connection.
    Opening:
    SettingsLate SettingsNever CloseBeforeSettings CloseAfterSettings GoAwayAtOnce WindowTiny
    StreamsZeroAtFirst OneStream
}

kinds! {
    /// Faults of the network, for one connection each.
    Link:
    Latency SmallPieces LowBandwidth PartitionAtOnce Partition AnswersLost RequestsLost Stall
    ServerDoesNotRead ResetByClientBytes ResetByServerBytes CloseByClientBytes CloseByServerBytes
    ClosedAtOnce SilentFromTheStart GarbageFromServer HttpOneAnswer PortClosed
}

kinds! {
    /// Faults of the credentials.
    #[expect(clippy::enum_variant_names, reason = "the list prints them without the type")]
    Credential: TokenUnavailable TokenSlow TokenNever TokenRefused
}

impl Fault {
    const FIRST_BY_HAND: usize = Self::ALL.len() - 8;
    pub const ORDINARY: &[Self] = Self::ALL.split_at(Self::FIRST_BY_HAND).0;
    pub const BY_HAND: &[Self] = Self::ALL.split_at(Self::FIRST_BY_HAND).1;

    /// Whether it strikes before the body of the request is there.
    pub fn is_early(self) -> bool {
        matches!(self, Self::RefusedBeforeBody | Self::AnsweredBeforeBody)
    }
}

pub type Fields = Vec<(&'static str, String)>;

/// One step of a response.
#[derive(Clone, Debug)]
pub enum Step {
    Wait(Duration),
    /// The headers of a response, of which more follows.
    Headers(Fields),
    /// A response of headers only.
    Only(Fields),
    Data(Bytes),
    /// Data that ends the response.
    LastData(Bytes),
    Trailers(Fields),
    Reset(u32),
    /// Nothing more, until the client gives up.
    Silence,
    /// A header block of 103, which is not the response.
    Interim,
    /// Data in a padded frame.
    PaddedData(Bytes),
    /// Headers in two frames.
    SplitHeaders(Fields),
    /// Trailers without END_STREAM.
    OpenTrailers(Fields),
}

/// How the server handles a request.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Whether it carries the request out.
    pub carries_out: bool,
    pub steps: Vec<Step>,
}

pub const REFUSED_STREAM: u32 = 7;

/// The error codes of RFC 9113, and one that is not in it.
const RESETS: &[u32] = &[0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 0xff];

pub fn millis(range: std::ops::Range<u64>, rng: &mut Rng) -> Duration {
    Duration::from_millis(rng.u64(range))
}

pub fn grpc() -> Fields {
    vec![(":status", "200".into()), ("content-type", "application/grpc".into())]
}

pub fn status(code: u32) -> Fields {
    vec![("grpc-status", code.to_string())]
}

/// Headers that are the whole response: a status other than OK.
fn failed(code: u32, more: &[(&'static str, &str)]) -> Vec<Step> {
    let mut fields = [grpc(), status(code)].concat();
    fields.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
    vec![Step::Only(fields)]
}

fn html(status: &str) -> Vec<Step> {
    let fields = vec![(":status", status.to_owned()), ("content-type", "text/html".into())];
    vec![Step::Headers(fields), Step::LastData("<html>go away</html>".into())]
}

/// The response to a request, with this fault or without one.
pub fn plan(fault: Option<Fault>, answer: &Bytes, rng: &mut Rng) -> Plan {
    use Step::{Data, Headers, LastData, Only, Reset, Silence, Trailers, Wait};
    let wait = Wait(millis(0..20, rng));
    let coin = rng.bool();
    let code = RESETS[rng.usize(..RESETS.len())];
    let (head, data, end) = (Headers(grpc()), Data(answer.clone()), Trailers(status(0)));
    let well = vec![head.clone(), data.clone(), end.clone()];
    let with_message = |message: Bytes| vec![Headers(grpc()), Data(message), Trailers(status(0))];
    // The status of a response that says nothing false: the request was not carried out if so.
    let (carries_out, steps) = match fault {
        None => (true, well),
        Some(Fault::Slow) => (true, [vec![Wait(millis(100..1500, rng))], well].concat()),
        Some(Fault::NoAnswer) => (coin, vec![Silence]),
        Some(Fault::SilentAfterHeaders) => (true, vec![head, Silence]),
        Some(Fault::LateTrailers) => (true, vec![head, data, Wait(millis(50..500, rng)), end]),
        Some(Fault::Dribbled) => {
            let pieces = answer.chunks(answer.len().div_ceil(5).max(1));
            let pieces = pieces.flat_map(|piece| {
                [Data(Bytes::copy_from_slice(piece)), Wait(Duration::from_millis(20))]
            });
            (true, [vec![head], pieces.collect(), vec![end]].concat())
        }
        Some(Fault::RefusedStream) => (false, vec![Reset(REFUSED_STREAM)]),
        Some(Fault::ResetBeforeHeaders) => (coin, vec![Reset(code)]),
        Some(Fault::ResetAfterHeaders) => (true, vec![head, Wait(millis(1..5, rng)), Reset(code)]),
        Some(Fault::ResetAfterData) => {
            (true, vec![head, data, Wait(millis(1..5, rng)), Reset(code)])
        }
        // False: the response headers prove that the server has seen the request.
        Some(Fault::RefusedAfterHeaders) => {
            (true, vec![head, Wait(millis(1..5, rng)), Reset(REFUSED_STREAM)])
        }
        Some(Fault::RefusedAfterData) => {
            (true, vec![head, data, Wait(millis(1..5, rng)), Reset(REFUSED_STREAM)])
        }
        Some(Fault::NoErrorAfterHeaders) => (true, vec![head, Wait(millis(1..5, rng)), Reset(0)]),
        Some(Fault::MissingTrailers) => (true, vec![head, LastData(answer.clone())]),
        Some(Fault::MalformedStatus) => {
            let malformed = ["abc", "00", "99", "", "-1", "0 "][rng.usize(..6)];
            (true, vec![head, data, Trailers(vec![("grpc-status", malformed.into())])])
        }
        Some(Fault::Unavailable) => (false, failed(14, &[])),
        Some(Fault::UnavailableAfterwards) => (true, failed(14, &[])),
        // INVALID_ARGUMENT, NOT_FOUND, PERMISSION_DENIED, FAILED_PRECONDITION, ABORTED, UNAUTHENTICATED.
        Some(Fault::Rejected) => (false, failed([3, 5, 7, 9, 10, 16][rng.usize(..6)], &[])),
        // CANCELLED, UNKNOWN, DEADLINE_EXCEEDED, INTERNAL, DATA_LOSS.
        Some(Fault::Uncertain) => (coin, failed([1, 2, 4, 13, 15][rng.usize(..5)], &[])),
        Some(Fault::HtmlServerError) => (coin, html(["500", "502", "503", "504"][rng.usize(..4)])),
        Some(Fault::HtmlClientError) => {
            (false, html(["400", "401", "403", "404", "429"][rng.usize(..5)]))
        }
        Some(Fault::Pushback) => (coin, failed(14, &[("grpc-retry-pushback-ms", "30")])),
        Some(Fault::PushbackNever) => (coin, failed(14, &[("grpc-retry-pushback-ms", "-1")])),
        Some(Fault::RetryInfo) => {
            (coin, failed(14, &[("grpc-status-details-bin", &retry_info(14, 30))]))
        }
        Some(Fault::RetryInfoTooLong) => {
            (coin, failed(14, &[("grpc-status-details-bin", &retry_info(14, 3_600_000))]))
        }
        Some(Fault::MalformedDetails) => {
            let malformed = if coin { "%%%" } else { "/////w==" };
            (coin, failed(14, &[("grpc-status-details-bin", malformed)]))
        }
        Some(Fault::QuotaExhausted) => (false, failed(8, &[])),
        Some(Fault::QuotaWithRetryInfo) => {
            (false, failed(8, &[("grpc-status-details-bin", &retry_info(8, 30))]))
        }
        Some(Fault::TruncatedMessage) => (true, with_message(answer.slice(..answer.len() - 3))),
        Some(Fault::EndWithinMessage) => (true, vec![head, LastData(answer.slice(..6))]),
        Some(Fault::GarbledMessage) => (true, with_message(framed(0, &[0xff; 40], 40))),
        Some(Fault::CompressedMessage) => (true, with_message(framed(1, &answer[5..], 0))),
        Some(Fault::TooLarge) => (true, with_message(framed(0, &[8; 100], 1 << 31))),
        Some(Fault::TwoMessages) => {
            (true, with_message([&answer[..], &answer[..]].concat().into()))
        }
        Some(Fault::LongHeaders) => (true, failed(14, &[("grpc-message", &"x".repeat(100 << 10))])),
        Some(Fault::WrongContentType) => {
            let fields = vec![(":status", "200".to_owned()), ("content-type", "text/plain".into())];
            (coin, vec![Headers(fields), LastData("hello".into())])
        }
        Some(Fault::OkWithoutMessage) => (true, vec![Only([grpc(), status(0)].concat())]),
        Some(Fault::EmptyData) => {
            let empty = vec![Data(Bytes::new()); 3];
            (true, [vec![head], empty, vec![data, end]].concat())
        }
        Some(Fault::Interim) => (true, [vec![Step::Interim], well].concat()),
        Some(Fault::InterimFlood) => (true, [vec![Step::Interim; 200], vec![Silence]].concat()),
        Some(Fault::Padded) => (true, vec![head, Step::PaddedData(answer.clone()), end]),
        Some(Fault::SplitHeaders) => (true, vec![Step::SplitHeaders(grpc()), data, end]),
        Some(Fault::RefusedBeforeBody) => (false, vec![Reset(REFUSED_STREAM)]),
        Some(Fault::AnsweredBeforeBody) => (false, [failed(14, &[]), vec![Reset(0)]].concat()),
        Some(Fault::AnsweredTwice) => (true, [well.clone(), well].concat()),
        Some(Fault::TrailersWithoutEnd) => {
            (true, vec![head, data, Step::OpenTrailers(status(0)), Silence])
        }
    };
    Plan { carries_out, steps: [vec![wait], steps].concat() }
}

/// A message in a gRPC frame, which may announce another length.
pub fn framed(flag: u8, message: &[u8], length: u32) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_u8(flag);
    let actual = u32::try_from(message.len()).expect("a short message");
    frame.put_u32(if length > 0 { length } else { actual });
    frame.put_slice(message);
    frame.freeze()
}

/// A `google.rpc.Status` with a `RetryInfo`, in base64.
fn retry_info(code: i32, millis: i32) -> String {
    #[derive(Clone, PartialEq, Message)]
    struct Status {
        #[prost(int32, tag = "1")]
        code: i32,
        #[prost(message, repeated, tag = "3")]
        details: Vec<prost_types::Any>,
    }
    #[derive(Clone, PartialEq, Message)]
    struct RetryInfo {
        #[prost(message, tag = "1")]
        delay: Option<prost_types::Duration>,
    }
    let delay = prost_types::Duration {
        seconds: i64::from(millis / 1000),
        nanos: millis % 1000 * 1_000_000,
    };
    let info = RetryInfo { delay: Some(delay) };
    let detail = prost_types::Any {
        type_url: "type.googleapis.com/google.rpc.RetryInfo".into(),
        value: info.encode_to_vec(),
    };
    BASE64_STANDARD.encode(Status { code, details: vec![detail] }.encode_to_vec())
}
