//! One line for a session that began, and one with all that is known of it when it ended.

use tracing::info;

use crate::id::{RoomName, SessionId};
use crate::session::registry::{Resource, Role};
use crate::worker::mailbox::{EndReason, Summary};

/// The worker has admitted it.
pub(super) fn started(session: SessionId, role: Role, room: &RoomName) {
    info!(%room, role = role.name(), session = %session.key(), "session started");
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
        jitter_ms = reception.jitter.map(|time| time.as_millis()),
        round_trip_ms = reception.round_trip.map(|time| time.as_millis()),
        nacked = feedback.asked.nacked,
        repaired = feedback.asked.repaired.packets,
        keyframe_requests = feedback.asked.keyframes,
        "session ended"
    );
}
