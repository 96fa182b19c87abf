//! Execution: a request on the state as it is now, and its line in the journal.

use super::{clock::Clock, dispatch::Rule, emulator::Emulator};
#[cfg(feature = "http")]
use super::{
    emulator::Held,
    journal::{self, ClockLine, Place},
};
#[cfg(feature = "http")]
use livestream_client::rpc::Idempotency;
use livestream_client::rpc::Rpc;
#[cfg(feature = "http")]
use prost::Message;
use prost::Name;
#[cfg(feature = "http")]
use std::time::SystemTime;
use tonic::Status;

/// The end of the journal when a request was executed; `None` without a journal. A read and a refusal
/// depend on the lines before them too.
#[cfg(feature = "http")]
pub(super) type Ticket = Option<Place>;
/// There is no journal without the feature.
#[cfg(not(feature = "http"))]
pub(super) type Ticket = Option<()>;

impl Emulator {
    /// Responds to a request by its rule. The response may be sent after [`Emulator::settled`].
    #[cfg(feature = "http")]
    pub(super) fn execute<R>(
        &self,
        request: R,
        rule: Rule<R>,
    ) -> (Result<R::Response, Status>, Ticket)
    where
        R: Rpc + Name + PartialEq,
        R::Response: Clone + Send + Sync,
    {
        let mut journal = self.journal();
        let Some(file) = journal.as_mut() else {
            // Without a journal, requests need no order beyond that of the state.
            drop(journal);
            return (self.state().answer(request, rule), None);
        };
        if let Some(reason) = file.failure() {
            return (Err(journal::unwritable(&reason)), None);
        }
        let message = request.encode_to_vec();
        let mut state = self.state();
        let (time, drawn) = (state.now(), state.drawn());
        let answer = state.answer(request, rule);
        // A read can draw random numbers, such as a token.
        let is_change = R::METHOD.idempotency() != Idempotency::Safe || state.drawn() != drawn;
        if answer.is_ok() && is_change {
            file.add_request(time, R::METHOD.path(), message);
        }
        (answer, Some(file.end()))
    }

    /// Responds to a request by its rule.
    #[cfg(not(feature = "http"))]
    pub(super) fn execute<R>(
        &self,
        request: R,
        rule: Rule<R>,
    ) -> (Result<R::Response, Status>, Ticket)
    where
        R: Rpc + Name + PartialEq,
        R::Response: Clone + Send + Sync,
    {
        (self.state().answer(request, rule), None)
    }

    /// Executes a control at one moment of virtual time, and adds its line to the journal: the path
    /// and the request as it is afterwards.
    #[cfg(feature = "http")]
    pub(super) fn control<R: Message, T>(
        &self,
        path: &str,
        mut request: R,
        change: impl FnOnce(&mut R) -> Result<T, Status>,
    ) -> (Result<T, Status>, Ticket) {
        let mut journal = self.journal();
        let Some(file) = journal.as_mut() else {
            drop(journal);
            return (change(&mut request), None);
        };
        if let Some(reason) = file.failure() {
            return (Err(journal::unwritable(&reason)), None);
        }
        let (answer, time) = {
            let held = Held::new(self);
            (change(&mut request), held.time())
        };
        if answer.is_ok() {
            file.add_request(time, path, request.encode_to_vec());
        }
        (answer, Some(file.end()))
    }

    /// Changes the clock, makes every change that is due by then, and adds the clock to the journal.
    pub(super) fn change_clock(
        &self,
        change: impl FnOnce(&mut Clock) -> Result<(), Status>,
    ) -> (Result<(), Status>, Ticket) {
        #[cfg(feature = "http")]
        let mut journal = self.journal();
        #[cfg(feature = "http")]
        if let Some(reason) = journal.as_ref().and_then(|file| file.failure()) {
            return (Err(journal::unwritable(&reason)), None);
        }
        let answer = change(&mut self.clock());
        drop(self.state());
        #[cfg(feature = "http")]
        if let Some(file) = journal.as_mut() {
            if answer.is_ok() {
                file.add_clock(self.clock_line());
            }
            return (answer, Some(file.end()));
        }
        (answer, None)
    }

    /// The present end of the journal.
    #[cfg(feature = "http")]
    pub(super) fn ticket(&self) -> Ticket {
        self.journal().as_ref().map(|file| file.end())
    }

    /// Waits until the lines that an answer depends on are on the disk.
    ///
    /// # Errors
    /// `UNAVAILABLE` if they cannot be written.
    #[cfg(feature = "http")]
    pub(super) async fn settled(&self, ticket: Ticket) -> Result<(), Status> {
        let Some(place) = ticket else { return Ok(()) };
        place.written().await.map_err(|reason| journal::unwritable(&reason))
    }

    /// Nothing is written without the feature.
    #[cfg(not(feature = "http"))]
    pub(super) async fn settled(&self, _: Ticket) -> Result<(), Status> {
        Ok(())
    }

    #[cfg(feature = "http")]
    pub(super) fn clock_line(&self) -> ClockLine {
        let clock = self.clock();
        let (time, real) = (clock.now(), SystemTime::now());
        ClockLine { time, real, speed: clock.speed(), is_paused: clock.is_paused() }
    }
}
