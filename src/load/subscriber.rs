//! One light subscriber. It counts by the clear headers, and opens one packet in 64: enough for latency, corruption and
//! misrouting, at a fraction of the price. Until its first key frame is whole it opens all.

use std::time::{Duration, Instant};

use crate::limits::LOAD_STREAMS;
use crate::load::arrivals::Arrivals;
use crate::load::board::Board;
use crate::load::crew::since_1970;
use crate::load::keysearch::KeySearch;
use crate::load::link::{Link, Step};
use crate::load::missing::Due;
use crate::load::plan::Feedback;
use crate::load::ports::Place;
use crate::load::rtcp::Compound;
use crate::load::sequence::{Arrival, SequenceLog};
use crate::load::stamp::{Found, Stamp};
use crate::load::stream::Stream;
use crate::peer::srtp::Srtp;
use crate::rtp::codec::{Codec, MediaKind};
use crate::rtp::extension::Elements;
use crate::rtp::packet::{FIXED_HEADER, Packet};
use crate::sfu::random::Random;
use crate::sfu::rtcp::{Feedback as FromServer, feedback};

/// One packet in so many is opened.
const SAMPLE: u64 = 64;
/// RFC 3550 asks for 5 s at least, RFC 4585 allows less: browsers send one a second.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// Between two reports of transport-wide feedback, as browsers send them.
const TRANSPORT_INTERVAL: Duration = Duration::from_millis(100);
/// So long after its first packet a subscriber without a key frame asks for one, as browsers do.
const PICTURE_PATIENCE: Duration = Duration::from_millis(200);
/// Least time between two key frame requests.
const KEY_FRAME_REQUEST_INTERVAL: Duration = Duration::from_secs(1);

/// When what happened to a session, from the beginning of its request on.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct JoinTimes {
    /// The answer was there.
    pub answered: Option<Duration>,
    /// The handshake was done.
    pub connected: Option<Duration>,
    /// The first packet of media came.
    pub first_packet: Option<Duration>,
    /// The first key frame was whole.
    pub key_frame: Option<Duration>,
}

/// What became of one subscriber.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// When its request began.
    pub began: Instant,
    /// When what happened.
    pub times: JoinTimes,
    /// Packets that should have come.
    pub expected: u64,
    /// Those that never did.
    pub lost: u64,
    /// Why it ended by itself.
    pub ended: Option<&'static str>,
}

/// What all subscribers of a thread share while a batch is handled.
pub struct Context<'a> {
    /// Now.
    pub now: Instant,
    /// Where counts go.
    pub board: &'a mut Board,
    /// For loss and samples.
    pub random: &'a mut Random,
    /// Packets until the next sample.
    pub until_sample: &'a mut u64,
    /// The same for all.
    pub rules: &'a Rules,
}

/// What a subscriber does and looks for.
pub struct Rules {
    /// Packets dropped on arrival, in 2^32ths.
    pub loss: u64,
    /// What it sends.
    pub feedback: Feedback,
    /// Later than this, in µs, is late.
    pub late: u64,
    /// The run whose packets are ours; `None` where somebody else publishes.
    pub run: Option<u16>,
}

/// What was agreed on by HTTP.
pub struct Agreed {
    /// The room's number.
    pub room: u32,
    /// When the request began.
    pub began: Instant,
    /// From there to the answer.
    pub answered: Duration,
    /// Payload types.
    pub formats: Vec<(u8, Codec)>,
    /// The header extension to report on.
    pub transport_cc: Option<u8>,
}

/// A session that receives.
pub struct Subscriber {
    /// Where it sends from.
    pub place: Place,
    /// ICE and DTLS.
    pub link: Link,
    /// When what happened.
    pub times: JoinTimes,
    /// Why it is over.
    pub ended: Option<&'static str>,
    room: u32,
    began: Instant,
    srtp: Option<Box<Srtp>>,
    formats: Box<[(u8, Codec)]>,
    streams: Vec<Stream>,
    key_search: Option<KeySearch>,
    /// In nanoseconds since 1970: what was sent before came from a cache, and says nothing of latency.
    live_since: u64,
    our_ssrc: u32,
    next_report: Option<Instant>,
    next_key_frame_request: Instant,
    transport_cc: Option<Box<TransportCc>>,
}

/// Transport-wide feedback, where it was negotiated.
struct TransportCc {
    /// The header extension's number.
    id: u8,
    arrivals: Arrivals,
    next: Instant,
    body: Vec<u8>,
}

impl Subscriber {
    /// A session that the server has answered.
    #[must_use]
    pub fn new(place: Place, link: Link, agreed: Agreed, our_ssrc: u32) -> Self {
        let Agreed { room, began, answered, formats, transport_cc } = agreed;
        let transport_cc = transport_cc
            .map(|id| Box::new(TransportCc { id, arrivals: Arrivals::default(), next: began, body: Vec::new() }));
        Self {
            place,
            link,
            times: JoinTimes { answered: Some(answered), ..JoinTimes::default() },
            ended: None,
            room,
            began,
            srtp: None,
            formats: formats.into(),
            streams: Vec::with_capacity(2),
            key_search: Some(KeySearch::default()),
            live_since: u64::MAX,
            our_ssrc,
            next_report: None,
            next_key_frame_request: began,
            transport_cc,
        }
    }

