//! Who listens in a room, and what they hear: the streams with their histories, the subscribers with their cursors. The
//! same in the publisher's room and in a replica of it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::id::PeerKey;
use crate::limits;
use crate::rtp::codec::MediaKind;
use crate::sfu::counts::{Feedback, RoomCounts};
use crate::sfu::egress::{EgressTrack, Obstacle};
use crate::sfu::random::Random;
use crate::sfu::report::RoomClock;
use crate::sfu::sink::Sink;
use crate::sfu::streams::Streams;
use crate::sfu::subscriber::Subscriber;
use crate::sfu::track::PlayTrack;

/// See the module.
#[expect(clippy::struct_excessive_bools, reason = "independent facts, not a state")]
pub struct Audience {
    pub(super) clock: RoomClock,
    pub(super) streams: Streams,
    pub(super) publishing: Option<Publishing>,
    publishing_since: Option<Instant>,
    /// What has been counted here so far.
    pub counts: RoomCounts,
    random: Random,
    subscribers: Vec<Subscriber>,
    /// How many of them are started.
    started: usize,
    /// Where each subscriber stands in the list.
    places: HashMap<PeerKey, usize>,
    batching: Batching,
    /// Something is due that does not wait for media.
    pub(super) dirty: bool,
    /// When the media that has come must leave.
    media_due: Option<Instant>,
    /// The subscriber that a flush begins with: the first one that the last flush had no way out for.
    first: usize,
    /// Subscribers wait for a key frame.
    waiting: bool,
    /// False for a replica that has not caught up with its room since it began, or began anew: a newcomer's burst would
    /// be fed by what comes in, and not by its own pace.
    pub(super) ready: bool,
    wants_keyframe: bool,
    next_burst: Option<Instant>,
    next_report: Option<Instant>,
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

/// What an audience knows of its publisher.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Publishing {
    /// Whether it answers key frame requests; `None` while that is not known.
    pub answers: Option<bool>,
}

/// How often it is looked whether somebody is due a sender report.
const REPORT_TICK: Duration = Duration::from_millis(100);

impl Audience {
    /// Nobody, and nothing to be heard. `seed` feeds the random numbers it needs.
    #[must_use]
    pub fn new(clock: RoomClock, seed: u64, batching: Batching) -> Self {
        Self {
            clock,
            streams: Streams::default(),
            publishing: None,
            publishing_since: None,
            counts: RoomCounts::default(),
            random: Random(seed),
            subscribers: Vec::new(),
            started: 0,
            places: HashMap::new(),
            batching,
            dirty: false,
            media_due: None,
            first: 0,
            waiting: false,
            ready: true,
            wants_keyframe: false,
            next_burst: None,
            next_report: None,
        }
    }

    /// A subscriber's session was admitted; nothing is sent to it before [`Audience::start`].
    pub fn add(&mut self, now: Instant, peer: PeerKey, tracks: Vec<PlayTrack>) {
        let random = &mut self.random;
        self.places.insert(peer, self.subscribers.len());
        self.subscribers.push(Subscriber::new(now, peer, tracks, || random.draw()));
    }

    /// The subscriber's handshake is done.
    pub fn start(&mut self, now: Instant, peer: PeerKey) {
        let Some(place) = self.places.get(&peer) else { return };
        let subscriber = &mut self.subscribers[*place];
        self.started += usize::from(!subscriber.is_started());
        subscriber.start(now, &self.streams);
        self.next_report.get_or_insert(now + REPORT_TICK);
        self.next_burst = Some(now);
        self.ask_where_stale(now);
    }

    /// The subscriber is gone.
    pub fn remove(&mut self, peer: PeerKey) {
        let Some(place) = self.places.remove(&peer) else { return };
        let removed = self.subscribers.swap_remove(place);
        self.started -= usize::from(removed.is_started());
        if let Some(moved) = self.subscribers.get(place) {
            self.places.insert(moved.peer(), place);
        }
    }

    /// One compound RTCP packet of a subscriber, opened.
    pub fn handle_rtcp(&mut self, now: Instant, peer: PeerKey, packet: &[u8]) {
        let Some(place) = self.places.get(&peer) else { return };
        let subscriber = &mut self.subscribers[*place];
        let wants_keyframe = subscriber.handle_rtcp(now, packet, &self.clock, &self.streams, &mut self.counts);
        self.dirty |= subscriber.is_pending();
        if wants_keyframe {
            self.want_keyframe();
        }
    }

    /// A publisher feeds the stream of this kind from now on, with another codec where `changed`, or from another place
    /// in its history. Returns the subscribers that lack the codec.
    pub(super) fn handle_attached(&mut self, kind: MediaKind, changed: bool) -> Vec<PeerKey> {
        let stream = self.streams.get(kind);
        let mut lacking = Vec::new();
        for subscriber in &mut self.subscribers {
            if !subscriber.handle_publisher(stream, changed) {
                lacking.push(subscriber.peer());
            }
        }
        lacking
    }

