//! When packets are due.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::load::media::{PAYLOAD_BYTES, Piece};
use crate::load::plan::{Media, Pacing};

/// How often a browser's pacer sends.
const BURST_INTERVAL: Duration = Duration::from_millis(5);
/// A browser's pacer sends at 2.5 times the bit rate,
const PACER_FACTOR: f64 = 2.5;
/// and never less than about three packets at once.
const BURST_PACKETS: usize = 3;

/// The packets of one publisher's video on their way out.
pub struct Pacer {
    pacing: Pacing,
    burst: usize,
    frame_interval: Duration,
    queue: VecDeque<Piece>,
    /// When the first packet of the queue is due.
    next: Instant,
    /// Between two bursts.
    step: Duration,
}

impl Pacer {
    /// An empty queue.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a handful of packets")]
    pub fn new(media: &Media, now: Instant) -> Self {
        let bytes = f64::from(media.bitrate) / 8.0 * PACER_FACTOR * BURST_INTERVAL.as_secs_f64();
        Self {
            pacing: media.pacing,
            burst: (bytes as usize / PAYLOAD_BYTES).max(BURST_PACKETS),
            frame_interval: Duration::from_secs(1) / media.fps,
            queue: VecDeque::new(),
            next: now,
            step: BURST_INTERVAL,
        }
    }

    /// A frame that `fill` appends to the queue, due at `at`.
    pub fn add(&mut self, at: Instant, fill: impl FnOnce(&mut VecDeque<Piece>)) {
        if self.queue.is_empty() {
            self.next = at.max(self.next);
        }
        fill(&mut self.queue);
        if self.pacing == Pacing::Even {
            let waiting = u32::try_from(self.queue.len()).unwrap_or(u32::MAX).max(1);
            self.step = self.frame_interval / waiting;
        }
    }

    /// When the next packet is due.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        (!self.queue.is_empty()).then_some(self.next)
    }

    /// Hands out the packets that are due, each with the time when it was.
    pub fn poll(&mut self, now: Instant, mut send: impl FnMut(Instant, Piece)) {
        while let Some(due) = self.next().filter(|due| *due <= now) {
            let count = match self.pacing {
                Pacing::Browser => self.burst,
                Pacing::Frame => self.queue.len(),
                Pacing::Even => 1,
            };
            let count = count.min(self.queue.len());
            self.queue.drain(..count).for_each(|piece| send(due, piece));
            // A frame ends its burst, so the next one may begin at once if its time has come.
            self.next = due + self.step;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::media::Encoder;
    use crate::rtp::codec::Codec;

    /// Milliseconds and numbers of packets of what leaves in the first second.
    fn bursts(pacing: Pacing, bitrate: u32) -> Vec<(u128, usize)> {
        let gop = Duration::from_secs(2);
        let media = Media { codec: Codec::Vp8, bitrate, fps: 30, gop, size: (1280, 720), pacing, audio: false };
        let start = Instant::now();
        let (mut encoder, mut pacer) = (Encoder::new(&media, 3), Pacer::new(&media, start));
        let mut bursts: Vec<(u128, usize)> = Vec::new();
        for millisecond in 0..1_000_u64 {
            let now = start + Duration::from_millis(millisecond);
            if (millisecond * 3).is_multiple_of(100) {
                pacer.add(now, |queue| encoder.next_frame(queue));
            }
            let mut count = 0;
            pacer.poll(now, |_, _| count += 1);
            if count > 0 {
                bursts.push((u128::from(millisecond), count));
            }
        }
        bursts
    }

    #[test]
    fn a_browser_sends_three_packets_each_five_milliseconds() {
        let bursts = bursts(Pacing::Browser, 2_500_000);
        assert!(bursts.iter().all(|(_, count)| *count <= 3));
        assert!(bursts.windows(2).all(|pair| pair[1].0 - pair[0].0 >= 5), "{bursts:?}");
        // The key frame of 50 packets at the start goes on beyond the next frames.
        assert!(bursts[..17].iter().all(|(_, count)| *count >= 2), "{bursts:?}");
        let few = super::tests::bursts(Pacing::Browser, 1_000_000);
        assert!(few.iter().all(|(_, count)| *count <= 3) && few.iter().any(|(_, count)| *count == 3), "{few:?}");
        let many = super::tests::bursts(Pacing::Browser, 10_000_000);
        assert!(many.iter().any(|(_, count)| *count > 10), "{many:?}");
    }

    #[test]
    fn frames_leave_at_once_or_evenly() {
        let at_once = bursts(Pacing::Frame, 2_500_000);
        assert_eq!(at_once.len(), 10);
        assert!(at_once[1..].iter().all(|(_, count)| (6..=11).contains(count)), "{at_once:?}");
        let evenly = bursts(Pacing::Even, 2_500_000);
        assert!(evenly[50..].iter().all(|(_, count)| *count <= 1), "{evenly:?}");
    }
}
