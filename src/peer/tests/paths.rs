//! A client that moves about, restarts ICE, or is somebody else.

use std::time::{Duration, Instant};

use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm as GCM;

use super::harness::{
    USE_CANDIDATE, connected, credentials, events, good_check, path, prove, rtp, sent, server, validate,
};
use crate::limits::{PATH_SILENCE, PATHS_PER_PEER, PEER_EVENTS, PEER_TRANSMITS};
use crate::peer::stun::tests::check;
use crate::peer::{PeerEvent, Received};
use crate::sfu::drop::DropReason;

#[test]
fn the_first_path_then_the_nominated_one() {
    let now = Instant::now();
    let mut server = server(now);
    assert_eq!(server.path(), None);
    let mut steps: Vec<(u16, bool, Vec<PeerEvent>)> = Vec::new();
    let validated = |port| PeerEvent::PathValidated(path(port));
    let selected = |port, changed| PeerEvent::PathSelected { path: path(port), changed };
    steps.push((1, false, vec![validated(1), selected(1, false)]));
    steps.push((2, false, vec![validated(2)]));
    steps.push((1, false, vec![validated(1)]));
    steps.push((2, true, vec![validated(2), selected(2, true)]));
    steps.push((2, true, vec![validated(2)]));
    steps.push((1, false, vec![validated(1)]));
    steps.push((3, true, vec![validated(3), selected(3, true)]));
    for (port, nominates, expected) in steps {
        let attributes: &[_] = if nominates { &[USE_CANDIDATE] } else { &[] };
        assert_eq!(server.handle_datagram(now, path(port), &mut good_check(attributes)), Received::Control);
        assert_eq!(events(&mut server), expected, "{port} {nominates}");
        let answers = sent(&mut server);
        assert_eq!(answers.len(), 1);
        assert_eq!(answers[0].0, path(port), "the answer goes back on the same path");
    }
    assert_eq!(server.path(), Some(path(3)));
}

#[test]
fn nobody_without_the_password_moves_anything() {
    let (now, mut server, client) = connected(&[GCM]);
    events(&mut server);
    let (usage, heard) = (server.usage(), server.last_authentic());
    let pwd = credentials("server").pwd;
    let mut spoiled = good_check(&[USE_CANDIDATE]);
    let at = spoiled.len() - 12;
    spoiled[at] ^= 1;
    let spoiled_crc_fixed = check("server:client", "another", &[USE_CANDIDATE]);
    let table = [
        (spoiled, DropReason::StunMalformed),
        (spoiled_crc_fixed, DropReason::StunIntegrity),
        (check("server:other", &pwd, &[USE_CANDIDATE]), DropReason::StunUnknownUfrag),
        (check("client:server", &pwd, &[USE_CANDIDATE]), DropReason::StunUnknownUfrag),
        (vec![0; 20], DropReason::StunMalformed),
    ];
    let later = now + Duration::from_secs(1);
    for port in [1, 66] {
        for (datagram, reason) in &table {
            let received = server.handle_datagram(later, path(port), &mut datagram.clone());
            assert_eq!(received, Received::Dropped(*reason));
        }
    }
    assert_eq!((events(&mut server), sent(&mut server).len()), (vec![], 0));
    assert_eq!((server.path(), server.usage(), server.last_authentic()), (Some(path(1)), usage, heard));
    // Media from elsewhere is not even looked at, though it is the client's.
    let (mut seals, _) = client.contexts();
    let packet = seals.encrypt_rtp(&rtp(1, 1)).unwrap().to_vec();
    let dropped = server.handle_datagram(now, path(66), &mut packet.clone());
    assert_eq!(dropped, Received::Dropped(DropReason::UnknownAddress));
    assert!(matches!(server.handle_datagram(now, path(1), &mut packet.clone()), Received::Rtp(_)));
    let dropped = server.handle_datagram(now, path(66), &mut [22, 254, 253, 0]);
    assert_eq!(dropped, Received::Dropped(DropReason::UnknownAddress));
}

