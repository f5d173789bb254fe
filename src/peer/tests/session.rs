//! Handshakes, closing and expiry.

use std::time::{Duration, Instant};

use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile::{
    Srtp_Aead_Aes_128_Gcm as GCM, Srtp_Aead_Aes_256_Gcm as GCM_256, Srtp_Aes128_Cm_Hmac_Sha1_32 as CM_32,
    Srtp_Aes128_Cm_Hmac_Sha1_80 as CM,
};

use super::harness::{
    Client, Network, Side, USE_CANDIDATE, Weather, certificates, connected, events, good_check, path, report, rtp,
    sent, server, server_with, validate,
};
use crate::limits::{CONSENT_EXPIRY, HANDSHAKE_TIME};
use crate::peer::certificate::matches;
use crate::peer::{Peer, PeerEnd, PeerEvent, Received};
use crate::sdp::{DtlsRole, Fingerprint};
use crate::sfu::drop::DropReason;

fn ended(peer: &mut Peer) -> Option<PeerEnd> {
    let is_end = |event| if let PeerEvent::Closed(end) = event { Some(end) } else { None };
    events(peer).into_iter().find_map(is_end)
}

/// Our own client and our own server, on a validated path.
fn both(now: Instant, of_client: Fingerprint, of_server: Fingerprint) -> (Peer, Peer) {
    let mut server = server_with(now, of_client, DtlsRole::Server);
    let mut client = server_with(now, of_server, DtlsRole::Client);
    validate(&mut server, now, path(1));
    // Its ClientHello stays in the queue.
    client.handle_datagram(now, path(1), &mut good_check(&[USE_CANDIDATE]));
    (server, client)
}

#[test]
fn the_fast_profile_wherever_the_client_has_it() {
    let table = [
        (vec![CM, GCM], true),
        (vec![CM, GCM_256, CM_32, GCM], true),
        (vec![GCM], true),
        (vec![GCM, CM], true),
        (vec![CM], false),
        (vec![CM_32, CM], false),
    ];
    for (profiles, gcm) in table {
        let (now, mut server, client) = connected(&profiles);
        assert!(events(&mut server).contains(&PeerEvent::Connected { gcm }), "{profiles:?}");
        assert!(matches(&certificates()[0].fingerprint(), &client.certificates_of_server()[0]));

        let (mut seals, mut opens) = client.contexts();
        for sequence in 0..50 {
            let plain = rtp(sequence, 7);
            let mut packet = seals.encrypt_rtp(&plain).unwrap().to_vec();
            assert_eq!(server.handle_datagram(now, path(1), &mut packet), Received::Rtp(plain.len()));
            assert_eq!(packet[..plain.len()], plain);
            let mut out = [0; 300];
            let length = server.seal_rtp(sequence.into(), &plain[..12], &plain[12..], &mut out).unwrap();
            assert_eq!(opens.decrypt_rtp(&out[..length]).unwrap()[..], plain);

            let mut packet = seals.encrypt_rtcp(&report(7)).unwrap().to_vec();
            assert_eq!(server.handle_datagram(now, path(1), &mut packet), Received::Rtcp(8));
            let length = server.seal_rtcp(&report(9), &mut out).unwrap();
            assert_eq!(opens.decrypt_rtcp(&out[..length]).unwrap()[..], report(9));
        }
    }
}

#[test]
fn no_profile_in_common_fails_at_once() {
    let now = Instant::now();
    let mut server = server(now);
    validate(&mut server, now, path(1));
    let mut client = Client::new(now, &[GCM_256], 1200);
    Network::new(Weather::default()).run(now, Duration::from_secs(1), &mut server, &mut client);
    assert_eq!(ended(&mut server), Some(PeerEnd::HandshakeFailed));
}

