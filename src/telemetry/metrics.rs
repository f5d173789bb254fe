//! What `/metrics` says. Nothing is counted here: each scrape asks the workers and the sessions for their sums, and
//! writes them under the names of the tables below ([`super::traffic`], [`super::workers`], [`super::requests`]).
//!
//! The four `live_` series are the contract's; they alone carry the names of rooms, and end with them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::auth::Authenticator;
use crate::limits;
use crate::record::stats::Figures;
use crate::session::Sessions;
use crate::session::snapshot::Snapshot;
use crate::telemetry::families::Families;
use crate::telemetry::requests::Requests;
use crate::telemetry::{process, recording, traffic, workers};

/// The format's media type.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What is counted outside of the sessions.
pub struct Metrics {
    /// Requests to the HTTP server.
    pub requests: Requests,
    started: SystemTime,
    last: Mutex<Option<(Instant, Arc<str>)>>,
}

/// What those parts say that no worker and no session knows of.
#[derive(Clone, Default, Debug)]
pub struct Beside {
    /// HTTP connections that are open.
    pub connections: usize,
    /// Those that were ended or not let in since the start, by reason.
    pub cuts: Vec<(&'static str, u64)>,
    /// When the certificate ends, where there is one.
    pub certificate_expiry: Option<SystemTime>,
    /// Certificates that were ordered, by what came of it; where they are.
    pub orders: Vec<(&'static str, u64)>,
    /// What was recorded.
    pub recording: Figures,
    /// What was uploaded, where that is asked for.
    #[cfg(feature = "upload")]
    pub upload: Option<crate::record::upload::Figures>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self { requests: Requests::default(), started: SystemTime::now(), last: Mutex::default() }
    }
}

impl Metrics {
    /// A scrape, or the one before where that was a moment ago: anybody may ask, and each one costs the workers
    /// something.
    pub async fn text(&self, sessions: &Sessions, auth: &Authenticator, beside: &Beside) -> Arc<str> {
        let mut last = self.last.lock().await;
        if let Some((at, text)) = &*last
            && at.elapsed() < limits::SCRAPE_INTERVAL
        {
            return text.clone();
        }
        let text: Arc<str> = self.scrape(sessions, auth, beside).await.into();
        *last = Some((Instant::now(), text.clone()));
        text
    }

    async fn scrape(&self, sessions: &Sessions, auth: &Authenticator, beside: &Beside) -> String {
        let snapshot = sessions.snapshot().await;
        let mut families = Families::default();
        live(&mut families, &snapshot);
        sessions_and_joins(&mut families, &snapshot);
        traffic::add(&mut families, &snapshot);
        workers::add(&mut families, &snapshot);
        self.requests.add_to(&mut families);
        families.counter(
            "rillcast_auth_refusals_total",
            "Credentials refused, by what was wrong with them.",
            auth.refusals().into_iter().map(|(reason, count)| (vec![("reason", reason)], count)),
        );
        connections(&mut families, beside);
        recording::add(&mut families, &beside.recording);
        #[cfg(feature = "upload")]
        if let Some(figures) = &beside.upload {
            recording::add_upload(&mut families, figures);
        }
        let labels = vec![("version", env!("CARGO_PKG_VERSION")), ("rustc", env!("RILLCAST_RUSTC"))];
        families.gauge("rillcast_build_info", "Always 1; the labels say what runs.", [(labels, 1.0)]);
        process::add(&mut families, self.started);
        families.encode()
    }
}

#[allow(clippy::cast_precision_loss, reason = "exact up to 2^53")]
fn connections(families: &mut Families, beside: &Beside) {
    let counted = |counts: &[(&'static str, u64)], label| -> Vec<_> {
        counts.iter().map(|(name, count)| (vec![(label, *name)], *count)).collect()
    };
    families.gauge("rillcast_connections", "Open HTTP connections.", [(Vec::new(), beside.connections as f64)]);
    families.counter(
        "rillcast_connections_cut_total",
        "HTTP connections that the server ended or did not let in, by reason.",
        counted(&beside.cuts, "reason"),
    );
    let expiry = beside.certificate_expiry.and_then(|expiry| expiry.duration_since(SystemTime::UNIX_EPOCH).ok());
    families.gauge(
        "rillcast_certificate_expiry_timestamp_seconds",
        "When the certificate of the HTTPS listener ends, in seconds since 1970.",
        expiry.map(|expiry| (Vec::new(), expiry.as_secs() as f64)),
    );
    families.counter(
        "rillcast_certificate_orders_total",
        "Certificates ordered from the ACME directory, by what came of it.",
        counted(&beside.orders, "result"),
    );
}

#[allow(clippy::cast_precision_loss, reason = "exact up to 2^53")]
fn live(families: &mut Families, snapshot: &Snapshot) {
    let rooms = &snapshot.rooms;
    families.gauge("live_rooms", "Rooms with a session.", [(Vec::new(), rooms.len() as f64)]);
    families.gauge(
        "live_subscribers",
        "Connected subscribers of a room.",
        rooms.iter().map(|room| (vec![("room", room.name.as_str())], room.subscribers as f64)),
    );
    // A worker that did not answer says nothing, rather than zero: that would look as if its rooms had begun anew.
    let received = || rooms.iter().filter_map(|room| Some((vec![("room", room.name.as_str())], room.received?)));
    families.counter(
        "live_rtp_bytes_total",
        "Bytes of RTP that came from a room's publishers.",
        received().map(|(labels, received)| (labels, received.bytes)),
    );
    families.counter(
        "live_rtp_packets_total",
        "Packets of RTP that came from a room's publishers.",
        received().map(|(labels, received)| (labels, received.packets)),
    );
}

#[allow(clippy::cast_precision_loss, reason = "exact up to 2^53")]
fn sessions_and_joins(families: &mut Families, snapshot: &Snapshot) {
    let labels = |(role, state): (&'static str, &'static str)| vec![("role", role), ("state", state)];
    families.gauge(
        "rillcast_sessions",
        "Sessions: connecting until the handshake is done.",
        snapshot.sessions.iter().map(|(key, count)| (labels(*key), *count as f64)),
    );
    let ends: BTreeMap<_, _> =
        snapshot.counts.ends.iter().map(|((role, reason), count)| ((role.name(), reason.name()), *count)).collect();
    families.counter(
        "rillcast_session_ends_total",
        "Sessions that ended, by reason.",
        ends.into_iter().map(|((role, reason), count)| (vec![("role", role), ("reason", reason)], count)),
    );
    let joins = || snapshot.counts.joins.iter().map(|(role, joins)| (vec![("role", role.name())], joins));
    families.histogram(
        "rillcast_join_answer_seconds",
        "From a client's offer to our answer.",
        1e6,
        joins().map(|(labels, joins)| (labels, &joins.answers)),
    );
    families.histogram(
        "rillcast_join_handshake_seconds",
        "From our answer to the end of the DTLS handshake.",
        1e6,
        joins().map(|(labels, joins)| (labels, &joins.handshakes)),
    );
}
