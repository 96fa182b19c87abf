//! Examples of the client's documentation that need what nothing else needs, run here: who builds an
//! example or a test of the client does without YAML and a subscriber.
//!
//! The documentation shows them in their places, where rustdoc passes them over as tests.

/// YAML, of the module `json`.
#[doc = include_str!("../../../src/json/yaml.md")]
pub mod json {}

/// Spans and events, of the guide.
///
#[doc = include_str!("../../../src/guide/observability.md")]
pub mod observability {}
