//! Compaction: which lines of a journal a replay still needs.
//!
//! A reset or a return to a snapshot replaces the whole state. So the state at a line depends on the
//! requests since the last such line before it, and on the snapshot that it returned to. Snapshots
//! outlive a reset and can be restored at any time: the state at the last snapshot of each id is
//! needed too.

use super::lines::Line;
use crate::control_proto::{CreateSnapshotRequest, RestoreSnapshotRequest};
use prost::Message as _;
use std::collections::BTreeMap;

/// What a line does to the state.
enum Kind {
    /// Replaces it by an empty one.
    Reset,
    /// Copies it under an id.
    Snapshot(String),
    /// Replaces it by a copy.
    Restore(String),
    /// Changes it.
    Request,
    /// How the clock runs; only the last line counts.
    Clock,
    /// What the whole journal needs.
    Other,
}

fn kind(line: &Line) -> Kind {
    let (path, message) = match line {
        Line::Begin { .. } | Line::Settings { .. } => return Kind::Other,
        Line::Clock(_) => return Kind::Clock,
        Line::Request { path, message, .. } => (path, &**message),
    };
    // A message that cannot be decoded is refused when it is replayed.
    match path.strip_prefix("/livestream.emulator.v1.Control/") {
        Some("Reset") => Kind::Reset,
        Some("CreateSnapshot") => {
            Kind::Snapshot(CreateSnapshotRequest::decode(message).unwrap_or_default().id)
        }
        Some("RestoreSnapshot") => {
            Kind::Restore(RestoreSnapshotRequest::decode(message).unwrap_or_default().id)
        }
        _ => Kind::Request,
    }
}

/// Whether a state file can become shorter after the request with this path.
pub(super) fn is_cut(path: &str) -> bool {
    let cuts = ["Reset", "RestoreSnapshot"];
    path.strip_prefix("/livestream.emulator.v1.Control/").is_some_and(|name| cuts.contains(&name))
}

/// Drops the lines that a replay does not need. Returns whether there were requests among them, or more
/// than half of all lines.
pub(super) fn compact(lines: &mut Vec<Line>) -> bool {
    let kinds: Vec<Kind> = lines.iter().map(kind).collect();
    if kinds.iter().any(|kind| matches!(kind, Kind::Snapshot(id) if id.is_empty())) {
        // Which id it got depends on the snapshots before it.
        return false;
    }
    let needed = needed(&kinds);
    let last_clock = kinds.iter().rposition(|kind| matches!(kind, Kind::Clock));
    let (mut at, mut is_shorter, before) = (0, false, lines.len());
    lines.retain(|_| {
        let is_kept = match kinds[at] {
            Kind::Other => true,
            Kind::Clock => last_clock == Some(at),
            _ => {
                is_shorter |= !needed[at];
                needed[at]
            }
        };
        at += 1;
        is_kept
    });
    is_shorter || lines.len() < before / 2
}

fn needed(kinds: &[Kind]) -> Vec<bool> {
    let mut needed = vec![false; kinds.len()];
    // For each id, where its snapshots were made.
    let mut made: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, kind) in kinds.iter().enumerate() {
        if let Kind::Snapshot(id) = kind {
            made.entry(id).or_default().push(at);
        }
    }
    // The state before each of these lines is needed.
    let mut ends = vec![kinds.len()];
    ends.extend(made.values().filter_map(|made| made.last()).map(|at| at + 1));
    while let Some(end) = ends.pop() {
        let is_cut = |kind: &Kind| matches!(kind, Kind::Reset | Kind::Restore(_));
        let start = kinds[..end].iter().rposition(is_cut).unwrap_or(0);
        let is_known = needed[start..end].iter().all(|needed| *needed);
        needed[start..end].fill(true);
        if let Some(Kind::Restore(id)) = kinds.get(start).filter(|_| !is_known) {
            let earlier = made.get(&**id).and_then(|made| made.iter().rfind(|at| **at < start));
            ends.extend(earlier.map(|at| at + 1));
        }
    }
    // The state is empty at the beginning anyway.
    let is_request = |kind: &Kind| !matches!(kind, Kind::Clock | Kind::Other);
    let first = kinds.iter().zip(&needed).position(|(kind, needed)| *needed && is_request(kind));
    if let Some(first) = first.filter(|first| matches!(kinds[*first], Kind::Reset)) {
        needed[first] = false;
    }
    needed
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each letter is a line: `r` resets, a capital letter makes a snapshot of its id, a digit
    /// restores the snapshot of that number in the alphabet, and others are requests.
    fn kept(lines: &str) -> String {
        let kinds: Vec<_> = lines
            .chars()
            .map(|c| match c {
                'r' => Kind::Reset,
                'A'..='Z' => Kind::Snapshot(c.to_string()),
                '0'..='9' => {
                    let at = c as u8 - b'0';
                    Kind::Restore(char::from(b'A' + at).to_string())
                }
                _ => Kind::Request,
            })
            .collect();
        let needed = needed(&kinds);
        lines.chars().zip(needed).filter(|(_, needed)| *needed).map(|(c, _)| c).collect()
    }

    #[test]
    fn compaction_drops_what_neither_the_end_nor_a_snapshot_depends_on() {
        for (lines, expected) in [
            ("", ""),
            ("abc", "abc"),
            ("abrc", "c"),
            ("abr", ""),
            ("arbrc", "c"),
            // A snapshot from before a reset can still be restored.
            ("aAbrc", "aArc"),
            ("raAbrc", "aArc"),
            // The same id again.
            ("aAbrcAd", "cAd"),
            ("aAbrcBd", "aArcBd"),
            // Back to a snapshot.
            ("aAb0c0d", "aA0d"),
            ("aAb0cAd0e", "aA0cA0e"),
            ("aAb0cBd1e", "aA0cB1e"),
            ("aAbrcAd0e", "cA0e"),
            ("aAbBcrd0e1f", "aAbB1f"),
        ] {
            assert_eq!(kept(lines), expected, "{lines}");
        }
    }
}
