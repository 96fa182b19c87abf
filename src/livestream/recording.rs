//! The times that a DVR session records, and the updates that keep what is recorded.

use crate::{
    model::{
        DvrSession,
        dvr_session::{DvrWindow, State, dvr_window::Kind},
    },
    time,
};
use std::time::SystemTime;

/// A time that is recorded. Without an end it does not end by itself.
type Recorded = (SystemTime, Option<SystemTime>);

impl DvrSession {
    /// Returns the start and the end of each time that the session records, in order.
    ///
    /// Windows that overlap are one time. A window without a start begins when the session is
    /// created. A time without an end does not end by itself. Windows without valid times are left
    /// out.
    ///
    /// # Examples
    /// ```
    /// use livestream_client::model::{DvrSession, dvr_session::DvrWindow};
    /// use std::time::{Duration, SystemTime};
    ///
    /// let start = SystemTime::now();
    /// let at = |minutes: u64| start + Duration::from_secs(60 * minutes);
    /// let windows = [DvrWindow::between(at(20)..at(40))?, DvrWindow::between(start..at(30))?];
    /// let session = DvrSession::of_manifest("hls", windows);
    /// assert_eq!(session.recorded_times(), [(start, Some(at(40)))]);
    /// # Ok::<(), livestream_client::Error>(())
    /// ```
    pub fn recorded_times(&self) -> Vec<(SystemTime, Option<SystemTime>)> {
        self.times_of(&self.dvr_windows)
    }

    /// Returns why the service refuses to update this session to these windows, or `None` if the
    /// documentation allows the update.
    ///
    /// The session is as the service returns it: an update needs the state `SCHEDULED` or `LIVE`. An
    /// update of a `LIVE` session must not overwrite its manifest: it keeps the times that are
    /// recorded already, or it ends the recording in the past.
    ///
    /// # Examples
    /// ```
    /// use livestream_client::model::{DvrSession, dvr_session::{DvrWindow, State}};
    /// use std::time::{Duration, SystemTime};
    ///
    /// let now = SystemTime::now();
    /// let hour = Duration::from_secs(3600);
    /// let mut session = DvrSession::of_manifest("hls", [DvrWindow::between(now - hour..now + hour)?]);
    /// session.set_state(State::Live);
    /// let longer = DvrWindow::between(now - hour..now + 2 * hour)?;
    /// assert_eq!(session.update_refusal(&[longer], now), None);
    /// let later = DvrWindow::between(now..now + hour)?;
    /// assert!(session.update_refusal(&[later], now).is_some());
    /// # Ok::<(), livestream_client::Error>(())
    /// ```
    pub fn update_refusal(&self, windows: &[DvrWindow], now: SystemTime) -> Option<String> {
        match self.state() {
            State::Scheduled | State::Unspecified => None,
            State::Live if self.keeps_recording(windows, now) => None,
            State::Live => Some("is LIVE, and the update could overwrite its manifest".to_owned()),
            other => {
                let state = other.as_str_name();
                Some(format!("is {state}, and the call needs SCHEDULED or LIVE"))
            }
        }
    }

    /// Whether an update of a live session keeps what is recorded already. Only an update that ends
    /// the recording in the past may remove a part.
    fn keeps_recording(&self, windows: &[DvrWindow], now: SystemTime) -> bool {
        let (old, new) = (self.recorded_times(), self.times_of(windows));
        // A live session has begun, also if the caller's clock is slow.
        let now = old.first().map_or(now, |(start, _)| now.max(*start));
        let begun = |times: &[Recorded]| -> Vec<Recorded> {
            times.iter().filter(|(start, _)| *start <= now).copied().collect()
        };
        let (old, begun_new) = (begun(&old), begun(&new));
        let cuts_short = new.last().is_some_and(|(_, end)| end.is_some_and(|end| end <= now));
        if cuts_short {
            // Fewer windows, or a shorter last one, but nothing that was not recorded.
            begun_new.len() <= old.len()
                && begun_new.iter().zip(&old).all(|(new, old)| {
                    let is_within = old.1.is_none_or(|old| new.1.is_some_and(|new| new <= old));
                    new.0 == old.0 && is_within
                })
        } else {
            let recorded = |(start, end): &Recorded| (*start, end.filter(|end| *end <= now));
            begun_new.iter().map(recorded).eq(old.iter().map(recorded))
        }
    }

