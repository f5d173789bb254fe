//! The life of a room: publishers come and go, layers switch, connections clog.

use rillcast::id::Rid;

use crate::for_seeds;
use crate::network::Conditions;
use crate::publisher::Plan;
use crate::world::World;

const CLEAN: Conditions =
    Conditions { delay: 5_000, jitter: 0, loss_per_mille: 0, duplicate_per_mille: 0, reorder_per_mille: 0 };

#[test]
fn a_publisher_that_returns_goes_on_without_a_gap() {
    for_seeds(|seed| {
        let weather = Conditions { jitter: 6_000, loss_per_mille: 10, reorder_per_mille: 20, ..CLEAN };
        let mut world = World::new(seed);
        world.subscribe(0, CLEAN);
        for publisher in 1..6 {
            world.publish(Plan { publisher, ..Plan::default() }, weather);
            world.run(1_500);
            world.unpublish();
            world.run(seed % 7 * 100);
        }
        world.check();
        for publisher in 1..6 {
            let whole = world.seat(0).subscriber.whole_frames(publisher);
            assert!(whole >= 40, "publisher {publisher}: {whole} frames");
        }
    });
}

#[test]
fn one_that_joins_between_publishers_sees_only_the_new_one() {
    let mut world = World::new(1);
    world.publish(Plan::default(), CLEAN);
    world.run(1_000);
    world.unpublish();
    world.run(100);
    world.subscribe(0, CLEAN);
    world.run(1_000);
    assert_eq!(world.seat(0).ledger.packets(), 0, "the past of one who has gone is no live picture");
    world.publish(Plan { publisher: 2, ..Plan::default() }, CLEAN);
    world.run(1_000);
    world.check();
    assert_eq!(world.seat(0).subscriber.whole_frames(1), 0);
    assert!(world.seat(0).subscriber.whole_frames(2) >= 28);
}

#[test]
fn the_best_layer_is_forwarded_and_switches_leave_no_gap() {
    for_seeds(|seed| {
        let mut world = World::new(seed);
        world.publish(Plan { layers: 3, group: 30, ..Plan::default() }, CLEAN);
        world.subscribe(0, CLEAN);
        world.run(6_000);
        world.check();
        let seat = world.seat(0);
        assert_eq!(seat.ledger.gaps(), 0);
        let layers: Vec<u8> = seat.ledger.media().map(|(_, _, stamp, _)| stamp.layer).collect();
        assert_eq!(layers.last(), Some(&2), "the highest bit rate");
        assert_eq!(world.room.forwarded_layer(), Some(&Rid("2".into())), "as the room says");
        let switches = layers.windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert!(switches <= 2, "{switches} switches");
    });
}

#[test]
fn a_clogged_connection_goes_on_at_the_next_key_frame() {
    let mut world = World::new(2);
    world.publish(Plan { group: 30, answers_requests: false, ..Plan::default() }, CLEAN);
    world.subscribe(0, CLEAN);
    world.subscribe(1, CLEAN);
    world.run(1_500);
    world.seats.get_mut(&0).unwrap().congested = true;
    world.run(300);
    world.seats.get_mut(&0).unwrap().congested = false;
    world.run(3_000);
    world.check();
    let ledger = &world.seat(0).ledger;
    assert!(ledger.gaps() <= 1, "only the packet that was refused");
    let frames: Vec<_> = ledger.media().map(|(_, _, stamp, _)| (stamp.frame, stamp.keyframe, stamp.packet)).collect();
    let jump = frames.windows(2).find(|pair| pair[1].0 > pair[0].0 + 1).expect("some frames were left out");
    assert_eq!((jump[1].1, jump[1].2), (true, 0), "it goes on with a key frame");
    assert_eq!(world.seat(1).ledger.gaps(), 0, "the other did not notice");
}

#[test]
fn a_flood_of_nacks_is_answered_within_bounds() {
    let mut world = World::new(4);
    world.publish(Plan::default(), CLEAN);
    world.subscribe(0, CLEAN);
    world.run(2_000);
    let last = world.seat(0).ledger.media().last().unwrap().0 as u16;
    let wanted: Vec<u16> = (0..100).map(|back| last.wrapping_sub(back)).collect();
    let nack = rtcp::transport_feedbacks::transport_layer_nack::TransportLayerNack {
        sender_ssrc: 1,
        media_ssrc: world.seat(0).subscriber.ssrc.0,
        nacks: rtcp::transport_feedbacks::transport_layer_nack::nack_pairs_from_sequence_numbers(&wanted),
    };
    let bytes = rtc_shared::marshal::Marshal::marshal(&nack).unwrap();
    for _ in 0..900 {
        world.handle_rtcp(0, &bytes);
        world.run(1);
    }
    let repeated = world.seat(0).ledger.repeated;
    assert!((900..=2_000).contains(&repeated), "{repeated}");
}

#[test]
fn a_source_that_counts_anew_goes_on_at_its_next_key_frame() {
    let table =
        [(4_000, 0), (20_000, 90_000), (32_768, 0), (61_000, 5), (0, 90_000 * 100), (1, u32::MAX - 90_000 * 100)];
    for (sequences, ticks) in table {
        let mut world = World::new(u64::from(sequences));
        world.publish(Plan { group: 30, answers_requests: false, ..Plan::default() }, CLEAN);
        world.subscribe(0, CLEAN);
        for _ in 0..3 {
            world.run(2_000);
            world.publisher_mut().jump(sequences, ticks);
        }
        world.run(2_000);
        world.subscribe(1, CLEAN);
        world.run(1_500);
        world.check();
        for slot in 0..2 {
            assert_eq!(world.seat(slot).ledger.gaps(), 0, "{sequences} {ticks}");
        }
        let frames = world.seat(0).subscriber.whole_frames(1);
        assert!(frames >= 9 * 30 - 3 * 31, "{sequences} {ticks}: {frames}");
        assert!(world.seat(1).subscriber.whole_frames(1) >= 40);
    }
}

/// Whoever wants a picture from a publisher that sends none: nothing is due that cannot be done.
#[test]
fn a_room_without_a_picture_sleeps() {
    use rillcast::rtp::codec::{Codec, Format};
    let mut world = World::new(1);
    let publisher = crate::publisher::Publisher::new(Plan::default(), 0, 1);
    let mut tracks = publisher.tracks();
    tracks[0].format = Format { codec: Codec::Opus, fmtp: String::new() };
    let now = world.instant();
    world.room.set_publisher(now, rillcast::id::PeerKey { slot: 9, generation: 9 }, tracks);
    world.subscribe(0, CLEAN);
    let mut due = 0;
    for _ in 0..1_000 {
        world.run(1);
        let now = world.instant();
        due += u32::from(world.room.is_due(now));
    }
    assert!(due <= 20, "{due} times in a second");
}
