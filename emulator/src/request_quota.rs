//! The quotas of requests a minute, by project and by location.
//!
//! The numbers are those of the public page on quotas.

use super::status;
use livestream_client::rpc::{Idempotency, Method};
use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};
use tonic::Status;

/// The requests of the present minute, by project or location and by kind.
#[derive(Clone, Debug, Default)]
pub(super) struct RequestQuota {
    minute: u64,
    counts: BTreeMap<(String, &'static str), u32>,
}

impl RequestQuota {
    /// Counts a request.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED` with the time until the next minute, if a quota is used up.
    pub(super) fn count(
        &mut self,
        method: &Method,
        name: &str,
        now: SystemTime,
    ) -> Result<(), Status> {
        const MINUTE: u64 = 60;
        let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        if self.minute != since.as_secs() / MINUTE {
            *self = Self { minute: since.as_secs() / MINUTE, counts: BTreeMap::new() };
        }
        let first = |segments| name.split('/').take(segments).collect::<Vec<_>>().join("/");
        let (kind, max) = match method.name() {
            _ if method.service() == "google.longrunning.Operations" => {
                ("operation requests", 1200)
            }
            own if own.starts_with("List") => ("list requests", 300),
            _ if method.idempotency() == Idempotency::Safe => ("get requests", 1200),
            _ => ("mutation requests", 300),
        };
        let quotas = [(first(2), "requests", 6000), (first(4), kind, max)];
        let is_full = |(subject, kind, max): &(String, &'static str, u32)| {
            self.counts.get(&(subject.clone(), *kind)).is_some_and(|count| count >= max)
        };
        if let Some((subject, kind, max)) = quotas.iter().find(|quota| is_full(quota)) {
            let passed = Duration::new(since.as_secs() % MINUTE, since.subsec_nanos());
            let wait = Duration::from_secs(MINUTE) - passed;
            return Err(status::too_many_requests(subject, kind, *max, wait));
        }
        for (subject, kind, _) in quotas {
            *self.counts.entry((subject, kind)).or_default() += 1;
        }
        Ok(())
    }
}
