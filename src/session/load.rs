//! How busy the workers are: what they say of their time, measured where somebody comes. So nothing has to wake up for
//! it.

use std::time::Duration;

use tokio::time::Instant;

use crate::session::placement::Load;

/// A shorter time says little, because key frames and joins come in bursts.
const INTERVAL: Duration = Duration::from_secs(1);

/// The workers' loads.
pub(super) struct LoadMeter {
    began: Option<Instant>,
    workers: Vec<Worker>,
}

#[derive(Clone, Copy, Default)]
struct Worker {
    /// Thousandths of the last interval.
    share: usize,
    /// Sessions when the last interval began, and when the present one did.
    sessions: (usize, usize),
    /// How long it had been awake when the present interval began.
    awake: Duration,
}

impl LoadMeter {
    pub fn new(workers: usize) -> Self {
        Self { began: None, workers: vec![Worker::default(); workers] }
    }

    /// Takes note of how long each worker has been awake since it began, and how many sessions it has.
    pub fn measure(&mut self, now: Instant, awake: &[Duration], sessions: &[usize]) {
        let length = self.began.map(|began| now.saturating_duration_since(began));
        if length.is_some_and(|length| length < INTERVAL) {
            return;
        }
        self.began = Some(now);
        for (worker, (awake, sessions)) in self.workers.iter_mut().zip(awake.iter().zip(sessions)) {
            let spent = awake.saturating_sub(worker.awake).as_micros();
            let share = length.map_or(0, |length| spent * 1_000 / length.as_micros().max(1));
            let before = worker.sessions.1;
            *worker = Worker {
                share: usize::try_from(share.min(1_000)).unwrap_or(1_000),
                sessions: (before, *sessions),
                awake: *awake,
            };
        }
    }

    /// The loads, where the workers have so many sessions now.
    pub fn loads(&self, sessions: &[usize]) -> Vec<Load> {
        let load = |(worker, sessions): (&Worker, &usize)| Load {
            share: worker.share,
            sessions: *sessions,
            // Those that were there for the whole interval are in its share.
            since: sessions.saturating_sub(worker.sessions.0),
        };
        self.workers.iter().zip(sessions).map(load).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_whole_intervals_and_newcomers_count_until_they_are_in_one() {
        let start = Instant::now();
        let mut meter = LoadMeter::new(2);
        // milliseconds, awake (both, in milliseconds), sessions, then: share and sessions since of the first worker
        let table = [
            (0, 5_000, 10, (0, 10)),
            (500, 5_400, 12, (0, 12)),
            (1_000, 5_500, 13, (500, 3)),
            (1_900, 6_400, 20, (500, 10)),
            (3_000, 5_900, 20, (200, 7)),
            (4_000, 6_000, 5, (100, 0)),
            (64_000, 12_000, 6, (100, 1)),
            (65_000, 14_000, 6, (1_000, 0)),
        ];
        for (at, awake, sessions, expected) in table {
            let awake = Duration::from_millis(awake);
            meter.measure(start + Duration::from_millis(at), &[awake, awake / 2], &[sessions, 0]);
            let loads = meter.loads(&[sessions, 0]);
            assert_eq!((loads[0].share, loads[0].since), expected, "at {at}");
            assert_eq!((loads[0].sessions, loads[1].sessions, loads[1].since), (sessions, 0, 0));
        }
    }
}