#[test]
fn through_any_weather_in_both_roles() {
    let mut slowest = Duration::ZERO;
    for seed in 0..120 {
        let weather = Weather { seed, loss: 25, duplicates: 20, detours: 30 };
        let now = Instant::now();
        let (mut server, mut client) = both(now, certificates()[1].fingerprint(), certificates()[0].fingerprint());
        let end = Network::new(weather).run(now, HANDSHAKE_TIME, &mut server, &mut client);
        assert!(server.is_connected() && client.is_connected(), "{weather:?}");
        slowest = slowest.max(end - now);
        assert!(events(&mut client).contains(&PeerEvent::Connected { gcm: true }));
        let plain = rtp(1, 1);
        let mut out = [0; 300];
        for (from, to) in [(&mut server, 1), (&mut client, 0)] {
            let length = from.seal_rtp(1, &plain[..12], &plain[12..], &mut out).unwrap();
            assert!(length > plain.len(), "{to}");
        }
        let length = client.seal_rtp(2, &rtp(2, 1)[..12], &plain[12..], &mut out).unwrap();
        assert!(matches!(server.handle_datagram(end, path(1), &mut out[..length]), Received::Rtp(_)));
        let length = server.seal_rtp(2, &rtp(2, 1)[..12], &plain[12..], &mut out).unwrap();
        assert!(matches!(client.handle_datagram(end, path(1), &mut out[..length]), Received::Rtp(_)));
    }
    assert!(slowest < HANDSHAKE_TIME);
}

#[test]
fn a_client_hello_in_many_pieces_out_of_order() {
    for seed in 0..40 {
        let weather = Weather { seed, loss: 0, duplicates: 30, detours: 50 };
        let now = Instant::now();
        let mut server = server(now);
        validate(&mut server, now, path(1));
        // 61 bytes of each message per record: the ClientHello comes in three, the certificate in ten.
        let mut client = Client::new(now, &[CM, GCM], 61);
        Network::new(weather).run(now, HANDSHAKE_TIME, &mut server, &mut client);
        assert!(server.is_connected() && client.is_connected, "{weather:?}");
        assert!(events(&mut server).contains(&PeerEvent::Connected { gcm: true }));
    }
}

#[test]
fn another_certificate_than_the_one_announced() {
    let good = || [certificates()[1].fingerprint(), certificates()[0].fingerprint()];
    let unknown = Fingerprint { algorithm: "sha-1".into(), digest: vec![0; 20] };
    for (of_client, of_server, expected) in [
        (good()[1].clone(), good()[1].clone(), [Some(PeerEnd::HandshakeFailed), None]),
        (unknown, good()[1].clone(), [Some(PeerEnd::HandshakeFailed), None]),
        (good()[0].clone(), good()[0].clone(), [None, Some(PeerEnd::HandshakeFailed)]),
    ] {
        let now = Instant::now();
        let (mut server, mut client) = both(now, of_client, of_server);
        Network::new(Weather::default()).run(now, Duration::from_secs(1), &mut server, &mut client);
        assert_eq!([ended(&mut server), ended(&mut client)], expected);
        assert!(!server.is_connected() && !client.is_connected());
        assert_eq!(server.seal_rtp(1, &rtp(1, 1)[..12], &[], &mut [0; 99]), None);
    }
}

#[test]
fn either_side_may_close() {
    let (now, mut server, mut client) = connected(&[GCM]);
    events(&mut server);
    let mut goodbye = client.close(now);
    assert_eq!(server.handle_datagram(now, path(1), &mut goodbye), Received::Control);
    assert_eq!(events(&mut server), [PeerEvent::Closed(PeerEnd::CloseNotify)]);
    assert_eq!(sent(&mut server).len(), 1, "close_notify is answered");
    assert!(!server.is_connected() && server.next_timeout().is_none());
    let nothing = server.handle_datagram(now, path(1), &mut good_check(&[]));
    assert_eq!(nothing, Received::Dropped(DropReason::NotConnected));

    let (now, mut server, mut client) = connected(&[GCM]);
    events(&mut server);
    server.close();
    let goodbye = sent(&mut server);
    assert_eq!(goodbye.len(), 1);
    client.receive(now, goodbye[0].1.clone());
    assert!(client.is_closed);
    assert_eq!(events(&mut server), []);
    server.close();
    assert!(sent(&mut server).is_empty());
}

