//! How what an administrator sees is written. Lists are never `null`; a figure is where nobody knows it (yet).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::limits::HISTORY_STEP;
use crate::notify::rfc3339;
use crate::notify::webhook::HookState;
use crate::sdp::Transport;
use crate::session::history::{Overview, Point, RoomHistory};
use crate::session::{Block, Listed, Role};
use crate::sfu::egress::Obstacle;
use crate::worker::state::SessionState;

/// What closing a room answers.
#[derive(Serialize)]
pub struct Closed<'a> {
    pub room: &'a str,
    pub closed: bool,
}

/// An order to block a room.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockOrder {
    pub seconds: u64,
    /// End the room's sessions too.
    #[serde(default)]
    pub close: bool,
}

#[derive(Serialize)]
pub struct BlockJson {
    room: String,
    until: String,
}

impl From<Block> for BlockJson {
    fn from(block: Block) -> Self {
        Self { room: block.room.to_string(), until: rfc3339(block.until) }
    }
}

#[derive(Serialize)]
pub struct Unblocked<'a> {
    pub room: &'a str,
    pub blocked: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DrainOrder {
    pub on: bool,
}

#[derive(Serialize)]
pub struct Draining {
    pub draining: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogOrder {
    pub filter: String,
}

#[derive(Serialize)]
pub struct Logging {
    pub filter: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReloadedJson {
    pub needs_restart: Vec<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionJson {
    key: String,
    room: String,
    role: &'static str,
    /// `connecting` until the handshake is done.
    state: &'static str,
    worker: usize,
    since: String,
    /// Where its request came from.
    address: Option<String>,
    user_agent: Option<String>,
    srtp: Option<&'static str>,
    #[serde(flatten)]
    media: MediaJson,
}

/// What a session's worker says of it; each is `null` where it did not answer.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct MediaJson {
    /// `udp` or `tcp`.
    transport: Option<&'static str>,
    /// Where the client is.
    remote: Option<String>,
    /// Our address that it talks to.
    local: Option<String>,
    dtls: Option<&'static str>,
    cipher: Option<&'static str>,
    /// Bits per second of RTP.
    bitrate: Option<u64>,
    packets: Option<u64>,
    bytes: Option<u64>,
    packets_lost: Option<u64>,
    /// Between the last two reports, from 0 to 1.
    loss: Option<f64>,
    /// Milliseconds.
    jitter: Option<f64>,
    /// Milliseconds.
    round_trip_time: Option<f64>,
    nacks: Option<u64>,
    keyframe_requests: Option<u64>,
    /// Milliseconds since something authentic came.
    silence: Option<u64>,
    /// What keeps a subscriber from getting media.
    obstacle: Option<&'static str>,
    /// The rid of the simulcast layer that the room forwards.
    layer: Option<String>,
}

impl MediaJson {
    fn new(role: Role, state: &SessionState) -> Self {
        let flow = state.summary.flow;
        let media = match role {
            Role::Publisher => flow.rtp_in,
            Role::Subscriber => flow.rtp_out,
        };
        let feedback = state.summary.feedback;
        let reception = feedback.reception;
        let milliseconds = |time: Duration| (time.as_secs_f64() * 10_000.0).round() / 10.0;
        let loss = |fraction: u8| (f64::from(fraction) / 256.0 * 1_000.0).round() / 1_000.0;
        Self {
            transport: state.path.map(|(transport, ..)| match transport {
                Transport::Udp => "udp",
                Transport::Tcp => "tcp",
            }),
            remote: state.path.map(|(_, remote, _)| remote.to_string()),
            local: state.path.map(|(_, _, local)| local.to_string()),
            dtls: state.security.map(|security| security.dtls.version),
            cipher: state.security.map(|security| security.dtls.cipher),
            bitrate: Some(state.bitrate),
            packets: Some(media.packets),
            bytes: Some(media.bytes),
            packets_lost: Some(reception.lost),
            loss: reception.fraction_lost.map(loss),
            jitter: reception.jitter.map(milliseconds),
            round_trip_time: reception.round_trip.map(milliseconds),
            nacks: Some(feedback.asked.nacked),
            keyframe_requests: Some(feedback.asked.keyframes),
            silence: u64::try_from(state.silence.as_millis()).ok(),
            obstacle: state.obstacle.map(|obstacle| match obstacle {
                Obstacle::NoHandshake => "no_handshake",
                Obstacle::NoPublisher => "no_publisher",
                Obstacle::NoCodec => "no_codec",
                Obstacle::NoKeyframe => "no_keyframe",
                Obstacle::Congested => "congested",
            }),
            layer: state.layer.as_ref().map(|rid| rid.0.to_string()),
        }
    }
}

impl From<Listed> for SessionJson {
    fn from(session: Listed) -> Self {
        Self {
            key: session.key.to_string(),
            room: session.room.to_string(),
            role: session.role.name(),
            state: if session.srtp.is_some() { "connected" } else { "connecting" },
            worker: session.worker,
            since: rfc3339(session.at),
            address: session.client.address.map(|address| address.to_string()),
            user_agent: session.client.user_agent.map(|name| name.to_string()),
            srtp: session.srtp,
            media: session.state.map(|state| MediaJson::new(session.role, &state)).unwrap_or_default(),
        }
    }
}

#[derive(Serialize)]
pub struct SessionsJson {
    pub sessions: Vec<SessionJson>,
    /// To be asked for as `after`; `null` at the end.
    pub next: Option<String>,
}

#[derive(Serialize)]
pub struct Ended {
    pub key: String,
    pub ended: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    pub version: &'static str,
    pub uptime_seconds: u64,
    pub draining: bool,
    pub rooms: usize,
    /// Those being admitted included.
    pub sessions: usize,
    pub publishers: usize,
    pub subscribers: usize,
    pub blocks: usize,
    pub workers: Vec<WorkerJson>,
    pub events: EventsJson,
    pub webhooks: Vec<WebhookJson>,
    pub limits: Limits,
}

#[derive(Serialize)]
pub struct WorkerJson {
    pub sessions: usize,
    /// Share of its time that it did not sleep, lately.
    pub load: f64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    pub sessions: usize,
    pub connections: usize,
    pub blocks: usize,
    pub block_seconds: u64,
}

#[derive(Serialize)]
pub struct EventsJson {
    pub listeners: usize,
    /// Cut off because they took nothing.
    pub slow: u64,
    /// Not admitted because there were too many.
    pub refused: u64,
}

#[derive(Serialize)]
pub struct WebhookJson {
    host: String,
    delivered: u64,
    failures: u64,
    dropped: u64,
    waiting: u64,
}

impl From<HookState> for WebhookJson {
    fn from(hook: HookState) -> Self {
        let HookState { host, delivered, failures, dropped, waiting } = hook;
        Self { host, delivered, failures, dropped, waiting }
    }
}

/// Series of equal length, the oldest point first.
#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
pub struct SeriesJson {
    /// Bits per second.
    bitrate_in: Vec<u32>,
    /// In the step that ends with the point.
    packets_in: Vec<u32>,
    subscribers: Vec<u32>,
}

impl SeriesJson {
    fn new(points: &[Point]) -> Self {
        Self {
            bitrate_in: points.iter().map(|point| point.bitrate_in).collect(),
            packets_in: points.iter().map(|point| point.packets_in).collect(),
            subscribers: points.iter().map(|point| point.subscribers).collect(),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RoomJson {
    name: String,
    has_publisher: bool,
    subscribers: usize,
    workers: usize,
    codecs: Vec<&'static str>,
    /// Bits per second.
    bitrate: u64,
    history: SeriesJson,
}

impl From<RoomHistory> for RoomJson {
    fn from(room: RoomHistory) -> Self {
        Self {
            name: room.view.name.to_string(),
            has_publisher: room.view.has_publisher,
            subscribers: room.view.subscribers,
            workers: room.view.workers,
            codecs: room.view.codecs.into_iter().map(crate::rtp::codec::Codec::name).collect(),
            bitrate: room.view.bitrate,
            history: SeriesJson::new(&room.points),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OverviewJson {
    /// When the last sample was taken.
    at: String,
    /// Its number; the next question may say `since` it.
    sample: u64,
    step_seconds: u64,
    server: SeriesJson,
    rooms: Vec<RoomJson>,
}

impl From<Overview> for OverviewJson {
    fn from(overview: Overview) -> Self {
        Self {
            at: rfc3339(overview.at),
            sample: overview.sample,
            step_seconds: HISTORY_STEP.as_secs(),
            server: SeriesJson::new(&overview.server),
            rooms: overview.rooms.into_iter().map(RoomJson::from).collect(),
        }
    }
}

/// A history alone.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HistoryJson {
    step_seconds: u64,
    history: SeriesJson,
}

impl HistoryJson {
    pub fn new(points: &[Point]) -> Self {
        Self { step_seconds: HISTORY_STEP.as_secs(), history: SeriesJson::new(points) }
    }
}
