//! Examples of the client's documentation that need YAML or a subscriber. They are tests of this
//! package, so that the client's own examples and tests build without these dependencies.
//!
//! The client's documentation shows the same examples, but does not run them.

/// YAML, from the module `json`.
#[doc = include_str!("../../../src/json/yaml.md")]
pub mod json {}

/// Spans and events, from the guide.
///
#[doc = include_str!("../../../src/guide/observability.md")]
pub mod observability {}