#[test]
fn refused_checks_are_answered_and_change_nothing() {
    let now = Instant::now();
    let mut server = server(now);
    for attribute in [(0x8029u16, &[0u8; 8][..]), (0x7777, &[])] {
        let received = server.handle_datagram(now, path(1), &mut good_check(&[attribute, USE_CANDIDATE]));
        assert_eq!(received, Received::Control);
        let answers = sent(&mut server);
        assert_eq!(answers[0].1[..2], [1, 0x11], "an error response");
        assert_eq!((events(&mut server), server.path()), (vec![], None));
    }
}

#[test]
fn a_new_address_has_three_times_what_it_sent_until_it_answers() {
    let (now, mut server, client) = connected(&[GCM]);
    assert!(server.may_send(1 << 40), "the handshake went there and came back");
    let check = good_check(&[USE_CANDIDATE]);
    validate(&mut server, now, path(2));
    assert_eq!(server.path(), Some(path(1)), "media stays where it is while the new address is asked");
    let mut requests = 1;
    for after in [100, 300, 600].map(Duration::from_millis) {
        assert_eq!(server.next_timeout(), Some(now + after));
        server.handle_timeout(now + after);
        requests += sent(&mut server).len();
    }
    assert_eq!((requests, server.path()), (3, Some(path(2))), "who does not answer is moved all the same");
    assert!(server.may_send(3 * check.len() - 1) && server.may_send(1) && !server.may_send(1));
    let mut packet = client.contexts().0.encrypt_rtp(&rtp(1, 1)).unwrap().to_vec();
    server.handle_datagram(now, path(2), &mut packet);
    assert!(server.may_send(3 * packet.len()) && !server.may_send(1));
    // Each check is another occasion to answer.
    server.handle_datagram(now, path(2), &mut good_check(&[]));
    prove(&mut server, now, path(2), ("server", "client"));
    assert!(server.may_send(1 << 40));
    // Back to where the handshake was: nothing to prove.
    validate(&mut server, now, path(1));
    assert!(server.may_send(1 << 40));
}

#[test]
fn a_new_address_that_answers_gets_everything_at_once() {
    let (now, mut server, _) = connected(&[GCM]);
    events(&mut server);
    let mut check = good_check(&[USE_CANDIDATE]);
    server.handle_datagram(now, path(2), &mut check);
    prove(&mut server, now, path(2), ("server", "client"));
    let selected = PeerEvent::PathSelected { path: path(2), changed: true };
    assert_eq!(events(&mut server), [PeerEvent::PathValidated(path(2)), selected]);
    assert!(server.may_send(1 << 40));
    let mut forged = check;
    (forged[0], forged[1]) = (1, 1);
    assert!(matches!(server.handle_datagram(now, path(2), &mut forged), Received::Dropped(_)), "nobody was asked");
}

#[test]
fn a_path_that_closes_gives_way_to_the_one_heard_last() {
    let (now, mut server, _) = connected(&[GCM]);
    server.handle_datagram(now, path(2), &mut good_check(&[]));
    events(&mut server);
    server.handle_path_closed(&path(1));
    let selected = PeerEvent::PathSelected { path: path(2), changed: true };
    assert_eq!(events(&mut server), [PeerEvent::PathForgotten(path(1)), selected]);
    server.handle_path_closed(&path(2));
    assert_eq!((server.path(), events(&mut server)), (None, vec![PeerEvent::PathForgotten(path(2))]));
    sent(&mut server);
    server.handle_datagram(now, path(3), &mut good_check(&[USE_CANDIDATE]));
    assert_eq!((server.path(), server.may_send(10_000)), (Some(path(3)), false));
    prove(&mut server, now, path(3), ("server", "client"));
    assert!(server.may_send(10_000));
}

