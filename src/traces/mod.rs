//! Traces of the control plane for OpenTelemetry (feature `traces`): each request is a span, and in it what it waited
//! for. Media is not traced: a packet takes two microseconds. A span has a route and a status, and the request's name
//! that the log has too; no token, no address, no session.

#[cfg(not(feature = "traces"))]
mod off;
#[cfg(feature = "traces")]
mod otlp;

#[cfg(not(feature = "traces"))]
pub use off::{Span, Traces};
#[cfg(feature = "traces")]
pub use otlp::{Span, Traces};
