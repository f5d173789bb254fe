//! What the control plane counts of sessions: how they ended, and how long it took them to come.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::session::registry::Role;
use crate::sfu::counts::micros;
use crate::sfu::histogram::{Bounds, Histogram};
use crate::worker::mailbox::EndReason;

/// From the offer to the answer, in microseconds: mostly a key pair's worth of work, or a busy worker's turn.
const ANSWERS: Bounds =
    &[250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 3_000_000];
/// From the answer to the end of the handshake, in microseconds: round trips of the client.
const HANDSHAKES: Bounds = &[
    5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000, 20_000_000,
];

/// Since the server began.
#[derive(Clone, Debug)]
pub struct SessionCounts {
    /// Sessions that ended, by what they did and why.
    pub ends: BTreeMap<(Role, EndReason), u64>,
    /// By what they do, those that came.
    pub joins: BTreeMap<Role, Joins>,
}

/// How long sessions took to come.
#[derive(Clone, Debug)]
pub struct Joins {
    /// From the offer to the answer, in microseconds.
    pub answers: Histogram,
    /// From the answer to the end of the handshake, in microseconds.
    pub handshakes: Histogram,
}

impl Default for SessionCounts {
    fn default() -> Self {
        let joins = Joins { answers: Histogram::new(ANSWERS), handshakes: Histogram::new(HANDSHAKES) };
        // There from the beginning: Prometheus sees no increase in a series that begins with 1.
        let reasons = |role| EndReason::ALL.map(move |reason| ((role, reason), 0));
        Self {
            ends: [Role::Publisher, Role::Subscriber].into_iter().flat_map(reasons).collect(),
            joins: [Role::Publisher, Role::Subscriber].map(|role| (role, joins.clone())).into(),
        }
    }
}

impl SessionCounts {
    pub(super) fn answered(&mut self, role: Role, time: Duration) {
        if let Some(joins) = self.joins.get_mut(&role) {
            joins.answers.observe(micros(time));
        }
    }

    pub(super) fn connected(&mut self, role: Role, time: Duration) {
        if let Some(joins) = self.joins.get_mut(&role) {
            joins.handshakes.observe(micros(time));
        }
    }

    pub(super) fn ended(&mut self, role: Role, reason: EndReason) {
        *self.ends.entry((role, reason)).or_default() += 1;
    }
}