#[test]
fn a_path_nominated_in_the_midst_of_the_handshake_proves_nothing() {
    use super::harness::{Client, Side};
    let now = Instant::now();
    let mut server = server(now);
    validate(&mut server, now, path(1));
    let mut client = Client::new(now, &[GCM], 1200);
    let mut exchange = |server: &mut crate::peer::Peer| {
        for datagram in std::iter::from_fn(|| client.transmit()).collect::<Vec<_>>() {
            server.receive(now, datagram);
        }
        for (_, datagram) in sent(server) {
            client.receive(now, datagram);
        }
    };
    exchange(&mut server);
    exchange(&mut server);
    // A client nominates the address of somebody else before it ends the handshake from its own.
    validate(&mut server, now, path(66));
    exchange(&mut server);
    assert!(server.is_connected());
    assert_eq!(server.path(), Some(path(66)));
    assert!(!server.may_send(10_000));
}

#[test]
fn a_silent_path_gives_way_to_a_check_without_nomination() {
    let (now, mut server, _) = connected(&[GCM]);
    server.handle_datagram(now, path(1), &mut good_check(&[]));
    for (after, expected) in [(Duration::ZERO, 1), (PATH_SILENCE, 1), (PATH_SILENCE + Duration::from_millis(1), 2)] {
        server.handle_datagram(now + after, path(2), &mut good_check(&[]));
        if expected == 2 {
            prove(&mut server, now + after, path(2), ("server", "client"));
        }
        assert_eq!(server.path(), Some(path(expected)), "{after:?}");
    }
}

#[test]
fn an_ice_restart_keeps_the_session() {
    let (now, mut server, client) = connected(&[GCM]);
    let (mut seals, _) = client.contexts();
    server.restart_ice(credentials("server2"), credentials("client2"));
    validate(&mut server, now, path(1));
    events(&mut server);
    let new = check("server2:client2", &credentials("server2").pwd, &[]);
    assert_eq!(server.handle_datagram(now, path(2), &mut new.clone()), Received::Control);
    prove(&mut server, now, path(2), ("server2", "client2"));
    let selected = PeerEvent::PathSelected { path: path(2), changed: true };
    assert_eq!(events(&mut server), [PeerEvent::PathValidated(path(2)), selected]);
    let old = server.handle_datagram(now, path(1), &mut good_check(&[USE_CANDIDATE]));
    assert_eq!(old, Received::Dropped(DropReason::StunUnknownUfrag));
    assert!(server.is_connected());
    for port in [1, 2] {
        let mut packet = seals.encrypt_rtp(&rtp(port, 1)).unwrap().to_vec();
        assert!(matches!(server.handle_datagram(now, path(port), &mut packet), Received::Rtp(_)));
    }
}

#[test]
fn paths_and_queues_are_bounded() {
    let (start, mut server, _) = connected(&[GCM]);
    events(&mut server);
    let mut forgotten = 0;
    for port in 2..500 {
        let now = start + Duration::from_millis(port.into());
        server.handle_datagram(now, path(port), &mut good_check(&[]));
        let is_forgotten = |event: &PeerEvent| matches!(event, PeerEvent::PathForgotten(_));
        let of_this = events(&mut server);
        forgotten += of_this.iter().filter(|event| is_forgotten(event)).count();
        assert!(of_this.iter().rposition(is_forgotten).is_none_or(|at| at == 0), "forgotten first");
        sent(&mut server);
    }
    assert_eq!(server.usage().paths, PATHS_PER_PEER);
    assert_eq!(forgotten, 499 - PATHS_PER_PEER);
    assert_eq!(server.path(), Some(path(1)));
    for port in 2..500 {
        server.handle_datagram(start, path(port), &mut good_check(&[]));
    }
    assert_eq!(sent(&mut server).len(), PEER_TRANSMITS);
    assert!(events(&mut server).len() < PEER_EVENTS);
}
