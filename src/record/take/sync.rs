//! One clock for both tracks of a publisher. Each has timestamps of its own, with a random beginning (RFC 3550 §5.1).
//! At first the arrival of each track's first packet says how they lie; then the publisher's sender reports say it
//! better (§6.4.1), and say it again where its clocks drift. A timestamp that leaps is of another clock: it goes on
//! where the last one ended.

use std::time::{Duration, Instant};

use crate::limits;
use crate::rtp::codec::MediaKind;
use crate::sfu::streams::ByKind;

/// See the module. Times are nanoseconds since the first packet of all; what came earlier by its timestamp is negative.
#[derive(Default)]
pub struct Sync {
    origin: Option<Instant>,
    tracks: ByKind<Option<Line>>,
    /// A correction that the last reports asked for, and that the next ones must ask for again.
    doubted: Option<i64>,
    corrected: bool,
}

/// One track's clock.
#[derive(Clone, Copy, Debug)]
struct Line {
    rate: i64,
    /// The timestamp that is the origin.
    zero: i64,
    /// The highest time that it has come to.
    newest: i64,
    /// NTP time, and the timestamp at that time, until it was compared.
    report: Option<(u64, i64)>,
}

const SECOND: i64 = 1_000_000_000;

impl Sync {
    /// Whether the sender's clock has leapt since its last packet: from here on it is another one. A network that
    /// stands still has packets come late, never early; so who is far ahead of their arrival, or goes far back, leaps.
    #[must_use]
    pub fn leaps(&self, kind: MediaKind, timestamp: i64, arrival: Instant) -> bool {
        let Some(line) = self.tracks.get(kind) else { return false };
        let (time, far) = (line.time(timestamp), nanoseconds(limits::SYNC_LEAP));
        time.saturating_sub(self.since_origin(arrival)) > far || line.newest.saturating_sub(time) > far
    }

    /// A packet came: the first one of a track places it, and one that leaps places it again.
    pub fn handle_packet(&mut self, kind: MediaKind, rate: u32, timestamp: i64, arrival: Instant) {
        self.origin.get_or_insert(arrival);
        let (since, leaps) = (self.since_origin(arrival), self.leaps(kind, timestamp, arrival));
        let line = self.tracks.get_mut(kind);
        if let Some(line) = line.as_mut().filter(|_| !leaps) {
            line.newest = line.newest.max(line.time(timestamp));
            return;
        }
        let rate = i64::from(rate);
        let goes_on = line.map(|line| line.newest + nanoseconds(limits::SYNC_STEP));
        let newest = goes_on.map_or(since, |time| time.max(since));
        *line = Some(Line { rate, zero: timestamp.saturating_sub(ticks(newest, rate)), newest, report: None });
    }

    fn since_origin(&self, arrival: Instant) -> i64 {
        self.origin.map_or(0, |origin| {
            nanoseconds(arrival.saturating_duration_since(origin))
                - nanoseconds(origin.saturating_duration_since(arrival))
        })
    }

    /// A sender report came.
    pub fn handle_report(&mut self, kind: MediaKind, ntp: u64, timestamp: i64) {
        if let Some(line) = self.tracks.get_mut(kind) {
            line.report = Some((ntp, timestamp));
            self.compare();
        }
    }

    /// When that was, by the track's timestamp. Nothing before the track's first packet.
    #[must_use]
    pub fn time(&self, kind: MediaKind, timestamp: i64) -> Option<i64> {
        self.tracks.get(kind).map(|line| line.time(timestamp))
    }

    /// The moment of such a time.
    #[must_use]
    pub fn moment(&self, time: i64) -> Option<Instant> {
        let distance = Duration::from_nanos(time.unsigned_abs());
        self.origin.and_then(
            |origin| {
                if time < 0 { origin.checked_sub(distance) } else { origin.checked_add(distance) }
            },
        )
    }

    /// Where both tracks have reports: what they say, against what is assumed. The track that would have to go back
    /// stays, and the other one goes on by as much, so that no time comes twice.
    fn compare(&mut self) {
        let (Some(audio), Some(video)) = (self.tracks.audio, self.tracks.video) else { return };
        let (Some(heard), Some(seen)) = (audio.report, video.report) else { return };
        self.tracks.iter_mut().flatten().for_each(|line| line.report = None);
        let assumed = audio.time(heard.1) - video.time(seen.1);
        let error = ntp_between(heard.0, seen.0) - assumed;
        let (size, least) = (error.abs(), if self.corrected { limits::SYNC_DRIFT } else { limits::SYNC_ERROR });
        // Clocks that have nothing to do with each other: who believes them has sound and picture hours apart.
        if size < nanoseconds(least) || size > nanoseconds(limits::SYNC_FARTHEST) {
            self.doubted = None;
            return;
        }
        // The first pair is believed, later ones when they repeat it: single reports are late or early.
        let agrees = self.doubted.is_some_and(|before| before.signum() == error.signum());
        if self.corrected && !agrees {
            self.doubted = Some(error);
            return;
        }
        (self.doubted, self.corrected) = (None, true);
        let later = if error > 0 { &mut self.tracks.audio } else { &mut self.tracks.video };
        if let Some(line) = later {
            line.zero -= ticks(size, line.rate);
        }
    }
}

impl Line {
    fn time(&self, timestamp: i64) -> i64 {
        let ticks = i128::from(timestamp) - i128::from(self.zero);
        rounded(ticks * i128::from(SECOND), self.rate)
    }
}

/// From one NTP time (32.32 bits) to another, which may be earlier.
fn ntp_between(later: u64, earlier: u64) -> i64 {
    let distance = i128::from(later.wrapping_sub(earlier).cast_signed());
    i64::try_from((distance * i128::from(SECOND)) >> 32).unwrap_or(i64::MAX)
}

