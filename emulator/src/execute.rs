//! Execution: a request on the state as it is now, and its line in the journal.

use super::{dispatch::Rule, emulator::Emulator};
#[cfg(feature = "http")]
use super::{
    emulator::Held,
    journal::{self, ClockLine, Progress},
};
#[cfg(feature = "http")]
use livestream_client::rpc::Idempotency;
use livestream_client::rpc::Rpc;
use prost::Name;
#[cfg(feature = "http")]
use std::time::SystemTime;
use tonic::Status;

/// The number of a line of the journal.
pub(super) type Ticket = Option<u64>;

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
        let ticket = (answer.is_ok() && is_change)
            .then(|| file.append(journal::request_line(time, R::METHOD.path(), message)));
        (answer, ticket)
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

    /// Executes a control at one moment of virtual time, and adds its line to the journal.
    #[cfg(feature = "http")]
    pub(super) fn control<T>(
        &self,
        path: &str,
        message: Vec<u8>,
        change: impl FnOnce() -> Result<T, Status>,
    ) -> (Result<T, Status>, Ticket) {
        let mut journal = self.journal();
        let Some(file) = journal.as_mut() else {
            drop(journal);
            return (change(), None);
        };
        if let Some(reason) = file.failure() {
            return (Err(journal::unwritable(&reason)), None);
        }
        let answer = {
            let held = Held::new(self);
            change().map(|answer| (answer, held.time()))
        };
        match answer {
            Ok((answer, time)) => {
                let ticket = file.append(journal::request_line(time, path, message));
                (Ok(answer), Some(ticket))
            }
            Err(status) => (Err(status), None),
        }
    }

    /// Waits until the line of a request is on the disk.
    ///
    /// # Errors
    /// `UNAVAILABLE` if it cannot be written.
    #[cfg(feature = "http")]
    pub(super) async fn settled(&self, ticket: Ticket) -> Result<(), Status> {
        let Some(ticket) = ticket else { return Ok(()) };
        let progress = self.journal().as_ref().map(|file| file.progress());
        let Some(mut progress) = progress else { return Ok(()) };
        let is_settled = |progress: &Progress| match progress {
            Progress::Written(last) => *last >= ticket,
            Progress::Failed(_) => true,
        };
        match progress.wait_for(is_settled).await.as_deref() {
            Ok(Progress::Failed(reason)) => Err(journal::unwritable(reason)),
            Ok(Progress::Written(_)) => Ok(()),
            Err(_) => Err(journal::unwritable("its thread has ended")),
        }
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

    /// Adds the present clock to the journal.
    #[cfg(feature = "http")]
    pub(super) fn keep_clock(&self) {
        let mut journal = self.journal();
        if let Some(file) = journal.as_mut() {
            file.append(journal::clock_line(self.clock_line()));
        }
    }

    /// Nothing is written without the feature.
    #[cfg(not(feature = "http"))]
    pub(super) fn keep_clock(&self) {}
}
