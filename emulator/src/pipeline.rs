//! The state of a running channel and of its encoders that no resource holds.

use std::{collections::VecDeque, time::SystemTime};

/// How many times of a channel on air are remembered.
const MAX_TIMES: usize = 10_000;

/// The state of the encoder at a source. Most sources have no entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Feed {
    /// The encoder sends.
    Connected,
    /// The encoder does not send, and does not connect by itself.
    Disconnected,
}

/// What a channel does beyond what its resource shows.
#[derive(Clone, Debug, Default)]
pub(super) struct Pipeline {
    /// When the channel was on air, in order; the last time can be open. Without content there is no
    /// clip.
    pub(super) on_air: VecDeque<(SystemTime, Option<SystemTime>)>,
    /// Whether an event chose the input. The service does not switch inputs after that.
    pub(super) is_switched: bool,
    /// The event that muted the channel.
    pub(super) muted_by: Option<String>,
}

impl Pipeline {
    /// Remembers that the channel is on air from now on, or is not.
    pub(super) fn set_on_air(&mut self, is_on_air: bool, now: SystemTime) {
        match self.on_air.back_mut() {
            Some((_, end @ None)) if !is_on_air => *end = Some(now),
            Some((_, None)) => {}
            _ if is_on_air => {
                if self.on_air.len() == MAX_TIMES {
                    self.on_air.pop_front();
                }
                self.on_air.push_back((now, None));
            }
            _ => {}
        }
    }

    /// Whether the channel was on air at any time between two.
    pub(super) fn was_on_air(&self, from: SystemTime, to: SystemTime) -> bool {
        let overlaps = |start: SystemTime, end: Option<SystemTime>| {
            start < to && end.is_none_or(|end| end > from)
        };
        self.on_air.iter().rev().any(|(start, end)| overlaps(*start, *end))
    }
}

/// A file in Cloud Storage.
#[derive(Clone, Copy, Debug)]
pub(super) struct Object {
    pub(super) bytes: u64,
    pub(super) crc32c: u32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_pipeline_knows_when_it_was_on_air() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let mut pipeline = Pipeline::default();
        for (is_on_air, seconds) in
            [(false, 5), (true, 10), (true, 12), (false, 20), (false, 25), (true, 30)]
        {
            pipeline.set_on_air(is_on_air, at(seconds));
        }
        assert_eq!(pipeline.on_air, [(at(10), Some(at(20))), (at(30), None)]);
        for (from, to, expected) in [
            (0, 10, false),
            (0, 11, true),
            (19, 25, true),
            (20, 30, false),
            (20, 31, true),
            (90, 99, true),
        ] {
            assert_eq!(pipeline.was_on_air(at(from), at(to)), expected, "{from} to {to}");
        }
    }
}
