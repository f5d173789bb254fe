//! One thing that happened, and how it is written.

use std::sync::Arc;
use std::time::SystemTime;

use serde::Serialize;

use crate::id::{RoomName, SessionKey};
use crate::notify::rfc3339;
use crate::worker::mailbox::EndReason;

/// What happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum What {
    /// The first session of a room was admitted.
    RoomOpened,
    /// The last one has ended.
    RoomClosed {
        /// Why it did.
        reason: EndReason,
    },
    /// A publisher is connected.
    PublisherStarted {
        /// Its session.
        session: SessionKey,
    },
    /// A publisher that was connected has ended.
    PublisherStopped {
        /// Its session.
        session: SessionKey,
        /// Why.
        reason: EndReason,
    },
    /// A subscriber is connected.
    SubscriberJoined {
        /// Its session.
        session: SessionKey,
        /// How many the room has now.
        subscribers: usize,
    },
    /// A subscriber that was connected has ended.
    SubscriberLeft {
        /// Its session.
        session: SessionKey,
        /// Why.
        reason: EndReason,
        /// How many the room has now.
        subscribers: usize,
    },
    /// Somebody was refused because there is a limit. Told once in [`crate::limits::LIMIT_NOTICE_INTERVAL`].
    LimitHit {
        /// Which.
        limit: &'static str,
        /// How often since it was told last.
        times: u64,
    },
    /// A recording's file was begun.
    RecordStarted {
        /// Its name.
        record: Arc<str>,
    },
    /// It is whole.
    RecordEnded {
        /// Its name.
        record: Arc<str>,
        /// Why.
        reason: &'static str,
    },
    /// A room that should be recorded is not. It is tried again.
    RecordFailed {
        /// Why.
        reason: &'static str,
    },
    /// A recording was deleted.
    RecordDeleted {
        /// Its file's name.
        record: Arc<str>,
        /// By whom: somebody who asked, or a rule.
        reason: &'static str,
    },
    /// A recording was uploaded, and verified there.
    RecordUploaded {
        /// Its name.
        record: Arc<str>,
    },
    /// It was not. It is tried again.
    RecordUploadFailed {
        /// Its name.
        record: Arc<str>,
        /// Why.
        reason: &'static str,
    },
    /// New sessions are refused from now on.
    DrainStarted,
    /// New sessions are taken again.
    DrainStopped,
}

impl What {
    /// Every name that [`What::name`] gives.
    pub const NAMES: [&str; 15] = [
        "room.opened",
        "room.closed",
        "publisher.started",
        "publisher.stopped",
        "subscriber.joined",
        "subscriber.left",
        "limit.hit",
        "drain.started",
        "drain.stopped",
        "record.deleted",
        "record.started",
        "record.ended",
        "record.failed",
        "record.uploaded",
        "record.upload_failed",
    ];

    /// The type of the event, as JSON and filters have it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        let index = match self {
            Self::RoomOpened => 0,
            Self::RoomClosed { .. } => 1,
            Self::PublisherStarted { .. } => 2,
            Self::PublisherStopped { .. } => 3,
            Self::SubscriberJoined { .. } => 4,
            Self::SubscriberLeft { .. } => 5,
            Self::LimitHit { .. } => 6,
            Self::DrainStarted => 7,
            Self::DrainStopped => 8,
            Self::RecordDeleted { .. } => 9,
            Self::RecordStarted { .. } => 10,
            Self::RecordEnded { .. } => 11,
            Self::RecordFailed { .. } => 12,
            Self::RecordUploaded { .. } => 13,
            Self::RecordUploadFailed { .. } => 14,
        };
        Self::NAMES[index]
    }
}

/// Something that happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Notice {
    /// Its number since the server began, from 1.
    pub number: u64,
    /// When.
    pub at: SystemTime,
    /// In which room, where it was in one.
    pub room: Option<RoomName>,
    /// What.
    pub what: What,
}

#[derive(Serialize)]
struct Json<'a> {
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    timestamp: String,
    data: Data<'a>,
}

#[derive(Default, Serialize)]
struct Data<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    room: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subscribers: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    times: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<&'a str>,
}

impl Notice {
    /// As JSON: `{"id", "type", "timestamp", "data": {…}}`. `run` tells one run of the server from another, so that an
    /// identifier is never used twice.
    #[must_use]
    pub fn json(&self, run: &str) -> String {
        let json = Json {
            id: format!("{run}-{}", self.number),
            kind: self.what.name(),
            timestamp: rfc3339(self.at),
            data: self.data(),
        };
        serde_json::to_string(&json).expect("strings and numbers")
    }