    fn times_of(&self, windows: &[DvrWindow]) -> Vec<Recorded> {
        let created = self.create_time.as_ref().and_then(|time| time::system_time(time).ok());
        let mut all = windows
            .iter()
            .filter_map(|window| {
                let Some(Kind::TimeInterval(interval)) = &window.kind else { return None };
                let start = interval.start_time.as_ref().map(time::system_time).transpose().ok()?;
                let end = interval.end_time.as_ref().map(time::system_time).transpose().ok()?;
                Some((start.or(created).unwrap_or(SystemTime::UNIX_EPOCH), end))
            })
            .collect::<Vec<_>>();
        all.sort_by_key(|(start, _)| *start);
        let mut apart: Vec<Recorded> = Vec::with_capacity(all.len());
        for (start, end) in all {
            match apart.last_mut().filter(|(_, last)| last.is_none_or(|last| last > start)) {
                Some((_, last)) => *last = last.zip(end).map(|(one, other)| one.max(other)),
                None => apart.push((start, end)),
            }
        }
        apart
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TimeInterval;
    use std::time::Duration;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn window(start: Option<u64>, end: Option<u64>) -> DvrWindow {
        DvrWindow {
            kind: Some(Kind::TimeInterval(TimeInterval {
                start_time: start.map(|start| at(start).into()),
                end_time: end.map(|end| at(end).into()),
            })),
        }
    }

    fn session(state: State, windows: &[(u64, u64)]) -> DvrSession {
        let create_time = Some(at(5).into());
        let dvr_windows = of(windows);
        DvrSession { state: state.into(), create_time, dvr_windows, ..Default::default() }
    }

    fn of(windows: &[(u64, u64)]) -> Vec<DvrWindow> {
        windows.iter().map(|(start, end)| window(Some(*start), Some(*end))).collect()
    }

    #[test]
    fn recorded_times_are_sorted_and_overlapping_windows_are_joined() {
        let session = session(State::Scheduled, &[]);
        let given = [
            window(Some(50), Some(60)),
            window(Some(10), Some(20)),
            window(Some(20), Some(30)),
            window(Some(55), Some(58)),
            window(None, Some(9)),
        ];
        let expected = [(5, 9), (10, 20), (20, 30), (50, 60)];
        let expected = expected.map(|(start, end)| (at(start), Some(at(end))));
        assert_eq!(session.times_of(&given), expected);
        let open = [window(Some(10), None), window(Some(50), Some(60))];
        assert_eq!(session.times_of(&open), [(at(10), None)]);
    }

    #[test]
    fn an_update_of_a_live_dvr_session_can_end_it_later_or_in_the_past_but_keeps_what_is_recorded()
    {
        let live = session(State::Live, &[(10, 20), (30, 60)]);
        let allowed: &[&[(u64, u64)]] = &[
            &[(10, 20), (30, 90)],
            &[(10, 20), (30, 51)],
            &[(10, 20), (30, 60), (70, 80)],
            &[(10, 20), (30, 45)],
            &[(10, 20)],
            &[(10, 15)],
        ];
        let refused: &[&[(u64, u64)]] = &[
            &[(10, 21), (30, 60)],
            &[(11, 20), (30, 60)],
            &[(30, 60)],
            &[(10, 20), (25, 45)],
            &[(5, 15)],
            &[(10, 25)],
            &[(60, 90)],
        ];
        for new in allowed {
            // A clock that is slow refuses nothing that the service allows.
            for now in [0, 15, 40, 50] {
                assert_eq!(live.update_refusal(&of(new), at(now)), None, "{new:?} at {now}");
            }
        }
        for new in refused {
            let refusal = live.update_refusal(&of(new), at(50));
            let reason = "is LIVE, and the update could overwrite its manifest";
            assert_eq!(refusal.as_deref(), Some(reason), "{new:?}");
        }
        let moved = live.update_refusal(&of(&[(60, 90)]), at(0));
        assert!(moved.is_some(), "a live session has begun");
    }

    #[test]
    fn an_update_of_a_dvr_session_needs_the_state_scheduled_or_live() {
        let refusal = |state| session(state, &[(10, 20)]).update_refusal(&of(&[(15, 20)]), at(7));
        assert_eq!(refusal(State::Scheduled), None);
        let reason = "is FINISHED, and the call needs SCHEDULED or LIVE";
        assert_eq!(refusal(State::Finished).as_deref(), Some(reason));
    }
}
