use std::collections::VecDeque;

use super::*;

/// A wire that keeps what it is given, and fails as told.
#[derive(Default)]
struct Wire {
    sent: Vec<(u16, Vec<Vec<u8>>)>,
    /// Per call: how many trains to take at most, or the error.
    script: VecDeque<Result<usize, i32>>,
    /// Refuses every train of more than one datagram to this port with this error.
    refuses: Option<(u16, i32)>,
    /// Datagrams that went as fragments.
    fragmented: Vec<Vec<u8>>,
    calls: usize,
}

impl Transmit for Wire {
    fn transmit(&mut self, bytes: &[u8], trains: &[Train]) -> io::Result<usize> {
        self.calls += 1;
        let most = match self.script.pop_front() {
            Some(Err(error)) => return Err(io::Error::from_raw_os_error(error)),
            Some(Ok(most)) => most,
            None => trains.len(),
        };
        for (index, train) in trains.iter().take(most).enumerate() {
            let port = train.route.remote.port();
            match self.refuses {
                Some((refused, error)) if refused == port && train.datagrams > 1 => {
                    return if index > 0 { Ok(index) } else { Err(io::Error::from_raw_os_error(error)) };
                }
                _ => {}
            }
            let data = &bytes[train.start..train.start + train.len];
            let cut: Vec<Vec<u8>> = data.chunks(train.segment.into()).map(<[u8]>::to_vec).collect();
            assert_eq!(cut.len(), usize::from(train.datagrams));
            self.sent.push((port, cut));
        }
        Ok(most.min(trains.len()))
    }

    fn transmit_in_fragments(&mut self, bytes: &[u8], datagram: &Train) -> io::Result<()> {
        assert_eq!(datagram.datagrams, 1);
        self.fragmented.push(bytes[datagram.start..datagram.start + datagram.len].to_vec());
        Ok(())
    }
}

impl Wire {
    /// Per train: port and number of datagrams.
    fn shape(&self) -> Vec<(u16, usize)> {
        self.sent.iter().map(|(port, cut)| (*port, cut.len())).collect()
    }
}

fn route(port: u16) -> Route {
    Route { local: [127, 0, 0, 1].into(), remote: ([127, 0, 0, 1], port).into() }
}

fn put(batch: &mut SendBatch, port: u16, len: usize) {
    assert!(!batch.is_full());
    let fill = u8::try_from(batch.used % 251).unwrap();
    batch.begin()[..len].fill(fill);
    batch.commit(&route(port), len);
}

#[test]
fn datagrams_in_a_row_make_trains() {
    for (datagrams, shape) in [
        (&[(1, 1200), (1, 1200), (1, 1200)][..], &[(1, 3)][..]),
        (&[(1, 1200), (1, 1200), (1, 100), (1, 100)], &[(1, 3), (1, 1)]),
        (&[(1, 1100), (1, 1200), (1, 1200)], &[(1, 1), (1, 2)]),
        (&[(1, 1200), (2, 1200), (1, 1200)], &[(1, 1), (2, 1), (1, 1)]),
        (&[(1, 1200), (1, 0), (1, 1200)], &[(1, 2)]),
        (&[], &[]),
    ] {
        let (mut batch, mut wire) = (SendBatch::new(true), Wire::default());
        for (port, len) in datagrams {
            put(&mut batch, *port, *len);
        }
        batch.flush(&mut wire);
        assert_eq!(wire.shape(), shape, "{datagrams:?}");
        let sizes: Vec<usize> = wire.sent.iter().flat_map(|(_, cut)| cut.iter().map(Vec::len)).collect();
        let expected: Vec<usize> = datagrams.iter().map(|(_, len)| *len).filter(|len| *len > 0).collect();
        assert_eq!(sizes, expected);
    }
}

#[test]
fn trains_are_bounded_in_segments_and_bytes() {
    let (mut batch, mut wire) = (SendBatch::new(true), Wire::default());
    (0..70).for_each(|_| put(&mut batch, 1, 100));
    (0..60).for_each(|_| put(&mut batch, 2, 1_400));
    batch.flush(&mut wire);
    assert_eq!(wire.shape(), [(1, 64), (1, 6), (2, 46), (2, 14)]);
    assert_eq!(batch.counts().datagrams, 130);
    assert_eq!(batch.counts().trains, 4);
    assert_eq!(batch.counts().bytes, 70 * 100 + 60 * 1_400);
}

#[test]
fn a_full_batch_says_so() {
    let mut batch = SendBatch::new(true);
    let mut count = 0;
    while !batch.is_full() {
        put(&mut batch, count, 10);
        count += 1;
    }
    assert_eq!(usize::from(count), limits::SEND_BATCH_TRAINS);
    batch.flush(&mut Wire::default());

    // Each datagram longer than the one before, so that none joins the last train, whatever the route says.
    let mut len = 0;
    while !batch.is_full() {
        len += 1;
        put(&mut batch, 1, len);
    }
    assert_eq!(len, limits::SEND_BATCH_TRAINS);
    batch.flush(&mut Wire::default());

    let mut bytes = 0;
    while !batch.is_full() {
        put(&mut batch, 1, 1_200);
        bytes += 1_200;
    }
    assert!(bytes > limits::SEND_BATCH_BYTES - limits::DATAGRAM_BYTES - 1_200);
}

