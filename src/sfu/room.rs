//! A room: one publisher, many subscribers. One mutation, then [`Room::flush`] until nothing is due.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::id::PeerKey;
use crate::limits;
use crate::rtp::codec::MediaKind;
use crate::sfu::drop::{DropCounts, DropReason};
use crate::sfu::egress::EgressTrack;
use crate::sfu::publisher::Publisher;
use crate::sfu::random::Random;
use crate::sfu::report::RoomClock;
use crate::sfu::sink::Sink;
use crate::sfu::stream::Placed;
use crate::sfu::streams::Streams;
use crate::sfu::subscriber::Subscriber;
use crate::sfu::track::{PlayTrack, PublishTrack};

/// One room.
pub struct Room {
    clock: RoomClock,
    random: Random,
    publisher: Option<Publisher>,
    streams: Streams,
    subscribers: Vec<Subscriber>,
    /// Where each subscriber stands in the list.
    places: HashMap<PeerKey, usize>,
    batching: Batching,
    /// Something is due that does not wait for media.
    dirty: bool,
    /// When the media that has come must leave.
    media_due: Option<Instant>,
    /// The subscriber that a flush begins with: the first one that the last flush had no way out for.
    first: usize,
    /// Subscribers wait for a key frame.
    waiting: bool,
    next_burst: Option<Instant>,
    next_report: Option<Instant>,
    drops: DropCounts,
    packets_in: u64,
    bytes_in: u64,
}

/// How packets are gathered into trains.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Batching {
    /// The longest that a packet waits for others. It does not where its frame is complete, or somebody waits for the
    /// key frame that it begins.
    pub window: Duration,
    /// Most bytes of padding that make packets one length, up to [`limits::PADDING_BYTES`].
    pub padding: usize,
}

/// How often it is looked whether somebody is due a sender report.
const REPORT_TICK: Duration = Duration::from_millis(100);

impl Room {
    /// An empty room. `seed` feeds the random numbers it needs; `ntp` is the NTP time (RFC 5905, 32.32 bits) of `now`.
    #[must_use]
    pub fn new(now: Instant, ntp: u64, seed: u64, batching: Batching) -> Self {
        Self {
            clock: RoomClock::new(now, ntp),
            random: Random(seed),
            publisher: None,
            streams: Streams::new(),
            subscribers: Vec::new(),
            places: HashMap::new(),
            batching,
            dirty: false,
            media_due: None,
            first: 0,
            waiting: false,
            next_burst: None,
            next_report: None,
            drops: DropCounts::default(),
            packets_in: 0,
            bytes_in: 0,
        }
    }

    /// A publisher's session was admitted; its media may come from now on. One that was there before is replaced: the
    /// subscribers stay, and see the new one from its first key frame. Returns the subscribers that lack its codecs.
    pub fn set_publisher(&mut self, now: Instant, peer: PeerKey, tracks: Vec<PublishTrack>) -> Vec<PeerKey> {
        self.remove_publisher(now);
        let mut lacking = Vec::new();
        for track in &tracks {
            let codec = track.format.codec;
            let stream = self.streams.get_mut(codec.kind());
            let changed = stream.codec() != codec;
            stream.attach(now, track);
            for subscriber in &mut self.subscribers {
                if !subscriber.handle_publisher(stream, changed) {
                    lacking.push(subscriber.peer());
                }
            }
        }
        lacking.dedup();
        self.clock.restart(now);
        self.publisher = Some(Publisher::new(peer, tracks));
        self.next_report = (!self.subscribers.is_empty()).then(|| now + REPORT_TICK);
        self.dirty = true;
        lacking
    }

    /// The publisher is gone.
    pub fn remove_publisher(&mut self, now: Instant) {
        self.publisher = None;
        for stream in self.streams.iter_mut() {
            stream.detach();
        }
        self.clock.restart(now);
    }

    /// A subscriber's session was admitted; nothing is sent to it before [`Room::start_subscriber`].
    pub fn add_subscriber(&mut self, now: Instant, peer: PeerKey, tracks: Vec<PlayTrack>) {
        let random = &mut self.random;
        self.places.insert(peer, self.subscribers.len());
        self.subscribers.push(Subscriber::new(now, peer, tracks, || random.draw()));
    }

