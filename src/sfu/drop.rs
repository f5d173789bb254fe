//! Every drop has a name.

macro_rules! drop_reasons {
    ($($(#[$doc:meta])* $name:ident => $text:literal,)*) => {
        /// Why something that arrived, or was due to leave, went no further.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum DropReason { $($(#[$doc])* $name,)* }

        impl DropReason {
            /// All reasons, in the order of the declaration.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The name in metrics and logs.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

drop_reasons! {
    /// Not RTP, RTCP, DTLS or STUN by its first bytes (RFC 7983).
    NotMultiplexed => "not_multiplexed",
    /// Came from an address that no ICE check has validated.
    UnknownAddress => "unknown_address",
    /// A STUN message that does not parse, or is no Binding request.
    StunMalformed => "stun_malformed",
    /// A STUN message whose MESSAGE-INTEGRITY does not hold.
    StunIntegrity => "stun_integrity",
    /// A STUN message for a ufrag that no session has.
    StunUnknownUfrag => "stun_unknown_ufrag",
    /// DTLS beyond what one handshake may take in bytes or datagrams.
    HandshakeBudget => "handshake_budget",
    /// A DTLS record that the endpoint refused.
    DtlsInvalid => "dtls_invalid",
    /// Media before the handshake ended.
    NotConnected => "not_connected",
    /// RTP or RTCP shorter than its own header says.
    RtpMalformed => "rtp_malformed",
    /// SRTP or SRTCP whose authentication tag does not hold.
    SrtpAuthentication => "srtp_authentication",
    /// SRTP or SRTCP seen before, or older than the replay window.
    SrtpReplay => "srtp_replay",
    /// More SSRCs than one session may have.
    TooManySsrcs => "too_many_ssrcs",
    /// RTP that belongs to no negotiated track.
    UnknownTrack => "unknown_track",
    /// RTP with a payload type that was not negotiated.
    UnknownPayloadType => "unknown_payload_type",
    /// RTP from a session that only subscribes.
    NotPublisher => "not_publisher",
    /// A packet too late to be of use to anyone.
    TooLate => "too_late",
    /// A sequence number far from the ones before, and no second one to confirm it.
    SequenceJump => "sequence_jump",
    /// A packet seen before.
    Duplicate => "duplicate",
    /// A layer that is not the chosen one.
    LayerNotChosen => "layer_not_chosen",
    /// The subscriber waits for a key frame.
    NoKeyframeYet => "no_keyframe_yet",
    /// A replica was so far behind that the room has forgotten what it would have been next.
    RelayBehind => "relay_behind",
    /// The subscriber's connection is congested.
    Congested => "congested",
    /// An address not yet acknowledged has had three times the bytes that it sent.
    UnacknowledgedAddress => "unacknowledged_address",
    /// The way out was full for so long that a subscriber goes on at something newer.
    FellBehind => "fell_behind",
    /// The socket took no more.
    SocketFull => "socket_full",
    /// The kernel would not send it (no route, a firewall, too large), or its TCP connection is gone.
    SendFailed => "send_failed",
}

/// Drops counted by reason.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DropCounts([u64; DropReason::ALL.len()]);

impl Default for DropCounts {
    fn default() -> Self {
        Self([0; DropReason::ALL.len()])
    }
}

impl DropCounts {
    /// Counts one drop.
    pub fn count(&mut self, reason: DropReason) {
        self.0[reason as usize] += 1;
    }

    /// Counts many drops.
    pub fn count_many(&mut self, reason: DropReason, count: u64) {
        self.0[reason as usize] += count;
    }

    /// Drops for this reason so far.
    #[must_use]
    pub fn get(&self, reason: DropReason) -> u64 {
        self.0[reason as usize]
    }

    /// Adds another count to this one.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine += theirs;
        }
    }
}
