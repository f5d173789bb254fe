//! A room's publisher: its SSRCs, the feedback it gets, and the key frames it is asked for.

use std::time::Instant;

use crate::id::{PeerKey, Ssrc};
use crate::rtp::codec::MediaKind;
use crate::rtp::extension::Extension;
use crate::rtp::packet::Packet;
use crate::sfu::bitrate_limit::BitrateLimit;
use crate::sfu::continuity::Verdict;
use crate::sfu::counts::{Asked, Feedback as Counted};
use crate::sfu::drop::DropReason;
use crate::sfu::feedback::{self, PublisherFeedback};
use crate::sfu::ingress::{Source, SourceTable, unwrap_red, unwrap_rtx};
use crate::sfu::intake::{Intake, Media, Placed};
use crate::sfu::keyframe::KeyframeRequests;
use crate::sfu::report::RoomClock;
use crate::sfu::rtcp::{self, Feedback};
use crate::sfu::sink::Sink;
use crate::sfu::streams::{Intakes, Streams};
use crate::sfu::track::PublishTrack;

/// See the module.
pub struct Publisher {
    peer: PeerKey,
    tracks: Vec<PublishTrack>,
    sources: SourceTable,
    feedback: PublisherFeedback,
    /// What we have asked of it.
    asked: Asked,
    /// For its video track.
    pub keyframes: KeyframeRequests,
    /// What it may send.
    pub limit: Option<BitrateLimit>,
    /// It has sent more.
    pub is_excessive: bool,
    fir_sequence: u8,
}

impl Publisher {
    /// A publisher that has sent nothing yet.
    #[must_use]
    pub fn new(peer: PeerKey, tracks: Vec<PublishTrack>) -> Self {
        Self {
            peer,
            sources: SourceTable::new(&tracks),
            tracks,
            feedback: PublisherFeedback::new(),
            asked: Asked::default(),
            keyframes: KeyframeRequests::default(),
            limit: None,
            is_excessive: false,
            fir_sequence: 0,
        }
    }

    /// Its peer.
    #[must_use]
    pub fn peer(&self) -> PeerKey {
        self.peer
    }

    /// Its tracks.
    #[must_use]
    pub fn tracks(&self) -> &[PublishTrack] {
        &self.tracks
    }

    /// One RTP packet: feedback takes note of it, and the stream it belongs to takes it in.
    ///
    /// # Errors
    /// Why it is not forwarded.
    pub fn handle_rtp(
        &mut self,
        now: Instant,
        bytes: &[u8],
        intakes: &mut Intakes,
        streams: &mut Streams,
    ) -> Result<Placed, DropReason> {
        let packet = Packet::parse(bytes).ok_or(DropReason::RtpMalformed)?;
        let (source, verdict) = self.sources.resolve(&packet, &self.tracks)?;
        let track = &self.tracks[source.track];
        let kind = track.format.codec.kind();
        match verdict {
            Verdict::GoesOn => {}
            Verdict::Doubtful => return Err(DropReason::SequenceJump),
            Verdict::Restarts => {
                self.feedback.forget(packet.ssrc());
                if !source.rtx {
                    intakes.get_mut(kind).restart(source.layer, streams.get_mut(kind));
                }
            }
        }
        self.feedback.handle_rtp(now, &packet, track, source.rtx);
        let Some(media) = self.unwrap(now, &packet, source)? else { return Ok(Placed::Skipped) };
        let placed = intakes.get_mut(kind).handle(now, source.layer, &media, streams.get_mut(kind))?;
        if placed == Placed::Late {
            self.asked.repaired.count(bytes.len());
        }
        if placed == Placed::Keyframe && kind == MediaKind::Video {
            self.keyframes.handle_keyframe(now);
        }
        Ok(placed)
    }

    /// One compound RTCP packet.
    pub fn handle_rtcp(
        &mut self,
        now: Instant,
        packet: &[u8],
        intakes: &mut Intakes,
        streams: &mut Streams,
        clock: &mut RoomClock,
    ) {
        for feedback in rtcp::feedback(packet) {
            let Feedback::SenderReport(report) = feedback else { continue };
            let (ntp, timestamp) = (report.ntp_time, report.rtp_time);
            let source = self.sources.get(Ssrc(report.ssrc));
            self.feedback.handle_report(now, report);
            let Some(source) = source.filter(|source| !source.rtx) else { continue };
            clock.handle_report(now, ntp);
            let kind = self.tracks[source.track].format.codec.kind();
            intakes.get_mut(kind).handle_report(source.layer, ntp, timestamp, streams.get_mut(kind));
        }
    }

