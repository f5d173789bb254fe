//! Publishing by WHIP.

use std::sync::Arc;
use std::time::Instant;

use ring::rand::{SecureRandom, SystemRandom};
use rtc::rtp_transceiver::rtp_sender::{RTCRtpCodingParameters, RTCRtpEncodingParameters, RTCRtpRtxParameters};
use rtc::statistics::report::RTCStatsReportEntry;
use tokio::sync::{mpsc, watch};
use webrtc::media_stream::MediaStreamTrack;
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::peer_connection::StatsSelector;
use webrtc::rtp_transceiver::{RTCRtpTransceiverDirection, RTCRtpTransceiverInit, RtpSender};

use super::codecs::{kind_of, parameters_of};
use super::feedback::FeedbackSnapshot;
use super::http::Session;
use super::link::{FLUSH, Link, LinkOptions, LinkState, Way, ended};
use super::media::Packetizer;
use super::{ClientError, media::bursts};
use crate::media::Frame;
use crate::rtp::codec::{Codec, MediaKind};

/// A track to publish: the only codec that is offered for it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrackOffer {
    /// What the packets will carry.
    pub codec: Codec,
    /// The value of `a=fmtp`; `None` for what browsers offer.
    pub fmtp: Option<String>,
}

impl TrackOffer {
    /// A track with the usual parameters.
    pub fn new(codec: Codec) -> Self {
        Self { codec, fmtp: None }
    }
}

/// What the server's receiver reports say about all tracks.
#[derive(Clone, Copy, PartialEq, Default, Debug)]
pub struct RemoteReport {
    /// Round trip in seconds, where one was measured.
    pub round_trip: Option<f64>,
    /// Part of the packets that was lost lately, 0 to 1: the worst of the tracks.
    pub fraction_lost: Option<f64>,
}

/// A session that sends.
pub struct Publisher {
    link: Link,
    session: Option<Session>,
    tracks: Vec<Outgoing>,
}

struct Outgoing {
    codec: Codec,
    ssrc: u32,
    payload_type: u8,
    track: Arc<TrackLocalStaticRTP>,
    sender: Arc<dyn RtpSender>,
    packetizer: Packetizer,
    first_timestamp: u32,
}

impl Publisher {
    /// Offers the tracks to a WHIP endpoint, in the order given; returns when the server has answered.
    ///
    /// # Errors
    ///
    /// Where the server cannot be reached, refuses, or answers with something that cannot be used.
    pub async fn connect(url: &str, options: &LinkOptions, tracks: &[TrackOffer]) -> Result<Self, ClientError> {
        let mut publisher = Self::build(options, tracks).await?;
        publisher.session = Some(publisher.link.negotiate(url, options.token.as_deref()).await?);
        publisher.resolve_payload_types().await?;
        Ok(publisher)
    }

    /// A publisher whose offer is carried by other means; see [`Publisher::offer`] and [`Publisher::accept`].
    ///
    /// # Errors
    ///
    /// Where the peer connection cannot be made.
    pub async fn build(options: &LinkOptions, tracks: &[TrackOffer]) -> Result<Self, ClientError> {
        let codecs: Vec<_> = tracks
            .iter()
            .map(|offer| (offer.codec.kind(), parameters_of(offer.codec, offer.fmtp.as_deref())))
            .collect();
        let (remote, _) = mpsc::unbounded_channel();
        let link = Link::build(Way::Out, &codecs, options, remote).await?;
        let mut outgoing = Vec::new();
        for offer in tracks {
            outgoing.push(Outgoing::add(&link, offer, options.rtx).await?);
        }
        Ok(Self { link, session: None, tracks: outgoing })
    }

    /// The offer with all candidates.
    ///
    /// # Errors
    ///
    /// Where the peer connection refuses.
    pub async fn offer(&self) -> Result<String, ClientError> {
        self.link.offer().await
    }

    /// Takes the answer to [`Publisher::offer`].
    ///
    /// # Errors
    ///
    /// Where it cannot be used.
    pub async fn accept(&mut self, answer: &str) -> Result<(), ClientError> {
        self.link.accept(answer).await?;
        self.resolve_payload_types().await
    }