#[test]
fn a_lost_final_flight_is_sent_again() {
    let now = Instant::now();
    let mut server = server(now);
    validate(&mut server, now, path(1));
    let mut client = Client::new(now, &[GCM], 1200);
    let mut last = Vec::new();
    while !server.is_connected() {
        last = std::iter::from_fn(|| client.transmit()).collect();
        for datagram in &last {
            server.receive(now, datagram.clone());
        }
        if !server.is_connected() {
            for (_, datagram) in sent(&mut server) {
                client.receive(now, datagram);
            }
        }
    }
    assert_eq!(sent(&mut server).len(), 1, "this one is lost");
    // The client asks again, with new record numbers.
    let again = client.next_timeout().unwrap();
    client.handle_timeout(again);
    for datagram in std::iter::from_fn(|| client.transmit()).collect::<Vec<_>>() {
        server.receive(again, datagram);
    }
    for (_, datagram) in sent(&mut server) {
        client.receive(again, datagram);
    }
    assert!(client.is_connected);
    // Once it has sent media it has the keys, and nothing is kept for it.
    let mut packet = client.contexts().0.encrypt_rtp(&rtp(1, 1)).unwrap().to_vec();
    assert!(matches!(server.handle_datagram(again, path(1), &mut packet), Received::Rtp(_)));
    for datagram in last {
        server.receive(again, datagram);
    }
    assert!(sent(&mut server).is_empty());
}

#[test]
fn time_runs_out() {
    let start = Instant::now();
    let mut silent = server(start);
    assert_eq!(silent.next_timeout(), Some(start + HANDSHAKE_TIME));
    silent.handle_timeout(start + HANDSHAKE_TIME - Duration::from_millis(1));
    assert_eq!(events(&mut silent), []);
    silent.handle_timeout(start + HANDSHAKE_TIME);
    assert_eq!(events(&mut silent), [PeerEvent::Closed(PeerEnd::HandshakeTimeout)]);

    let (now, mut server, client) = connected(&[GCM]);
    events(&mut server);
    let (mut seals, _) = client.contexts();
    // Checks, RTP and RTCP each keep it alive, and the timer fires once per interval, whatever comes.
    let mut fired = 0;
    for second in 1..=300u64 {
        let at = now + Duration::from_secs(second);
        while server.next_timeout().is_some_and(|due| due <= at) {
            server.handle_timeout(at);
            fired += 1;
        }
        let mut datagram = match second % 25 {
            1 => good_check(&[]),
            9 => seals.encrypt_rtp(&rtp(u16::try_from(second).unwrap(), 1)).unwrap().to_vec(),
            17 => seals.encrypt_rtcp(&report(1)).unwrap().to_vec(),
            _ => continue,
        };
        assert!(!matches!(server.handle_datagram(at, path(1), &mut datagram), Received::Dropped(_)));
        assert_eq!(server.last_authentic(), at);
    }
    assert!((8..=12).contains(&fired), "{fired}");
    assert!(server.is_connected());
    let last = server.last_authentic();
    sent(&mut server);
    // What is not authentic does not.
    for mut junk in [vec![0x80; 60], vec![22; 60], good_check(&[])[..40].to_vec()] {
        server.handle_datagram(last + Duration::from_secs(20), path(1), &mut junk);
    }
    while let Some(due) = server.next_timeout() {
        server.handle_timeout(due);
        assert!(due <= last + CONSENT_EXPIRY);
    }
    assert_eq!(ended(&mut server), Some(PeerEnd::ConsentExpired));
    assert!(sent(&mut server).is_empty(), "RFC 7675: nothing more is sent");
}

#[test]
fn an_idle_session_is_small() {
    let (_, mut server, _) = connected(&[GCM]);
    events(&mut server);
    sent(&mut server);
    assert!(std::mem::size_of::<Peer>() <= 512, "{}", std::mem::size_of::<Peer>());
    assert!(std::mem::size_of::<crate::peer::srtp::Srtp>() <= 3 << 10);
}
