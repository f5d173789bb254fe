//! Which worker a new room gets, and which one a new subscriber.

/// Where a room's subscribers go.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Spread {
    /// To the room's own worker until that is busier than another one by a margin.
    #[default]
    Auto,
    /// Evenly to all workers.
    Always,
    /// To the room's own worker.
    Never,
}

/// What is known of a worker.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Load {
    /// Thousandths of the time that it did not sleep, as measured last.
    pub share: usize,
    /// Sessions that it has, those being admitted included.
    pub sessions: usize,
    /// Sessions that it got after what was measured.
    pub since: usize,
}

/// A worker below this load, in thousandths, has room for whatever its rooms bring: what a replica costs on top (the
/// packets once more, a wake-up per turn) is better saved.
const BUSY: usize = 300;
/// By so much a worker has to be busier than another one before its room gets a replica there.
const MARGIN: usize = 150;
/// The same for a replica that is there already: a room that has spread goes on spreading until the workers are equal.
const MARGIN_OF_REPLICA: usize = 25;
/// What one session is taken to cost while that has not been measured: 2.5 Mbit/s cost half of that, the handshake the
/// other half for a second.
const SESSION: usize = 1;

impl Load {
    /// Thousandths of the worker's time, as far as one can tell.
    fn estimate(&self) -> usize {
        self.share + self.since * SESSION
    }
}

/// The worker of a new room: the least busy one; of several that are about equal the one with the fewest sessions, then
/// the first.
#[must_use]
pub fn home(loads: &[Load]) -> usize {
    let rank = |load: &Load| (load.estimate().saturating_sub(BUSY) / MARGIN, load.sessions);
    loads.iter().enumerate().min_by_key(|(_, load)| rank(load)).map_or(0, |(worker, _)| worker)
}

/// The worker of a new subscriber in a room of `home`. `parts` has the room's sessions by worker.
#[must_use]
pub fn subscriber(spread: Spread, home: usize, parts: &[usize], loads: &[Load]) -> usize {
    let workers = || 0..loads.len();
    let away = |worker: usize| worker != home;
    let best = match spread {
        Spread::Never => None,
        Spread::Always => workers().min_by_key(|worker| (parts[*worker], away(*worker))),
        Spread::Auto if loads[home].estimate() < BUSY => None,
        Spread::Auto => workers().min_by_key(|worker| {
            let margin = match parts[*worker] {
                _ if !away(*worker) => 0,
                0 => MARGIN,
                _ => MARGIN_OF_REPLICA,
            };
            (loads[*worker].estimate() + margin, away(*worker), loads[*worker].sessions)
        }),
    };
    best.unwrap_or(home)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load((share, sessions, since): (usize, usize, usize)) -> Load {
        Load { share, sessions, since }
    }

    #[test]
    fn a_room_gets_the_least_busy_worker_then_the_one_with_the_fewest_sessions() {
        type Loads = &'static [(usize, usize, usize)];
        let table: [(Loads, usize); 7] = [
            (&[(0, 0, 0)], 0),
            (&[(0, 0, 0), (0, 0, 0)], 0),
            (&[(0, 1, 0), (0, 0, 0)], 1),
            (&[(0, 7, 0), (0, 7, 0), (0, 6, 0), (0, 6, 0)], 2),
            // Below the mark the share says little.
            (&[(280, 3, 0), (10, 4, 0)], 0),
            (&[(600, 3, 0), (100, 400, 0)], 1),
            (&[(0, 600, 600), (200, 10, 0)], 1),
        ];
        for (loads, expected) in table {
            let loads: Vec<Load> = loads.iter().copied().map(load).collect();
            assert_eq!(home(&loads), expected, "{loads:?}");
        }
    }

    #[test]
    fn a_subscriber_stays_at_home_until_that_is_busier_by_a_margin() {
        type Loads = [(usize, usize, usize); 3];
        let (auto, always, never) = (Spread::Auto, Spread::Always, Spread::Never);
        // spread, sessions of the room by worker (it is at home on the second), loads, worker
        let table: [(Spread, [usize; 3], Loads, usize); 14] = [
            (auto, [0, 1, 0], [(0, 0, 0), (0, 1, 0), (0, 0, 0)], 1),
            (auto, [0, 200, 0], [(0, 0, 0), (299, 200, 0), (0, 0, 0)], 1),
            (auto, [0, 200, 0], [(200, 50, 0), (340, 200, 0), (200, 0, 0)], 1),
            (auto, [0, 200, 0], [(100, 0, 0), (340, 200, 0), (200, 0, 0)], 0),
            (auto, [0, 200, 0], [(100, 9, 0), (340, 200, 0), (100, 8, 0)], 2),
            // A replica that is there is preferred to a new one, and goes on until it is as busy as the home.
            (auto, [5, 200, 0], [(200, 9, 0), (340, 200, 0), (150, 8, 0)], 0),
            (auto, [5, 200, 0], [(310, 9, 0), (340, 200, 0), (300, 8, 0)], 0),
            (auto, [5, 200, 0], [(320, 9, 0), (340, 200, 0), (300, 8, 0)], 1),
            // What came since it was measured counts.
            (auto, [0, 299, 0], [(0, 0, 0), (0, 299, 299), (0, 0, 0)], 1),
            (auto, [0, 300, 0], [(0, 0, 0), (0, 300, 300), (0, 0, 0)], 0),
            (auto, [100, 300, 0], [(0, 100, 100), (0, 300, 300), (0, 0, 0)], 0),
            (always, [0, 1, 0], [(900, 0, 0), (0, 1, 0), (0, 0, 0)], 0),
            (always, [1, 1, 1], [(0, 1, 0), (900, 1, 0), (0, 1, 0)], 1),
            (never, [0, 999, 0], [(0, 0, 0), (999, 999, 0), (0, 0, 0)], 1),
        ];
        for (spread, parts, loads, expected) in table {
            let loads = loads.map(load);
            assert_eq!(subscriber(spread, 1, &parts, &loads), expected, "{spread:?} {parts:?} {loads:?}");
        }
    }

    /// Five hundred within a moment, before anything is measured.
    #[test]
    fn a_rush_is_spread() {
        let (mut parts, mut loads) = ([1, 0], [load((0, 1, 1)), load((0, 0, 0))]);
        for _ in 0..500 {
            let worker = subscriber(Spread::Auto, 0, &parts, &loads);
            parts[worker] += 1;
            loads[worker].sessions += 1;
            loads[worker].since += 1;
        }
        assert!(parts.iter().all(|sessions| (200..=301).contains(sessions)), "{parts:?}");
    }
}
