//! When a publisher is asked for a key frame: at most once per interval, however many subscribers want one, and
//! with growing pauses where none comes. Keeps note of whether the publisher answers at all: OBS mostly does not.

use std::time::{Duration, Instant};

use crate::limits;

/// How long an answer may take and still count as one.
const ANSWER_TIME: Duration = Duration::from_secs(1);
/// Requests without an answer until the publisher counts as one that does not answer.
const PATIENCE: u32 = 4;

/// The requests for one track.
#[derive(Debug, Default)]
pub struct KeyframeRequests {
    wanted: bool,
    last: Option<Instant>,
    unanswered: u32,
    answers: Option<bool>,
}

impl KeyframeRequests {
    /// Somebody wants a key frame.
    pub fn want(&mut self) {
        self.wanted = true;
    }

    /// A key frame began.
    pub fn handle_keyframe(&mut self, now: Instant) {
        if self.unanswered > 0 && self.last.is_some_and(|last| now.saturating_duration_since(last) < ANSWER_TIME) {
            self.answers = Some(true);
        }
        self.wanted = false;
        self.unanswered = 0;
    }

    /// Whether the publisher answers requests; `None` while that is not known.
    #[must_use]
    pub fn answers(&self) -> Option<bool> {
        self.answers
    }

    /// True when a request has to be sent now.
    pub fn poll(&mut self, now: Instant) -> bool {
        let due = self.next_timeout(now).is_some_and(|due| now >= due);
        if due {
            self.last = Some(now);
            self.unanswered += 1;
            if self.unanswered >= PATIENCE {
                self.answers = Some(false);
            }
        }
        due
    }

    /// When [`KeyframeRequests::poll`] has something to do: `now` means at once.
    #[must_use]
    pub fn next_timeout(&self, now: Instant) -> Option<Instant> {
        // One that does not answer is still asked, ever more rarely: it may just be slow.
        let pause = limits::KEYFRAME_REQUEST_INTERVAL * (1 << self.unanswered.saturating_sub(PATIENCE).min(4));
        self.wanted.then(|| self.last.map_or(now, |last| last + pause))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Polls each 10 ms and returns when requests left, in milliseconds.
    fn run(requests: &mut KeyframeRequests, start: Instant, span: std::ops::Range<u64>, wants: bool) -> Vec<u64> {
        let mut sent = Vec::new();
        for step in span.step_by(10) {
            if wants {
                requests.want();
            }
            if requests.poll(start + Duration::from_millis(step)) {
                sent.push(step);
            }
        }
        sent
    }

    #[test]
    fn one_request_per_interval_however_many_ask() {
        let start = Instant::now();
        let mut requests = KeyframeRequests::default();
        assert_eq!(run(&mut requests, start, 0..1_400, true), [0, 500, 1_000]);
        requests.handle_keyframe(start + Duration::from_millis(1_400));
        assert_eq!(requests.answers(), Some(true));
        assert!(run(&mut requests, start, 1_400..3_000, false).is_empty(), "nobody asks");
        assert_eq!(run(&mut requests, start, 3_000..3_400, true), [3_000]);
    }

    #[test]
    fn one_that_never_answers_is_asked_ever_more_rarely() {
        let start = Instant::now();
        let mut requests = KeyframeRequests::default();
        let sent = run(&mut requests, start, 0..60_000, true);
        assert_eq!(sent[..7], [0, 500, 1_000, 1_500, 2_000, 3_000, 5_000]);
        assert_eq!((requests.answers(), sent.len()), (Some(false), 14));
        requests.handle_keyframe(start + Duration::from_secs(70));
        assert_eq!(requests.answers(), Some(false), "a key frame of its own accord is no answer");
    }
}
