//! The last minutes of the rooms and of the whole server, for plots. One task samples them for whoever looks, so that
//! looking costs the workers nothing; it sleeps while there is no room.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Weak;
use std::time::{Duration, SystemTime};

use tokio::time::{Instant, sleep_until};

use crate::id::RoomName;
use crate::limits::{HISTORY_POINTS, HISTORY_ROOMS, HISTORY_STEP};
use crate::notify::bus::Gap;
use crate::notify::now;
use crate::session::Sessions;
use crate::session::rooms::RoomView;

/// What flowed in one step.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Point {
    /// Bits per second that came in.
    pub bitrate_in: u32,
    /// RTP packets that came in since the point before.
    pub packets_in: u32,
    /// Subscribers that were connected.
    pub subscribers: u32,
}

/// The last points of a room or of the server, a [`HISTORY_STEP`] apart; the last one is that of the last sample.
#[derive(Clone, Default, Debug)]
struct Series {
    points: VecDeque<Point>,
    /// RTP packets that had come in since the room began.
    packets: u64,
}

/// What is known of the last minutes.
#[derive(Debug)]
pub(super) struct History {
    began: Instant,
    /// The number of the last sample.
    sample: u64,
    taken: Instant,
    at: SystemTime,
    server: Series,
    rooms: BTreeMap<RoomName, (RoomView, Series)>,
    loads: Vec<Load>,
}

#[derive(Clone, Copy, Default, Debug)]
struct Load {
    awake: Duration,
    /// Of the time since the sample before, from 0 to 1.
    share: f64,
}

/// A room, and its last points.
#[derive(Clone, Debug)]
pub struct RoomHistory {
    /// As it was at the last sample.
    pub view: RoomView,
    /// The oldest first.
    pub points: Vec<Point>,
}

/// The last minutes, as they were asked for.
#[derive(Clone, Debug)]
pub struct Overview {
    /// When the last sample was taken.
    pub at: SystemTime,
    /// Its number; to be named in the next question.
    pub sample: u64,
    /// The server's last points, the oldest first.
    pub server: Vec<Point>,
    /// The rooms, in the order of their names.
    pub rooms: Vec<RoomHistory>,
}

impl History {
    pub fn new(began: Instant, workers: usize) -> Self {
        let loads = vec![Load::default(); workers];
        Self { began, sample: 0, taken: began, at: now(), server: Series::default(), rooms: BTreeMap::new(), loads }
    }

    /// Takes a sample in: the rooms as they are now, and how long each worker has been awake since it began.
    fn take(&mut self, now: Instant, at: SystemTime, rooms: Vec<RoomView>, awake: &[Duration]) {
        let elapsed = now.saturating_duration_since(self.began);
        let sample = elapsed.as_secs() / HISTORY_STEP.as_secs() + 1;
        // The task sleeps while there is nothing to see, and may be late.
        let missed = usize::try_from(sample.saturating_sub(self.sample + 1)).unwrap_or(usize::MAX);
        let length = now.saturating_duration_since(self.taken).as_secs_f64().max(1e-3);
        for (load, awake) in self.loads.iter_mut().zip(awake) {
            let share = awake.saturating_sub(load.awake).as_secs_f64() / length;
            *load = Load { awake: *awake, share: share.min(1.0) };
        }
        let mut before = std::mem::take(&mut self.rooms);
        let mut sum = Point::default();
        for view in rooms {
            let mut series = before.remove(&view.name).map_or_else(Series::default, |(_, series)| series);
            series.skip(missed);
            let packets_in = narrow(view.packets_in.saturating_sub(series.packets));
            series.packets = view.packets_in;
            let point =
                Point { bitrate_in: narrow(view.bitrate), packets_in, subscribers: narrow(view.subscribers as u64) };
            series.push(point);
            sum.bitrate_in = sum.bitrate_in.saturating_add(point.bitrate_in);
            sum.packets_in = sum.packets_in.saturating_add(point.packets_in);
            sum.subscribers += point.subscribers;
            if self.rooms.len() < HISTORY_ROOMS {
                self.rooms.insert(view.name.clone(), (view, series));
            }
        }
        self.server.skip(missed);
        self.server.push(sum);
        (self.sample, self.taken, self.at) = (sample, now, at);
    }

    /// At most `points` of each, those after sample number `since`.
    fn overview(&self, since: u64, points: usize) -> Overview {
        let wanted = usize::try_from(self.sample.saturating_sub(since)).unwrap_or(usize::MAX).min(points);
        let room =
            |(view, series): &(RoomView, Series)| RoomHistory { view: view.clone(), points: series.last(wanted) };
        Overview {
            at: self.at,
            sample: self.sample,
            server: self.server.last(wanted),
            rooms: self.rooms.values().map(room).collect(),
        }
    }
}

impl Series {
    fn push(&mut self, point: Point) {
        if self.points.len() == HISTORY_POINTS {
            self.points.pop_front();
        }
        self.points.push_back(point);
    }

    /// So many samples were not taken: nothing is known, or there was nothing.
    fn skip(&mut self, missed: usize) {
        if !self.points.is_empty() {
            (0..missed.min(HISTORY_POINTS)).for_each(|_| self.push(Point::default()));
        }
    }

