//! Playing by WHEP.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use tokio::sync::{mpsc, watch};
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};
use webrtc::rtp_transceiver::{RTCRtpTransceiverDirection, RTCRtpTransceiverInit};

use super::ClientError;
use super::codecs::{kind_of, parameters_of, payload_types};
use super::feedback::FeedbackSnapshot;
use super::http::Session;
use super::link::{Link, LinkOptions, LinkState, Way, ended};
use crate::limits::CLIENT_EVENTS;
use crate::rtp::codec::{Codec, MediaKind};

/// What a player asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PlayerOptions {
    /// Token, feedback, DTLS role, addresses.
    pub link: LinkOptions,
    /// Video codecs to offer, the preferred one first; none: no video.
    pub video: Vec<Codec>,
    /// Audio codecs to offer, the preferred one first; none: no audio.
    pub audio: Vec<Codec>,
}

impl Default for PlayerOptions {
    fn default() -> Self {
        let video = vec![Codec::Vp8, Codec::H264, Codec::Vp9, Codec::Av1, Codec::H265];
        Self { link: LinkOptions::default(), video, audio: vec![Codec::Opus] }
    }
}

/// What happens to a player.
#[derive(Clone, Debug)]
pub enum PlayerEvent {
    /// ICE and DTLS are through.
    Connected,
    /// A packet came.
    Rtp {
        /// The track's kind.
        kind: MediaKind,
        /// What the answer gives to the packet's payload type; `None` where it names no codec of ours.
        codec: Option<Codec>,
        /// The packet, decrypted, padding removed.
        packet: rtp::Packet,
        /// When it came.
        arrival: Instant,
    },
    /// The connection ended. Nothing follows.
    Ended,
}

/// When what happened, from the beginning of the offer on.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Milestones {
    /// The answer was there.
    pub answered: Option<Duration>,
    /// ICE and DTLS were through.
    pub connected: Option<Duration>,
    /// The first packet came.
    pub first_packet: Option<Duration>,
}

/// A session that receives.
pub struct Player {
    link: Link,
    session: Option<Session>,
    events: mpsc::Receiver<PlayerEvent>,
    shared: Arc<Shared>,
    tracks: Option<mpsc::UnboundedReceiver<Arc<dyn TrackRemote>>>,
    sender: mpsc::Sender<PlayerEvent>,
}

/// What the tasks and the player both look at.
struct Shared {
    start: Instant,
    milestones: Mutex<Milestones>,
    remote: Mutex<Vec<Remote>>,
    dropped: AtomicU64,
}

/// A track that packets came on, and their SSRC.
#[derive(Clone)]
struct Remote {
    kind: MediaKind,
    ssrc: u32,
    track: Arc<dyn TrackRemote>,
}

impl Player {
    /// Offers to receive from a WHEP endpoint; returns when the server has answered.
    ///
    /// # Errors
    ///
    /// Where the server cannot be reached, refuses, or answers with something that cannot be used.
    pub async fn connect(url: &str, options: &PlayerOptions) -> Result<Self, ClientError> {
        let mut player = Self::build(options).await?;
        let session = player.link.negotiate(url, options.link.token.as_deref()).await?;
        player.begin(&session.answer);
        player.session = Some(session);
        Ok(player)
    }

    /// A player whose offer is carried by other means; see [`Player::offer`] and [`Player::accept`].
    ///
    /// # Errors
    ///
    /// Where the peer connection cannot be made.
    pub async fn build(options: &PlayerOptions) -> Result<Self, ClientError> {
        let start = Instant::now();
        let all: Vec<_> = options.audio.iter().chain(&options.video).collect();
        let codecs: Vec<_> = all.into_iter().map(|codec| (codec.kind(), parameters_of(*codec, None))).collect();
        let (track_sender, tracks) = mpsc::unbounded_channel();
        let link = Link::build(Way::In, &codecs, &options.link, track_sender).await?;
        for (kind, codecs) in [(MediaKind::Audio, &options.audio), (MediaKind::Video, &options.video)] {
            if !codecs.is_empty() {
                let direction = RTCRtpTransceiverDirection::Recvonly;
                let init = RTCRtpTransceiverInit { direction, ..Default::default() };
                link.connection.add_transceiver_from_kind(kind_of(kind), Some(init)).await?;
            }
        }
        let (sender, events) = mpsc::channel(CLIENT_EVENTS);
        let shared = Arc::new(Shared {
            start,
            milestones: Mutex::default(),
            remote: Mutex::default(),
            dropped: AtomicU64::new(0),
        });
        Ok(Self { link, session: None, events, shared, tracks: Some(tracks), sender })
    }

    /// The offer with all candidates.
    ///
    /// # Errors
    ///
    /// Where the peer connection refuses.
    pub async fn offer(&self) -> Result<String, ClientError> {
        self.link.offer().await
    }

