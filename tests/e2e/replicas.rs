//! One room on two workers: its publisher is on one, its subscribers on both.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::light::{Frames, Incoming, Light, Role, VIDEO_SSRC, read};
use crate::server::Server;
use crate::sessions::pass;

const SOON: Duration = Duration::from_secs(2);

fn spread() -> Server {
    Server::with(&[("MEDIA_WORKERS", "2"), ("MEDIA_SPREAD", "always")])
}

/// A publisher that has sent a key frame, and its subscribers: the first at the replica, the second at home.
fn room(server: &Server, name: &str, tag: u8) -> (Light, Frames, [Light; 2]) {
    let mut publisher = Light::connect(&server.base, Role::Publish, name);
    let mut frames = Frames::new(tag);
    publisher.send_frame(&mut frames, true);
    let subscribers = [(); 2].map(|()| Light::connect(&server.base, Role::Play, name));
    assert_ne!(subscribers[0].server.port(), publisher.server.port(), "on the other worker");
    assert_eq!(subscribers[1].server.port(), publisher.server.port(), "at home");
    (publisher, frames, subscribers)
}

/// Sequence number and bytes of what comes until nothing has come for a moment.
fn drain(light: &mut Light) -> BTreeMap<u16, Vec<u8>> {
    let mut packets = BTreeMap::new();
    while let Some(incoming) = light.poll(Duration::from_millis(100)) {
        let Incoming::Rtp(packet) = incoming else { panic!("the session ended") };
        packets.insert(u16::from_be_bytes([packet[2], packet[3]]), packet);
    }
    packets
}

#[test]
fn both_get_every_packet_in_its_order() {
    let server = spread();
    let (mut publisher, mut frames, subscribers) = room(&server, "both", 1);
    let counts = std::thread::scope(|scope| {
        let readers = subscribers.map(|mut light| {
            scope.spawn(move || {
                let mut seen: Vec<(u32, u8)> = Vec::new();
                let mut numbers = BTreeSet::new();
                while let Some(Incoming::Rtp(packet)) = light.poll(Duration::from_secs(1)) {
                    let (tag, part, frame) = read(&packet);
                    assert_eq!(tag, 1);
                    numbers.insert(u16::from_be_bytes([packet[2], packet[3]]));
                    seen.push((frame, part));
                }
                assert!(seen.is_sorted(), "in order");
                assert_eq!(numbers.len(), seen.len(), "each has a number of its own");
                seen
            })
        });
        for _ in 0..150 {
            let keyframe = frames.frame.is_multiple_of(30);
            publisher.send_frame(&mut frames, keyframe);
            std::thread::sleep(Duration::from_millis(10));
        }
        readers.map(|reader| reader.join().unwrap())
    });
    for seen in &counts {
        assert_eq!(seen.last(), Some(&(150, 2)));
        let expected = (150 - seen[0].0 + 1) * 3;
        assert_eq!(seen.len(), expected as usize, "all of it, from the key frame on");
        assert_eq!(seen[0], (0, 0), "from the key frame that was there before it came");
    }
    server.wait_rooms("one room", SOON, |rooms| {
        rooms.as_array().unwrap().len() == 1 && rooms[0]["subscribers"] == 2 && rooms[0]["workers"] == 2
    });
}

#[test]
fn a_replica_answers_nacks_itself_byte_for_byte() {
    let server = spread();
    let (mut publisher, mut frames, [mut away, _home]) = room(&server, "nack", 2);
    for _ in 0..5 {
        publisher.send_frame(&mut frames, false);
    }
    let packets = drain(&mut away);
    assert!(packets.len() >= 15, "{}", packets.len());
    let wanted: Vec<u16> = packets.keys().copied().step_by(4).collect();
    away.send_nack(&wanted);
    let again = drain(&mut away);
    assert_eq!(again.keys().copied().collect::<Vec<_>>(), wanted);
    for (number, packet) in again {
        assert_eq!(packet, packets[&number]);
    }
}