    fn data(&self) -> Data<'_> {
        let data = Data { room: self.room.as_ref().map(RoomName::as_str), ..Data::default() };
        let of = |session: &SessionKey| Some(session.to_string());
        match &self.what {
            What::RoomOpened | What::DrainStarted | What::DrainStopped => data,
            What::RoomClosed { reason } => Data { reason: Some(reason.name()), ..data },
            What::PublisherStarted { session } => Data { session: of(session), ..data },
            What::PublisherStopped { session, reason } => {
                Data { session: of(session), reason: Some(reason.name()), ..data }
            }
            What::SubscriberJoined { session, subscribers } => {
                Data { session: of(session), subscribers: Some(*subscribers), ..data }
            }
            What::SubscriberLeft { session, reason, subscribers } => {
                Data { session: of(session), reason: Some(reason.name()), subscribers: Some(*subscribers), ..data }
            }
            What::LimitHit { limit, times } => Data { limit: Some(limit), times: Some(*times), ..data },
            What::RecordStarted { record } | What::RecordUploaded { record } => Data { record: Some(record), ..data },
            What::RecordFailed { reason } => Data { reason: Some(reason), ..data },
            What::RecordEnded { record, reason }
            | What::RecordDeleted { record, reason }
            | What::RecordUploadFailed { record, reason } => {
                Data { record: Some(record), reason: Some(reason), ..data }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::id::SessionId;

    #[test]
    fn as_json() {
        let session = SessionId::from_random([1; 16]).key();
        let key = session.to_string();
        let reason = EndReason::ConsentExpired;
        let table = [
            (What::RoomOpened, "room.opened", json!({"room": "a"})),
            (What::RoomClosed { reason }, "room.closed", json!({"room": "a", "reason": "consent_expired"})),
            (What::PublisherStarted { session }, "publisher.started", json!({"room": "a", "session": key})),
            (
                What::PublisherStopped { session, reason },
                "publisher.stopped",
                json!({"room": "a", "session": key, "reason": "consent_expired"}),
            ),
            (
                What::SubscriberJoined { session, subscribers: 7 },
                "subscriber.joined",
                json!({"room": "a", "session": key, "subscribers": 7}),
            ),
            (
                What::SubscriberLeft { session, reason, subscribers: 0 },
                "subscriber.left",
                json!({"room": "a", "session": key, "reason": "consent_expired", "subscribers": 0}),
            ),
            (
                What::LimitHit { limit: "sessions", times: 3 },
                "limit.hit",
                json!({"room": "a", "limit": "sessions", "times": 3}),
            ),
            (What::DrainStarted, "drain.started", json!({"room": "a"})),
            (What::DrainStopped, "drain.stopped", json!({"room": "a"})),
            (
                What::RecordDeleted { record: "a_av_1.mp4".into(), reason: "age" },
                "record.deleted",
                json!({"room": "a", "record": "a_av_1.mp4", "reason": "age"}),
            ),
            (
                What::RecordStarted { record: "a_av_1.mp4".into() },
                "record.started",
                json!({"room": "a", "record": "a_av_1.mp4"}),
            ),
            (
                What::RecordEnded { record: "a_av_1.mp4".into(), reason: "cut" },
                "record.ended",
                json!({"room": "a", "record": "a_av_1.mp4", "reason": "cut"}),
            ),
            (
                What::RecordUploaded { record: "a_av_1.mp4".into() },
                "record.uploaded",
                json!({"room": "a", "record": "a_av_1.mp4"}),
            ),
            (
                What::RecordUploadFailed { record: "a_av_1.mp4".into(), reason: "denied" },
                "record.upload_failed",
                json!({"room": "a", "record": "a_av_1.mp4", "reason": "denied"}),
            ),
            (What::RecordFailed { reason: "disk_full" }, "record.failed", json!({"room": "a", "reason": "disk_full"})),
        ];
        assert_eq!(table.len(), What::NAMES.len());
        for (what, name, data) in table {
            let notice = Notice { number: 9, at: SystemTime::UNIX_EPOCH, room: RoomName::parse("a"), what };
            let written: serde_json::Value = serde_json::from_str(&notice.json("run")).unwrap();
            let expected = json!({"id": "run-9", "type": name, "timestamp": "1970-01-01T00:00:00Z", "data": data});
            assert_eq!(written, expected);
        }
    }
}
