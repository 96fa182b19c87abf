//! How long a call may take, when it is sent again, and what that may cost the service.
//!
//! Everything here is plain data and decisions on it: no clock, no I/O, no sleep. The private
//! function `decide` alone says whether another attempt follows a failed one. The stack carries the
//! decision out.
//!
//! Two rules keep a live channel from being started twice. A request that certainly never reached
//! the service may always be sent again. A request that may have been carried out is sent again only
//! if it changes nothing, or if it carries a `request_id` by which the service drops the repeat
//! ([AIP-155](https://google.aip.dev/155)).

mod backoff;
mod budget;
mod call;
mod decide;
#[cfg(test)]
mod decide_tests;
mod poll;
mod retry;
mod timeouts;

pub use backoff::Backoff;
pub use budget::Budget;
pub use call::CallPolicy;
pub(crate) use decide::{
    Attempt, Decision, Sent, ServerDelay, Stop, decide, may_have_run, repeatable_for,
};
pub use poll::PollPolicy;
pub use retry::RetryPolicy;
pub use timeouts::Timeouts;
