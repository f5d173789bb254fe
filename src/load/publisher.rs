//! One light publisher: synthetic media, sealed and paced; retransmissions and key frames when they are asked for.

use std::time::{Duration, Instant};

use crate::id::{PayloadType, Ssrc};
use crate::limits::LOAD_HISTORY_PACKETS;
use crate::load::board::Board;
use crate::load::crew::since_1970;
use crate::load::link::Link;
use crate::load::media::{self, Encoder, PAYLOAD_BYTES, Piece};
use crate::load::pace::Pacer;
use crate::load::plan::Media;
use crate::load::ports::{Place, Ports};
use crate::load::stamp::Stamp;
use crate::net::clock::Clock;
use crate::peer::srtp::Srtp;
use crate::rtp::packet::{Header, MAX_HEADER};
use crate::rtp::sequence::low16;
use crate::sfu::report::SenderReport;
use crate::sfu::rtcp::{Feedback, NackPair, feedback};

/// Between two sender reports.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// Between two packets of audio.
const AUDIO_INTERVAL: Duration = Duration::from_millis(20);
const AUDIO_TICKS: u32 = 960;

/// A session that sends.
pub struct Publisher {
    /// Where it sends from.
    pub place: Place,
    /// ICE and DTLS.
    pub link: Link,
    room: u32,
    run: u16,
    srtp: Option<Box<Srtp>>,
    encoder: Encoder,
    pacer: Pacer,
    video: Track,
    audio: Option<Track>,
    audio_timestamp: u32,
    /// When media began, and the frames since.
    origin: Instant,
    frames: u32,
    frame_interval: Duration,
    next_audio: Instant,
    next_report: Instant,
}

/// What goes out under one SSRC.
pub struct Track {
    ssrc: u32,
    payload_type: u8,
    /// The sequence number of the next packet, without its wrap.
    index: u64,
    number: u32,
    octets: u32,
    timestamp: u32,
    /// Sealed packets, at their sequence number modulo the length.
    history: Vec<Vec<u8>>,
}

impl Track {
    /// A track that has sent nothing.
    #[must_use]
    pub fn new(ssrc: u32, payload_type: u8) -> Self {
        let history = vec![Vec::new(); LOAD_HISTORY_PACKETS];
        // A first number well below the wrap, as RFC 3711 §3.3.1 advises.
        Self { ssrc, payload_type, index: u64::from(ssrc & 0x3fff), number: 0, octets: 0, timestamp: 0, history }
    }
}

impl Publisher {
    /// A session that sends once it is connected. `phase`: how far into a frame's time its frames are.
    #[must_use]
    pub fn new(
        now: Instant,
        (place, link): (Place, Link),
        (room, run): (u32, u16),
        plan: &Media,
        (video, audio): (Track, Option<Track>),
    ) -> Self {
        Self {
            place,
            link,
            room,
            run,
            srtp: None,
            encoder: Encoder::new(plan, u64::from(room) << 16 | u64::from(run)),
            pacer: Pacer::new(plan, now),
            video,
            audio,
            audio_timestamp: 0,
            origin: now,
            frames: 0,
            frame_interval: Duration::from_secs(1) / plan.fps,
            next_audio: now,
            next_report: now,
        }
    }

    /// The keys are there; media begins at `origin`.
    pub fn connect(&mut self, origin: Instant, srtp: Box<Srtp>) {
        self.srtp = Some(srtp);
        (self.origin, self.next_audio, self.next_report) = (origin, origin, origin + Duration::from_millis(100));
    }

