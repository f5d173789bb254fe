//! What can go wrong on the offerer side.

use std::time::Duration;

use crate::media::MediaError;

/// Why publishing or playing did not work out.
#[derive(thiserror::Error, Debug)]
pub enum ClientError {
    /// The address cannot be asked.
    #[error("`{0}` is not an address of the form http://host/path or https://host/path")]
    Url(String),
    /// No answer over HTTP.
    #[error("{url}: {reason}")]
    Unreachable {
        /// Where it was sent.
        url: String,
        /// What the HTTP client says.
        reason: String,
    },
    /// The server answered with another status than the expected one.
    #[error("{url}: the server answered {status}{}", said(error.as_ref()))]
    Refused {
        /// What was asked.
        url: String,
        /// The status of the answer.
        status: u16,
        /// The `error` text of the answer's body, with its `detail`.
        error: Option<String>,
        /// When the server wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// The server's answer cannot be used.
    #[error("the server's answer cannot be used: {0}")]
    Answer(String),
    /// ICE or DTLS did not get through in time.
    #[error("no connection within {0:?} (ICE or DTLS)")]
    ConnectTimeout(Duration),
    /// The connection failed, or the other side closed it.
    #[error("the connection is {0}")]
    Disconnected(&'static str),
    /// There is no such track in this session.
    #[error("the session has no {0} track")]
    NoTrack(&'static str),
    /// The peer connection refused.
    #[error("peer connection: {0}")]
    Peer(#[from] webrtc::error::Error),
    /// A file could not be read or written.
    #[error(transparent)]
    Media(#[from] MediaError),
}

fn said(error: Option<&String>) -> String {
    error.map_or_else(String::new, |error| format!(": {error}"))
}

impl ClientError {
    /// Whether asking again later may help: the server said when, or is not there (yet).
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            Self::Unreachable { .. } => Some(Duration::from_secs(1)),
            _ => None,
        }
    }
}
