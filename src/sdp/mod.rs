//! SDP: text in, types out.
//!
//! [`offer::Offer`] is what a client offers, [`answer`] what we answer to a publisher and to a subscriber, [`fragment`]
//! what a client trickles. The parser of the `rtc-sdp` crate reads the session description; `guard` bounds the text
//! before it does, and everything that an answer repeats is checked on its way in.

pub mod answer;
pub mod fragment;
pub mod offer;

mod attributes;
mod candidate;
mod codecs;
mod extmap;
mod fit;
mod guard;
mod h264;
mod media;
mod parameters;
mod play;
mod publish;
mod simulcast;
mod transport;
mod write;

use std::net::SocketAddr;

/// Who opens the DTLS handshake (RFC 8842): `a=setup:active` makes the client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DtlsRole {
    /// We answer `a=setup:active`.
    Client,
    /// We answer `a=setup:passive`.
    Server,
}

/// ICE user name fragment and password (RFC 8839 §5.4).
#[derive(Clone, PartialEq, Eq)]
pub struct IceCredentials {
    /// `a=ice-ufrag`
    pub ufrag: String,
    /// `a=ice-pwd`
    pub pwd: String,
}

/// A certificate's digest (`a=fingerprint`, RFC 8122).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fingerprint {
    /// Lower case: `sha-256`, `sha-384` or `sha-512`.
    pub algorithm: String,
    /// The digest's bytes.
    pub digest: Vec<u8>,
}

/// UDP or TCP, as a candidate line says.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Transport {
    /// `udp`
    Udp,
    /// `tcp`, `tcptype passive` (RFC 6544)
    Tcp,
}

/// A host candidate of ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Candidate {
    /// Transport.
    pub transport: Transport,
    /// Where it listens.
    pub address: SocketAddr,
}
