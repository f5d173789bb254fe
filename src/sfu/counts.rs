//! What a room, and a session in it, is counted by. Counters of what is rare are here, with the audience that they
//! belong to; packets and bytes are counted where the session's owner sends and receives them.

use std::ops::AddAssign;
use std::time::Duration;

use crate::sfu::histogram::{Bounds, Histogram};
use crate::sfu::reception::Reception;

/// Packets, and their bytes: header and payload, without what sealing adds.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Traffic {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}

impl Traffic {
    /// Counts a packet.
    pub fn count(&mut self, bytes: usize) {
        self.packets += 1;
        self.bytes += bytes as u64;
    }
}

impl AddAssign for Traffic {
    fn add_assign(&mut self, other: Self) {
        self.packets += other.packets;
        self.bytes += other.bytes;
    }
}

/// What flows through a session, or through all of them.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Flow {
    /// RTP that came, opened; what the room drops is in it.
    pub rtp_in: Traffic,
    /// RTP that went, retransmissions included.
    pub rtp_out: Traffic,
    /// Compound packets of RTCP that came.
    pub rtcp_in: Traffic,
    /// Compound packets of RTCP that went.
    pub rtcp_out: Traffic,
}

/// The feedback between us and one client, whichever side asks the other.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Feedback {
    /// What a subscriber asked of us, or we of a publisher.
    pub asked: Asked,
    /// What the receiver's reports say: a subscriber's, or ours of what a publisher sends.
    pub reception: Reception,
}

/// Round trips, in microseconds.
const ROUND_TRIPS: Bounds =
    &[1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 150_000, 200_000, 300_000, 500_000, 1_000_000, 2_500_000];
/// Lost packets between two reports, in parts of 256: 0, 1 %, 2 %, 3 %, 5 %, 10 %, 20 %, half.
const LOSSES: Bounds = &[0, 2, 5, 7, 12, 25, 51, 128];
/// From the end of the handshake to the first packet of a key frame, in microseconds.
const FIRST_PICTURES: Bounds =
    &[1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000];

/// The feedback of all subscribers, or of all publishers, of a room.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RoomCounts {
    /// What subscribers asked of us.
    pub from_subscribers: Asked,
    /// What we asked of publishers.
    pub of_publishers: Asked,
    /// Packets that got padding, once for all subscribers (`level`).
    pub padded: u64,
    /// Times that a publisher was above its bit rate for a whole interval.
    pub over_bitrate: u64,
    /// Round trips as subscribers' reports tell them, in microseconds.
    pub round_trips: Histogram,
    /// Loss as subscribers' reports tell it, in parts of 256.
    pub losses: Histogram,
    /// From the end of a subscriber's handshake, or from the publisher's coming where that is later, to the first
    /// packet of a key frame, in microseconds.
    pub first_pictures: Histogram,
}

/// What one side asked of the other, and got.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Asked {
    /// Packets, by NACK (RFC 4585 §6.2.1).
    pub nacked: u64,
    /// Retransmissions to a subscriber; of a publisher, packets that filled a hole, because they were asked for or were
    /// only late.
    pub repaired: Traffic,
    /// Key frames, by PLI or FIR.
    pub keyframes: u64,
}

impl Default for RoomCounts {
    fn default() -> Self {
        Self {
            from_subscribers: Asked::default(),
            of_publishers: Asked::default(),
            padded: 0,
            over_bitrate: 0,
            round_trips: Histogram::new(ROUND_TRIPS),
            losses: Histogram::new(LOSSES),
            first_pictures: Histogram::new(FIRST_PICTURES),
        }
    }
}

impl RoomCounts {
    /// Adds another room's.
    pub fn add(&mut self, other: &Self) {
        self.from_subscribers += other.from_subscribers;
        self.of_publishers += other.of_publishers;
        self.padded += other.padded;
        self.over_bitrate += other.over_bitrate;
        self.round_trips.add(&other.round_trips);
        self.losses.add(&other.losses);
        self.first_pictures.add(&other.first_pictures);
    }

    /// Takes note of what a subscriber's report says.
    pub fn observe(&mut self, reception: &Reception) {
        if let Some(fraction) = reception.fraction_lost {
            self.losses.observe(fraction.into());
        }
        if let Some(time) = reception.round_trip {
            self.round_trips.observe(micros(time));
        }
    }
}

impl AddAssign for Asked {
    fn add_assign(&mut self, other: Self) {
        self.nacked += other.nacked;
        self.repaired += other.repaired;
        self.keyframes += other.keyframes;
    }
}

/// Whole microseconds.
#[must_use]
pub fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_add_up() {
        let mut traffic = Traffic::default();
        traffic.count(100);
        let asked = Asked { nacked: 3, repaired: traffic, keyframes: 1 };
        let mut room = RoomCounts { from_subscribers: asked, padded: 2, ..RoomCounts::default() };
        let round_trip = Some(Duration::from_millis(20));
        room.observe(&Reception { fraction_lost: Some(0), round_trip, ..Reception::default() });
        let mut both = room.clone();
        both.add(&room);
        assert_eq!((both.from_subscribers.nacked, both.from_subscribers.repaired.bytes, both.padded), (6, 200, 4));
        assert_eq!((both.round_trips.sum(), both.losses.count(), both.first_pictures.count()), (40_000, 2, 0));
    }
}
