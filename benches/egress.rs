//! One packet of 1,200 bytes on its way out, up to the send batch: header written, payload copied, sealed.
//!
//! With one key everything stays in the first level cache; with a thousand, each packet is sealed by another one, as it
//! is where a thousand subscribers get the same packet.

mod common;

use common::media::PAYLOAD;
use common::{Effort, Table, nanoseconds_each};
use rillcast::id::{PayloadType, Ssrc};
use rillcast::peer::keys::{Profile, split_exported};
use rillcast::peer::srtp::Srtp;
use rillcast::rtp::packet::{Header, MAX_HEADER};

/// Bytes of a send batch that are written one behind the other before its beginning is used again.
const OUT: usize = 256 << 10;
const DATAGRAM: usize = 1_200;

fn main() {
    let effort = Effort::from_arguments();
    let mut table = Table::new(&["rewrite and seal", "1 key, ns", "1,000 keys, ns"]);
    for (name, profile) in
        [("AEAD_AES_128_GCM", Profile::AeadAes128Gcm), ("AES_CM_128_HMAC_SHA1_80", Profile::AesCmSha1)]
    {
        table.row(name, &[1, 1_000].map(|keys| egress(effort, profile, keys)));
    }
    table.row("header alone", &[nanoseconds_each(effort, headers), 0.0]);
    table.print("CPU time per packet of 1,200 bytes, before the socket:");
}

fn egress(effort: Effort, profile: Profile, keys: usize) -> f64 {
    let mut subscribers: Vec<Srtp> = (0..keys).map(|number| srtp(profile, number)).collect();
    let payload = [0x5a; PAYLOAD];
    let mut out = vec![0; OUT];
    let mut used = 0;
    let mut index = 0;
    nanoseconds_each(effort, || {
        let rounds = 1_000 / keys;
        for _ in 0..rounds {
            index += 1;
            for (ssrc, subscriber) in (1..).zip(&mut subscribers) {
                let mut bytes = [0; MAX_HEADER];
                let length = header(index, ssrc).write(std::iter::empty(), &mut bytes);
                if used + DATAGRAM + MAX_HEADER > OUT {
                    used = 0;
                }
                let sealed = subscriber.seal_rtp(index, &bytes[..length], &payload, &mut out[used..]);
                used += sealed.expect("the index is the header's, and there is room");
            }
        }
        (rounds * keys) as u64
    })
}

fn headers() -> u64 {
    for index in 0..1_000 {
        let mut bytes = [0; MAX_HEADER];
        let length = header(index, 7).write(std::iter::empty(), &mut bytes);
        std::hint::black_box((length, bytes));
    }
    1_000
}

fn header(index: u64, ssrc: u32) -> Header {
    let [.., a, b, c, d] = index.to_be_bytes();
    Header {
        marker: false,
        padding: false,
        payload_type: PayloadType(102),
        sequence: u16::from_be_bytes([c, d]),
        timestamp: u32::from_be_bytes([a, b, c, d]).wrapping_mul(3_000),
        ssrc: Ssrc(ssrc),
    }
}

/// Keys of the `number`th subscriber.
fn srtp(profile: Profile, number: usize) -> Srtp {
    let mut exported = vec![0x17; profile.exported_bytes()];
    exported[..8].copy_from_slice(&number.to_be_bytes());
    let (client, server) = split_exported(profile, &exported).expect("it is as long as it should be");
    Srtp::new(profile, &server, &client)
}
