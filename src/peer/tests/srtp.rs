//! SRTP against the family's contexts, which are the oracle, and against forgers.

use rtc_dtls::crypto_provider::default_provider;
use rtc_srtp::context::Context;
use rtc_srtp::protection_profile::ProtectionProfile;

use crate::limits::{SRTP_REPLAY_WINDOW, SSRCS_PER_PEER};
use crate::peer::keys::{Profile, split_exported};
use crate::peer::srtp::Srtp;
use crate::sfu::drop::DropReason;

const PROFILES: [Profile; 2] = [Profile::AeadAes128Gcm, Profile::AesCmSha1];

fn exported(profile: Profile) -> Vec<u8> {
    (0..profile.exported_bytes()).map(|at| (at * 37 + 11) as u8).collect()
}

/// Two sides of one session: the first is the client.
fn pair(profile: Profile) -> (Srtp, Srtp) {
    let (client, server) = split_exported(profile, &exported(profile)).unwrap();
    (Srtp::new(profile, &client, &server), Srtp::new(profile, &server, &client))
}

/// The client's sending context, or the one with which the server opens what the client sent.
fn oracle(profile: Profile) -> Context {
    let bytes = exported(profile);
    let kind = match profile {
        Profile::AeadAes128Gcm => ProtectionProfile::AeadAes128Gcm,
        Profile::AesCmSha1 => ProtectionProfile::Aes128CmHmacSha1_80,
    };
    let salt = &bytes[32..32 + profile.salt_bytes()];
    Context::new(&bytes[..16], salt, kind, None, None, default_provider().unwrap().crypto()).unwrap()
}

/// Headers of several shapes: plain, with CSRCs, with a one-byte extension, with both and the marker.
fn header(shape: u64, sequence: u16, ssrc: u32) -> Vec<u8> {
    let first: u8 = [0x80, 0x82, 0x90, 0x91][(shape % 4) as usize];
    let mut header = vec![first, 0x60 | ((shape % 2) as u8) << 7];
    header.extend_from_slice(&sequence.to_be_bytes());
    header.extend_from_slice(&[0, 1, 2, 3]);
    header.extend_from_slice(&ssrc.to_be_bytes());
    header.resize(12 + 4 * usize::from(first & 15), 0x5a);
    if first & 0x10 != 0 {
        header.extend_from_slice(&[0xbe, 0xde, 0, 2, 0x10, 0xaa, 0x22, 1, 2, 3, 0, 0]);
    }
    header
}

fn seal(srtp: &mut Srtp, index: u64, header: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0; 2000];
    let length = srtp.seal_rtp(index, header, payload, &mut out).unwrap();
    out.truncate(length);
    out
}

fn rtp(srtp: &mut Srtp, index: u64, ssrc: u32) -> Vec<u8> {
    let header = header(0, (index & 0xffff) as u16, ssrc);
    seal(srtp, index, &header, &index.to_be_bytes())
}

fn report(ssrc: u32, words: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 200];
    packet.extend_from_slice(&(words + 1).to_be_bytes());
    packet.extend_from_slice(&ssrc.to_be_bytes());
    packet.resize(8 + 4 * usize::from(words), 0x77);
    packet
}

#[test]
fn rtp_both_ways_through_rollovers() {
    for profile in PROFILES {
        let ((mut ours, _), mut theirs) = (pair(profile), oracle(profile));
        let ((_, mut opens), mut seals) = (pair(profile), oracle(profile));
        for step in 0..3000u64 {
            // Starts shortly before a rollover and passes three of them.
            let index = 65_000 + step * 71;
            let (head, payload) = (header(step, (index & 0xffff) as u16, 7), vec![step as u8; (step % 1200) as usize]);
            let plain = [head.as_slice(), &payload].concat();

            let sealed = seal(&mut ours, index, &head, &payload);
            assert_eq!(theirs.decrypt_rtp(&sealed).unwrap()[..], plain, "{profile:?} {index}");

            let mut sealed = seals.encrypt_rtp(&plain).unwrap().to_vec();
            let length = opens.open_rtp(&mut sealed).unwrap();
            assert_eq!(sealed[..length], plain, "{profile:?} {index}");
        }
    }
}

