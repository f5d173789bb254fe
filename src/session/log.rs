//! One line for a session that began, and one with all that is known of it when it ended.

use std::time::Duration;

use tracing::info;

use crate::id::{RoomName, SessionId};
use crate::session::registry::{Resource, Role};
use crate::sfu::counts::micros;
use crate::worker::mailbox::{EndReason, Summary};

/// The worker has admitted it.
pub(super) fn started(session: SessionId, role: Role, room: &RoomName) {
    info!(%room, role = role.name(), session = %session.key(), "session started");
}

/// As a number, which JSON has none of 128 bits for.
fn milliseconds(time: Duration) -> u64 {
    micros(time) / 1_000
}

/// It is gone. Packets and bytes are those of its media, retransmissions included; loss, jitter and round trip are what
/// the receiver's last report said.
pub(super) fn ended(session: SessionId, resource: &Resource, reason: EndReason, summary: &Summary) {
    let Resource { room, role, since, gcm, .. } = resource;
    let Summary { flow, feedback } = summary;
    let media = match role {
        Role::Publisher => flow.rtp_in,
        Role::Subscriber => flow.rtp_out,
    };
    let reception = &feedback.reception;
    info!(
        %room,
        role = role.name(),
        session = %session.key(),
        reason = reason.name(),
        seconds = since.elapsed().as_secs(),
        connected = gcm.is_some(),
        packets = media.packets,
        bytes = media.bytes,
        lost = reception.lost,
        loss_percent = reception.fraction_lost.map(|fraction| u32::from(fraction) * 100 / 256),
        jitter_ms = reception.jitter.map(milliseconds),
        round_trip_ms = reception.round_trip.map(milliseconds),
        nacked = feedback.asked.nacked,
        repaired = feedback.asked.repaired.packets,
        keyframe_requests = feedback.asked.keyframes,
        "session ended"
    );
}
