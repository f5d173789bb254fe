//! What a recording hears of a room, whatever its publisher's network and its own pace are like.

use std::collections::BTreeMap;

use rillcast::record::tap::Tapped;

use crate::for_seeds;
use crate::network::Conditions;
use crate::publisher::{FRAME_INTERVAL, Plan, Stamp};
use crate::replica::Recorder;
use crate::world::World;

const CLEAN: Conditions =
    Conditions { delay: 5_000, jitter: 0, loss_per_mille: 0, duplicate_per_mille: 0, reorder_per_mille: 0 };

fn world(seed: u64, conditions: Conditions) -> World {
    let mut world = World::new(seed);
    world.recorders.push(Recorder::default());
    world.publish(Plan::default(), conditions);
    world
}

/// Frames whose packets are all there.
fn whole_frames(recorder: &Recorder) -> Vec<Stamp> {
    let mut frames: BTreeMap<u32, (usize, Stamp)> = BTreeMap::new();
    for packet in recorder.packets() {
        let (stamp, _) = Stamp::read(&packet.payload);
        frames.entry(stamp.frame).or_insert((0, stamp)).0 += 1;
    }
    frames.into_values().filter(|(count, stamp)| *count == usize::from(stamp.packets)).map(|(_, stamp)| stamp).collect()
}

#[test]
fn everything_is_heard_once_and_in_order() {
    for_seeds(|seed| {
        let mut world =
            world(seed, Conditions { jitter: 15_000, reorder_per_mille: 50, duplicate_per_mille: 20, ..CLEAN });
        world.run(5_000);
        let recorder = &world.recorders[0];
        assert!(!recorder.told.iter().any(|told| matches!(told, Tapped::Gap { .. })));
        let whole = whole_frames(recorder);
        assert!(whole[0].keyframe && whole.len() as u64 >= 4_900_000 / FRAME_INTERVAL, "{}", whole.len());
    });
}

/// At 5 % loss what a recording has is what was lost for good: it waits longer than any player.
#[test]
fn a_recording_loses_what_is_lost_for_good() {
    let (mut missing, mut sent) = (0, 0);
    for seed in 0..40 {
        let lossy = Conditions { delay: 40_000, jitter: 2_000, loss_per_mille: 50, ..CLEAN };
        let mut world = world(seed, lossy);
        world.run(10_000);
        world.unpublish();
        world.run(100);
        let recorder = &world.recorders[0];
        assert_eq!(recorder.told.last(), Some(&Tapped::Ended));
        missing += recorder
            .told
            .iter()
            .map(|told| if let Tapped::Gap { packets, .. } = told { *packets } else { 0 })
            .sum::<u64>();
        sent += recorder.packets().len() as u64;
    }
    println!("packets that a recording lacks at 5 % loss and 80 ms: {missing} of {sent}");
    assert!(missing * 1_000 < sent, "{missing} of {sent}");
}

#[test]
fn a_slow_recorder_goes_on_where_it_was_and_a_very_slow_one_at_a_key_frame() {
    for (pause, loses) in [(5_000, false), (25_000, true)] {
        let mut world = world(3, CLEAN);
        world.run(2_000);
        world.recorders[0].stalled = true;
        world.run(pause);
        world.recorders[0].stalled = false;
        world.run(2_000);
        let recorder = &world.recorders[0];
        recorder.packets();
        let gap = recorder.told.iter().position(|told| matches!(told, Tapped::Gap { .. }));
        assert_eq!(gap.is_some(), loses, "{pause}");
        if let Some(Tapped::Packet { packet, .. }) = gap.and_then(|gap| recorder.told.get(gap + 1)) {
            assert!(packet.keyframe_start);
        }
    }
}

#[test]
fn another_publisher_ends_it_and_nothing_of_the_other_is_heard() {
    for stalled in [false, true] {
        let mut world = world(4, CLEAN);
        world.run(2_000);
        world.recorders[0].stalled = stalled;
        world.unpublish();
        world.publish(Plan { publisher: 2, ..Plan::default() }, CLEAN);
        world.run(1_000);
        world.recorders[0].stalled = false;
        world.recorders.push(Recorder::default());
        world.run(1_000);
        let [old, new] = &world.recorders[..] else { panic!("two") };
        assert_eq!(old.told.last(), Some(&Tapped::Ended));
        assert!(whole_frames(old).iter().all(|stamp| stamp.publisher == 1) && whole_frames(old).len() > 55);
        assert!(whole_frames(new).iter().all(|stamp| stamp.publisher == 2) && whole_frames(new)[0].keyframe);
    }
}