    /// The subscriber's handshake is done.
    pub fn start_subscriber(&mut self, now: Instant, peer: PeerKey) {
        let Some(place) = self.places.get(&peer) else { return };
        self.subscribers[*place].start(&self.streams);
        self.next_report.get_or_insert(now + REPORT_TICK);
        self.next_burst = Some(now);
        let video = self.streams.get(MediaKind::Video);
        let Some(publisher) = &self.publisher else { return };
        let start = video.history().whole_keyframe().and_then(|start| video.history().get(start));
        let age = start.map(|(entry, _)| now.saturating_duration_since(entry.arrival));
        let stale = age.is_none_or(|age| age >= limits::BURST_STALE_AFTER);
        // One that is known not to answer is spared, unless there is nothing else to hope for.
        if stale && (age.is_none() || publisher.keyframes.answers() != Some(false)) {
            self.want_keyframe();
        }
    }

    /// The subscriber is gone.
    pub fn remove_subscriber(&mut self, peer: PeerKey) {
        let Some(place) = self.places.remove(&peer) else { return };
        self.subscribers.swap_remove(place);
        if let Some(moved) = self.subscribers.get(place) {
            self.places.insert(moved.peer(), place);
        }
    }

    /// One RTP packet of the publisher, opened.
    ///
    /// # Errors
    /// Why it was dropped (already counted in [`Room::drops`]).
    pub fn handle_publisher_rtp(&mut self, now: Instant, packet: &[u8]) -> Result<(), DropReason> {
        self.packets_in += 1;
        self.bytes_in += packet.len() as u64;
        let Some(publisher) = &mut self.publisher else {
            self.drops.count(DropReason::NotPublisher);
            return Err(DropReason::NotPublisher);
        };
        let placed =
            publisher.handle_rtp(now, packet, &mut self.streams).inspect_err(|reason| self.drops.count(*reason))?;
        self.schedule(now, placed);
        Ok(())
    }

    /// Media came: when does it leave?
    fn schedule(&mut self, now: Instant, placed: Placed) {
        let hurry = (placed == Placed::Keyframe && self.waiting) || self.streams.get(MediaKind::Video).is_complete();
        let due = if hurry { now } else { now + self.batching.window };
        self.media_due = Some(self.media_due.map_or(due, |before| before.min(due)));
    }

    /// One compound RTCP packet of the publisher, opened.
    pub fn handle_publisher_rtcp(&mut self, now: Instant, packet: &[u8]) {
        if let Some(publisher) = &mut self.publisher {
            publisher.handle_rtcp(now, packet, &mut self.streams, &mut self.clock);
        }
    }

    /// One compound RTCP packet of a subscriber, opened.
    pub fn handle_subscriber_rtcp(&mut self, now: Instant, peer: PeerKey, packet: &[u8]) {
        let Some(place) = self.places.get(&peer) else { return };
        let subscriber = &mut self.subscribers[*place];
        let wants_keyframe = subscriber.handle_rtcp(now, packet);
        self.dirty |= subscriber.is_pending();
        if wants_keyframe {
            self.want_keyframe();
        }
    }

    /// Asks for a key frame where there is somebody to ask.
    fn want_keyframe(&mut self) {
        let attached = self.streams.get(MediaKind::Video).is_attached();
        if let Some(publisher) = self.publisher.as_mut().filter(|_| attached) {
            publisher.keyframes.want();
            self.dirty = true;
        }
    }

    /// True when [`Room::flush`] has something to do now.
    #[must_use]
    pub fn is_due(&mut self, now: Instant) -> bool {
        self.dirty || self.next_timeout(now).is_some_and(|deadline| deadline <= now)
    }

    /// True when the last [`Room::flush`] could not send all that is due.
    #[must_use]
    pub fn is_unfinished(&self, now: Instant) -> bool {
        self.dirty || self.media_due.is_some_and(|due| due <= now)
    }

    /// When [`Room::flush`] has something to do even if nothing arrives.
    pub fn next_timeout(&mut self, now: Instant) -> Option<Instant> {
        let publisher = self.publisher.as_mut().and_then(|publisher| publisher.next_timeout(now, &self.streams));
        [publisher, self.media_due, self.next_burst, self.next_report].into_iter().flatten().min()
    }

