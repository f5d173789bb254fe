//! Finding out at which addresses clients reach this machine.

use std::time::Duration;

/// From the question for a host name that the operator named to its addresses: resolvers try their servers for 5 s
/// each, and a server that starts on a machine that boots should wait for the second one.
pub const RESOLVE_TIME: Duration = Duration::from_secs(12);
/// First wait for a STUN server's answer; each following one is twice as long (RFC 8489 §6.2.1).
pub const STUN_FIRST_WAIT: Duration = Duration::from_millis(500);
/// Questions to a STUN server: with the waits doubled, 7.5 s together. The RFC's seven take 39.5 s, and an operator
/// looks at a start that does nothing.
pub const STUN_TRIES: u32 = 4;
/// Rules of the interface filter; a host has a handful of interfaces.
pub const INTERFACE_RULES: usize = 64;
