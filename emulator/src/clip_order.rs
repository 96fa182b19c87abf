//! The order in which the clips of a channel were created: the service keeps only the newest ones.

use std::collections::{BTreeMap, HashMap};

/// The clips of each channel, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct ClipOrder {
    channels: HashMap<String, BTreeMap<u64, String>>,
    /// When each clip was created, as a number.
    numbers: HashMap<String, u64>,
    last: u64,
}

impl ClipOrder {
    /// Adds a new clip of a channel.
    pub(super) fn push(&mut self, channel: &str, clip: &str) {
        self.last += 1;
        self.channels.entry(channel.to_owned()).or_default().insert(self.last, clip.to_owned());
        self.numbers.insert(clip.to_owned(), self.last);
    }

    /// The number of clips of a channel.
    pub(super) fn count(&self, channel: &str) -> usize {
        self.channels.get(channel).map_or(0, BTreeMap::len)
    }

    /// The first of the clips of a channel.
    pub(super) fn oldest(&self, channel: &str) -> Option<String> {
        self.channels.get(channel)?.values().next().cloned()
    }

    /// Removes a clip of a channel.
    pub(super) fn remove(&mut self, channel: &str, clip: &str) {
        let Some(number) = self.numbers.remove(clip) else { return };
        let Some(clips) = self.channels.get_mut(channel) else { return };
        clips.remove(&number);
        if clips.is_empty() {
            self.channels.remove(channel);
        }
    }
}