    /// A publisher is there, or has gone.
    pub(super) fn set_publishing(&mut self, now: Instant, publishing: Option<Publishing>) {
        if publishing.is_some() != self.publishing.is_some() {
            self.publishing_since = publishing.map(|_| now);
        }
        self.publishing = publishing;
        if publishing.is_some() && !self.subscribers.is_empty() {
            self.next_report.get_or_insert(now + REPORT_TICK);
        }
    }

    /// A newcomer whose group of pictures is old is better off with a new key frame.
    pub(super) fn ask_where_stale(&mut self, now: Instant) {
        let history = self.streams.video.history();
        let Some(publishing) = self.publishing.filter(|_| self.ready) else { return };
        let start = history.whole_keyframe().and_then(|start| history.get(start));
        let age = start.map(|(entry, _)| now.saturating_duration_since(entry.arrival));
        let stale = age.is_none_or(|age| age >= limits::BURST_STALE_AFTER);
        // One that is known not to answer is spared, unless there is nothing else to hope for.
        if stale && (age.is_none() || publishing.answers != Some(false)) {
            self.want_keyframe();
        }
    }

    /// Wants a key frame where there is somebody to ask.
    pub(super) fn want_keyframe(&mut self) {
        if self.publishing.is_some() && self.streams.video.is_attached() {
            self.wants_keyframe = true;
            self.dirty = true;
        }
    }

    /// True, once, where a key frame is wanted.
    pub(super) fn take_keyframe_wish(&mut self) -> bool {
        std::mem::take(&mut self.wants_keyframe)
    }

    /// Media came: when does it leave?
    pub(super) fn schedule(&mut self, now: Instant, keyframe: bool) {
        let hurry = (keyframe && self.waiting) || self.streams.video.is_complete();
        let due = if hurry { now } else { now + self.batching.window };
        self.media_due = Some(self.media_due.map_or(due, |before| before.min(due)));
    }

    /// True when the last flush could not send all that is due.
    #[must_use]
    pub fn is_unfinished(&self, now: Instant) -> bool {
        self.ready && (self.dirty || self.media_due.is_some_and(|due| due <= now))
    }

    /// When there is something to do even if nothing arrives.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        // Each flush looks for reports that are due: a timer of their own is for rooms where no media comes.
        let report = self.next_report.map(|due| due + REPORT_TICK);
        let due = [self.media_due, self.next_burst, report].into_iter().flatten().min();
        due.filter(|_| self.ready)
    }

    /// Sends everything that is due: media, retransmissions, bursts, reports. What the ways out do not take for the
    /// moment stays due.
    pub(super) fn flush(&mut self, now: Instant, sink: &mut impl Sink) {
        if !self.ready {
            return;
        }
        if std::mem::take(&mut self.dirty) {
            for subscriber in self.subscribers.iter_mut().filter(|subscriber| subscriber.is_pending()) {
                subscriber.flush_retransmissions(&self.streams, &mut self.counts, sink);
            }
        }
        let is_due = |due: Option<Instant>| due.is_some_and(|due| due <= now);
        if is_due(self.media_due) {
            let padding = self.batching.padding;
            self.counts.padded += self.streams.iter_mut().map(|stream| stream.make_ready(padding)).sum::<u64>();
            let all = self.flush_media(now, sink, |_| true);
            self.streams.iter_mut().for_each(|stream| stream.flushed(now));
            self.media_due = (!all).then_some(now);
        } else if is_due(self.next_burst) {
            self.flush_media(now, sink, Subscriber::is_catching_up);
        }
        self.report(now, sink);
        self.wants_keyframe |= self.waiting && self.publishing.is_some() && self.streams.video.is_attached();
    }

    /// Sends to those who are meant, beginning with the one that was left out the last time. False where the ways out
    /// do not take all of it for the moment.
    fn flush_media(&mut self, now: Instant, sink: &mut impl Sink, is_meant: impl Fn(&Subscriber) -> bool) -> bool {
        let count = self.subscribers.len();
        let first = self.first.min(count);
        let (mut left_out, mut bursting) = (None, false);
        self.waiting = false;
        for place in (first..count).chain(0..first) {
            let subscriber = &mut self.subscribers[place];
            if !subscriber.is_started() {
                continue;
            }
            if is_meant(subscriber) && !subscriber.flush(now, &self.streams, sink) {
                left_out = left_out.or(Some(place));
            }
            subscriber.note_first_picture(now, self.publishing_since, &mut self.counts);
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
        let alive = self.publishing.is_some() && !self.subscribers.is_empty();
        self.next_report = alive.then(|| now + REPORT_TICK);
    }

    /// The subscribers' peers.
    pub fn subscribers(&self) -> impl Iterator<Item = PeerKey> + '_ {
        self.subscribers.iter().map(Subscriber::peer)
    }

    /// Subscribers whose handshake is done.
    #[must_use]
    pub fn started(&self) -> usize {
        self.started
    }

    /// What is known of a subscriber: its feedback, and what keeps it from getting media.
    #[must_use]
    pub fn inspect(&self, now: Instant, peer: PeerKey) -> Option<(Feedback, Option<Obstacle>)> {
        let subscriber = &self.subscribers[*self.places.get(&peer)?];
        Some((subscriber.feedback(), subscriber.obstacle(now, self.publishing.is_some())))
    }

    /// True when nobody listens.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.subscribers.is_empty()
    }
}
