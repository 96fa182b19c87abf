//! Examples of the client's documentation that read and write JSON and YAML. The client's documentation
//! shows the same examples, but does not run them.

/// YAML, from the module `json`.
#[doc = include_str!("../../../src/json/yaml.md")]
pub mod yaml {}

/// Files, from the guide's chapter on resources.
#[doc = include_str!("../../../src/guide/examples/files.md")]
pub mod files {}
