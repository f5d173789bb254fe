//! How the workers are: their load, their turns, what waits in them.

use crate::session::snapshot::{Snapshot, WorkerView};
use crate::telemetry::families::{Families, Labels};
use crate::worker::state::WorkerState;

fn labels(worker: &WorkerView) -> Labels<'_> {
    vec![("worker", worker.name.as_str())]
}

/// Adds all of it.
#[allow(clippy::cast_precision_loss, reason = "exact up to 2^53")]
pub(super) fn add(families: &mut Families, snapshot: &Snapshot) {
    let workers = &snapshot.workers;
    families.gauge(
        "rillcast_worker_up",
        "1 where the worker answered this scrape in time; else its other series are left out.",
        workers.iter().map(|worker| (labels(worker), f64::from(u8::from(worker.state.is_some())))),
    );
    families.seconds_total(
        "rillcast_worker_awake_seconds_total",
        "Time in which the worker did not sleep: its rate is the worker's load, 1 is all of a core.",
        workers.iter().map(|worker| (labels(worker), worker.awake.as_secs_f64())),
    );
    let states = || workers.iter().filter_map(|worker| Some((labels(worker), worker.state.as_ref()?)));
    families.histogram(
        "rillcast_worker_turn_seconds",
        "How long the worker's turns took: what comes waits for the end of one.",
        1e6,
        states().map(|(labels, state)| (labels, &state.turns)),
    );
    let mut counter = |name, help, figure: fn(&WorkerState) -> u64| {
        families.counter(name, help, states().map(|(labels, state)| (labels, figure(state))));
    };
    counter("rillcast_udp_datagrams_total", "UDP datagrams sent.", |state| state.datagrams_out);
    counter("rillcast_udp_trains_total", "Messages to the kernel that they went in.", |state| state.trains_out);
    counter("rillcast_udp_bytes_total", "Their bytes, without UDP and IP.", |state| state.datagram_bytes_out);
    let queues = || {
        states().flat_map(|(labels, state)| {
            let queues = &state.queues;
            let depths = [("mailbox", queues.mailbox), ("outbox", queues.outbox), ("rings", queues.rings)];
            depths.map(|(queue, depth)| ([labels.clone(), vec![("queue", queue)]].concat(), depth as f64))
        })
    };
    families.gauge(
        "rillcast_worker_queue_length",
        "What waits: commands in the mailbox, events in the outbox, parcels in the rings of replicas.",
        queues(),
    );
    families.gauge(
        "rillcast_worker_sessions",
        "Sessions of the worker, connected or not.",
        states().map(|(labels, state)| (labels, state.sessions as f64)),
    );
    families.gauge(
        "rillcast_worker_tcp_connections",
        "Connections of ICE over TCP.",
        states().map(|(labels, state)| (labels, state.tcp_connections as f64)),
    );
}
