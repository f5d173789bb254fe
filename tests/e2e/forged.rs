//! What is not authentic hurts nobody: forged packets from the address of a live session and from others.

use std::net::UdpSocket;
use std::time::Duration;

use crate::light::{Frames, Light, Role, VIDEO_PT, VIDEO_SSRC};
use crate::server::Server;
use crate::sessions::pass;

/// An SRTP-shaped packet that nobody has the key for.
fn forged(ssrc: u32, sequence: u16) -> Vec<u8> {
    let mut packet = vec![0x80, VIDEO_PT];
    packet.extend(sequence.to_be_bytes());
    packet.extend([0; 4]);
    packet.extend(ssrc.to_be_bytes());
    packet.resize(200, 0xab);
    packet
}

#[test]
fn forged_media_before_and_between_the_real_one_changes_nothing() {
    let server = Server::start();
    let mut publisher = Light::connect(&server.base, Role::Publish, "forged");
    // From the publisher's own address, before its first packet: a far sequence number for its SSRC.
    publisher.socket.send_to(&forged(VIDEO_SSRC, 30_000), publisher.server).unwrap();
    let mut frames = Frames::new(5);
    publisher.send_frame(&mut frames, true);
    let mut subscriber = Light::connect(&server.base, Role::Play, "forged");
    pass(&mut publisher, &mut frames, &mut subscriber, 5);
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    let before = server.memory();
    for number in 0..50_000_u16 {
        // Foreign SSRCs from the session's address, anything from a stranger's.
        publisher.socket.send_to(&forged(number.into(), number), publisher.server).unwrap();
        stranger.send_to(&forged(VIDEO_SSRC, number), publisher.server).unwrap();
        if number % 64 == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    frames.tag = 6;
    pass(&mut publisher, &mut frames, &mut subscriber, 6);
    let after = server.memory();
    println!("100,000 forged packets: memory {before} → {after} kB");
    assert!(after <= before + 1_024, "{before} → {after} kB");
}

#[test]
fn checks_with_a_wrong_password_move_nothing() {
    let server = Server::start();
    let mut publisher = Light::connect(&server.base, Role::Publish, "hijack");
    let mut frames = Frames::new(5);
    publisher.send_frame(&mut frames, true);
    let mut subscriber = Light::connect(&server.base, Role::Play, "hijack");
    let thief = UdpSocket::bind("127.0.0.1:0").unwrap();
    thief.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    for _ in 0..20 {
        thief.send_to(&subscriber.binding("a password that is guessed"), subscriber.server).unwrap();
    }
    pass(&mut publisher, &mut frames, &mut subscriber, 5);
    let mut buffer = [0; 2048];
    while let Ok((length, _)) = thief.recv_from(&mut buffer) {
        assert_eq!(buffer[0] >> 6, 0, "at most an error response, never media");
        assert!(length < 100);
    }
}

/// Records of the next epoch, and empty handshake fragments, before the handshake: what one session may take is
/// bounded.
#[test]
fn floods_of_handshake_records_are_bounded() {
    let server = Server::start();
    let mut victim = Light::connect(&server.base, Role::Publish, "flood");
    let mut attacker =
        Light::post(&server.base, Role::Publish, "attacker").unwrap_or_else(|reply| panic!("{}", reply.status));
    assert!(attacker.check());
    let before = server.memory();
    let mut record = vec![23, 254, 253, 0, 1, 0, 0, 0, 0, 0, 0, 4, 176];
    record.resize(13 + 1_200, 7);
    // An empty fragment of a long handshake message.
    let fragment = [22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 12, 1, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0];
    for number in 0..50_000_u32 {
        record[7..11].copy_from_slice(&number.to_be_bytes());
        attacker.socket.send_to(&record, attacker.server).unwrap();
        let mut fragment = fragment;
        fragment[7..11].copy_from_slice(&number.to_be_bytes());
        attacker.socket.send_to(&fragment, attacker.server).unwrap();
        if number % 64 == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    let after = server.memory();
    println!("100,000 handshake records: memory {before} → {after} kB");
    assert!(after <= before + 4_096, "{before} → {after} kB");
    let mut frames = Frames::new(7);
    victim.send_frame(&mut frames, true);
    let mut subscriber = Light::connect(&server.base, Role::Play, "flood");
    pass(&mut victim, &mut frames, &mut subscriber, 7);
}
