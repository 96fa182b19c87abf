//! Examples of the client's documentation that need a subscriber. They are tests of this package, so
//! that the client's own examples and tests build without this dependency.
//!
//! The client's documentation shows the same examples, but does not run them.

/// Spans and events, from the guide.
///
#[doc = include_str!("../../../src/guide/observability.md")]
pub mod observability {}
