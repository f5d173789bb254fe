//! What a run is to do.

use std::time::Duration;

use serde::Serialize;

use crate::rtp::codec::Codec;

/// A run, as it was asked for.
#[derive(Clone, Serialize, Debug)]
pub struct Plan {
    /// The server's address, without a path.
    pub url: String,
    /// Where to publish; `{room}` stands for the room.
    pub whip_path: String,
    /// Where to play.
    pub whep_path: String,
    /// Sent as `Authorization: Bearer`, and shown nowhere.
    #[serde(skip)]
    pub token: Option<String>,
    /// Rooms, and their names' beginning.
    pub rooms: u32,
    /// The room's name; of several rooms, what their names begin with.
    pub room: String,
    /// Publish to the rooms; otherwise somebody else does.
    pub publish: bool,
    /// Light subscribers, over all rooms.
    pub subscribers: u32,
    /// Full subscribers beside them: whole peer connections.
    pub full: u32,
    /// Publishers alone, before the first subscriber.
    #[serde(serialize_with = "seconds")]
    pub settle: Duration,
    /// From the first subscriber to the last.
    #[serde(serialize_with = "seconds")]
    pub ramp: Duration,
    /// What is measured.
    #[serde(serialize_with = "seconds")]
    pub duration: Duration,
    /// What is published.
    pub media: Media,
    /// Share of the packets that subscribers drop on arrival (0 to 1).
    pub loss: f64,
    /// Subscribers that leave, and as many that join, per second.
    pub churn: f64,
    /// What light subscribers send.
    pub feedback: Feedback,
    /// A packet later than this is late.
    #[serde(serialize_with = "milliseconds")]
    pub late: Duration,
    /// Receiving threads.
    pub threads: u8,
    /// How often the receiving threads look once all have joined; 0: at each datagram.
    #[serde(serialize_with = "milliseconds")]
    pub drain: Duration,
    /// Let the kernel put datagrams together on arrival.
    pub gro: bool,
    /// The server's process.
    pub server_pid: Option<u32>,
    /// The target may be another machine.
    pub not_loopback: bool,
}

/// What each publisher sends.
#[derive(Clone, Serialize, Debug)]
pub struct Media {
    /// The video's codec.
    #[serde(serialize_with = "codec_name")]
    pub codec: Codec,
    /// Bits of video payload per second.
    pub bitrate: u32,
    /// Frames per second.
    pub fps: u32,
    /// From key frame to key frame.
    #[serde(serialize_with = "seconds")]
    pub gop: Duration,
    /// Width and height.
    pub size: (u16, u16),
    /// How packets leave.
    pub pacing: Pacing,
    /// With audio beside it: Opus, 50 packets per second.
    pub audio: bool,
}

/// How the packets of a frame leave.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum, Debug)]
#[serde(rename_all = "lowercase")]
pub enum Pacing {
    /// As browsers do: a few packets each 5 ms, at 2.5 times the bit rate
    Browser,
    /// All at once
    Frame,
    /// Spread over the time until the next frame
    Even,
}

/// What light subscribers send.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum, Debug)]
#[serde(rename_all = "lowercase")]
pub enum Feedback {
    /// Nothing but ICE checks
    Off,
    /// A receiver report each second, NACKs for what is missing, PLI where that does not help
    Basic,
    /// The same, and transport-wide feedback each 100 ms where the server negotiates it
    Full,
}

impl Plan {
    /// The name of a room.
    #[must_use]
    pub fn room_name(&self, room: u32) -> String {
        if self.rooms == 1 { self.room.clone() } else { format!("{}{room}", self.room) }
    }

    /// The address to publish a room at.
    #[must_use]
    pub fn whip(&self, room: u32) -> String {
        self.endpoint(&self.whip_path, room)
    }

    /// The address to play a room from.
    #[must_use]
    pub fn whep(&self, room: u32) -> String {
        self.endpoint(&self.whep_path, room)
    }

    fn endpoint(&self, path: &str, room: u32) -> String {
        let slash = if path.starts_with('/') { "" } else { "/" };
        format!("{}{slash}{}", self.url.trim_end_matches('/'), path.replace("{room}", &self.room_name(room)))
    }
}

fn seconds<S: serde::Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(duration.as_secs_f64())
}

fn milliseconds<S: serde::Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(duration.as_secs_f64() * 1_000.0)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's interface")]
fn codec_name<S: serde::Serializer>(codec: &Codec, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(codec.name())
}