    fn last(&self, count: usize) -> Vec<Point> {
        self.points.iter().skip(self.points.len().saturating_sub(count)).copied().collect()
    }
}

fn narrow(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

impl Sessions {
    /// Samples the rooms until nobody else holds the sessions.
    pub async fn sample(sessions: Weak<Self>) {
        let Some(mut news) = sessions.upgrade().map(|sessions| sessions.bus.read()) else { return };
        let mut due = Instant::now();
        loop {
            sleep_until(due).await;
            let Some(sessions) = sessions.upgrade() else { return };
            let rooms = sessions.rooms().await;
            let idle = rooms.is_empty();
            sessions.take_sample(rooms);
            drop(sessions);
            if idle {
                // The first session of a room is told.
                if news.next().await == Err(Gap::Closed) {
                    return;
                }
            }
            while let Some(Ok(_) | Err(Gap::Missed(_))) = news.try_next() {}
            due = (due + HISTORY_STEP).max(Instant::now());
        }
    }

    pub(super) fn take_sample(&self, rooms: Vec<RoomView>) {
        let awake = self.workers.awake();
        self.history().take(Instant::now(), now(), rooms, &awake);
    }

    /// The last minutes of everything: at most `points` of each, those after sample number `since`.
    #[must_use]
    pub fn overview(&self, since: u64, points: usize) -> Overview {
        self.history().overview(since, points)
    }

    /// The last minutes of a room. `None` where it is not known, or not yet.
    #[must_use]
    pub fn room_history(&self, room: &RoomName) -> Option<RoomHistory> {
        let history = self.history();
        let (view, series) = history.rooms.get(room)?;
        Some(RoomHistory { view: view.clone(), points: series.last(HISTORY_POINTS) })
    }

    /// How much of their time the workers have not slept lately, from 0 to 1.
    #[must_use]
    pub fn loads(&self) -> Vec<f64> {
        self.history().loads.iter().map(|load| load.share).collect()
    }

    fn history(&self) -> std::sync::MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(name: &str, bitrate: u64, packets_in: u64, subscribers: usize) -> RoomView {
        RoomView {
            name: RoomName::parse(name).unwrap(),
            has_publisher: true,
            tracks: 1,
            subscribers,
            workers: 1,
            gcm_sessions: 0,
            cm_sessions: 0,
            codecs: Vec::new(),
            bitrate,
            b_frames: false,
            packets_in,
            bytes_in: 0,
            over_bitrate: false,
        }
    }

    fn points(history: &[Point]) -> Vec<(u32, u32, u32)> {
        history.iter().map(|point| (point.bitrate_in, point.packets_in, point.subscribers)).collect()
    }

    #[test]
    fn rooms_come_and_go_and_the_server_is_their_sum() {
        let start = Instant::now();
        let mut history = History::new(start, 1);
        let mut take = |seconds, rooms| {
            let awake = Duration::from_secs(seconds) / 2;
            history.take(start + Duration::from_secs(seconds), SystemTime::UNIX_EPOCH, rooms, &[awake]);
        };
        take(0, vec![view("a", 100, 10, 1)]);
        take(5, vec![view("a", 200, 30, 2), view("b", 50, 5, 0)]);
        // A sample was not taken in time.
        take(15, vec![view("b", 60, 25, 1)]);
        let all = history.overview(0, 10);
        assert_eq!((all.sample, all.rooms.len()), (4, 1));
        assert_eq!(points(&all.server), [(100, 10, 1), (250, 25, 2), (0, 0, 0), (60, 20, 1)]);
        assert_eq!(points(&all.rooms[0].points), [(50, 5, 0), (0, 0, 0), (60, 20, 1)]);
        assert!((history.loads[0].share - 0.5).abs() < 1e-9);
        // since, points, and how many come
        for (since, most, server) in [(0, 2, 2), (2, 10, 2), (3, 10, 1), (4, 10, 0), (99, 10, 0)] {
            assert_eq!(history.overview(since, most).server.len(), server, "{since} {most}");
        }
    }

    #[test]
    fn is_bounded() {
        let start = Instant::now();
        let mut history = History::new(start, 1);
        for step in 0..HISTORY_POINTS as u64 + 10 {
            let rooms = (0..2).map(|room| view(&format!("r{room}"), step, step, 0)).collect();
            history.take(start + HISTORY_STEP * u32::try_from(step).unwrap(), SystemTime::UNIX_EPOCH, rooms, &[]);
        }
        let all = history.overview(0, usize::MAX);
        assert_eq!((all.server.len(), all.rooms[0].points.len()), (HISTORY_POINTS, HISTORY_POINTS));
        let many = (0..=HISTORY_ROOMS).map(|room| view(&format!("r{room}"), 1, 1, 0)).collect();
        history.take(start + HISTORY_STEP * 1000, SystemTime::UNIX_EPOCH, many, &[]);
        let all = history.overview(0, usize::MAX);
        assert_eq!((all.rooms.len(), all.server.last().unwrap().bitrate_in), (HISTORY_ROOMS, 4097));
    }
}