    /// What the link has come to; why it is over, if it is.
    pub fn follow(&mut self, step: Step, context: &mut Context<'_>) -> Option<&'static str> {
        match step {
            Step::Pending => None,
            Step::Connected(srtp) => {
                self.srtp = Some(srtp);
                self.live_since = since_1970();
                self.times.connected = Some(context.now.saturating_duration_since(self.began));
                // Spread, so that the reports of those that join together do not come together.
                let first = Duration::from_millis(context.random.draw() % 1_000);
                self.next_report = (context.rules.feedback != Feedback::Off).then_some(context.now + first);
                context.board.counts.connected += 1;
                None
            }
            Step::Over(why) => {
                self.ended = Some(why);
                context.board.counts.ended += 1;
                Some(why)
            }
        }
    }

    /// The keys are there.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.srtp.is_some()
    }

    /// A packet of media that the kernel got at `arrival` (since 1970).
    pub fn handle_rtp(&mut self, arrival: Duration, data: &mut [u8], context: &mut Context<'_>) {
        if data.len() < 12 || self.srtp.is_none() {
            return;
        }
        let counts = &mut context.board.counts;
        let Some(index) = self.stream_of(data) else { return };
        if context.random.draw() >> 32 < context.rules.loss {
            counts.packets += 1;
            counts.bytes += data.len() as u64;
            counts.discarded += 1;
            return;
        }
        let sequence = u16::from_be_bytes([data[2], data[3]]);
        let stream = &mut self.streams[index];
        let (number, kind) = stream.log.note(sequence);
        if kind == Arrival::Duplicate {
            counts.duplicates += 1;
            return;
        }
        counts.packets += 1;
        counts.bytes += data.len() as u64;
        counts.frames += u64::from(data[1] >> 7);
        stream.note_gap(number, kind, context.now, counts, context.rules.feedback);
        if let Some(feedback) = &mut self.transport_cc
            && let Some(number) = transport_number(data, feedback.id)
        {
            feedback.arrivals.note(number, arrival);
        }
        stream.note_transit(arrival, u32::from_be_bytes([data[4], data[5], data[6], data[7]]));
        if self.times.first_packet.is_none() {
            self.times.first_packet = Some(context.now.saturating_duration_since(self.began));
            self.link.settle();
            self.next_key_frame_request = context.now + PICTURE_PATIENCE;
        }
        let is_sample = *context.until_sample == 0;
        *context.until_sample =
            if is_sample { context.random.draw() % (2 * SAMPLE - 1) } else { *context.until_sample - 1 };
        if is_sample || self.key_search.is_some() {
            self.open(index, number, arrival, data, context);
        }
    }

    /// The stream of a packet; a new one where its SSRC is new. `None` beyond [`LOAD_STREAMS`].
    fn stream_of(&mut self, data: &[u8]) -> Option<usize> {
        let ssrc = u32::from_be_bytes([data[8], data[9], data[10], data[11]]);
        let known = self.streams.iter().position(|stream| stream.ssrc == ssrc);
        if known.is_some() || self.streams.len() >= LOAD_STREAMS {
            return known;
        }
        let format = self.formats.iter().find(|(number, _)| *number == data[1] & 0x7f);
        self.streams.push(Stream::new(ssrc, format.map(|(_, codec)| *codec)));
        Some(self.streams.len() - 1)
    }

    fn open(&mut self, index: usize, number: u64, arrival: Duration, data: &mut [u8], context: &mut Context<'_>) {
        let (Some(srtp), counts) = (&mut self.srtp, &mut context.board.counts) else { return };
        counts.opened += 1;
        let opened = srtp.open_rtp(data).ok().map(|length| &data[..length]);
        let Some(packet) = opened.and_then(Packet::parse) else {
            counts.unauthentic += 1;
            return;
        };
        let Some(codec) = self.streams[index].codec else { return };
        match Stamp::read(codec, packet.payload()) {
            Found::Corrupt => counts.corrupt += 1,
            Found::Missing => counts.corrupt += u64::from(context.rules.run.is_some()),
            Found::OfServer => counts.of_server += 1,
            Found::Whole(stamp) => {
                let is_ours = context.rules.run.is_none_or(|run| run == stamp.run && self.room == stamp.room);
                counts.misrouted += u64::from(!is_ours);
                if stamp.sent >= self.live_since {
                    let arrival = u64::try_from(arrival.as_nanos()).unwrap_or(u64::MAX);
                    let latency = arrival.saturating_sub(stamp.sent) / 1_000;
                    context.board.latency.record(latency);
                    counts.late += u64::from(latency > context.rules.late);
                }
            }
        }
        if codec.kind() == MediaKind::Video
            && self.key_search.as_mut().is_some_and(|search| search.note(codec, number, &packet))
        {
            self.key_search = None;
            self.times.key_frame = Some(context.now.saturating_duration_since(self.began));
            context.board.counts.playing += 1;
        }
    }