    /// Sends everything that is due: media, retransmissions, bursts, reports, feedback to the publisher. What the ways
    /// out do not take for the moment stays due.
    pub fn flush(&mut self, now: Instant, sink: &mut impl Sink) {
        if std::mem::take(&mut self.dirty) {
            for subscriber in self.subscribers.iter_mut().filter(|subscriber| subscriber.is_pending()) {
                subscriber.flush_retransmissions(&self.streams, sink);
            }
        }
        let is_due = |due: Option<Instant>| due.is_some_and(|due| due <= now);
        if is_due(self.media_due) {
            self.streams.iter_mut().for_each(|stream| stream.make_ready(self.batching.padding));
            let all = self.flush_media(now, sink, |_| true);
            self.streams.iter_mut().for_each(|stream| stream.flushed(now));
            self.media_due = (!all).then_some(now);
        } else if is_due(self.next_burst) {
            self.flush_media(now, sink, Subscriber::is_catching_up);
        }
        self.report(now, sink);
        self.flush_publisher(now, sink);
    }

    /// Sends to those who are meant, beginning with the one that was left out the last time. False where the ways out
    /// do not take all of it for the moment.
    fn flush_media(&mut self, now: Instant, sink: &mut impl Sink, is_meant: impl Fn(&Subscriber) -> bool) -> bool {
        let count = self.subscribers.len();
        let (mut left_out, mut bursting) = (None, false);
        self.waiting = false;
        for place in (0..count).map(|step| (self.first + step) % count) {
            let subscriber = &mut self.subscribers[place];
            if !subscriber.is_started() {
                continue;
            }
            if is_meant(subscriber) && !subscriber.flush(now, &self.streams, sink) {
                left_out = left_out.or(Some(place));
            }
            self.waiting |= subscriber.tracks().iter().any(|track| track.wants_keyframe(now));
            bursting |= subscriber.tracks().iter().any(EgressTrack::is_bursting);
        }
        self.first = left_out.unwrap_or(0);
        self.next_burst = bursting.then(|| now + limits::BURST_INTERVAL);
        left_out.is_none()
    }

    fn report(&mut self, now: Instant, sink: &mut impl Sink) {
        if self.next_report.is_none_or(|due| now < due) {
            return;
        }
        for subscriber in self.subscribers.iter_mut().filter(|subscriber| subscriber.is_started()) {
            subscriber.report(now, &self.clock, &self.streams, sink);
        }
        // A room without a publisher or a subscriber has nothing to report, and sleeps.
        let alive = self.publisher.is_some() && !self.subscribers.is_empty();
        self.next_report = alive.then(|| now + REPORT_TICK);
    }

    fn flush_publisher(&mut self, now: Instant, sink: &mut impl Sink) {
        let Some(publisher) = &mut self.publisher else { return };
        let video = self.streams.get_mut(MediaKind::Video);
        let better_layer = video.evaluate(now);
        if better_layer || video.lacks_keyframe() || (self.waiting && video.is_attached()) {
            publisher.keyframes.want();
        }
        publisher.flush(now, &self.streams, sink);
    }

    /// The publisher's peer.
    #[must_use]
    pub fn publisher(&self) -> Option<PeerKey> {
        self.publisher.as_ref().map(Publisher::peer)
    }

    /// The subscribers' peers.
    pub fn subscribers(&self) -> impl Iterator<Item = PeerKey> + '_ {
        self.subscribers.iter().map(Subscriber::peer)
    }

    /// True when nobody is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.publisher.is_none() && self.subscribers.is_empty()
    }

    /// What was dropped, by reason.
    #[must_use]
    pub fn drops(&self) -> &DropCounts {
        &self.drops
    }

    /// What the room says of itself.
    pub fn media(&mut self, now: Instant) -> RoomMedia {
        let tracks = self.streams.iter_mut().filter(|stream| stream.is_attached()).map(|stream| TrackMedia {
            codec: stream.codec(),
            bitrate: stream.bitrate(now),
            b_frames: stream.b_frames(),
        });
        RoomMedia {
            has_publisher: self.publisher.is_some(),
            tracks: tracks.collect(),
            subscribers: self.subscribers.iter().filter(|subscriber| subscriber.is_started()).count(),
            packets_in: self.packets_in,
            bytes_in: self.bytes_in,
        }
    }
}

/// What a room says of itself.
#[derive(Clone, Debug, Default)]
pub struct RoomMedia {
    /// A publisher's session is there.
    pub has_publisher: bool,
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
}
