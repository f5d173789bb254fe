//! A room: one publisher, many subscribers. One mutation, then [`Room::flush`] until nothing is due.

use std::time::Instant;

use crate::id::{PeerKey, Rid};
use crate::sfu::audience::{Audience, Batching, Publishing};
use crate::sfu::bitrate_limit::BitrateLimit;
use crate::sfu::counts::{Feedback, RoomCounts, Traffic};
use crate::sfu::drop::{DropCounts, DropReason};
use crate::sfu::intake::Placed;
use crate::sfu::publisher::Publisher;
use crate::sfu::relay::{Cursor, Parcel};
use crate::sfu::report::RoomClock;
use crate::sfu::sink::Sink;
use crate::sfu::streams::Intakes;
use crate::sfu::track::PublishTrack;

/// One room.
pub struct Room {
    /// The subscribers, and what they hear.
    pub audience: Audience,
    publisher: Option<Publisher>,
    intakes: Intakes,
    /// Changes with everything that replicas have to know beside the packets.
    revision: u64,
    drops: DropCounts,
    received: Traffic,
}

impl Room {
    /// An empty room. `seed` feeds the random numbers it needs; `ntp` is the NTP time (RFC 5905, 32.32 bits) of `now`.
    #[must_use]
    pub fn new(now: Instant, ntp: u64, seed: u64, batching: Batching) -> Self {
        Self {
            audience: Audience::new(RoomClock::new(now, ntp), seed, batching),
            publisher: None,
            intakes: Intakes::default(),
            revision: 1,
            drops: DropCounts::default(),
            received: Traffic::default(),
        }
    }

    /// A publisher's session was admitted; its media may come from now on. One that was there before is replaced: the
    /// subscribers stay, and see the new one from its first key frame. Returns the subscribers that lack its codecs.
    pub fn set_publisher(&mut self, now: Instant, peer: PeerKey, tracks: Vec<PublishTrack>) -> Vec<PeerKey> {
        self.remove_publisher(now);
        let mut lacking = Vec::new();
        for track in &tracks {
            let kind = track.format.codec.kind();
            let stream = self.audience.streams.get_mut(kind);
            let changed = stream.codec() != track.format.codec;
            self.intakes.get_mut(kind).attach(now, track, stream);
            lacking.extend(self.audience.handle_attached(kind, changed));
        }
        lacking.sort_unstable();
        lacking.dedup();
        self.publisher = Some(Publisher::new(peer, tracks));
        self.audience.set_publishing(now, Some(Publishing::default()));
        self.revision += 1;
        self.audience.dirty = true;
        lacking
    }

    /// The publisher is gone.
    pub fn remove_publisher(&mut self, now: Instant) {
        if let Some(publisher) = self.publisher.take() {
            self.audience.counts.of_publishers += publisher.feedback().asked;
            self.audience.counts.over_bitrate += publisher.times_over();
        }
        self.intakes.audio.detach(&mut self.audience.streams.audio);
        self.intakes.video.detach(&mut self.audience.streams.video);
        self.audience.clock.restart(now);
        self.audience.set_publishing(now, None);
        self.revision += 1;
    }

    /// One RTP packet of the publisher, opened.
    ///
    /// # Errors
    /// Why it was dropped (already counted in [`Room::drops`]).
    pub fn handle_publisher_rtp(&mut self, now: Instant, packet: &[u8]) -> Result<(), DropReason> {
        self.received.count(packet.len());
        let Some(publisher) = &mut self.publisher else {
            self.drops.count(DropReason::NotPublisher);
            return Err(DropReason::NotPublisher);
        };
        publisher.weigh(now, packet.len());
        let streams = &mut self.audience.streams;
        let handled = publisher.handle_rtp(now, packet, &mut self.intakes, streams);
        let placed = handled.inspect_err(|reason| self.drops.count(*reason))?;
        self.audience.schedule(now, placed == Placed::Keyframe);
        Ok(())
    }

    /// The publisher may send so many bits per second; `None` is no limit.
    pub fn limit_publisher(&mut self, now: Instant, bits_per_second: Option<u64>) {
        if let Some(publisher) = &mut self.publisher {
            publisher.limit = bits_per_second.map(|most| BitrateLimit::new(now, most));
        }
    }

    /// True where the publisher has sent more than it may for longer than it may: it has to go.
    #[must_use]
    pub fn is_publisher_excessive(&self) -> bool {
        self.publisher.as_ref().is_some_and(|publisher| publisher.is_excessive)
    }

    /// One compound RTCP packet of the publisher, opened.
    pub fn handle_publisher_rtcp(&mut self, now: Instant, packet: &[u8]) {
        if let Some(publisher) = &mut self.publisher {
            let Audience { clock, streams, .. } = &mut self.audience;
            publisher.handle_rtcp(now, packet, &mut self.intakes, streams, clock);
            self.revision += 1;
        }
    }

    /// What a replica that is so far does not have yet, as much as one parcel takes; `None` where it has everything. A
    /// replica that is new, or too far behind, begins with the newest key frame.
    pub fn poll_relay(&mut self, cursor: &mut Cursor) -> Option<Parcel> {
        let Audience { clock, publishing, streams, .. } = &self.audience;
        cursor.advance(self.revision, *clock, *publishing, streams, &mut self.drops)
    }

