//! Which recordings are to go: by age, number and size. The decision is made in one place, so that what is shown
//! beforehand is what is done then.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use crate::id::RoomName;
use crate::record::library::Recording;
use crate::record::name::RecordName;
use crate::record::sheet::State;

/// What the operator sets; without any of it everything stays.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Rules {
    /// They go so long after their end.
    pub age: Option<Duration>,
    /// Most bytes of all recordings together: the oldest go.
    pub total: Option<u64>,
    /// Most recordings of one room: the oldest go.
    pub per_room: Option<usize>,
    /// Only what was uploaded goes.
    pub uploaded_only: bool,
}

/// Which rule it was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// Too old.
    Age,
    /// Its room has too many.
    Number,
    /// All together are too large.
    Size,
}

impl Reason {
    /// As JSON has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Age => "age",
            Self::Number => "number",
            Self::Size => "size",
        }
    }
}

/// One that is to go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Doomed {
    /// Which.
    pub name: RecordName,
    /// Its bytes.
    pub size: u64,
    /// Why.
    pub reason: Reason,
}

impl Rules {
    /// What is to go now, the oldest first. What is in use or to be kept stays; it counts for numbers and sizes all the
    /// same, because it takes their place.
    #[must_use]
    pub fn plan(&self, mut recordings: Vec<Recording>, now: SystemTime) -> Vec<Doomed> {
        recordings.retain(|recording| recording.state != State::Deleted);
        // Newest first, and always in the same order.
        recordings.sort_by(|a, b| (b.modified, &b.name).cmp(&(a.modified, &a.name)));
        let mut in_room: BTreeMap<RoomName, usize> = BTreeMap::new();
        let mut rest: u64 = 0;
        let mut doomed = Vec::new();
        for recording in &recordings {
            let number = in_room.entry(recording.name.room().clone()).or_default();
            *number += 1;
            let age = now.duration_since(recording.modified).unwrap_or_default();
            let reason = if self.age.is_some_and(|most| age > most) {
                Some(Reason::Age)
            } else if self.per_room.is_some_and(|most| *number > most) {
                Some(Reason::Number)
            } else {
                None
            };
            match reason.filter(|_| self.may_go(recording)) {
                Some(reason) => doomed.push((recording, reason)),
                None => rest = rest.saturating_add(recording.size),
            }
        }
        self.fit(&recordings, &mut doomed, rest);
        doomed.sort_by(|(a, _), (b, _)| (a.modified, &a.name).cmp(&(b.modified, &b.name)));
        let doom = |(recording, reason): (&Recording, Reason)| Doomed {
            name: recording.name.clone(),
            size: recording.size,
            reason,
        };
        doomed.into_iter().map(doom).collect()
    }

    /// The oldest go until the rest is small enough.
    fn fit<'a>(&self, recordings: &'a [Recording], doomed: &mut Vec<(&'a Recording, Reason)>, mut rest: u64) {
        let Some(most) = self.total else { return };
        let gone: std::collections::BTreeSet<&RecordName> =
            doomed.iter().map(|(recording, _)| &recording.name).collect();
        for recording in recordings.iter().rev() {
            if rest <= most {
                break;
            }
            if !gone.contains(&recording.name) && self.may_go(recording) {
                rest = rest.saturating_sub(recording.size);
                doomed.push((recording, Reason::Size));
            }
        }
    }

    /// True where nothing protects it from all rules.
    #[must_use]
    pub fn may_go(&self, recording: &Recording) -> bool {
        let uploaded = !self.uploaded_only || recording.state == State::Uploaded;
        !recording.state.is_busy() && !recording.is_kept() && uploaded
    }

    /// True where there is a rule at all.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.age.is_some() || self.total.is_some() || self.per_room.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::sheet::Sheet;

    const DAY: Duration = Duration::from_hours(24);

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + 1000 * DAY
    }

    /// Of a room, so many days old, so large.
    fn recording(room: &str, days: u32, size: u64) -> Recording {
        Recording {
            name: RecordName::parse(&format!("{room}_av_{}.mp4", 1000 - days)).unwrap(),
            size,
            modified: now() - days * DAY,
            state: State::Complete,
            readable: true,
            sheet: Sheet::default(),
        }
    }

    fn names(doomed: &[Doomed]) -> Vec<(String, Reason)> {
        doomed.iter().map(|doomed| (doomed.name.to_string(), doomed.reason)).collect()
    }

    #[test]
    fn rules() {
        let all = || vec![recording("a", 9, 10), recording("a", 2, 10), recording("b", 5, 10), recording("a", 1, 10)];
        let rules = Rules::default();
        let per_room = |most| Rules { per_room: Some(most), ..rules };
        let table: [(Rules, &[(&str, Reason)]); 9] = [
            (rules, &[]),
            (Rules { age: Some(5 * DAY), ..rules }, &[("a_av_991.mp4", Reason::Age)]),
            (Rules { age: Some(4 * DAY), ..rules }, &[("a_av_991.mp4", Reason::Age), ("b_av_995.mp4", Reason::Age)]),
            (per_room(2), &[("a_av_991.mp4", Reason::Number)]),
            (Rules { total: Some(40), ..rules }, &[]),
            (Rules { total: Some(39), ..rules }, &[("a_av_991.mp4", Reason::Size)]),
            (Rules { total: Some(20), ..rules }, &[("a_av_991.mp4", Reason::Size), ("b_av_995.mp4", Reason::Size)]),
            // What goes for another reason makes place.
            (Rules { total: Some(30), ..per_room(2) }, &[("a_av_991.mp4", Reason::Number)]),
            (Rules { total: Some(0), uploaded_only: true, ..per_room(0) }, &[]),
        ];
        for (rules, expected) in table {
            let expected: Vec<_> = expected.iter().map(|(name, reason)| ((*name).to_owned(), *reason)).collect();
            assert_eq!(names(&rules.plan(all(), now())), expected, "{rules:?}");
        }
    }

    #[test]
    fn what_is_in_use_or_to_be_kept_stays() {
        let everything = Rules { age: Some(Duration::ZERO), total: Some(0), per_room: Some(0), uploaded_only: false };
        let uploaded = Rules { uploaded_only: true, ..everything };
        for (state, goes, goes_uploaded) in [
            (State::Recording, false, false),
            (State::Uploading, false, false),
            (State::Complete, true, false),
            (State::Recovered, true, false),
            (State::Failed, true, false),
            (State::Uploaded, true, true),
            (State::Deleted, false, false),
        ] {
            let one = |keep, readable| {
                let sheet = Sheet { keep, ..Sheet::default() };
                vec![Recording { state, readable, sheet, ..recording("a", 9, 10) }]
            };
            assert_eq!(everything.plan(one(false, true), now()).len(), usize::from(goes), "{state:?}");
            assert_eq!(uploaded.plan(one(false, true), now()).len(), usize::from(goes_uploaded), "{state:?}");
            for (keep, readable) in [(true, true), (false, false)] {
                assert!(everything.plan(one(keep, readable), now()).is_empty(), "{state:?}");
            }
        }
    }
}