#[test]
fn rtcp_both_ways() {
    for profile in PROFILES {
        let ((mut ours, _), mut theirs) = (pair(profile), oracle(profile));
        let ((_, mut opens), mut seals) = (pair(profile), oracle(profile));
        for step in 0..500u16 {
            let packet = report(u32::from(step % 3), step % 40);
            let mut out = vec![0; 400];
            let length = ours.seal_rtcp(&packet, &mut out).unwrap();
            assert_eq!(theirs.decrypt_rtcp(&out[..length]).unwrap()[..], packet);

            let mut sealed = seals.encrypt_rtcp(&packet).unwrap().to_vec();
            let length = opens.open_rtcp(&mut sealed).unwrap();
            assert_eq!(sealed[..length], packet, "{profile:?} {step}");
        }
    }
}

#[test]
fn any_bit_that_flips_is_noticed() {
    for profile in PROFILES {
        let (mut client, mut server) = pair(profile);
        let head = header(3, 9, 1);
        let good = seal(&mut client, 9, &head, b"payload");
        let mut out = vec![0; 200];
        let length = client.seal_rtcp(&report(1, 3), &mut out).unwrap();
        let good_rtcp = out[..length].to_vec();
        for bit in 0..8 * good.len() {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(server.open_rtp(&mut bad).is_err(), "{profile:?} bit {bit}");
        }
        for bit in 0..8 * good_rtcp.len() {
            let mut bad = good_rtcp.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(server.open_rtcp(&mut bad).is_err(), "{profile:?} RTCP bit {bit}");
        }
        for length in 0..good.len() {
            assert!(server.open_rtp(&mut good[..length].to_vec()).is_err());
        }
        for length in 0..good_rtcp.len() {
            assert!(server.open_rtcp(&mut good_rtcp[..length].to_vec()).is_err());
        }
        assert_eq!(server.ssrcs(), (0, 0));
        assert!(server.open_rtp(&mut good.clone()).is_ok() && server.open_rtcp(&mut good_rtcp.clone()).is_ok());
    }
}

#[test]
fn replays_are_dropped_and_late_packets_pass() {
    let (mut client, mut server) = pair(Profile::AeadAes128Gcm);
    let window = SRTP_REPLAY_WINDOW as u64;
    let sealed: Vec<_> = (0..2 * window).map(|index| rtp(&mut client, 65_000 + index, 5)).collect();
    // Every third is lost at first.
    for (at, packet) in sealed.iter().enumerate().filter(|(at, _)| at % 3 != 0) {
        assert!(server.open_rtp(&mut packet.clone()).is_ok(), "{at}");
    }
    for (at, packet) in sealed.iter().enumerate() {
        let is_old = sealed.len() - 1 - at >= SRTP_REPLAY_WINDOW;
        let expected = if at % 3 == 0 && !is_old { Ok(20) } else { Err(DropReason::SrtpReplay) };
        assert_eq!(server.open_rtp(&mut packet.clone()), expected, "{at}");
        assert_eq!(server.open_rtp(&mut packet.clone()), Err(DropReason::SrtpReplay), "{at}");
    }
    let mut out = vec![0; 100];
    let length = client.seal_rtcp(&report(1, 1), &mut out).unwrap();
    assert!(server.open_rtcp(&mut out[..length].to_vec()).is_ok());
    assert_eq!(server.open_rtcp(&mut out[..length].to_vec()), Err(DropReason::SrtpReplay));
}

