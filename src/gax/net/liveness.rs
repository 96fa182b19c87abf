//! Decides when to ping a connection, and when to give it up.
//!
//! A plain state machine: it is stepped with the present time and what is known of the connection.
//! Pings are sent only while calls wait, because servers count pings without calls against a client.
//! There are two kinds:
//! - A probe follows [`SILENCE`] after the first call that nothing has answered, or goes along with a
//!   call on a connection that was quiet for longer than the keepalive interval. A second probe needs
//!   an answered call in between. So a server with gRPC's default enforcement, which forgives two
//!   pings too many until it sends data, accepts the probes.
//! - The regular ping follows every keepalive interval
//!   ([gRFC A8](https://github.com/grpc/proposal/blob/master/A8-client-side-keepalive.md)).

use crate::gax::planted::planted;
use std::time::Duration;
use tokio::time::Instant;

/// How a connection finds out that its peer is gone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keepalive {
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
}

/// A connection that has been silent for this long while a call waited is probed; if the probe goes
/// unanswered for as long again, new calls go elsewhere.
pub(super) const SILENCE: Duration = Duration::from_secs(1);

/// The least time between two pings, of either kind.
pub(crate) const MIN_PING_INTERVAL: Duration = Duration::from_secs(10);

/// The state of one connection, as far as the client knows it.
#[derive(Debug)]
pub(super) struct Liveness {
    keepalive: Option<Keepalive>,
    reads: u64,
    heard_at: Instant,
    awaited_since: Option<Instant>,
    /// The ping that nothing has followed yet.
    pinged_at: Option<Instant>,
    last_ping: Option<LastPing>,
    is_silent: bool,
}

#[derive(Debug)]
struct LastPing {
    at: Instant,
    answers: u64,
}

/// The counts of a connection at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Signs {
    /// How often bytes have arrived.
    pub(super) reads: u64,
    /// How many calls have been answered.
    pub(super) answers: u64,
    /// Whether calls wait for the peer.
    pub(super) is_awaited: bool,
    /// Whether a call has timed out on it, so that it must prove itself now.
    pub(super) is_suspect: bool,
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing, until this time or until something changes.
    Wait(Option<Instant>),
    /// Send a ping.
    Ping,
    /// Send no new calls here.
    Suspect,
    /// New calls may go here again.
    Recovered,
    /// Close the connection: it is suspect, nobody waits for it, and no ping can clear it soon.
    Doubtful,
    /// Close the connection.
    Dead,
}

impl Liveness {
    pub(super) fn new(keepalive: Option<Keepalive>, now: Instant) -> Self {
        Self {
            keepalive,
            reads: 0,
            heard_at: now,
            awaited_since: None,
            pinged_at: None,
            last_ping: None,
            is_silent: false,
        }
    }

    /// The next step. Call it again until it says [`Step::Wait`].
    pub(super) fn step(&mut self, now: Instant, signs: Signs) -> Step {
        if signs.reads != self.reads {
            (self.reads, self.heard_at) = (signs.reads, now);
            (self.awaited_since, self.pinged_at) = (None, None);
            if self.is_silent || signs.is_suspect {
                self.is_silent = false;
                return Step::Recovered;
            }
        }
        let is_unneeded = signs.is_suspect && !signs.is_awaited;
        let Some(keepalive) = self.keepalive else {
            return if is_unneeded { Step::Doubtful } else { Step::Wait(None) };
        };
        if let Some(pinged_at) = self.pinged_at {
            let (silent, dead) = (pinged_at + SILENCE, pinged_at + keepalive.timeout);
            if now >= dead {
                return Step::Dead;
            }
            if self.is_silent || now < silent {
                return Step::Wait(Some(if self.is_silent { dead } else { silent.min(dead) }));
            }
            self.is_silent = true;
            return Step::Suspect;
        }
        if !signs.is_awaited && !signs.is_suspect {
            self.awaited_since = None;
            return Step::Wait(None);
        }
        let due = self.next_ping(now, signs, keepalive);
        if is_unneeded && due > now + SILENCE {
            // It takes no calls, and the interval may have doubled to hours.
            return Step::Doubtful;
        }
        if now < due {
            return Step::Wait(Some(due));
        }
        self.pinged_at = Some(now);
        self.last_ping = Some(LastPing { at: now, answers: signs.answers });
        Step::Ping
    }

