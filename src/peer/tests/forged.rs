//! What somebody tries who can write the client's address on a datagram, but has neither password nor keys.

use std::time::{Duration, Instant};

use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile::{
    Srtp_Aead_Aes_128_Gcm as GCM, Srtp_Aes128_Cm_Hmac_Sha1_80 as CM,
};

use super::harness::{Client, Network, Side, Weather, connected, events, path, report, rtp, sent, server, validate};
use crate::limits::{DTLS_SEALED_BYTES, HANDSHAKE_REASSEMBLY_BYTES, HANDSHAKE_SEALED_HELD, HANDSHAKE_SEALED_READS};
use crate::peer::record::{Message, write_message};
use crate::peer::{Peer, PeerEvent, Received};
use crate::sfu::drop::DropReason;

/// Most that a handshake may keep for the endpoint: two assemblies and the encrypted records.
const HELD: usize = 2 * HANDSHAKE_REASSEMBLY_BYTES + HANDSHAKE_SEALED_HELD * DTLS_SEALED_BYTES;

fn record(kind: u8, epoch: u8, number: u32, body: &[u8]) -> Vec<u8> {
    let mut record = vec![kind, 254, 253, 0, epoch, 0, 0];
    record.extend_from_slice(&number.to_be_bytes());
    record.extend_from_slice(&u16::try_from(body.len()).unwrap().to_be_bytes());
    record.extend_from_slice(body);
    record
}

/// A handshake that has come so many flights far.
fn half_way(flights: usize) -> (Instant, Peer, Client) {
    let now = Instant::now();
    let mut server = server(now);
    validate(&mut server, now, path(1));
    let mut client = Client::new(now, &[CM, GCM], 1200);
    for _ in 0..flights {
        for datagram in std::iter::from_fn(|| client.transmit()).collect::<Vec<_>>() {
            server.receive(now, datagram);
        }
        for (_, datagram) in sent(&mut server) {
            client.receive(now, datagram);
        }
    }
    assert!(!server.is_connected());
    (now, server, client)
}

fn completes(now: Instant, server: &mut Peer, client: &mut Client) {
    Network::new(Weather::default()).run(now, Duration::from_secs(15), server, client);
    assert!(server.is_connected() && client.is_connected);
    assert!(events(server).contains(&PeerEvent::Connected { gcm: true }));
    assert_eq!((server.usage().handshake_fed, server.usage().handshake_held), (0, 0));
}

#[test]
fn records_of_the_next_epoch_before_the_handshake_ends() {
    for flights in 0..=2 {
        let (now, mut server, mut client) = half_way(flights);
        let fed = server.usage().handshake_fed;
        for number in 0..100_000 {
            let (kind, epoch) = ([20, 21, 22, 23][number as usize % 4], 1 + u8::from(number % 7 == 0));
            let mut forged = record(kind, epoch, number, &[0x42; 100]);
            server.handle_datagram(now, path(1), &mut forged);
        }
        let usage = server.usage();
        assert_eq!(usage.handshake_fed, fed, "nothing of it reaches the endpoint");
        assert!(usage.handshake_held <= HELD, "{usage:?}");
        assert!(sent(&mut server).is_empty());
        completes(now, &mut server, &mut client);
    }
}

#[test]
fn records_of_the_next_epoch_when_the_keys_are_there() {
    let (now, mut server, mut client) = half_way(2);
    let last: Vec<_> = std::iter::from_fn(|| client.transmit()).collect();
    // All but the Finished, which is the last record and has 61 bytes.
    let mut flight = last.concat();
    flight.truncate(flight.len() - 61);
    server.receive(now, flight);
    let (before, mut refused) = (server.usage(), 0);
    for number in 0..100_000 {
        let received = server.handle_datagram(now, path(1), &mut record(22, 1, number, &[0x42; 48]));
        refused += usize::from(received == Received::Dropped(DropReason::HandshakeBudget));
    }
    assert_eq!(refused, 100_000 - HANDSHAKE_SEALED_READS as usize);
    let usage = server.usage();
    assert!(usage.handshake_fed <= before.handshake_fed + 64 * 64 && usage.handshake_held <= HELD);
    completes(now, &mut server, &mut client);
}

#[test]
fn empty_and_scattered_fragments() {
    for flights in 0..=2 {
        let (now, mut server, mut client) = half_way(flights);
        let fed = server.usage().handshake_fed;
        for number in 0..50_000u32 {
            let [_, _, high, low] = number.to_be_bytes();
            let sequence = number as u8 % 9;
            let kind = if sequence < 2 { 1 } else { 11 };
            // No bytes of 500; one byte of 4000, somewhere.
            let empty = [kind, 0, 1, 0xf4, 0, sequence, 0, 0, 0, 0, 0, 0];
            let byte = [kind, 0, 15, 160, 0, sequence, 0, high % 15, low, 0, 0, 1, 0x55];
            for body in [&empty[..], &byte, &[empty; 50].concat()] {
                server.handle_datagram(now, path(1), &mut record(22, 0, number, body));
            }
        }
        assert_eq!(server.usage().handshake_fed, fed, "{flights}");
        assert!(server.usage().handshake_held <= HELD);
        completes(now, &mut server, &mut client);
    }
}

