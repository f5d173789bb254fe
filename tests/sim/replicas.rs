//! Subscribers at replicas: what they get is what they would get at home.

use crate::for_seeds;
use crate::network::Conditions;
use crate::publisher::Plan;
use crate::world::{At, World};

const CLEAN: Conditions =
    Conditions { delay: 5_000, jitter: 0, loss_per_mille: 0, duplicate_per_mille: 0, reorder_per_mille: 0 };
const WEATHER: Conditions =
    Conditions { delay: 20_000, jitter: 15_000, loss_per_mille: 30, duplicate_per_mille: 50, reorder_per_mille: 100 };
/// A group of ten seconds, from a publisher that answers no request: OBS.
const OBS: Plan = Plan { room: 1, publisher: 1, group: 300, answers_requests: false, layers: 1, padding_per_mille: 0 };

/// What a subscriber was sent, but for the numbers that are its own.
fn sent(world: &World, slot: u32) -> Vec<(u8, u32, u8)> {
    let media = world.seat(slot).ledger.media();
    media.map(|(_, _, stamp, _)| (stamp.publisher, stamp.frame, stamp.packet)).collect()
}

#[test]
fn the_same_packets_in_the_same_order_whatever_the_weather() {
    for_seeds(|seed| {
        let mut world = World::new(seed);
        let replicas = [world.replicate(), world.replicate()];
        world.subscribe_at(At::Home, 0, CLEAN);
        world.subscribe_at(replicas[0], 1, CLEAN);
        world.subscribe_at(replicas[1], 2, CLEAN);
        for publisher in 1..4 {
            world.publish(Plan { publisher, padding_per_mille: 50, ..Plan::default() }, WEATHER);
            world.run(2_500);
            world.unpublish();
            world.run(seed % 7 * 100);
        }
        world.check();
        let home = sent(&world, 0);
        assert!(home.len() > 500);
        for slot in 1..3 {
            let there = sent(&world, slot);
            assert_eq!(there, home, "subscriber {slot}");
            assert_eq!(world.seat(slot).ledger.gaps(), world.seat(0).ledger.gaps());
        }
    });
}

#[test]
fn a_newcomer_at_a_new_replica_starts_at_once_and_lands_at_the_live_edge() {
    for seed in 0..4 {
        let mut world = World::new(seed);
        world.publish(OBS, CLEAN);
        world.subscribe_at(At::Home, 0, CLEAN);
        for slot in 1..12 {
            world.run(770);
            let replica = world.replicate();
            world.subscribe_at(replica, slot, CLEAN);
            let joined = world.now;
            world.run(15);
            let first = world.seat(slot).subscriber.first_whole_frame.expect("a whole frame at once");
            assert!(first - joined <= 15_000, "{} µs", first - joined);
        }
        world.run(3_000);
        world.check();
        let newest = |slot: u32| *world.seat(slot).subscriber.arrivals.last().unwrap();
        for slot in 1..12 {
            assert_eq!((newest(slot).0, newest(slot).2), (newest(0).0, newest(0).2), "subscriber {slot}");
            assert_eq!(world.seat(slot).ledger.gaps(), 0);
        }
    }
}

/// What a new replica gets of the past comes in portions; the newcomer's burst has its own pace nevertheless.
#[test]
fn a_burst_at_a_new_replica_is_paced() {
    let mut world = World::new(2);
    world.publish(OBS, CLEAN);
    world.run(9_000);
    let replica = world.replicate();
    world.replicas[0].capacity = 1;
    world.subscribe_at(replica, 0, CLEAN);
    world.run(20);
    assert!(world.replicas[0].parcels >= 8, "{}", world.replicas[0].parcels);
    world.run(95);
    let frames = world.seat(0).subscriber.arrivals.len();
    assert!((50..=64).contains(&frames), "{frames}");
}

#[test]
fn nacks_are_answered_by_the_replica() {
    for_seeds(|seed| {
        let lossy = Conditions { loss_per_mille: 50, jitter: 8_000, ..WEATHER };
        let mut world = World::new(seed);
        world.publish(Plan::default(), CLEAN);
        let replica = world.replicate();
        world.subscribe_at(replica, 0, lossy);
        world.subscribe_at(replica, 1, CLEAN);
        world.run(10_000);
        world.check();
        let (lossy, clean) = (world.seat(0), world.seat(1));
        assert!(lossy.ledger.repeated > 0 && clean.ledger.repeated == 0);
        assert!(lossy.subscriber.whole_frames(1) >= 290, "{}", lossy.subscriber.whole_frames(1));
    });
}

#[test]
fn a_replica_that_was_stalled_gets_all_that_the_room_remembers() {
    for_seeds(|seed| {
        let mut world = World::new(seed);
        world.publish(Plan { group: 30, ..Plan::default() }, WEATHER);
        let replica = world.replicate();
        world.subscribe_at(At::Home, 0, CLEAN);
        world.subscribe_at(replica, 1, CLEAN);
        world.run(1_000 + seed * 13);
        world.replicas[0].capacity = 4;
        world.replicas[0].stalled = true;
        // Less than what a subscriber still wants of the past.
        world.run(300 + seed % 200 * 7);
        world.replicas[0].stalled = false;
        world.run(3_000);
        world.check();
        assert_eq!(sent(&world, 1), sent(&world, 0), "late, but all of it");
    });
}