    /// The session resource.
    pub fn session(&self) -> Option<&Session> {
        self.session.as_ref()
    }

    /// Waits for ICE and DTLS.
    ///
    /// # Errors
    ///
    /// Where they do not get through in time.
    pub async fn wait_connected(&self) -> Result<(), ClientError> {
        self.link.wait_connected().await
    }

    /// How far the connection is, to look at or to wait for.
    pub fn state(&self) -> watch::Receiver<LinkState> {
        self.link.state()
    }

    /// Waits until the connection has ended, by the other side or because nothing came any more.
    pub async fn ended(&self) {
        ended(self.link.state()).await;
    }

    /// What came from the server by RTCP: key frame requests, NACKs, reports.
    pub fn feedback(&self) -> FeedbackSnapshot {
        self.link.received.snapshot()
    }

    /// The SSRC of a track.
    pub fn ssrc(&self, kind: MediaKind) -> Option<u32> {
        self.tracks.iter().find(|track| track.codec.kind() == kind).map(|track| track.ssrc)
    }

    /// Sends one packet as it is, apart from SSRC and payload type, which are the track's. Waits while the connection
    /// is busy.
    ///
    /// # Errors
    ///
    /// Where there is no such track, or the connection has ended.
    pub async fn send_rtp(&self, kind: MediaKind, packet: rtp::Packet) -> Result<(), ClientError> {
        let track = self.tracks.iter().find(|track| track.codec.kind() == kind).ok_or(no_track(kind))?;
        track.send(packet).await
    }

    /// Cuts a frame into packets and sends them all at once. Its timestamp is the frame's time behind a random
    /// beginning. Returns how many packets and bytes of payload that were.
    ///
    /// # Errors
    ///
    /// Where there is no such track, the frame is not one of its codec, or the connection has ended.
    pub async fn write_sample(&mut self, kind: MediaKind, frame: &Frame) -> Result<(usize, usize), ClientError> {
        self.write_spread(kind, frame, std::time::Duration::ZERO).await
    }

    /// [`Publisher::write_sample`] in small bursts over half of an interval.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn write_spread(
        &mut self,
        kind: MediaKind,
        frame: &Frame,
        interval: std::time::Duration,
    ) -> Result<(usize, usize), ClientError> {
        let track = self.tracks.iter_mut().find(|track| track.codec.kind() == kind).ok_or(no_track(kind))?;
        track.write(frame, interval).await
    }

    /// What the server's receiver reports say.
    pub async fn remote_report(&self) -> RemoteReport {
        let stats = self.link.connection.get_stats(Instant::now(), StatsSelector::None).await;
        let mut report = RemoteReport::default();
        for entry in stats.iter() {
            if let RTCStatsReportEntry::RemoteInboundRtp(remote) = entry {
                if remote.round_trip_time_measurements > 0 {
                    report.round_trip = Some(remote.round_trip_time);
                }
                report.fraction_lost = Some(report.fraction_lost.unwrap_or(0.0).max(remote.fraction_lost));
            }
        }
        report
    }

    /// Ends the session: DELETE, then goodbye by DTLS.
    ///
    /// # Errors
    ///
    /// Where the server refuses to end the session resource; the connection is closed all the same.
    pub async fn close(self) -> Result<(), ClientError> {
        // The last packets are on their way to the socket.
        tokio::time::sleep(FLUSH).await;
        let deleted = match &self.session {
            Some(session) => session.delete().await,
            None => Ok(()),
        };
        self.link.close().await;
        deleted
    }

    /// Vanishes without a goodbye.
    pub fn abort(self) {
        self.link.abort();
    }

    /// Splits the tracks off, so that each can be fed by a task of its own.
    pub(super) fn take_tracks(&mut self) -> Vec<TrackWriter> {
        self.tracks.drain(..).map(TrackWriter).collect()
    }

    async fn resolve_payload_types(&mut self) -> Result<(), ClientError> {
        for track in &mut self.tracks {
            let parameters = track.sender.get_parameters().await?.rtp_parameters;
            let codec = parameters.codecs.first();
            track.payload_type = codec
                .ok_or_else(|| ClientError::Answer(format!("{} is not accepted", track.codec.name())))?
                .payload_type;
        }
        Ok(())
    }
}