    fn next_ping(&mut self, now: Instant, signs: Signs, keepalive: Keepalive) -> Instant {
        planted!("pings too often", return now);
        let awaited_since = *self.awaited_since.get_or_insert(now);
        let was_quiet =
            awaited_since.saturating_duration_since(self.heard_at) >= keepalive.interval;
        let probe =
            if signs.is_suspect || was_quiet { awaited_since } else { awaited_since + SILENCE };
        match &self.last_ping {
            None => probe,
            Some(last) if last.answers != signs.answers => probe.max(last.at + MIN_PING_INTERVAL),
            Some(last) => probe.max(last.at + keepalive.interval),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const KEEPALIVE: Keepalive =
        Keepalive { interval: Duration::from_secs(30), timeout: Duration::from_secs(10) };

    /// Steps through time with the same signs, and returns what happens, with the second.
    fn steps(
        liveness: &mut Liveness,
        begin: Instant,
        from: u64,
        signs: Signs,
        until: u64,
    ) -> Vec<(u64, Step)> {
        let mut happened = Vec::new();
        let mut now = begin + SECOND * u32::try_from(from).expect("short");
        loop {
            match liveness.step(now, signs) {
                Step::Wait(Some(at))
                    if at <= begin + SECOND * u32::try_from(until).expect("short") =>
                {
                    assert!(at > now, "no step forward");
                    now = at;
                }
                Step::Wait(_) => return happened,
                step => happened.push(((now - begin).as_secs(), step)),
            }
            if matches!(happened.last(), Some((_, Step::Dead))) {
                return happened;
            }
        }
    }

    const AWAITED: Signs = Signs { reads: 0, answers: 0, is_awaited: true, is_suspect: false };

    #[test]
    fn a_silent_peer_is_probed_suspected_and_given_up() {
        let begin = Instant::now();
        let mut liveness = Liveness::new(Some(KEEPALIVE), begin);
        let happened = steps(&mut liveness, begin, 0, AWAITED, 100);
        assert_eq!(happened, [(1, Step::Ping), (2, Step::Suspect), (11, Step::Dead)]);
    }

    #[test]
    fn a_connection_without_calls_is_not_pinged() {
        let begin = Instant::now();
        let mut liveness = Liveness::new(Some(KEEPALIVE), begin);
        let idle = Signs { is_awaited: false, ..AWAITED };
        assert_eq!(steps(&mut liveness, begin, 0, idle, 1000), []);
    }

    #[test]
    fn a_call_after_a_long_quiet_carries_a_ping() {
        let begin = Instant::now();
        let mut liveness = Liveness::new(Some(KEEPALIVE), begin);
        let happened = steps(&mut liveness, begin, 29, AWAITED, 29);
        assert_eq!(happened, [], "not yet quiet for the keepalive interval");
        let mut liveness = Liveness::new(Some(KEEPALIVE), begin);
        assert_eq!(steps(&mut liveness, begin, 30, AWAITED, 30), [(30, Step::Ping)]);
    }

    #[test]
    fn a_slow_call_is_probed_once_and_then_at_the_keepalive_interval() {
        let begin = Instant::now();
        let mut liveness = Liveness::new(Some(KEEPALIVE), begin);
        let mut pings = Vec::new();
        let (mut now, mut signs) = (begin, AWAITED);
        while now < begin + 100 * SECOND {
            match liveness.step(now, signs) {
                Step::Ping => {
                    pings.push((now - begin).as_secs());
                    signs.reads += 1; // The acknowledgement.
                }
                Step::Wait(Some(at)) => now = at,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(pings, [1, 31, 61, 91]);
    }

    #[test]
    fn after_an_answer_the_next_probe_needs_only_the_minimum_interval() {
        let next_ping_after = |answers| {
            let begin = Instant::now();
            let mut liveness = Liveness::new(Some(KEEPALIVE), begin);
            assert_eq!(
                liveness.step(begin + SECOND, AWAITED),
                Step::Wait(Some(begin + 2 * SECOND))
            );
            assert_eq!(liveness.step(begin + 2 * SECOND, AWAITED), Step::Ping);
            let acknowledged = Signs { reads: 1, answers, ..AWAITED };
            match liveness.step(begin + 2 * SECOND, acknowledged) {
                Step::Wait(Some(at)) => at - (begin + 2 * SECOND),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(next_ping_after(0), KEEPALIVE.interval);
        assert_eq!(next_ping_after(1), MIN_PING_INTERVAL);
    }

    #[test]
    fn probes_keep_the_minimum_interval() {
        let begin = Instant::now();
        let mut liveness = Liveness::new(Some(KEEPALIVE), begin);
        let mut pings = Vec::new();
        // Each second, one call that takes just over a second is answered.
        for second in 0..60 {
            let now = begin + SECOND * second;
            let signs = Signs {
                reads: u64::from(second / 2),
                answers: u64::from(second / 2),
                is_awaited: true,
                is_suspect: false,
            };
            while liveness.step(now, signs) == Step::Ping {
                pings.push(second);
            }
        }
        assert!(!pings.is_empty(), "slow calls are probed");
        assert!(pings.windows(2).all(|pair| pair[1] - pair[0] >= 10), "{pings:?}");
    }

    #[test]
    fn any_byte_makes_a_suspect_good_again() {
        let begin = Instant::now();
        let mut liveness = Liveness::new(Some(KEEPALIVE), begin);
        steps(&mut liveness, begin, 0, AWAITED, 5);
        let heard = Signs { reads: 1, ..AWAITED };
        let happened = steps(&mut liveness, begin, 6, heard, 30);
        assert_eq!(happened, [(6, Step::Recovered)], "and the next ping is due after the interval");
    }

    #[test]
    fn a_suspect_is_pinged_at_once_even_without_calls() {
        let begin = Instant::now();
        let mut liveness = Liveness::new(Some(KEEPALIVE), begin);
        let suspect = Signs { is_awaited: false, is_suspect: true, ..AWAITED };
        let happened = steps(&mut liveness, begin, 3, suspect, 100);
        assert_eq!(happened, [(3, Step::Ping), (4, Step::Suspect), (13, Step::Dead)]);
    }

    #[test]
    fn a_suspect_without_calls_is_given_up_if_the_next_ping_is_not_due_soon() {
        let begin = Instant::now();
        let mut liveness = Liveness::new(Some(KEEPALIVE), begin);
        let suspect = Signs { is_awaited: false, is_suspect: true, ..AWAITED };
        assert_eq!(liveness.step(begin, suspect), Step::Ping);
        let answered = Signs { reads: 1, ..suspect };
        assert_eq!(liveness.step(begin, answered), Step::Recovered);
        let awaited = Signs { is_awaited: true, ..answered };
        let next = Step::Wait(Some(begin + KEEPALIVE.interval));
        assert_eq!(liveness.step(begin + SECOND, awaited), next, "a call still waits");
        assert_eq!(liveness.step(begin + SECOND, answered), Step::Doubtful);
        let late = begin + KEEPALIVE.interval - SECOND;
        assert_eq!(liveness.step(late, answered), next, "the ping is due in a second");
    }

    #[test]
    fn without_keepalive_nothing_is_pinged() {
        let begin = Instant::now();
        let mut liveness = Liveness::new(None, begin);
        assert_eq!(steps(&mut liveness, begin, 0, AWAITED, 1000), []);
        let suspect = Signs { is_awaited: false, is_suspect: true, ..AWAITED };
        assert_eq!(liveness.step(begin, suspect), Step::Doubtful);
    }
}
