//! The state of a running channel and of its encoders that no resource holds.

/// The state of the encoder at a source. Most sources have no entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Feed {
    /// The encoder sends.
    Connected,
    /// The encoder does not send, and does not connect by itself.
    Disconnected,
}

/// What a channel does beyond what its resource shows.
#[derive(Clone, Debug, Default)]
pub(super) struct Pipeline {
    /// Whether the channel has ever streamed: without content no clip can be cut.
    pub(super) has_streamed: bool,
    /// Whether an event chose the input. The service does not switch inputs after that.
    pub(super) is_switched: bool,
    /// The event that muted the channel.
    pub(super) muted_by: Option<String>,
}

/// A file in Cloud Storage.
#[derive(Clone, Copy, Debug)]
pub(super) struct Object {
    pub(super) bytes: u64,
    pub(super) crc32c: u32,
}
