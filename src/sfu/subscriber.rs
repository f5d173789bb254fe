//! A subscriber of a room: its tracks, and what it asks for by RTCP.

use std::time::{Duration, Instant};

use crate::id::PeerKey;
use crate::limits;
use crate::rtp::codec::MediaKind;
use crate::sfu::counts::{Asked, Feedback as Counted, RoomCounts, micros};
use crate::sfu::egress::{EgressTrack, Obstacle};
use crate::sfu::reception::{self, Reception};
use crate::sfu::report::RoomClock;
use crate::sfu::rtcp::{self, Feedback, NackPair, TransportLayerNack};
use crate::sfu::sink::Sink;
use crate::sfu::stream::Stream;
use crate::sfu::streams::Streams;
use crate::sfu::track::PlayTrack;

/// See the module.
pub struct Subscriber {
    peer: PeerKey,
    tracks: Vec<EgressTrack>,
    /// What its reports say of each track.
    receptions: Vec<Reception>,
    asked: Asked,
    started: Option<Instant>,
    /// It has not had a picture yet.
    longing: bool,
    /// Track and sequence number of what has to be sent again.
    retransmissions: Vec<(usize, u16)>,
    /// Retransmissions left until the second is over.
    allowance: u32,
    allowance_until: Instant,
}

impl Subscriber {
    /// A subscriber whose handshake is not done. `random` gives fresh random numbers.
    #[must_use]
    pub fn new(now: Instant, peer: PeerKey, tracks: Vec<PlayTrack>, mut random: impl FnMut() -> u64) -> Self {
        let mut tracks: Vec<EgressTrack> = tracks.into_iter().map(|track| EgressTrack::new(track, random())).collect();
        // Sound behind the picture: a short packet may be the last one of a train, but not the first.
        tracks.sort_by_key(|track| track.track().kind == MediaKind::Audio);
        Self {
            peer,
            receptions: vec![Reception::default(); tracks.len()],
            asked: Asked::default(),
            longing: tracks.iter().any(|track| track.track().kind == MediaKind::Video),
            tracks,
            started: None,
            retransmissions: Vec::new(),
            allowance: limits::RETRANSMISSIONS_PER_SECOND,
            allowance_until: now,
        }
    }

    /// Its peer.
    #[must_use]
    pub fn peer(&self) -> PeerKey {
        self.peer
    }

    /// Its handshake is done.
    #[must_use]
    pub fn is_started(&self) -> bool {
        self.started.is_some()
    }

    /// Its tracks.
    #[must_use]
    pub fn tracks(&self) -> &[EgressTrack] {
        &self.tracks
    }

    /// Media may flow, from a key frame on.
    pub fn start(&mut self, now: Instant, streams: &Streams) {
        self.started = Some(now);
        for track in &mut self.tracks {
            track.start(streams.get(track.track().kind));
        }
    }

    /// A publisher feeds this stream from now on, with another codec than before where `changed`. False where the
    /// codec was not negotiated.
    pub fn handle_publisher(&mut self, stream: &Stream, changed: bool) -> bool {
        let mut tracks = self.tracks.iter_mut().filter(|track| track.track().kind == stream.codec().kind());
        let Some(track) = tracks.next() else { return true };
        if self.started.is_some() && changed {
            track.start(stream);
        }
        track.track().payload_type(stream.codec()).is_some()
    }

    /// Sends again what was asked for.
    pub fn flush_retransmissions(&mut self, streams: &Streams, counts: &mut RoomCounts, sink: &mut impl Sink) {
        for (track, sequence) in self.retransmissions.drain(..) {
            let track = &self.tracks[track];
            if let Some(bytes) = track.retransmit(sequence, streams.get(track.track().kind), self.peer, sink) {
                self.asked.repaired.count(bytes);
                counts.from_subscribers.repaired.count(bytes);
            }
        }
    }

    /// Sends the media that is due. False where the way out does not take all of it for the moment.
    pub fn flush(&mut self, now: Instant, streams: &Streams, sink: &mut impl Sink) -> bool {
        if !sink.is_ready(self.peer) {
            self.tracks.iter_mut().for_each(|track| track.hold(now));
            return false;
        }
        for track in &mut self.tracks {
            track.flush(now, streams.get(track.track().kind), self.peer, sink);
        }
        !self.tracks.iter().any(EgressTrack::is_held)
    }