#[test]
fn plaintext_alerts_end_nothing() {
    let alerts = [[1, 0], [2, 0], [2, 40], [2, 10]];
    for flights in 0..=2 {
        let (now, mut server, mut client) = half_way(flights);
        for alert in alerts {
            let received = server.handle_datagram(now, path(1), &mut record(21, 0, 9, &alert));
            assert_eq!(received, Received::Dropped(DropReason::DtlsInvalid));
        }
        completes(now, &mut server, &mut client);
    }
    let (now, mut server, client) = connected(&[GCM]);
    events(&mut server);
    for alert in alerts {
        for epoch in 0..3 {
            for kind in [20, 21, 23, 24] {
                server.handle_datagram(now, path(1), &mut record(kind, epoch, 9, &alert));
                server.handle_datagram(now, path(1), &mut record(kind, epoch, 9, &[alert; 20].concat()));
            }
        }
    }
    assert_eq!((events(&mut server), sent(&mut server).len()), (vec![], 0));
    let mut packet = client.contexts().0.encrypt_rtp(&rtp(1, 1)).unwrap().to_vec();
    assert!(matches!(server.handle_datagram(now, path(1), &mut packet), Received::Rtp(_)));
}

#[test]
fn a_forged_hello_before_the_real_one() {
    let (now, mut server, mut client) = half_way(0);
    let mut body = vec![254, 253];
    body.extend_from_slice(&[7; 32]);
    // No session, no cookie, one suite, no compression, only the slow profile.
    body.extend_from_slice(&[0, 0, 0, 2, 0xc0, 0x2b, 1, 0, 0, 9, 0, 14, 0, 5, 0, 2, 0, 1, 0]);
    let mut forged = Vec::new();
    write_message(&mut forged, 0, &Message { kind: 1, sequence: 0, body: body.clone() });
    assert_eq!(server.handle_datagram(now, path(1), &mut forged.clone()), Received::Control);
    assert_eq!(sent(&mut server).len(), 1, "HelloVerifyRequest");
    // Nor does a guessed cookie get it any further.
    let mut guessed = body.clone();
    guessed.splice(35..36, [&[20], &[9; 20][..]].concat());
    let mut forged = Vec::new();
    write_message(&mut forged, 1, &Message { kind: 1, sequence: 1, body: guessed });
    server.handle_datagram(now, path(1), &mut forged);
    assert!(sent(&mut server).is_empty());
    completes(now, &mut server, &mut client);
}

#[test]
fn a_repeated_hello_is_no_amplifier() {
    let (now, mut server, mut client) = half_way(2);
    // The first bytes of the second ClientHello, again and again.
    let start = [1, 0, 0, 200, 0, 1, 0, 0, 0, 0, 0, 4, 254, 253, 0, 0];
    for millisecond in 0..1000 {
        let at = now + Duration::from_millis(millisecond);
        server.handle_datagram(at, path(1), &mut record(22, 0, 7, &start));
    }
    // Every 25 ms at most, and what is not drained is not even kept.
    assert!(sent(&mut server).len() <= 41 * 2);
    completes(now + Duration::from_secs(1), &mut server, &mut client);
}

#[test]
fn media_that_nobody_sealed() {
    for profiles in [[GCM, CM], [CM, CM]] {
        let (now, mut server, client) = connected(&profiles);
        let (mut seals, _) = client.contexts();
        let mut far = rtp(40_000, 7);
        assert_eq!(server.handle_datagram(now, path(1), &mut far), Received::Dropped(DropReason::SrtpAuthentication));
        let accepted = (1..=500).filter(|&sequence| {
            let mut packet = seals.encrypt_rtp(&rtp(sequence, 7)).unwrap().to_vec();
            matches!(server.handle_datagram(now, path(1), &mut packet), Received::Rtp(_))
        });
        assert_eq!(accepted.count(), 500);
        for ssrc in 0..100_000 {
            for mut forged in [rtp(1, ssrc), [report(ssrc), vec![0x80; 30]].concat()] {
                let received = server.handle_datagram(now, path(1), &mut forged);
                assert!(matches!(received, Received::Dropped(_)));
            }
        }
        let usage = server.usage();
        assert_eq!((usage.rtp_ssrcs, usage.rtcp_ssrcs, usage.paths), (1, 0, 1));
        let mut packet = seals.encrypt_rtcp(&report(7)).unwrap().to_vec();
        assert_eq!(server.handle_datagram(now, path(1), &mut packet), Received::Rtcp(8));
    }
}

#[test]
fn media_before_the_keys() {
    let (now, mut server, mut client) = half_way(2);
    for mut packet in [rtp(1, 1), report(1)] {
        let received = server.handle_datagram(now, path(1), &mut packet);
        assert_eq!(received, Received::Dropped(DropReason::NotConnected));
    }
    completes(now, &mut server, &mut client);
}

#[test]
fn any_byte_of_the_handshake_may_be_any_other() {
    // Nothing panics, and what is kept stays bounded, whatever the flights are turned into.
    let mut state = 1u64;
    for round in 0..300 {
        let (now, mut server, mut client) = half_way(round % 3);
        for datagram in std::iter::from_fn(|| client.transmit()).collect::<Vec<_>>() {
            for _ in 0..4 {
                let mut bad = datagram.clone();
                for _ in 0..1 + round % 4 {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(99);
                    let at = (state >> 33) as usize % bad.len();
                    bad[at] = (state >> 20) as u8;
                }
                server.handle_datagram(now, path(1), &mut bad);
                sent(&mut server);
                assert!(server.usage().handshake_held <= HELD);
            }
        }
    }
}
