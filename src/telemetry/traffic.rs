//! What flows through the workers, and what was said of it. All of it by worker: one that does not answer in time
//! leaves its series out, where a sum over all workers would seem to fall.

use crate::session::snapshot::Snapshot;
use crate::sfu::counts::{Asked, Traffic};
use crate::sfu::drop::DropReason;
use crate::telemetry::families::Families;
use crate::worker::state::WorkerState;

/// What a sample of a worker's is made of: another label and its value, and the figure.
type Figures = fn(&WorkerState) -> Vec<(&'static str, u64)>;

struct Row {
    name: &'static str,
    help: &'static str,
    /// The other label's name.
    label: &'static str,
    figures: Figures,
}

fn both(into: u64, out: u64) -> Vec<(&'static str, u64)> {
    vec![("in", into), ("out", out)]
}

/// What subscribers asked of us comes in, what we asked of publishers goes out.
fn asked(state: &WorkerState, figure: fn(&Asked) -> u64) -> Vec<(&'static str, u64)> {
    both(figure(&state.counts.from_subscribers), figure(&state.counts.of_publishers))
}

fn flow(into: Traffic, out: Traffic, figure: fn(Traffic) -> u64) -> Vec<(&'static str, u64)> {
    both(figure(into), figure(out))
}

const ROWS: [Row; 11] = [
    Row {
        name: "rillcast_rtp_packets_total",
        help: "RTP packets, in from publishers and out to subscribers, retransmissions included.",
        label: "direction",
        figures: |state| flow(state.flow.rtp_in, state.flow.rtp_out, |traffic| traffic.packets),
    },
    Row {
        name: "rillcast_rtp_bytes_total",
        help: "Their bytes: header and payload, without encryption, UDP and IP.",
        label: "direction",
        figures: |state| flow(state.flow.rtp_in, state.flow.rtp_out, |traffic| traffic.bytes),
    },
    Row {
        name: "rillcast_rtcp_packets_total",
        help: "Compound RTCP packets of all sessions.",
        label: "direction",
        figures: |state| flow(state.flow.rtcp_in, state.flow.rtcp_out, |traffic| traffic.packets),
    },
    Row {
        name: "rillcast_rtcp_bytes_total",
        help: "Their bytes, without encryption, UDP and IP.",
        label: "direction",
        figures: |state| flow(state.flow.rtcp_in, state.flow.rtcp_out, |traffic| traffic.bytes),
    },
    Row {
        name: "rillcast_nacked_packets_total",
        help: "Packets asked for again by NACK: in by subscribers, out by us of publishers.",
        label: "direction",
        figures: |state| asked(state, |asked| asked.nacked),
    },
    Row {
        name: "rillcast_repaired_packets_total",
        help: "Packets sent again to subscribers (in, as their NACKs), or that filled a hole of publishers (out).",
        label: "direction",
        figures: |state| asked(state, |asked| asked.repaired.packets),
    },
    Row {
        name: "rillcast_repaired_bytes_total",
        help: "Their bytes.",
        label: "direction",
        figures: |state| asked(state, |asked| asked.repaired.bytes),
    },
    Row {
        name: "rillcast_keyframe_requests_total",
        help: "Requests for a key frame: in from subscribers, out to publishers.",
        label: "direction",
        figures: |state| asked(state, |asked| asked.keyframes),
    },
    Row {
        name: "rillcast_padded_packets_total",
        help: "Packets of publishers that got padding, so that trains of one length leave.",
        label: "",
        figures: |state| vec![("", state.counts.padded)],
    },
    Row {
        name: "rillcast_publisher_over_bitrate_total",
        help: "Seconds in which a publisher sent more than it may.",
        label: "",
        figures: |state| vec![("", state.counts.over_bitrate)],
    },
    Row {
        name: "rillcast_drops_total",
        help: "What went no further, by reason.",
        label: "reason",
        figures: |state| DropReason::ALL.iter().map(|reason| (reason.name(), state.drops.get(*reason))).collect(),
    },
];

/// Adds all of it.
pub(super) fn add(families: &mut Families, snapshot: &Snapshot) {
    let answered = || snapshot.workers.iter().filter_map(|worker| Some((worker, worker.state.as_ref()?)));
    for row in &ROWS {
        let samples = answered().flat_map(|(worker, state)| {
            (row.figures)(state).into_iter().map(move |(value, figure)| {
                let mut labels = vec![("worker", worker.name.as_str())];
                labels.extend((!row.label.is_empty()).then_some((row.label, value)));
                (labels, figure)
            })
        });
        families.counter(row.name, row.help, samples);
    }
    let labelled = || answered().map(|(worker, state)| (vec![("worker", worker.name.as_str())], &state.counts));
    families.histogram(
        "rillcast_round_trip_seconds",
        "Round trips to subscribers, as their receiver reports tell them.",
        1e6,
        labelled().map(|(labels, counts)| (labels, &counts.round_trips)),
    );
    families.histogram(
        "rillcast_receiver_loss_ratio",
        "Packets lost between two receiver reports of a subscriber, of those sent.",
        256.0,
        labelled().map(|(labels, counts)| (labels, &counts.losses)),
    );
    families.histogram(
        "rillcast_join_first_picture_seconds",
        "From the end of a subscriber's handshake to the first packet of a key frame sent.",
        1e6,
        labelled().map(|(labels, counts)| (labels, &counts.first_pictures)),
    );
}