#[test]
fn what_a_full_socket_does_not_take_stays_for_another_try() {
    for error in [libc::EAGAIN, libc::ENOBUFS] {
        let (mut batch, mut wire) = (SendBatch::new(true), Wire::default());
        wire.script = [Ok(1), Err(error)].into();
        for port in 1..=3 {
            put(&mut batch, port, 100);
            put(&mut batch, port, 100);
        }
        batch.flush(&mut wire);
        assert_eq!((wire.shape(), batch.is_blocked()), (vec![(1, 2)], true));
        put(&mut batch, 9, 100);
        batch.flush(&mut wire);
        assert_eq!(wire.calls, 2, "a socket that said no is not asked again before its time");

        wire.script = [Err(error)].into();
        batch.retry(&mut wire);
        assert_eq!((wire.calls, batch.is_blocked()), (3, true));
        batch.retry(&mut wire);
        assert_eq!(wire.shape(), [(1, 2), (2, 2), (3, 2), (9, 1)]);
        assert_eq!((batch.counts().datagrams, batch.counts().full, batch.is_blocked()), (7, 0, false));
    }
}

#[test]
fn what_is_given_up_is_counted_and_never_follows() {
    let (mut batch, mut wire) = (SendBatch::new(true), Wire::default());
    wire.script = [Err(libc::EAGAIN)].into();
    put(&mut batch, 1, 100);
    batch.flush(&mut wire);
    let mut port = 1;
    while !batch.is_full() {
        port += 1;
        put(&mut batch, port, 100);
    }
    assert_eq!(usize::from(port), limits::SEND_BATCH_TRAINS);
    batch.give_up();
    assert_eq!((batch.counts().full, batch.is_full()), (limits::SEND_BATCH_TRAINS as u64, false));
    put(&mut batch, 99, 100);
    batch.retry(&mut wire);
    assert_eq!(wire.shape(), [(99, 1)]);
}

#[test]
fn one_unreachable_address_costs_the_others_nothing() {
    let (mut batch, mut wire) = (SendBatch::new(true), Wire::default());
    wire.script = [Err(libc::ENETUNREACH)].into();
    (1..=3).for_each(|port| put(&mut batch, port, 100));
    batch.flush(&mut wire);
    assert_eq!(wire.shape(), [(2, 1), (3, 1)]);
    assert_eq!((batch.counts().failed, batch.counts().full), (1, 0));
}

#[test]
fn a_refused_train_goes_as_single_datagrams_and_is_remembered() {
    for (error, again, others) in [(libc::EIO, 1, 1), (libc::EINVAL, 2, 2), (libc::EMSGSIZE, 2, 2)] {
        let (mut batch, mut wire) = (SendBatch::new(true), Wire::default());
        wire.refuses = Some((1, error));
        for port in [2, 1, 3] {
            put(&mut batch, port, 100);
            put(&mut batch, port, 60);
        }
        batch.flush(&mut wire);
        assert_eq!(wire.shape(), [(2, 2), (1, 1), (1, 1), (3, 2)], "error {error}");
        assert_eq!(wire.sent[1].1[0].len() + wire.sent[2].1[0].len(), 160);
        assert_eq!((batch.counts().uncut, batch.counts().failed, batch.counts().datagrams), (1, 0, 6));

        wire.sent.clear();
        wire.refuses = None;
        // As before; shorter segments, which a narrow path may take; and another address.
        for (port, len, at_once) in [(1, 100, 1), (1, 90, again), (2, 100, others)] {
            put(&mut batch, port, len);
            put(&mut batch, port, len);
            batch.flush(&mut wire);
            assert_eq!(wire.sent[0].1.len(), at_once, "error {error}, port {port}, {len} bytes");
            wire.sent.clear();
        }
        assert_eq!(batch.counts().uncut, 1);
    }
}

#[test]
fn what_is_too_large_for_the_path_goes_in_fragments() {
    let (mut batch, mut wire) = (SendBatch::new(true), Wire::default());
    // The train, then each of its two datagrams; then one that came alone.
    wire.script = [Err(libc::EMSGSIZE), Err(libc::EMSGSIZE), Err(libc::EMSGSIZE), Err(libc::EMSGSIZE)].into();
    for (port, len) in [(1, 1_300), (1, 1_200), (2, 1_400), (3, 100)] {
        put(&mut batch, port, len);
    }
    batch.flush(&mut wire);
    assert_eq!(wire.fragmented.iter().map(Vec::len).collect::<Vec<_>>(), [1_300, 1_200, 1_400]);
    assert_eq!(wire.shape(), [(3, 1)]);
    let counts = batch.counts();
    assert_eq!((counts.datagrams, counts.fragmented, counts.uncut, counts.failed), (4, 3, 1, 0));
}

#[test]
fn a_refusal_that_was_not_about_trains_is_not_remembered() {
    let (mut batch, mut wire) = (SendBatch::new(true), Wire::default());
    wire.script = [Err(libc::EINVAL), Err(libc::EINVAL), Err(libc::EINVAL)].into();
    put(&mut batch, 1, 100);
    put(&mut batch, 1, 100);
    batch.flush(&mut wire);
    assert_eq!((batch.counts().failed, batch.counts().uncut), (2, 0));
    put(&mut batch, 1, 100);
    put(&mut batch, 1, 100);
    batch.flush(&mut wire);
    assert_eq!(wire.shape(), [(1, 2)]);
}

#[test]
fn without_offload_there_are_no_trains() {
    let (mut batch, mut wire) = (SendBatch::new(false), Wire::default());
    (0..3).for_each(|_| put(&mut batch, 1, 100));
    batch.flush(&mut wire);
    assert_eq!(wire.shape(), [(1, 1); 3]);
}
