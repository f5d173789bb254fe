//! Newcomers: what they get at once, in what time, and where they end up.

use crate::network::Conditions;
use crate::publisher::Plan;
use crate::world::World;

const CLEAN: Conditions =
    Conditions { delay: 5_000, jitter: 0, loss_per_mille: 0, duplicate_per_mille: 0, reorder_per_mille: 0 };
/// A group of ten seconds, from a publisher that answers no request: OBS.
const OBS: Plan = Plan { room: 1, publisher: 1, group: 300, answers_requests: false, layers: 1, padding_per_mille: 0 };

#[test]
fn newcomers_in_mid_group_start_at_once_and_land_at_the_live_edge() {
    // Without loss there is little for a seed to change.
    for seed in 0..4 {
        let mut world = World::new(seed);
        world.subscribe(0, CLEAN);
        world.publish(OBS, CLEAN);
        for slot in 1..20 {
            world.run(470);
            world.subscribe(slot, CLEAN);
            let joined = world.now;
            world.run(15);
            let first = world.seat(slot).subscriber.first_whole_frame.expect("a whole frame at once");
            assert!(first - joined <= 15_000, "{} µs", first - joined);
        }
        world.run(3_000);
        world.check();
        // Whoever came last: the newest frame is the same as for the one who was there from the start, and so is
        // what its timestamp says about the time: the clocks' offsets have not drifted apart.
        let newest = |slot: u32| *world.seat(slot).subscriber.arrivals.last().unwrap();
        let pace = |slot: u32| {
            let arrivals = &world.seat(slot).subscriber.arrivals;
            let (last, before) = (arrivals[arrivals.len() - 1], arrivals[arrivals.len() - 31]);
            last.1.wrapping_sub(before.1)
        };
        for slot in 1..20 {
            assert_eq!(newest(slot).2, newest(0).2, "subscriber {slot}");
            assert_eq!((newest(slot).0, pace(slot)), (newest(0).0, pace(0)), "subscriber {slot}");
            assert_eq!(world.seat(slot).ledger.gaps(), 0);
        }
    }
}

/// From the first to the last frame of a burst the timestamps span about as long as the burst took: a player that
/// takes the first frame's arrival for its clock shows the live edge at once.
#[test]
fn timestamps_are_squeezed_to_the_time_the_burst_takes() {
    for age in [500, 2_000, 5_000, 9_500] {
        let mut world = World::new(7);
        world.publish(OBS, CLEAN);
        world.run(age);
        world.subscribe(0, CLEAN);
        world.run(1_500);
        world.check();
        let arrivals = &world.seat(0).subscriber.arrivals;
        let (first, last) = (arrivals[0], *arrivals.last().unwrap());
        let by_arrival = (last.0 - first.0).cast_signed() * 90 / 1_000;
        let by_timestamp = i64::from(last.1.wrapping_sub(first.1));
        let trailing = (by_timestamp - by_arrival) / 90;
        assert!(trailing.abs() <= 40, "age {age} ms: {trailing} ms apart");
    }
}

/// Joined just before a key frame: when that comes the burst goes on from there, and the player neither stands still
/// nor trails.
#[test]
fn a_key_frame_that_comes_during_a_burst_is_shown_at_once() {
    for age in [9_550, 9_700, 9_900, 9_980] {
        let mut world = World::new(11);
        world.publish(OBS, CLEAN);
        world.run(age);
        world.subscribe(0, CLEAN);
        world.run(1_500);
        world.check();
        let arrivals = &world.seat(0).subscriber.arrivals;
        let pause = arrivals.windows(2).map(|pair| pair[1].0 - pair[0].0).max().unwrap();
        assert!(pause <= 40_000, "age {age} ms: nothing for {pause} µs");
        let (first, last) = (arrivals[0], *arrivals.last().unwrap());
        for later in &arrivals[1..] {
            let trailing = i64::from(later.1.wrapping_sub(first.1)) / 90 - (later.0 - first.0).cast_signed() / 1_000;
            assert!(trailing.abs() <= 40, "age {age} ms: {trailing} ms apart");
        }
        assert!(arrivals.windows(2).all(|pair| pair[1].1.wrapping_sub(pair[0].1) < 90_000), "timestamps run backwards");
        assert!(last.0 > first.0);
    }
}

#[test]
fn a_burst_is_paced() {
    let mut world = World::new(3);
    world.publish(OBS, CLEAN);
    world.run(9_000);
    world.subscribe(0, CLEAN);
    world.run(106);
    // 100 ms at 20 times the speed are 2 s of the original: 60 frames, and the one that opens it.
    let frames = world.seat(0).subscriber.arrivals.len();
    assert!((50..=64).contains(&frames), "{frames}");
}

#[test]
fn a_publisher_that_answers_is_asked_when_the_group_is_old() {
    let mut world = World::new(5);
    let plan = Plan { group: 3_000, ..Plan::default() };
    world.publish(plan, CLEAN);
    world.run(1_000);
    world.subscribe(0, CLEAN);
    world.run(1_000);
    assert_eq!(world.publisher().requests.len(), 0, "the group is young");
    world.run(4_000);
    world.subscribe(1, CLEAN);
    world.run(1_000);
    assert_eq!(world.publisher().requests.len(), 1);
    world.check();
    assert_eq!(world.seat(1).ledger.gaps(), 0);
}

#[test]
fn fifty_who_ask_make_one_request_per_interval() {
    let mut world = World::new(9);
    world.publish(OBS, CLEAN);
    for slot in 0..50 {
        world.subscribe(slot, CLEAN);
    }
    world.run(100);
    let before = world.publisher().requests.len();
    for _ in 0..100 {
        for slot in 0..50 {
            let ssrc = world.seat(slot).subscriber.ssrc.0;
            let pli = rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication {
                sender_ssrc: 1,
                media_ssrc: ssrc,
            };
            let bytes = rtc_shared::marshal::Marshal::marshal(&pli).unwrap();
            world.handle_rtcp(slot, &bytes);
        }
        world.run(20);
    }
    let requests = &world.publisher().requests;
    assert!((3..=5).contains(&(requests.len() - before)), "{requests:?}");
    assert!(requests.windows(2).all(|pair| pair[1] - pair[0] >= 500_000), "{requests:?}");
}