#[test]
fn a_forged_first_packet_shifts_nothing() {
    for profile in PROFILES {
        let (mut client, mut server) = pair(profile);
        for far in [0x7000, 0xffff, 0x8001] {
            let mut forged = [header(0, far, 5).as_slice(), &[0x42; 60]].concat();
            assert_eq!(server.open_rtp(&mut forged), Err(DropReason::SrtpAuthentication));
        }
        let accepted = (1..=500).filter(|&index| server.open_rtp(&mut rtp(&mut client, index, 5)).is_ok());
        assert_eq!(accepted.count(), 500, "{profile:?}");
        // Nor in the midst.
        for index in 501..1000 {
            let mut forged = [header(0, (index + 30_000) as u16, 5).as_slice(), &[0x42; 60]].concat();
            assert_eq!(server.open_rtp(&mut forged), Err(DropReason::SrtpAuthentication));
            assert!(server.open_rtp(&mut rtp(&mut client, index, 5)).is_ok());
        }
    }
}

#[test]
fn forged_ssrcs_fill_no_table_and_real_ones_do_not_overflow_it() {
    let (mut client, mut server) = pair(Profile::AeadAes128Gcm);
    for ssrc in 0..200_000 {
        let mut forged = [header(0, 1, ssrc).as_slice(), &[0x42; 20]].concat();
        assert_eq!(server.open_rtp(&mut forged), Err(DropReason::SrtpAuthentication));
        let mut forged = [report(ssrc, 0).as_slice(), &[0x42; 16], &[0x80, 0, 0, 1]].concat();
        assert_eq!(server.open_rtcp(&mut forged), Err(DropReason::SrtpAuthentication));
    }
    assert_eq!(server.ssrcs(), (0, 0));
    for ssrc in 0..SSRCS_PER_PEER as u32 {
        assert!(server.open_rtp(&mut rtp(&mut client, 3, ssrc)).is_ok());
    }
    assert_eq!(server.open_rtp(&mut rtp(&mut client, 3, 999)), Err(DropReason::TooManySsrcs));
    assert_eq!(server.ssrcs(), (SSRCS_PER_PEER, 0));
    assert!(server.open_rtp(&mut rtp(&mut client, 4, 0)).is_ok(), "those that are there go on");
}

#[test]
fn sealing_refuses_what_it_cannot_do() {
    for profile in PROFILES {
        let (mut client, _) = pair(profile);
        let head = header(0, 9, 1);
        let room = 12 + 100 + if profile == Profile::AeadAes128Gcm { 16 } else { 10 };
        assert_eq!(client.seal_rtp(9, &head, &[0; 100], &mut vec![0; room]), Some(room));
        assert_eq!(client.seal_rtp(9, &head, &[0; 100], &mut vec![0; room - 1]), None, "no room");
        assert_eq!(client.seal_rtp(10, &head, &[0; 100], &mut vec![0; room]), None, "another sequence number");
        assert_eq!(client.seal_rtp(9 + (1 << 48), &head, &[0; 100], &mut vec![0; room]), None, "too many");
        assert_eq!(client.seal_rtp(9, &head[..11], &[0; 100], &mut vec![0; room]), None, "no header");
        assert_eq!(client.seal_rtcp(&[0; 7], &mut [0; 100]), None);
        assert_eq!(client.seal_rtcp(&report(1, 1), &mut [0; 20]), None);
        client.set_sent_rtcp((1 << 31) - 2);
        assert!(client.seal_rtcp(&report(1, 1), &mut [0; 100]).is_some());
        assert_eq!(client.seal_rtcp(&report(1, 1), &mut [0; 100]), None, "every index was used");
    }
}

#[test]
fn no_header_makes_it_panic() {
    let (_, mut server) = pair(Profile::AesCmSha1);
    for first in 0..=255u8 {
        for length in 0..64 {
            let mut packet = vec![0xff; length];
            if let Some(byte) = packet.first_mut() {
                *byte = first;
            }
            assert!(server.open_rtp(&mut packet.clone()).is_err());
            assert!(server.open_rtcp(&mut packet).is_err());
        }
    }
}
