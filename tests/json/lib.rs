//! The documentation's example in YAML, run here: the client itself has no YAML among its
//! dev-dependencies.
#![doc = include_str!("../../src/json/yaml.md")]
