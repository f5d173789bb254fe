//! When what is sent: frames at their times, the packets of one frame in small bursts, and a clip that begins again
//! without a step in its timestamps.

use std::time::Duration;

use crate::media::Clip;

/// Sleeping is not exact below a few milliseconds, and browsers pace by 5 ms as well.
const BURST_INTERVAL: Duration = Duration::from_millis(5);
/// Packets that leave at once when there is time for the rest.
const BURST_PACKETS: usize = 3;
/// A sender that is later than this (the machine slept) goes on from now, rather than hurrying after.
const GIVES_UP_AFTER: Duration = Duration::from_secs(1);

/// What to do about a frame that is due at some time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pace {
    /// Send it now.
    Now,
    /// Wait so long, then ask again.
    Wait(Duration),
}

/// The frames of a clip in the order of sending, over and over, with the times at which they are due. Told the
/// time; reads no clock.
#[derive(Debug)]
pub struct Pacer {
    clock_rate: u64,
    times: Vec<u64>,
    /// One round, in units of the RTP clock.
    period: u64,
    looping: bool,
    round: u64,
    index: usize,
    /// What the clip's beginning is behind the start by, for having been late.
    delay: Duration,
}

impl Pacer {
    /// Paces a clip. A round takes `period_seconds` (that of the picture, so that sound and picture stay together),
    /// and frames that would begin later are left out.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "seconds are positive and few")]
    pub fn new(clip: &Clip, period_seconds: f64, looping: bool) -> Self {
        let clock_rate = u64::from(clip.codec.clock_rate());
        let period = ((period_seconds * f64::from(clip.codec.clock_rate())).round() as u64).max(1);
        let times = clip.frames.iter().map(|frame| frame.time).take_while(|time| *time < period).collect();
        Self { clock_rate, times, period, looping, round: 0, index: 0, delay: Duration::ZERO }
    }

    /// The frame that comes next: its index, and its time since the beginning of the first round in units of the
    /// RTP clock. `None` at the end.
    pub fn next_frame(&self) -> Option<(usize, u64)> {
        if self.round > 0 && !self.looping {
            return None;
        }
        self.times.get(self.index).map(|time| (self.index, self.round * self.period + time))
    }

    /// Goes on to the next frame.
    pub fn advance(&mut self) {
        self.index += 1;
        if self.index >= self.times.len() {
            self.index = 0;
            self.round += 1;
        }
    }

    /// Whether the frame at `time` is due, `elapsed` after the start.
    pub fn pace(&mut self, time: u64, elapsed: Duration) -> Pace {
        let due = self.duration_of(time) + self.delay;
        let Some(late) = elapsed.checked_sub(due) else { return Pace::Wait(due.saturating_sub(elapsed)) };
        if late > GIVES_UP_AFTER {
            self.delay += late;
        }
        Pace::Now
    }

    /// From this frame to the next: what the packets of one frame may be spread over.
    pub fn interval(&self) -> Duration {
        let time = |index| self.times.get(index).copied();
        let (Some(this), next) = (time(self.index), time(self.index + 1)) else { return Duration::ZERO };
        self.duration_of(next.unwrap_or(self.period).saturating_sub(this))
    }

    /// When the last round ends.
    pub fn end(&self) -> Option<Duration> {
        (!self.looping).then(|| self.duration_of(self.period) + self.delay)
    }

    fn duration_of(&self, ticks: u64) -> Duration {
        let nanoseconds = u128::from(ticks) * 1_000_000_000 / u128::from(self.clock_rate);
        Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
    }
}

/// How the packets of one frame leave: how many at once, and how long after the one before each burst follows.
/// All of them leave within half of the interval.
pub fn bursts(packets: usize, interval: Duration) -> (usize, Duration) {
    let slots = usize::try_from(interval.as_micros() / 2 / BURST_INTERVAL.as_micros()).unwrap_or(usize::MAX).max(1);
    (packets.div_ceil(slots).max(BURST_PACKETS), BURST_INTERVAL)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::Frame;
    use crate::rtp::codec::Codec;
    use bytes::Bytes;

    fn clip(codec: Codec, times: &[u64], duration: u64) -> Clip {
        let frame = |time: &u64| Frame { data: Bytes::from_static(&[1]), time: *time, key: true };
        Clip { codec, fmtp: None, frames: times.iter().map(frame).collect(), duration }
    }

    fn milliseconds(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn rounds_have_no_step() {
        let video = clip(Codec::Vp8, &[0, 3_000, 6_000], 9_000);
        let mut pacer = Pacer::new(&video, video.seconds(), true);
        let mut seen = Vec::new();
        for _ in 0..8 {
            seen.push(pacer.next_frame().unwrap());
            pacer.advance();
        }
        assert_eq!(seen.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [0, 1, 2, 0, 1, 2, 0, 1]);
        assert!(seen.windows(2).all(|pair| pair[1].1 - pair[0].1 == 3_000));
    }

    #[test]
    fn sound_keeps_to_the_period_of_the_picture() {
        // 1001 packets of 20 ms against 20 s of picture: the last packet is left out, in every round.
        let times: Vec<u64> = (0..1_001).map(|index| index * 960).collect();
        let sound = clip(Codec::Opus, &times, 1_001 * 960);
        let mut pacer = Pacer::new(&sound, 20.0, true);
        for expected in 0..5_000_u64 {
            assert_eq!(pacer.next_frame().unwrap().1, expected * 960);
            pacer.advance();
        }
    }

    #[test]
    fn frames_leave_at_their_times() {
        let video = clip(Codec::Vp8, &[0, 9_000, 18_000], 27_000);
        let mut pacer = Pacer::new(&video, 0.3, false);
        let table = [
            (0, 0, Pace::Now),
            (9_000, 40, Pace::Wait(milliseconds(60))),
            (9_000, 100, Pace::Now),
            (9_000, 160, Pace::Now),
            (18_000, 160, Pace::Wait(milliseconds(40))),
        ];
        for (time, elapsed, expected) in table {
            assert_eq!(pacer.pace(time, milliseconds(elapsed)), expected, "{time} at {elapsed}");
        }
        assert_eq!((pacer.interval(), pacer.end()), (milliseconds(100), Some(milliseconds(300))));
        for _ in 0..3 {
            pacer.advance();
        }
        assert_eq!(pacer.next_frame(), None);
    }

    #[test]
    fn who_slept_does_not_hurry_after() {
        let video = clip(Codec::Vp8, &[0, 9_000], 18_000);
        let mut pacer = Pacer::new(&video, 0.2, true);
        assert_eq!(pacer.pace(9_000, milliseconds(5_100)), Pace::Now);
        assert_eq!(pacer.pace(18_000, milliseconds(5_150)), Pace::Wait(milliseconds(50)));
    }

    #[test]
    fn bursts_fit_into_half_of_the_interval() {
        for (packets, interval, at_once) in [(1, 33, 3), (9, 33, 3), (30, 33, 10), (100, 1_000, 3), (50, 0, 50)] {
            assert_eq!(bursts(packets, milliseconds(interval)).0, at_once, "{packets} in {interval} ms");
        }
    }
}