/// One track of a publisher, to be written to.
pub(super) struct TrackWriter(Outgoing);

impl TrackWriter {
    pub(super) fn codec(&self) -> Codec {
        self.0.codec
    }

    pub(super) async fn write(
        &mut self,
        frame: &Frame,
        interval: std::time::Duration,
    ) -> Result<(usize, usize), ClientError> {
        self.0.write(frame, interval).await
    }
}

impl Outgoing {
    async fn add(link: &Link, offer: &TrackOffer, rtx: bool) -> Result<Self, ClientError> {
        let kind = offer.codec.kind();
        let parameters = parameters_of(offer.codec, offer.fmtp.as_deref());
        let ssrc = random();
        let label = if kind == MediaKind::Audio { "audio" } else { "video" };
        let rtx = (rtx && kind == MediaKind::Video).then(|| RTCRtpRtxParameters { ssrc: random() });
        let encoding = RTCRtpEncodingParameters {
            rtp_coding_parameters: RTCRtpCodingParameters { ssrc: Some(ssrc), rtx, ..Default::default() },
            active: true,
            codec: parameters.rtp_codec,
            ..Default::default()
        };
        let track = MediaStreamTrack::new(
            "rillcast".to_owned(),
            label.to_owned(),
            label.to_owned(),
            kind_of(kind),
            vec![encoding.clone()],
        );
        let track = Arc::new(TrackLocalStaticRTP::new(track));
        let init = RTCRtpTransceiverInit {
            direction: RTCRtpTransceiverDirection::Sendonly,
            streams: vec!["rillcast".to_owned()],
            send_encodings: vec![encoding],
        };
        let local = Arc::clone(&track) as Arc<dyn TrackLocal>;
        let transceiver = link.connection.add_transceiver_from_track(local, Some(init)).await?;
        let sender = transceiver.sender().await?.ok_or(ClientError::Disconnected("closed"))?;
        #[expect(clippy::cast_possible_truncation, reason = "16 random bits are meant")]
        let packetizer = Packetizer::new(offer.codec, random() as u16);
        let (codec, first_timestamp) = (offer.codec, random());
        Ok(Self { codec, ssrc, payload_type: 0, track, sender, packetizer, first_timestamp })
    }

    async fn send(&self, mut packet: rtp::Packet) -> Result<(), ClientError> {
        packet.header.ssrc = self.ssrc;
        packet.header.payload_type = self.payload_type;
        Ok(self.track.write_rtp(packet).await?)
    }

    async fn write(&mut self, frame: &Frame, interval: std::time::Duration) -> Result<(usize, usize), ClientError> {
        #[expect(clippy::cast_possible_truncation, reason = "timestamps wrap (RFC 3550 §5.1)")]
        let timestamp = self.first_timestamp.wrapping_add(frame.time as u32);
        let packets = self.packetizer.packetize(frame, timestamp)?;
        let count = packets.len();
        let bytes = packets.iter().map(|packet| packet.payload.len()).sum();
        let (at_once, gap) = bursts(count, interval);
        for (index, packet) in packets.into_iter().enumerate() {
            if index > 0 && index % at_once == 0 && !interval.is_zero() {
                tokio::time::sleep(gap).await;
            }
            self.send(packet).await?;
        }
        Ok((count, bytes))
    }
}

fn no_track(kind: MediaKind) -> ClientError {
    ClientError::NoTrack(if kind == MediaKind::Audio { "audio" } else { "video" })
}

fn random() -> u32 {
    let mut bytes = [0; 4];
    SystemRandom::new().fill(&mut bytes).expect("the operating system has random numbers");
    u32::from_be_bytes(bytes)
}