    /// Takes the answer to [`Player::offer`].
    ///
    /// # Errors
    ///
    /// Where it cannot be used.
    pub async fn accept(&mut self, answer: &str) -> Result<(), ClientError> {
        self.link.accept(answer).await?;
        self.begin(answer);
        Ok(())
    }

    /// The session resource.
    pub fn session(&self) -> Option<&Session> {
        self.session.as_ref()
    }

    /// The next event; `None` after [`PlayerEvent::Ended`].
    pub async fn next(&mut self) -> Option<PlayerEvent> {
        let event = self.events.recv().await;
        if matches!(event, Some(PlayerEvent::Ended)) {
            self.events.close();
        }
        event
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

    /// When what happened so far.
    pub fn milestones(&self) -> Milestones {
        *lock(&self.shared.milestones)
    }

    /// When the offer was begun.
    pub fn start(&self) -> Instant {
        self.shared.start
    }

    /// Packets that were dropped here because nobody took the events in time.
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    /// What came from the server by RTCP.
    pub fn feedback(&self) -> FeedbackSnapshot {
        self.link.received.snapshot()
    }

    /// What was sent to the server by RTCP: NACKs, reports, key frame requests.
    pub fn feedback_sent(&self) -> FeedbackSnapshot {
        self.link.sent.snapshot()
    }

    /// Asks for a key frame by PLI (RFC 4585 §6.3.1). Does nothing before the first packet of the video came.
    ///
    /// # Errors
    ///
    /// Where the connection has ended.
    pub async fn request_key_frame(&self) -> Result<(), ClientError> {
        let remote = lock(&self.shared.remote).clone();
        for Remote { ssrc, track, .. } in remote.iter().filter(|remote| remote.kind == MediaKind::Video) {
            track.write_rtcp(vec![Box::new(PictureLossIndication { sender_ssrc: 0, media_ssrc: *ssrc })]).await?;
        }
        Ok(())
    }

    /// Ends the session: DELETE, then goodbye by DTLS.
    ///
    /// # Errors
    ///
    /// Where the server refuses to end the session resource; the connection is closed all the same.
    pub async fn close(self) -> Result<(), ClientError> {
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

    /// From the answer on, tasks carry what happens into the events.
    fn begin(&mut self, answer: &str) {
        self.shared.note(|milestones| &mut milestones.answered);
        let codecs: Arc<[(u8, Codec)]> = payload_types(answer).into();
        tokio::spawn(watch_connection(self.link.state(), Arc::clone(&self.shared), self.sender.clone()));
        if let Some(mut tracks) = self.tracks.take() {
            let (shared, sender) = (Arc::clone(&self.shared), self.sender.clone());
            tokio::spawn(async move {
                while let Some(track) = tracks.recv().await {
                    tokio::spawn(read_track(track, Arc::clone(&codecs), Arc::clone(&shared), sender.clone()));
                }
            });
        }
    }
}

impl Shared {
    /// Notes that something happened for the first time.
    fn note(&self, milestone: impl FnOnce(&mut Milestones) -> &mut Option<Duration>) {
        milestone(&mut lock(&self.milestones)).get_or_insert(self.start.elapsed());
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn watch_connection(
    mut state: watch::Receiver<LinkState>,
    shared: Arc<Shared>,
    events: mpsc::Sender<PlayerEvent>,
) {
    let up = state.wait_for(|state| matches!(state, LinkState::Connected | LinkState::Ended)).await;
    if up.is_ok_and(|state| *state == LinkState::Connected) {
        shared.note(|milestones| &mut milestones.connected);
        // These two wait for room, because they must not be missed; an error means that nobody listens.
        let _ = events.send(PlayerEvent::Connected).await;
        ended(state).await;
    }
    let _ = events.send(PlayerEvent::Ended).await;
}

async fn read_track(
    track: Arc<dyn TrackRemote>,
    codecs: Arc<[(u8, Codec)]>,
    shared: Arc<Shared>,
    events: mpsc::Sender<PlayerEvent>,
) {
    let kind = if track.kind().await == kind_of(MediaKind::Audio) { MediaKind::Audio } else { MediaKind::Video };
    let mut known = None;
    while let Some(event) = track.poll().await {
        let TrackRemoteEvent::OnRtpPacket(packet) = event else { continue };
        let arrival = Instant::now();
        if known != Some(packet.header.ssrc) {
            shared.note(|milestones| &mut milestones.first_packet);
            known = Some(packet.header.ssrc);
            let mut remote = lock(&shared.remote);
            remote.retain(|other| other.kind != kind);
            remote.push(Remote { kind, ssrc: packet.header.ssrc, track: Arc::clone(&track) });
        }
        let payload_type = packet.header.payload_type;
        let codec = codecs.iter().find(|(number, _)| *number == payload_type).map(|(_, codec)| *codec);
        match events.try_send(PlayerEvent::Rtp { kind, codec, packet, arrival }) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => {
                shared.dropped.fetch_add(1, Ordering::Relaxed);
            }
            Err(mpsc::error::TrySendError::Closed(_)) => return,
        }
    }
}
