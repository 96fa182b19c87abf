//! What threads share. `tests/interleavings` replaces it, to run every interleaving.

pub(crate) use std::sync::{Arc, atomic};