    /// Notes, once, how long it took to the first packet of its first picture: since its handshake, or since
    /// `publishing` where that is later.
    pub fn note_first_picture(&mut self, now: Instant, publishing: Option<Instant>, counts: &mut RoomCounts) {
        if self.longing && self.tracks.iter().any(EgressTrack::has_begun) {
            self.longing = false;
            if let Some(since) = self.started.max(publishing) {
                counts.first_pictures.observe(micros(now.saturating_duration_since(since)));
            }
        }
    }

    /// What keeps it from getting what it came for; `None` where nothing does.
    #[must_use]
    pub fn obstacle(&self, now: Instant, publishing: bool) -> Option<Obstacle> {
        if !self.is_started() {
            return Some(Obstacle::NoHandshake);
        }
        if !publishing {
            return Some(Obstacle::NoPublisher);
        }
        // A track that the publisher does not send is none; where all are, nothing comes.
        let obstacles = || self.tracks.iter().map(|track| track.obstacle(now));
        let some = obstacles().flatten().filter(|obstacle| *obstacle != Obstacle::NoCodec).max();
        some.or_else(|| obstacles().min().flatten())
    }

    /// The feedback that it gave so far.
    #[must_use]
    pub fn feedback(&self) -> Counted {
        let reception = self.receptions.iter().fold(Reception::default(), Reception::with);
        Counted { asked: self.asked, reception }
    }

    /// A track waits for a key frame, or is on the way from a past one to the live edge.
    #[must_use]
    pub fn is_catching_up(&self) -> bool {
        self.tracks.iter().any(EgressTrack::is_catching_up)
    }

    /// Sends the sender reports that are due.
    pub fn report(&mut self, now: Instant, clock: &RoomClock, streams: &Streams, sink: &mut impl Sink) {
        for track in &mut self.tracks {
            track.report(now, clock, streams.get(track.track().kind), self.peer, sink);
        }
    }

    /// Has something to send that does not wait for media.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        !self.retransmissions.is_empty()
    }

    /// Reads one compound packet; `clock` is that of the sender reports. True where it asks for a key frame.
    pub fn handle_rtcp(
        &mut self,
        now: Instant,
        packet: &[u8],
        clock: &RoomClock,
        streams: &Streams,
        counts: &mut RoomCounts,
    ) -> bool {
        for block in reception::blocks(packet) {
            let mut tracks = self.tracks.iter().zip(&mut self.receptions);
            let Some((track, reception)) = tracks.find(|(track, _)| track.track().ssrc == block.ssrc) else { continue };
            let rate = streams.get(track.track().kind).codec().clock_rate();
            if reception.handle(now, &block, clock.ntp(now), rate) {
                counts.observe(reception);
            }
        }
        let mut wants_keyframe = false;
        for feedback in rtcp::feedback(packet) {
            match feedback {
                Feedback::Nack(nack) => self.handle_nack(now, &nack, counts),
                Feedback::KeyframeRequest => {
                    wants_keyframe = true;
                    self.asked.keyframes += 1;
                    counts.from_subscribers.keyframes += 1;
                }
                Feedback::SenderReport(_) => {}
            }
        }
        wants_keyframe
    }

    fn handle_nack(&mut self, now: Instant, nack: &TransportLayerNack, counts: &mut RoomCounts) {
        let Some(track) = self.tracks.iter().position(|track| track.track().ssrc.0 == nack.media_ssrc) else { return };
        if !self.tracks[track].track().feedback.nack {
            return;
        }
        if now >= self.allowance_until {
            self.allowance = limits::RETRANSMISSIONS_PER_SECOND;
            self.allowance_until = now + Duration::from_secs(1);
        }
        for sequence in nack.nacks.iter().flat_map(NackPair::packet_list) {
            self.asked.nacked += 1;
            counts.from_subscribers.nacked += 1;
            let room = self.retransmissions.len() < limits::RETRANSMISSIONS_PENDING && self.allowance > 0;
            if !room {
                return;
            }
            self.allowance -= 1;
            self.retransmissions.push((track, sequence));
        }
    }
}
