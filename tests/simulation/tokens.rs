//! The source of the client's tokens: slow, failing, or of another universe.

use livestream_client::credentials::{
    Token, TokenError, TokenFuture, TokenSource, UniverseDomainFuture,
};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::time::{Instant, sleep, sleep_until};

/// What no error may show.
pub(crate) const SECRET: &str = "secret";

const OWN: &str = "googleapis.com";
const OTHER: &str = "other.test";

/// A token source. Clones share it.
#[derive(Clone)]
pub(crate) struct Tokens {
    pub(crate) faults: Faults,
    begun: Instant,
    heals_at: Duration,
    state: Arc<Mutex<(fastrand::Rng, u64)>>,
}

/// How often the source fails, in percent of the tokens.
#[derive(Clone, Debug)]
pub(crate) struct Faults {
    fails: u8,
    fails_for_good: u8,
    hangs: u8,
    expires: u8,
    takes: Duration,
    /// Until when the tokens are of another universe.
    is_other_until: Duration,
}

impl Tokens {
    pub(crate) fn draw(rng: &mut fastrand::Rng, heals_at: Duration) -> Self {
        let mut rate = |most: u8| if rng.bool() { rng.u8(..most) } else { 0 };
        let (fails, fails_for_good, hangs, expires) = (rate(25), rate(4), rate(10), rate(5));
        let is_other = rng.u8(..8) == 0;
        let faults = Faults {
            fails,
            fails_for_good,
            hangs,
            expires,
            takes: Duration::from_millis(if rng.bool() { rng.u64(..500) } else { 0 }),
            is_other_until: Duration::from_millis(if is_other { rng.u64(..20_000) } else { 0 }),
        };
        let state = Arc::new(Mutex::new((rng.fork(), 0)));
        Self { faults, begun: Instant::now(), heals_at, state }
    }

    fn domain(&self) -> &'static str {
        if self.begun.elapsed() < self.faults.is_other_until { OTHER } else { OWN }
    }
}

impl TokenSource for Tokens {
    fn token(&self) -> TokenFuture<'_> {
        Box::pin(async move {
            let (drawn, takes, number) = {
                let (rng, number) = &mut *self.state.lock().expect("no panic under the lock");
                *number += 1;
                (rng.u8(..100), self.faults.takes.mul_f64(rng.f64()), *number)
            };
            if !takes.is_zero() {
                sleep(takes).await;
            }
            let Faults { fails, fails_for_good, hangs, expires, .. } = self.faults;
            let mut below = 0;
            let mut happens = |percent: u8| {
                let from = below;
                below += percent;
                (from..below).contains(&drawn) && self.begun.elapsed() < self.heals_at
            };
            if happens(fails) {
                return Err(TokenError::transient("the token service is away"));
            }
            if happens(fails_for_good) {
                return Err(TokenError::permanent("the key is revoked"));
            }
            if happens(hangs) {
                sleep_until(self.begun + self.heals_at).await;
            }
            let life = if happens(expires) { "old" } else { "new" };
            Token::bearer(&format!("{SECRET}-{}-{life}-{number}", self.domain()))
        })
    }

    fn universe_domain(&self) -> UniverseDomainFuture<'_> {
        Box::pin(async { Some(self.domain().to_owned()) })
    }
}

/// What a server sees in a token.
pub(crate) struct Seen {
    pub(crate) is_of_this_universe: bool,
    pub(crate) has_expired: bool,
}

pub(crate) fn state(token: &str) -> Seen {
    Seen { is_of_this_universe: token.contains(OWN), has_expired: token.contains("-old-") }
}