    /// RTCP from the server.
    pub fn handle_rtcp(&mut self, data: &mut [u8], context: &mut Context<'_>) {
        context.board.counts.rtcp += 1;
        let Some(length) = self.srtp.as_mut().and_then(|srtp| srtp.open_rtcp(data).ok()) else { return };
        for part in feedback(&data[..length]) {
            if let FromServer::SenderReport(report) = part
                && let Some(stream) = self.streams.iter_mut().find(|stream| stream.ssrc == report.ssrc)
            {
                let middle = u32::try_from(report.ntp_time >> 16 & 0xffff_ffff).expect("32 bits");
                stream.report = Some((middle, context.now));
            }
        }
    }

    /// Writes what is due into `compound`; false where nothing is.
    pub fn poll_feedback(&mut self, compound: &mut Compound, context: &mut Context<'_>) -> bool {
        let (now, our_ssrc) = (context.now, self.our_ssrc);
        if !self.is_connected() || context.rules.feedback == Feedback::Off {
            return false;
        }
        let picture_due = self.picture_due().is_some_and(|at| at <= now);
        let report_due = self.next_report.is_some_and(|at| at <= now);
        let missing_due = self.streams.iter().any(|stream| stream.missing.next().is_some_and(|at| at <= now));
        let transport_due = self.transport_cc.as_ref().is_some_and(|feedback| feedback.next <= now);
        if ![picture_due, report_due, missing_due, transport_due].contains(&true) {
            return false;
        }
        let blocks = self.streams.iter_mut().filter(|_| report_due).map(|stream| stream.block(now));
        compound.begin(our_ssrc, blocks);
        if report_due {
            self.next_report = Some(now + REPORT_INTERVAL);
        }
        for stream in &mut self.streams {
            let Due { numbers, given_up } = stream.missing.poll(now);
            if !numbers.is_empty() {
                context.board.counts.nacks += numbers.len() as u64;
                compound.nack(our_ssrc, stream.ssrc, numbers.iter().copied());
            }
            if stream.is_video() && (given_up || picture_due) && now >= self.next_key_frame_request {
                self.next_key_frame_request = now + KEY_FRAME_REQUEST_INTERVAL;
                context.board.counts.key_frame_requests += 1;
                compound.picture_loss(our_ssrc, stream.ssrc);
            }
        }
        if let Some(feedback) = self.transport_cc.as_mut().filter(|_| transport_due) {
            feedback.next = now + TRANSPORT_INTERVAL;
            let media = self.streams.first().map_or(0, |stream| stream.ssrc);
            if feedback.arrivals.write(&mut feedback.body) {
                compound.transport_cc(our_ssrc, media, &feedback.body);
            }
        }
        true
    }

    /// When a key frame is to be asked for, because media comes and no key frame is whole.
    fn picture_due(&self) -> Option<Instant> {
        let waits = self.key_search.is_some() && self.times.first_packet.is_some() && self.ended.is_none();
        waits.then_some(self.next_key_frame_request)
    }

    /// Seals RTCP into `out`.
    pub fn seal(&mut self, compound: &[u8], out: &mut [u8]) -> Option<usize> {
        self.srtp.as_mut()?.seal_rtcp(compound, out)
    }

    /// When [`Subscriber::poll_feedback`] or the link has something to do.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        let missing = self.streams.iter().filter_map(|stream| stream.missing.next());
        let transport = self.transport_cc.as_ref().filter(|_| self.is_connected()).map(|feedback| feedback.next);
        missing.chain(self.picture_due()).chain(self.next_report).chain(transport).chain(self.link.next_timeout()).min()
    }

    /// It has neither had a key frame nor ended.
    #[must_use]
    pub fn is_joining(&self) -> bool {
        self.key_search.is_some() && self.ended.is_none()
    }

    /// What became of it so far.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let total = |count: fn(&SequenceLog) -> u64| self.streams.iter().map(|stream| count(&stream.log)).sum();
        Outcome {
            began: self.began,
            times: self.times,
            expected: total(SequenceLog::expected),
            lost: total(SequenceLog::lost),
            ended: self.ended,
        }
    }
}

/// The transport-wide number in the header extension of a sealed packet, which stands there in the clear.
fn transport_number(sealed: &[u8], id: u8) -> Option<u16> {
    let head = sealed.get(FIXED_HEADER + 4 * usize::from(sealed[0] & 0x0f)..).filter(|_| sealed[0] & 0x10 != 0)?;
    let (profile, rest) = head.split_first_chunk::<2>()?;
    let (words, rest) = rest.split_first_chunk::<2>()?;
    let elements = rest.get(..4 * usize::from(u16::from_be_bytes(*words)))?;
    let (_, value) = Elements::new(u16::from_be_bytes(*profile), elements).find(|(found, _)| *found == id)?;
    Some(u16::from_be_bytes(value.try_into().ok()?))
}

#[cfg(test)]
mod tests;
