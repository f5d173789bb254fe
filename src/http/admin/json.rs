//! How what an administrator sees is written. Lists are never `null`; a figure is where nobody knows it (yet).

use serde::{Deserialize, Serialize};

use crate::limits::HISTORY_STEP;
use crate::notify::rfc3339;
use crate::session::history::{Overview, Point, RoomHistory};
use crate::session::{Block, Role, SessionView};

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
    pub applied: Vec<String>,
    pub needs_restart: Vec<String>,
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
}

impl From<SessionView> for SessionJson {
    fn from(session: SessionView) -> Self {
        Self {
            key: session.key.to_string(),
            room: session.room.to_string(),
            role: match session.role {
                Role::Publisher => "publisher",
                Role::Subscriber => "subscriber",
            },
            state: if session.srtp.is_some() { "connected" } else { "connecting" },
            worker: session.worker,
            since: rfc3339(session.since),
            address: session.client.address.map(|address| address.to_string()),
            user_agent: session.client.user_agent.map(|name| name.to_string()),
            srtp: session.srtp,
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