/// Nanoseconds in units of a clock rate.
#[must_use]
pub fn ticks(nanoseconds: i64, rate: i64) -> i64 {
    rounded(i128::from(nanoseconds) * i128::from(rate), SECOND)
}

fn rounded(value: i128, divisor: i64) -> i64 {
    let divisor = i128::from(divisor);
    i64::try_from((value + divisor / 2).div_euclid(divisor)).unwrap_or(0)
}

fn nanoseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: i64 = 1_000_000;
    const NTP_SECOND: u64 = 1 << 32;

    fn ntp(milliseconds: i64) -> u64 {
        (0xe000_0000 * NTP_SECOND).wrapping_add_signed(milliseconds * NTP_SECOND.cast_signed() / 1000)
    }

    /// Video from timestamp 900,000 on, and sound, which came so many milliseconds later, from 4,800,000 on.
    fn sync(later: i64) -> Sync {
        let mut sync = Sync::default();
        let now = Instant::now() + Duration::from_hours(1);
        sync.handle_packet(MediaKind::Video, 90_000, 900_000, now);
        let arrival = sync.moment(later * MILLISECOND).unwrap();
        sync.handle_packet(MediaKind::Audio, 48_000, 4_800_000, arrival);
        sync
    }

    /// Milliseconds of the first packet of each.
    fn times(sync: &Sync) -> (i64, i64) {
        let time = |kind, timestamp| sync.time(kind, timestamp).unwrap() / MILLISECOND;
        (time(MediaKind::Audio, 4_800_000), time(MediaKind::Video, 900_000))
    }

    #[test]
    fn arrivals_place_the_tracks() {
        assert_eq!(Sync::default().time(MediaKind::Audio, 1), None);
        for later in [0, 30, -30] {
            assert_eq!(times(&sync(later)), (later, 0));
        }
    }

    #[test]
    fn a_clock_that_leaps_goes_on_where_it_was() {
        let hour = 3_600 * 90_000;
        for leap in [hour, -hour, 31 * 90_000, -31 * 90_000, i64::from(u32::MAX / 2)] {
            let mut sync = sync(0);
            let mut time = |second: i64, timestamp| {
                let arrival = sync.moment(second * SECOND).unwrap();
                sync.handle_packet(MediaKind::Video, 90_000, timestamp, arrival);
                sync.time(MediaKind::Video, timestamp).unwrap() / MILLISECOND
            };
            assert_eq!(time(60, 900_000 + 60 * 90_000), 60_000);
            assert_eq!(time(60, 900_000 + 60 * 90_000 + leap), 60_020, "{leap}");
            assert_eq!(time(61, 900_000 + 61 * 90_000 + leap), 61_020, "{leap}");
            // Who leaps with each packet comes no further.
            assert_eq!(time(61, 900_000 + 61 * 90_000 + 2 * leap), 61_040, "{leap}");
        }
        // A network that stood still, and a night of silence, are no leaps.
        let mut sync = sync(0);
        let mut time = |second: i64, timestamp| {
            let arrival = sync.moment(second * SECOND).unwrap();
            sync.handle_packet(MediaKind::Video, 90_000, timestamp, arrival);
            sync.time(MediaKind::Video, timestamp).unwrap() / SECOND
        };
        assert_eq!([time(100, 900_000 + 60 * 90_000), time(100, 900_000 + 99 * 90_000)], [60, 99]);
        assert_eq!(time(36_000, 900_000 + 36_000 * 90_000), 36_000);
    }

    #[test]
    fn reports_place_them_better_and_nothing_goes_back() {
        // Sound came `later`, but is of the same moment as the picture + `truth`.
        for (later, truth, audio, video) in [
            (30, 0, 30, 30),
            (30, 50, 50, 0),
            (0, -100, 0, 100),
            (-30, 0, 0, 0),
            (30, 31, 30, 0),
            // No two clocks of one publisher are that far apart.
            (0, 60_000, 0, 0),
            (0, -60_000, 0, 0),
        ] {
            let mut sync = sync(later);
            // The reports are of other moments: a second and two in.
            sync.handle_report(MediaKind::Video, ntp(1_000), 900_000 + 90_000);
            assert_eq!(times(&sync), (later, 0));
            sync.handle_report(MediaKind::Audio, ntp(truth + 2_000), 4_800_000 + 96_000);
            assert_eq!(times(&sync), (audio, video), "{later} {truth}");
        }
    }

    #[test]
    fn later_reports_must_say_it_twice() {
        let mut sync = sync(0);
        let mut report = |second: i64, off: i64| {
            sync.handle_report(MediaKind::Video, ntp(second * 1_000), 900_000 + 90_000 * second);
            sync.handle_report(MediaKind::Audio, ntp(second * 1_000 + off), 4_800_000 + 48_000 * second);
            times(&sync)
        };
        assert_eq!(report(1, 20), (20, 0));
        assert_eq!(report(2, 45), (20, 0));
        assert_eq!(report(3, 22), (20, 0), "it was late once");
        assert_eq!(report(4, 31), (20, 0));
        assert_eq!(report(5, 32), (32, 0), "the clocks drift");
    }

    #[test]
    fn times_go_there_and_back_without_loss() {
        let mut sync = Sync::default();
        sync.handle_packet(MediaKind::Video, 90_000, 1 << 31, Instant::now());
        let origin = sync.time(MediaKind::Video, (1 << 31) + 12_345).unwrap();
        for number in 0..1000 {
            let timestamp = (1 << 31) + 12_345 + number * 3_003;
            let time = sync.time(MediaKind::Video, timestamp).unwrap();
            assert_eq!(ticks(time - origin, 90_000), number * 3_003);
        }
    }
}
