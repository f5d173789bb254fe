//! A room with a publisher and subscribers, on a clock of its own.

use std::time::{Duration, Instant};

use rillcast::id::PeerKey;
use rillcast::limits::PADDING_BYTES;
use rillcast::sfu::audience::Batching;
use rillcast::sfu::room::Room;
use rillcast::sfu::sink::Sink;

use super::media::{played, published};
use super::sink::PeersSink;

/// Between two frames, at 30 a second.
const INTERVAL: Duration = Duration::from_micros(33_333);
const PUBLISHER: PeerKey = PeerKey { slot: u32::MAX, generation: 0 };

/// A frame comes whole, so there is nothing to wait for.
pub const BATCHING: Batching = Batching { window: Duration::ZERO, padding: PADDING_BYTES };

pub struct Stage {
    pub room: Room,
    pub now: Instant,
}

impl Stage {
    /// A room whose subscribers wait for the first key frame; their keys are those of [`PeersSink`].
    pub fn new(now: Instant, subscribers: usize) -> Self {
        let mut room = Room::new(now, 1 << 40, 7, BATCHING);
        assert!(room.set_publisher(now, PUBLISHER, published()).is_empty());
        for number in 0..subscribers {
            room.audience.add(now, PeersSink::key(number), played(ssrc(number)));
            room.audience.start(now, PeersSink::key(number));
        }
        Self { room, now }
    }

    /// The next frame comes in.
    pub fn publish(&mut self, packets: &[Vec<u8>]) {
        self.now += INTERVAL;
        for packet in packets {
            self.room.handle_publisher_rtp(self.now, packet).expect("the publisher's own packet");
        }
    }

    /// And goes out.
    pub fn flush(&mut self, sink: &mut impl Sink) {
        self.room.flush(self.now, sink);
    }
}

/// Of the `number`th subscriber's track.
pub fn ssrc(number: usize) -> u32 {
    1_000 + u32::try_from(number).expect("a few thousand")
}