    /// A packet of so many bytes came from it, of whatever use.
    pub fn weigh(&mut self, now: Instant, bytes: usize) {
        self.is_excessive |= self.limit.as_mut().is_some_and(|limit| !limit.admits(now, bytes));
    }

    /// It sends more than it may.
    #[must_use]
    pub fn is_over(&self, now: Instant) -> bool {
        self.limit.as_ref().is_some_and(|limit| limit.is_over(now))
    }

    /// How many times it was looked, and it did.
    #[must_use]
    pub fn times_over(&self) -> u64 {
        self.limit.as_ref().map_or(0, BitrateLimit::times_over)
    }

    /// The feedback that it got so far.
    #[must_use]
    pub fn feedback(&self) -> Counted {
        Counted { asked: self.asked, reception: self.feedback.reception() }
    }

    /// Sends the feedback and the key frame request that are due.
    pub fn flush(&mut self, now: Instant, video: &Intake, sink: &mut impl Sink) {
        let peer = self.peer;
        self.asked.nacked += self.feedback.poll(now, |packet| {
            sink.rtcp(peer, packet);
        });
        let Some((track, media)) = self.addressee(video) else { return };
        if self.keyframes.poll(now) {
            self.fir_sequence = self.fir_sequence.wrapping_add(1);
            if let Some(request) = feedback::keyframe_request(&self.tracks[track], media, self.fir_sequence) {
                sink.rtcp(peer, &request);
                self.asked.keyframes += 1;
            }
        }
    }

    /// When [`Publisher::flush`] has something to do.
    pub fn next_timeout(&mut self, now: Instant, video: &Intake) -> Option<Instant> {
        let keyframe = self.addressee(video).and_then(|_| self.keyframes.next_timeout(now));
        [self.feedback.next_timeout(), keyframe].into_iter().flatten().min()
    }

    /// Who is asked for a key frame: the video track, and the SSRC of the layer that is wanted. Before its first packet
    /// there is nobody to ask, and its first frame is a key frame anyway.
    fn addressee(&self, video: &Intake) -> Option<(usize, Ssrc)> {
        let track = self.tracks.iter().position(|track| track.format.codec.kind() == MediaKind::Video)?;
        let layer = video.wanted_layer();
        Some((track, self.sources.media_ssrc(track, layer)?))
    }

    /// The media in a packet: as it is, out of a retransmission, or out of redundant audio. `None` for a probe
    /// without content.
    fn unwrap<'p>(
        &mut self,
        now: Instant,
        packet: &Packet<'p>,
        source: Source,
    ) -> Result<Option<Media<'p>>, DropReason> {
        let track = &self.tracks[source.track];
        let mut sequence = packet.sequence();
        let mut payload = packet.payload();
        if source.rtx {
            let Some((original, rest)) = unwrap_rtx(payload) else { return Ok(None) };
            (sequence, payload) = (original, rest);
            let media = self.sources.media_ssrc(source.track, source.layer);
            // The original's number is the sender's word: it is held to the same window as the original itself.
            let media = media.filter(|media| self.sources.is_near(*media, sequence)).ok_or(DropReason::SequenceJump)?;
            self.feedback.handle_recovered(now, packet, sequence, media);
        } else if track.red == Some(packet.payload_type()) {
            payload = unwrap_red(payload).ok_or(DropReason::RtpMalformed)?;
        } else if track.payload_type != packet.payload_type() {
            return Err(DropReason::UnknownPayloadType);
        }
        let level = track.extensions.id(Extension::AudioLevel).and_then(|id| packet.extension(id));
        Ok(Some(Media {
            sequence,
            timestamp: packet.timestamp(),
            marker: packet.marker(),
            payload,
            audio_level: level.and_then(|value| value.first().copied()),
        }))
    }
}
