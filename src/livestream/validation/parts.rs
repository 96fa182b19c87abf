//! The keys by which the parts of a channel refer to each other.

use super::report::Index;
use crate::model::{
    Channel, DistributionStream, ElementaryStream, Encryption, InputAttachment, MuxStream,
};

/// The parts of a channel that other parts refer to.
pub(super) struct Parts<'a> {
    pub(super) inputs: Index<'a, InputAttachment>,
    pub(super) tracks: Index<'a, ElementaryStream>,
    pub(super) mux_streams: Index<'a, MuxStream>,
    pub(super) distribution_streams: Index<'a, DistributionStream>,
    pub(super) encryptions: Index<'a, Encryption>,
}

impl<'a> Parts<'a> {
    pub(super) fn of(channel: &'a Channel) -> Self {
        Self {
            inputs: Index::new("input attachment", &channel.input_attachments, |i| &i.key),
            tracks: Index::new("elementary stream", &channel.elementary_streams, |t| &t.key),
            mux_streams: Index::new("mux stream", &channel.mux_streams, |m| &m.key),
            distribution_streams: Index::new(
                "distribution stream",
                &channel.distribution_streams,
                |d| &d.key,
            ),
            encryptions: Index::new("encryption", &channel.encryptions, |e| &e.id),
        }
    }

    /// The parts of a channel in an update request, which may omit lists that it does not change.
    pub(super) fn of_update(channel: &'a Channel) -> Self {
        let Self { inputs, tracks, mux_streams, distribution_streams, encryptions } =
            Self::of(channel);
        Self {
            inputs: inputs.unknown_if_empty(),
            tracks: tracks.unknown_if_empty(),
            mux_streams: mux_streams.unknown_if_empty(),
            distribution_streams: distribution_streams.unknown_if_empty(),
            encryptions: encryptions.unknown_if_empty(),
        }
    }
}