#[test]
fn a_key_frame_request_at_a_replica_reaches_the_publisher() {
    let server = spread();
    let (mut publisher, mut frames, [mut away, _home]) = room(&server, "pli", 3);
    pass(&mut publisher, &mut frames, &mut away, 3);
    let asked = |publisher: &mut Light, what: &str| {
        let deadline = Instant::now() + SOON;
        while publisher.poll(Duration::from_millis(20)).is_none() {
            if publisher.take_keyframe_requests().contains(&VIDEO_SSRC) {
                return;
            }
            assert!(Instant::now() < deadline, "{what}");
        }
    };
    publisher.take_keyframe_requests();
    away.send_pli();
    asked(&mut publisher, "it is asked");
    // And again, when the interval between two requests is over.
    std::thread::sleep(Duration::from_millis(600));
    publisher.send_frame(&mut frames, true);
    std::thread::sleep(Duration::from_millis(50));
    publisher.poll(Duration::from_millis(20));
    publisher.take_keyframe_requests();
    away.send_pli();
    asked(&mut publisher, "it is asked again");
}

#[test]
fn a_publisher_that_returns_is_seen_at_both() {
    let server = spread();
    let (mut publisher, mut frames, mut subscribers) = room(&server, "back", 4);
    for subscriber in &mut subscribers {
        pass(&mut publisher, &mut frames, subscriber, 4);
    }
    for tag in 5..10 {
        if tag % 2 == 0 {
            assert_eq!(publisher.delete().status, 200);
        } else {
            publisher.close_notify();
            server.wait_rooms("it has gone", SOON, |rooms| rooms[0]["hasPublisher"] == false);
        }
        publisher = Light::connect(&server.base, Role::Publish, "back");
        assert_eq!(publisher.server.port(), subscribers[1].server.port(), "where the room is");
        let mut frames = Frames::new(tag);
        for subscriber in &mut subscribers {
            pass(&mut publisher, &mut frames, subscriber, tag);
        }
    }
}

/// Replicas come and go with their subscribers; what the room costs goes with it.
#[test]
fn a_room_whose_subscribers_are_all_away_goes_on_and_ends() {
    let server = Server::with(&[("MEDIA_WORKERS", "2"), ("MEDIA_SPREAD", "always"), ("WAIT_FOR_PUBLISHER", "true")]);
    // The publisher's worker, which has nothing of the room once the publisher has gone.
    let mut publisher = Light::connect(&server.base, Role::Publish, "away");
    let mut away = Light::connect(&server.base, Role::Play, "away");
    assert_ne!(away.server.port(), publisher.server.port());
    for tag in 1..40 {
        let mut frames = Frames::new(tag);
        pass(&mut publisher, &mut frames, &mut away, tag);
        assert_eq!(publisher.delete().status, 200);
        let mut another = Light::connect(&server.base, Role::Play, "away");
        publisher = Light::connect(&server.base, Role::Publish, "away");
        pass(&mut publisher, &mut Frames::new(100 + tag), &mut another, 100 + tag);
        if tag % 2 == 0 {
            std::mem::swap(&mut away, &mut another);
        }
        assert_eq!(another.delete().status, 200);
    }
    assert_eq!((publisher.delete().status, away.delete().status), (200, 200));
    server.wait_rooms("nothing is left", SOON, |rooms| rooms.as_array().unwrap().is_empty());
    // And nothing of it is in the way of the next one.
    let (mut publisher, mut frames, mut subscribers) = room(&server, "away", 9);
    for subscriber in &mut subscribers {
        pass(&mut publisher, &mut frames, subscriber, 9);
    }
}

#[test]
fn sigterm_says_goodbye_at_replicas_too() {
    let server = spread();
    let (mut publisher, mut frames, mut subscribers) = room(&server, "end", 7);
    for subscriber in &mut subscribers {
        pass(&mut publisher, &mut frames, subscriber, 7);
    }
    assert_eq!(server.terminate(), Some(0));
    for light in &mut subscribers {
        let deadline = Instant::now() + SOON;
        while !matches!(light.poll(Duration::from_millis(100)), Some(Incoming::Closed)) {
            assert!(Instant::now() < deadline, "a goodbye comes");
        }
    }
}

/// Nobody sends: two workers with a replica between them sleep.
#[test]
fn an_idle_room_with_a_replica_takes_no_time() {
    let server = spread();
    let (mut publisher, mut frames, mut subscribers) = room(&server, "idle", 8);
    for subscriber in &mut subscribers {
        pass(&mut publisher, &mut frames, subscriber, 8);
    }
    std::thread::sleep(Duration::from_millis(500));
    let before = server.cpu_ticks();
    std::thread::sleep(Duration::from_secs(4));
    let ticks = server.cpu_ticks() - before;
    // Reports and the like leave ten times a second; a turn of them takes microseconds. A tick is 10 ms.
    assert!(ticks <= 4, "{ticks} ticks in four seconds");
}
