//! Packets that leave together, and ways out that take none for a while.

use std::collections::BTreeSet;
use std::time::Duration;

use rillcast::sfu::audience::Batching;

use crate::network::Conditions;
use crate::publisher::Plan;
use crate::world::World;
use crate::{LATE_START, for_seeds};

const CLEAN: Conditions =
    Conditions { delay: 5_000, jitter: 0, loss_per_mille: 0, duplicate_per_mille: 0, reorder_per_mille: 0 };

/// The publisher's packets straggle by up to 3 ms.
const STRAGGLING: Conditions = Conditions { jitter: 3_000, ..CLEAN };

/// At how many moments of a second packets left.
fn departures(window: Duration) -> usize {
    let mut world = World::with(3, Batching { window, padding: 16 });
    world.publish(Plan { group: 1, ..Plan::default() }, STRAGGLING);
    world.subscribe(0, CLEAN);
    world.run(500);
    let mut moments = BTreeSet::new();
    let mut before = world.seat(0).ledger.packets();
    for moment in 0..1_000 {
        world.run(1);
        if world.seat(0).ledger.packets() > before {
            moments.insert(moment);
        }
        before = world.seat(0).ledger.packets();
    }
    world.check();
    moments.len()
}

#[test]
fn a_window_gathers_what_straggles() {
    let (without, with) = (departures(Duration::ZERO), departures(Duration::from_millis(10)));
    assert!(without > 60, "eight packets of each of 30 frames leave as they come: {without}");
    assert!(with <= 31, "a frame leaves as a whole: {with}");
}

#[test]
fn a_packet_waits_no_longer_than_the_window() {
    for_seeds(|seed| {
        let window = Duration::from_millis(1 + seed % 10);
        let mut world = World::with(seed, Batching { window, padding: 16 });
        world.publish(Plan::default(), STRAGGLING);
        world.subscribe(0, CLEAN);
        world.run(2_000);
        let arrivals = &world.seat(0).subscriber.arrivals;
        // The first packet of each frame: the way in, the straggling, the window, the way out, a step of the clock.
        let most = 5_000 + 3_000 + window.as_micros() as u64 + 5_000 + 1_000;
        for (at, _, frame) in &arrivals[30..] {
            let sent = u64::from(*frame) * crate::publisher::FRAME_INTERVAL;
            assert!(at - sent <= most, "frame {frame} took {} µs", at - sent);
        }
    });
}

#[test]
fn a_way_out_that_is_full_for_a_moment_loses_nothing() {
    for_seeds(|seed| {
        let mut world = World::new(seed);
        world.publish(Plan::default(), CLEAN);
        world.subscribe(0, CLEAN);
        world.subscribe(1, CLEAN);
        world.run(1_000);
        world.seats.get_mut(&0).unwrap().blocked = true;
        world.run(300);
        world.seats.get_mut(&0).unwrap().blocked = false;
        world.run(700);
        world.check();
        for seat in world.seats.values() {
            assert_eq!((seat.ledger.gaps(), world.skipped), (0, 0));
            assert!(seat.subscriber.whole_frames(1) >= 59);
        }
    });
}

#[test]
fn what_a_full_way_out_held_up_for_too_long_is_given_up_for_a_newer_key_frame() {
    for_seeds(|seed| {
        let mut world = World::new(seed);
        world.publish(Plan { group: 30, ..Plan::default() }, CLEAN);
        world.subscribe(0, CLEAN);
        world.subscribe(1, CLEAN);
        world.run(1_500 + seed * 17 % 500);
        world.seats.get_mut(&0).unwrap().blocked = true;
        world.run(2_600);
        world.seats.get_mut(&0).unwrap().blocked = false;
        world.run(1_500);
        world.check();
        assert!(world.skipped > 0);
        let slow = &world.seat(0).ledger;
        assert_eq!(slow.gaps(), 0, "what was given up takes no numbers");
        let frames: Vec<_> = slow.media().map(|(_, _, stamp, _)| (stamp.frame, stamp.keyframe)).collect();
        let jump = frames.windows(2).find(|pair| pair[1].0 > pair[0].0 + 1).expect("some frames were left out");
        assert!(jump[1].1, "it goes on with a key frame");
        let edge = world.seat(1).ledger.media().last().unwrap().2.frame;
        assert!(edge - frames.last().unwrap().0 <= 1, "and is at the live edge again");
        assert_eq!(world.seat(1).ledger.gaps(), 0, "the other did not notice");
    });
}

/// The publisher sends a key frame only when it is asked, so there is no newer one to go on with at once.
#[test]
fn what_is_given_up_takes_no_numbers_even_without_a_newer_key_frame() {
    for_seeds(|seed| {
        let mut world = World::new(seed);
        world.publish(Plan { group: 100_000, ..Plan::default() }, CLEAN);
        world.subscribe(0, CLEAN);
        world.subscribe(1, CLEAN);
        world.run(1_500 + seed * 17 % 500);
        world.seats.get_mut(&0).unwrap().blocked = true;
        world.run(900);
        world.seats.get_mut(&0).unwrap().blocked = false;
        world.run(6_000);
        world.check();
        assert!(world.skipped > 0);
        let slow = &world.seat(0).ledger;
        assert_eq!(slow.gaps(), 0);
        let edge = world.seat(1).ledger.media().last().unwrap().2.frame;
        assert!(edge - slow.media().last().unwrap().2.frame <= 1, "a key frame was asked for, and brought it back");
    });
}

#[test]
fn who_is_held_up_and_then_congested_keeps_nobody_busy() {
    let mut world = World::new(2);
    world.publish(Plan { group: 100_000, answers_requests: false, ..Plan::default() }, CLEAN);
    world.subscribe(0, CLEAN);
    world.subscribe(1, CLEAN);
    world.run(1_000);
    world.seats.get_mut(&0).unwrap().blocked = true;
    world.run(50);
    let seat = world.seats.get_mut(&0).unwrap();
    (seat.blocked, seat.congested) = (false, true);
    // Each step asserts that nothing is left to do.
    world.run(1_000);
    world.check();
    assert_eq!(world.seat(1).ledger.gaps(), 0);
}

#[test]
fn a_repaired_packet_reaches_who_was_left_out_when_it_came() {
    for_seeds(|seed| {
        let lossy = Conditions { delay: 20_000, loss_per_mille: 50, ..CLEAN };
        let mut world = World::new(seed);
        world.publish(Plan::default(), lossy);
        world.subscribe_without_nack(0, CLEAN);
        world.subscribe_without_nack(1, CLEAN);
        for _ in 0..100 {
            world.run(30);
            world.seats.get_mut(&0).unwrap().blocked = true;
            world.run(20);
            world.seats.get_mut(&0).unwrap().blocked = false;
        }
        world.run(500);
        world.check();
        for seat in world.seats.values() {
            let (whole, late) = (seat.subscriber.whole_frames(1), seat.subscriber.late_start(1));
            assert!(late <= LATE_START && whole >= 160 - late, "{whole} whole frames, {late} late");
            assert_eq!(seat.ledger.repeated, 0);
        }
        // The publisher may still owe the newest ones, to both.
        assert_eq!(world.seat(0).ledger.gaps(), world.seat(1).ledger.gaps());
    });
}
