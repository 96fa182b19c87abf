//! The details of a status, made safe for `tonic_types`: it panics at a `RetryInfo` whose delay is out
//! of the range of a duration.

use crate::proto::google::rpc::Status;
use prost::Message;
use prost_types::Any;
use tonic_types::pb::RetryInfo;

/// The encoded `google.rpc.Status` without the details that cannot be converted; `None` if all can.
pub(crate) fn without_unreadable(status: &[u8]) -> Option<Vec<u8>> {
    let status = Status::decode(status).ok()?;
    (!status.details.iter().all(is_readable)).then(|| readable(status).encode_to_vec())
}

/// The status without the details that cannot be converted.
pub(crate) fn readable(mut status: Status) -> Status {
    status.details.retain(is_readable);
    status
}

fn is_readable(detail: &Any) -> bool {
    /// 10,000 years, the limit of `google.protobuf.Duration`.
    const MAX_SECONDS: i64 = 315_576_000_000;
    if detail.type_url.rsplit('/').next() != Some("google.rpc.RetryInfo") {
        return true;
    }
    let delay = RetryInfo::decode(&*detail.value).ok().and_then(|info| info.retry_delay);
    delay.is_none_or(|delay| {
        (0..=MAX_SECONDS).contains(&delay.seconds) && (0..1_000_000_000).contains(&delay.nanos)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost_types::Duration;

    #[test]
    fn a_retry_info_with_a_delay_out_of_range_is_not_readable() {
        let is_readable = |seconds, nanos| {
            let retry_delay = Some(Duration { seconds, nanos });
            let value = RetryInfo { retry_delay }.encode_to_vec();
            is_readable(&Any { type_url: "type.googleapis.com/google.rpc.RetryInfo".into(), value })
        };
        assert!(is_readable(0, 0) && is_readable(315_576_000_000, 999_999_999));
        for (seconds, nanos) in [(-1, 0), (315_576_000_001, 0), (0, -1), (0, 1_000_000_000)] {
            assert!(!is_readable(seconds, nanos), "{seconds} s {nanos} ns");
        }
    }
}
