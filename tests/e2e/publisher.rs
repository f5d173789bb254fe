//! One publisher per room: who gets 409, who takes over, and what is left of those who went.

use std::time::{Duration, Instant};

use crate::light::{Frames, Light, Role};
use crate::server::Server;
use crate::sessions::pass;

#[test]
fn a_second_publisher_waits_until_the_first_is_silent_for_five_seconds() {
    let server = Server::start();
    let mut first = Light::connect(&server.base, Role::Publish, "one");
    let mut frames = Frames::new(1);
    first.send_frame(&mut frames, true);
    let mut subscriber = Light::connect(&server.base, Role::Play, "one");
    pass(&mut first, &mut frames, &mut subscriber, 1);
    // It vanishes without a word.
    let silent_since = Instant::now();
    drop(first);
    let mut second = loop {
        match Light::post(&server.base, Role::Publish, "one") {
            Ok(light) => break light,
            Err(reply) => {
                assert_eq!(reply.status, 409, "{}", reply.body);
                assert!(reply.body.contains("publisher already exists in this room"));
                assert!(silent_since.elapsed() < Duration::from_secs(7));
                std::thread::sleep(Duration::from_millis(100));
            }
        }
    };
    assert!(silent_since.elapsed() >= Duration::from_secs(4), "{:?}", silent_since.elapsed());
    second.establish();
    pass(&mut second, &mut Frames::new(9), &mut subscriber, 9);
    assert_eq!(server.rooms()[0]["subscribers"], 1, "the subscriber is the same");
}

#[test]
fn two_at_once_and_one_gets_the_room() {
    let server = Server::start();
    for round in 0..10 {
        let room = format!("race{round}");
        let statuses: Vec<u16> = std::thread::scope(|scope| {
            let post = || Light::post(&server.base, Role::Publish, &room).map_or_else(|reply| reply.status, |_| 201);
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(post)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
        assert_eq!(statuses.iter().filter(|status| **status == 409).count(), 3, "{statuses:?}");
    }
}

#[test]
fn two_hundred_times_leaving_and_returning_leaves_nothing_behind() {
    let server = Server::start();
    let mut keeper = Light::connect(&server.base, Role::Publish, "cycle");
    let mut subscriber = {
        keeper.send_frame(&mut Frames::new(0), true);
        Light::connect(&server.base, Role::Play, "cycle")
    };
    keeper.delete();
    let mut before = (0, 0);
    for cycle in 0..220_u32 {
        let tag = (cycle % 200) as u8;
        let mut publisher = Light::connect(&server.base, Role::Publish, "cycle");
        pass(&mut publisher, &mut Frames::new(tag), &mut subscriber, tag);
        if cycle % 2 == 0 {
            assert_eq!(publisher.delete().status, 200);
        } else {
            publisher.close_notify();
            let gone = |rooms: &serde_json::Value| rooms[0]["hasPublisher"] == false;
            server.wait_rooms("the publisher has gone", Duration::from_secs(2), gone);
        }
        if cycle == 19 {
            // The first ones fill the allocator's pools.
            before = (server.descriptors(), server.memory());
        }
    }
    // A connection of the last requests may still be closing.
    let settled = Instant::now() + Duration::from_secs(5);
    while server.descriptors() > before.0 && Instant::now() < settled {
        std::thread::sleep(Duration::from_millis(50));
    }
    let after = (server.descriptors(), server.memory());
    println!("200 cycles: descriptors {} → {}, memory {} → {} kB", before.0, after.0, before.1, after.1);
    let rooms = server.rooms();
    assert_eq!(
        (rooms[0]["subscribers"].as_u64(), rooms[0]["hasPublisher"].as_bool()),
        (Some(1), Some(false)),
        "{rooms}"
    );
    assert_eq!(rooms.as_array().unwrap().len(), 1);
    assert!(after.0 <= before.0, "sockets: {before:?} → {after:?}");
    assert!(after.1 <= before.1 + 1_024, "memory: {before:?} → {after:?}");
}
