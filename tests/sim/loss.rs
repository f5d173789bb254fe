//! Loss, delay, reordering and duplication, on both legs.

use crate::network::Conditions;
use crate::publisher::{FRAME_INTERVAL, Plan};
use crate::world::World;
use crate::{LATE_START, for_seeds};

const CLEAN: Conditions =
    Conditions { delay: 5_000, jitter: 0, loss_per_mille: 0, duplicate_per_mille: 0, reorder_per_mille: 0 };

#[test]
fn a_clean_path_loses_nothing() {
    for_seeds(|seed| {
        let mut world = World::new(seed);
        world.publish(Plan::default(), CLEAN);
        for slot in 0..3 {
            world.subscribe(slot, CLEAN);
        }
        world.run(10_000);
        world.check();
        for seat in world.seats.values() {
            assert_eq!(seat.ledger.gaps(), 0);
            assert!(seat.subscriber.whole_frames(1) >= 299, "{}", seat.subscriber.whole_frames(1));
        }
    });
}

/// The publisher's leg loses 5 % at random, with a round trip of 40 ms: NACK brings over 99 % of the frames to a
/// subscriber.
#[test]
fn nack_repairs_the_publishers_leg() {
    let mut worst = 1.0_f64;
    let fractions = std::cell::RefCell::new(Vec::new());
    for_seeds(|seed| {
        let lossy = Conditions { delay: 20_000, jitter: 2_000, loss_per_mille: 50, ..CLEAN };
        let mut world = World::new(seed);
        world.subscribe(0, CLEAN);
        world.publish(Plan { padding_per_mille: 5, ..Plan::default() }, lossy);
        let span = 30_000;
        world.run(span);
        world.check();
        let sent = (span - 200) * 1_000 / FRAME_INTERVAL;
        let asked = world.room.publisher_feedback().expect("it is there").asked;
        assert!(asked.nacked > 50 && asked.repaired.packets > 50, "{asked:?}");
        assert_eq!(world.room.counts().of_publishers, asked, "the room counts what its publisher is asked");
        let late = world.seat(0).subscriber.late_start(1);
        assert!(late <= LATE_START, "{late} late");
        let (whole, sent) = (world.seat(0).subscriber.whole_frames(1) as u64, sent - late as u64);
        fractions.borrow_mut().push(whole.min(sent) as f64 / sent as f64);
    });
    for fraction in fractions.into_inner() {
        worst = worst.min(fraction);
    }
    println!("whole frames at 5 % loss and 40 ms: worst seed {:.2} %", worst * 100.0);
    assert!(worst > 0.99, "{worst}");
}

#[test]
fn nack_repairs_a_subscribers_leg_byte_for_byte() {
    for_seeds(|seed| {
        let lossy = Conditions {
            delay: 20_000,
            jitter: 8_000,
            loss_per_mille: 50,
            duplicate_per_mille: 20,
            reorder_per_mille: 20,
        };
        let mut world = World::new(seed);
        world.publish(Plan::default(), CLEAN);
        world.subscribe(0, lossy);
        world.subscribe(1, CLEAN);
        world.run(10_000);
        world.check();
        assert!(world.seat(0).ledger.repeated > 0, "some were sent again");
        assert!(world.seat(0).subscriber.whole_frames(1) >= 290, "{}", world.seat(0).subscriber.whole_frames(1));
        assert_eq!(world.seat(1).ledger.repeated, 0, "the others do not notice");
        let counted = |slot| world.feedback(slot).asked;
        let repaired = counted(0).repaired;
        assert!(counted(0).nacked >= repaired.packets && repaired.packets >= world.seat(0).ledger.repeated);
        assert_eq!((counted(1).nacked, counted(1).repaired.packets), (0, 0));
        let counts = world.counts();
        assert_eq!(counts.from_subscribers.repaired, repaired);
        assert_eq!(counts.first_pictures.count(), 2, "both have had a first picture");
    });
}

/// The worst weather on the publisher's leg: numbers and timestamps stay in order, and gaps are only what never came.
#[test]
fn reordering_and_duplication_upstream_break_nothing() {
    for_seeds(|seed| {
        let weather = Conditions {
            delay: 20_000,
            jitter: 15_000,
            loss_per_mille: 30,
            duplicate_per_mille: 50,
            reorder_per_mille: 100,
        };
        let mut world = World::new(seed);
        world.subscribe(0, CLEAN);
        world.publish(Plan { padding_per_mille: 50, ..Plan::default() }, weather);
        world.run(4_000);
        world.subscribe(1, CLEAN);
        world.run(6_000);
        world.check();
        for seat in world.seats.values() {
            // At the very end some are still on their way.
            assert!(seat.ledger.gaps() <= 20, "{} gaps in {}", seat.ledger.gaps(), seat.ledger.packets());
        }
    });
}

#[test]
fn padding_leaves_no_gap() {
    for_seeds(|seed| {
        let mut world = World::new(seed);
        world.subscribe(0, CLEAN);
        world.publish(Plan { padding_per_mille: 300, ..Plan::default() }, CLEAN);
        world.run(5_000);
        world.check();
        let seat = world.seat(0);
        assert_eq!(seat.ledger.gaps(), 0);
        assert_eq!(seat.ledger.media().count() as u64, seat.ledger.packets(), "padding was not passed on");
    });
}
