//! Rillcast: a WebRTC media server. Publishers send one stream per room by WHIP, subscribers play it by
//! WHEP, and RTP is forwarded from one to many without transcoding.
//!
//! The modules stand in the order in which they may import each other: each one only what is below it.
//! `tests/tidy.rs` holds the same order and fails the build otherwise.
//!
//! ```text
//! cli        serve · demo · publish · play · load · healthcheck · verify-webhook
//! app        composition root: build, wire, run, drain
//! config     what the operator sets, as written and as resolved
//! http       the only user of hyper's server and axum
//! telemetry  log
//! record     what a room sends becomes files; the list of them
//! session    session resources: create, patch, delete; placement
//! auth       token → grant
//! load       light subscribers by the thousand, light publishers, statistics, a report
//! client     the offerer side: WHIP publisher, WHEP player, media files
//! notify     what happened: the bus, who listens, signed webhooks
//! fetch      requests that the server makes itself
//! traces     spans of requests, for OpenTelemetry
//! worker     the turn loop, mailbox, timers
//! peer       sans-IO: ICE, DTLS, SRTP of one session
//! sdp        offer, answer, trickle fragment: text in, types out
//! sfu        sans-IO: one room, from one publisher to many subscribers
//! media      encoded frames, and the files that hold them
//! rtp        packet view and writer, sequence arithmetic, codec peeks
//! net        sockets and the clock
//! id limits secret version  leaves
//! ```

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "a test needs some instant to count from"))]
#![cfg_attr(
    test,
    allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "tests make small numbers")
)]

pub mod app;
pub mod auth;
#[allow(clippy::disallowed_methods, reason = "not the data plane: it may read the clock")]
pub mod cli;
#[allow(clippy::disallowed_methods, reason = "not the data plane: it may read the clock")]
pub mod client;
pub mod config;
pub mod fetch;
pub mod http;
pub mod id;
pub mod limits;
#[allow(clippy::disallowed_methods, reason = "not the data plane: it may read the clock")]
pub mod load;
pub mod media;
pub mod net;
#[allow(clippy::disallowed_methods, reason = "not the data plane: it may read the clock")]
pub mod notify;
pub mod peer;
#[allow(clippy::disallowed_methods, reason = "not the data plane: it may read the clock")]
pub mod record;
pub mod rtp;
pub mod sdp;
pub mod secret;
pub mod session;
pub mod sfu;
#[allow(clippy::disallowed_methods, reason = "not the data plane: it may read the clock")]
pub mod telemetry;
pub mod traces;
pub mod version;
pub mod worker;