    /// Subscribers of a replica want a key frame; from this number on one would be news there.
    pub fn handle_keyframe_wish(&mut self, from: u64) {
        let newest = self.audience.streams.video.history().newest_keyframe();
        // One that has begun since is on its way to them.
        if newest.is_none_or(|start| start < from) {
            self.audience.want_keyframe();
        }
    }

    /// True when [`Room::flush`] has something to do now.
    #[must_use]
    pub fn is_due(&mut self, now: Instant) -> bool {
        self.audience.is_unfinished(now) || self.next_timeout(now).is_some_and(|deadline| deadline <= now)
    }

    /// When [`Room::flush`] has something to do even if nothing arrives.
    pub fn next_timeout(&mut self, now: Instant) -> Option<Instant> {
        let publisher = self.publisher.as_mut().and_then(|publisher| publisher.next_timeout(now, &self.intakes.video));
        [publisher, self.audience.next_timeout()].into_iter().flatten().min()
    }

    /// Sends everything that is due: media, retransmissions, bursts, reports, feedback to the publisher. What the ways
    /// out do not take for the moment stays due.
    pub fn flush(&mut self, now: Instant, sink: &mut impl Sink) {
        self.audience.flush(now, sink);
        let wanted = self.audience.take_keyframe_wish();
        let Some(publisher) = &mut self.publisher else { return };
        let better_layer = self.intakes.video.evaluate(now);
        if wanted || better_layer || self.intakes.video.lacks_keyframe() {
            publisher.keyframes.want();
        }
        publisher.flush(now, &self.intakes.video, sink);
        self.audience.publishing = Some(Publishing { answers: publisher.keyframes.answers() });
    }

    /// The publisher's peer.
    #[must_use]
    pub fn publisher(&self) -> Option<PeerKey> {
        self.publisher.as_ref().map(Publisher::peer)
    }

    /// True when nobody is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.publisher.is_none() && self.audience.is_empty()
    }

    /// What was dropped, by reason.
    #[must_use]
    pub fn drops(&self) -> &DropCounts {
        &self.drops
    }

    /// What has been counted in the room so far.
    #[must_use]
    pub fn counts(&self) -> RoomCounts {
        let mut counts = self.audience.counts.clone();
        if let Some(publisher) = &self.publisher {
            counts.of_publishers += publisher.feedback().asked;
            counts.over_bitrate += publisher.times_over();
        }
        counts
    }

    /// The publisher's feedback.
    #[must_use]
    pub fn publisher_feedback(&self) -> Option<Feedback> {
        self.publisher.as_ref().map(Publisher::feedback)
    }

    /// Which of a simulcast publisher's layers is forwarded; `None` where there is one encoding only.
    #[must_use]
    pub fn forwarded_layer(&self) -> Option<&Rid> {
        let codec = self.audience.streams.video.codec();
        let track = self.publisher.as_ref()?.tracks().iter().find(|track| track.format.codec == codec)?;
        track.rids.get(self.intakes.video.forwarded_layer()?)
    }

    /// What the room says of itself.
    pub fn media(&mut self, now: Instant) -> RoomMedia {
        let streams = &self.audience.streams;
        let published = self.publisher.as_ref().map_or(&[][..], Publisher::tracks);
        let pairs = [(&streams.audio, &mut self.intakes.audio), (&streams.video, &mut self.intakes.video)];
        let tracks = pairs.into_iter().filter(|(stream, _)| stream.is_attached()).map(|(stream, intake)| {
            let track = published.iter().find(|track| track.format.codec == stream.codec());
            let rids = track.map_or(&[][..], |track| &track.rids);
            let layer = |(rid, (bitrate, forwarded)): (&Rid, _)| LayerMedia { rid: rid.clone(), bitrate, forwarded };
            TrackMedia {
                codec: stream.codec(),
                bitrate: intake.bitrate(now),
                b_frames: stream.b_frames(),
                layers: rids.iter().zip(intake.layers(now)).map(layer).collect(),
            }
        });
        RoomMedia {
            has_publisher: self.publisher.is_some(),
            over_bitrate: self.publisher.as_ref().is_some_and(|publisher| publisher.is_over(now)),
            tracks: tracks.collect(),
            subscribers: self.audience.started(),
            packets_in: self.received.packets,
            bytes_in: self.received.bytes,
        }
    }
}

/// What a room says of itself.
#[derive(Clone, Debug, Default)]
pub struct RoomMedia {
    /// A publisher's session is there.
    pub has_publisher: bool,
    /// It sends more than it may.
    pub over_bitrate: bool,
    /// The publisher's tracks.
    pub tracks: Vec<TrackMedia>,
    /// Subscribers whose handshake is done.
    pub subscribers: usize,
    /// RTP packets and bytes that came in from publishers since the room began.
    pub packets_in: u64,
    /// See [`RoomMedia::packets_in`].
    pub bytes_in: u64,
}

/// What a room says of a track.
#[derive(Clone, Debug)]
pub struct TrackMedia {
    /// The codec.
    pub codec: crate::rtp::codec::Codec,
    /// Bit rate of the forwarded layer, bits per second.
    pub bitrate: u64,
    /// The publisher sends pictures out of presentation order.
    pub b_frames: bool,
    /// Its encodings, where it has several.
    pub layers: Vec<LayerMedia>,
}

/// What a room says of one encoding of a track.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LayerMedia {
    /// Its name.
    pub rid: Rid,
    /// Bits per second.
    pub bitrate: u64,
    /// Subscribers get this one.
    pub forwarded: bool,
}