#[test]
fn one_that_was_stalled_for_too_long_goes_on_at_a_key_frame_without_a_gap() {
    use rillcast::sfu::drop::DropReason;
    for_seeds(|seed| {
        let mut world = World::new(seed);
        world.publish(Plan { group: 30, answers_requests: false, ..Plan::default() }, CLEAN);
        let replica = world.replicate();
        world.subscribe_at(At::Home, 0, CLEAN);
        world.subscribe_at(replica, 1, CLEAN);
        world.run(1_000 + seed * 13);
        world.replicas[0].capacity = 4;
        world.replicas[0].stalled = true;
        world.run(6_000);
        world.replicas[0].stalled = false;
        world.run(3_000);
        world.check();
        assert_eq!(world.seat(1).ledger.gaps(), 0);
        let frames: Vec<_> = world.seat(1).ledger.media().map(|(_, _, stamp, _)| (stamp.frame, stamp.packet)).collect();
        let jump = frames.windows(2).find(|pair| pair[1].0 > pair[0].0 + 1).expect("some frames were left out");
        assert_eq!((jump[1].0 % 30, jump[1].1), (0, 0), "it goes on with a key frame");
        assert_eq!(frames.last(), sent(&world, 0).last().map(|(_, frame, packet)| (*frame, *packet)).as_ref());
        assert!(world.room.drops().get(DropReason::RelayBehind) > 0, "and that is counted");
    });
}

#[test]
fn key_frame_requests_of_all_replicas_make_one_per_interval() {
    let mut world = World::new(9);
    world.publish(OBS, CLEAN);
    for slot in 0..50 {
        let at = if slot % 10 == 0 { world.replicate() } else { At::Replica(slot as usize / 10) };
        world.subscribe_at(at, slot, CLEAN);
    }
    world.run(100);
    let before = world.publisher().requests.len();
    let mut wishes = 0;
    for _ in 0..100 {
        for slot in 0..50 {
            let media_ssrc = world.seat(slot).subscriber.ssrc.0;
            let pli =
                rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication { sender_ssrc: 1, media_ssrc };
            world.handle_rtcp(slot, &rtc_shared::marshal::Marshal::marshal(&pli).unwrap());
            wishes += 1;
        }
        world.run(20);
    }
    let requests = &world.publisher().requests;
    assert!((3..=5).contains(&(requests.len() - before)), "{requests:?} for {wishes}");
    assert!(requests.windows(2).all(|pair| pair[1] - pair[0] >= 500_000), "{requests:?}");
}

/// A subscriber that waits at a replica costs the publisher one request, even where the wish crosses the key frame on
/// its way.
#[test]
fn nobody_asks_for_a_key_frame_that_has_come() {
    for seed in 0..40 {
        let mut world = World::new(seed);
        world.publish(Plan { group: 3_000, ..Plan::default() }, Conditions { jitter: 30_000, ..CLEAN });
        let replica = world.replicate();
        world.subscribe_at(replica, 0, CLEAN);
        world.run(1_000 + seed * 11);
        world.seats.get_mut(&0).unwrap().congested = true;
        world.run(200);
        world.seats.get_mut(&0).unwrap().congested = false;
        let before = world.publisher().requests.len();
        world.run(6_000);
        assert_eq!(world.publisher().requests.len() - before, 1, "seed {seed}");
        let newest = sent(&world, 0).last().unwrap().1;
        assert!(newest > 200, "it goes on: {newest}");
        world.check();
    }
}

#[test]
fn those_who_come_and_go_change_nothing_for_the_others() {
    for_seeds(|seed| {
        let mut world = World::new(seed);
        world.publish(Plan::default(), WEATHER);
        let replica = world.replicate();
        world.subscribe_at(At::Home, 0, CLEAN);
        world.subscribe_at(replica, 1, CLEAN);
        for slot in 2..30 {
            world.subscribe_at(if slot % 3 == 0 { At::Home } else { replica }, slot, CLEAN);
            world.run(100 + seed);
            if slot % 2 == 0 {
                world.unsubscribe(slot).ledger.check_order();
            }
        }
        world.run(1_000);
        world.check();
        assert_eq!(sent(&world, 1), sent(&world, 0));
        let last = |slot| sent(&world, slot).last().copied();
        for slot in (3..30).step_by(2) {
            assert_eq!(last(slot), last(0), "subscriber {slot}");
        }
    });
}

/// A room at rest: nothing is passed on where nothing happens, and nothing is due.
#[test]
fn a_replica_at_rest_sleeps() {
    let mut world = World::new(6);
    let replica = world.replicate();
    world.subscribe_at(replica, 0, CLEAN);
    world.publish(Plan::default(), CLEAN);
    world.run(1_000);
    world.unpublish();
    world.run(1_000);
    let before = world.replicas[0].parcels;
    let mut due = 0;
    for _ in 0..1_000 {
        world.run(1);
        let now = world.instant();
        due += u32::from(world.replicas[0].replica.is_due(now));
    }
    assert_eq!((world.replicas[0].parcels - before, due), (0, 0));
}