    /// The keys are there.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.srtp.is_some()
    }

    /// When [`Publisher::poll_media`] has something to do.
    #[must_use]
    pub fn next_media(&self) -> Option<Instant> {
        self.srtp.as_ref()?;
        let audio = self.audio.as_ref().map(|_| self.next_audio);
        [Some(self.next_frame()), self.pacer.next(), audio, Some(self.next_report)].into_iter().flatten().min()
    }

    fn next_frame(&self) -> Instant {
        self.origin + self.frame_interval * self.frames
    }

    /// Sends what is due.
    pub fn poll_media(&mut self, now: Instant, clock: &Clock, ports: &mut Ports, board: &mut Board) {
        if self.srtp.is_none() {
            return;
        }
        while self.next_frame() <= now {
            let at = self.next_frame();
            self.pacer.add(at, |queue| self.encoder.next_frame(queue));
            self.frames += 1;
        }
        let mut due = Vec::new();
        self.pacer.poll(now, |at, piece| due.push((at, piece)));
        for (at, piece) in due {
            let late = now.saturating_duration_since(at).as_micros();
            board.lag.record(u64::try_from(late).unwrap_or(u64::MAX));
            self.send(&piece, false, ports, board);
        }
        while self.audio.is_some() && self.next_audio <= now {
            self.next_audio += AUDIO_INTERVAL;
            self.audio_timestamp = self.audio_timestamp.wrapping_add(AUDIO_TICKS);
            self.send(&media::audio(self.audio_timestamp, self.audio_timestamp == AUDIO_TICKS), true, ports, board);
        }
        if self.next_report <= now {
            self.next_report = now + REPORT_INTERVAL;
            self.report(now, clock, ports);
        }
    }

    fn send(&mut self, piece: &Piece, audio: bool, ports: &mut Ports, board: &mut Board) {
        let track = if audio { self.audio.as_mut() } else { Some(&mut self.video) };
        let (Some(track), Some(srtp), encoder) = (track, &mut self.srtp, &self.encoder) else { return };
        let header = Header {
            marker: piece.last,
            padding: false,
            payload_type: PayloadType(track.payload_type),
            sequence: low16(track.index),
            timestamp: piece.timestamp,
            ssrc: Ssrc(track.ssrc),
        };
        let (room, run) = (self.room, self.run);
        ports.send_with(self.place, self.link.server(), |out| {
            let (mut head, mut payload) = ([0; MAX_HEADER], [0; PAYLOAD_BYTES]);
            let head_length = header.write(std::iter::empty(), &mut head);
            let stamp = Stamp::new(room, track.number, since_1970(), run);
            let length = encoder.write(piece, stamp, &mut payload);
            let sealed = srtp.seal_rtp(track.index, &head[..head_length], &payload[..length], out)?;
            let kept = &mut track.history[usize::from(header.sequence) % LOAD_HISTORY_PACKETS];
            kept.clear();
            kept.extend_from_slice(&out[..sealed]);
            track.octets = track.octets.wrapping_add(u32::try_from(length).unwrap_or(0));
            Some(sealed)
        });
        track.index += 1;
        track.number = track.number.wrapping_add(1);
        track.timestamp = piece.timestamp;
        board.counts.sent += 1;
    }

    fn report(&mut self, now: Instant, clock: &Clock, ports: &mut Ports) {
        let Some(srtp) = &mut self.srtp else { return };
        let ntp = clock.ntp(now);
        let since = now.saturating_duration_since(self.origin).as_micros();
        let ticks = |rate: u128| u32::try_from((since * rate / 1_000_000) & 0xffff_ffff).expect("32 bits");
        let tracks = [(Some(&self.video), 90_000), (self.audio.as_ref(), 48_000)];
        for (track, rate) in tracks {
            let Some(track) = track else { continue };
            let first = if rate == 90_000 { self.encoder.first_timestamp() } else { 0 };
            let report = SenderReport {
                ssrc: Ssrc(track.ssrc),
                ntp,
                timestamp: first.wrapping_add(ticks(rate)),
                packets: track.number,
                octets: track.octets,
            };
            let bytes = report.write(*b"rillcast-loadgen");
            ports.send_with(self.place, self.link.server(), |out| srtp.seal_rtcp(&bytes, out));
        }
    }

    /// RTCP from the server: NACKs are answered, key frame requests heeded.
    pub fn handle_rtcp(&mut self, data: &mut [u8], ports: &mut Ports, board: &mut Board) {
        board.counts.rtcp += 1;
        let Some(length) = self.srtp.as_mut().and_then(|srtp| srtp.open_rtcp(data).ok()) else { return };
        for part in feedback(&data[..length]) {
            match part {
                Feedback::KeyframeRequest => {
                    board.counts.key_frame_requests += 1;
                    self.encoder.request_key_frame();
                }
                Feedback::Nack(nack) => {
                    for number in nack.nacks.iter().flat_map(NackPair::packet_list) {
                        board.counts.nacks += 1;
                        self.repeat(nack.media_ssrc, number, ports, board);
                    }
                }
                Feedback::SenderReport(_) => {}
            }
        }
    }

    fn repeat(&self, ssrc: u32, number: u16, ports: &mut Ports, board: &mut Board) {
        let track = [Some(&self.video), self.audio.as_ref()].into_iter().flatten().find(|track| track.ssrc == ssrc);
        let Some(kept) = track.map(|track| &track.history[usize::from(number) % LOAD_HISTORY_PACKETS]) else { return };
        if kept.get(2..4) == Some(&number.to_be_bytes()) {
            board.counts.resent += 1;
            ports.send(self.place, self.link.server(), kept);
        }
    }
}
