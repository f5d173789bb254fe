//! Opus in Ogg (RFC 3533, RFC 7845): pages of laced packets, each page with a checksum.

use std::io::{self, Write};

use bytes::Bytes;

use super::{Clip, Frame, MediaError};
use crate::rtp::codec::Codec;

const PAGE_HEADER: usize = 27;
/// Samples that a decoder drops at the beginning (RFC 7845 §5.1): what libopus needs at 48 kHz.
const PRE_SKIP: u16 = 312;
/// A page is written when it holds this much, in samples of 1/48000 s: one second.
const PAGE_TICKS: u64 = 48_000;

fn broken(what: &'static str) -> MediaError {
    MediaError::Broken { format: "Ogg", what }
}

/// Reads a whole file: the first stream in it, which must be Opus.
pub(super) fn read(content: &Bytes) -> Result<Clip, MediaError> {
    let mut packets = Vec::new();
    let mut open: Vec<u8> = Vec::new();
    let mut serial = None;
    let mut at = 0;
    while at < content.len() {
        let page = Page::parse(&content[at..])?;
        at += page.length;
        if *serial.get_or_insert(page.serial) != page.serial {
            continue;
        }
        let mut body = page.body;
        for size in page.lacing {
            let (piece, rest) = body.split_at(usize::from(*size));
            open.extend_from_slice(piece);
            body = rest;
            if *size < 255 {
                packets.push(Bytes::from(std::mem::take(&mut open)));
            }
        }
    }
    let mut packets = packets.into_iter();
    let head = packets.next().ok_or(broken("no packets"))?;
    if !head.starts_with(b"OpusHead") {
        return Err(broken("the first stream is not Opus"));
    }
    packets.next().filter(|tags| tags.starts_with(b"OpusTags")).ok_or(broken("the comment header is missing"))?;

    let mut frames = Vec::new();
    let mut time = 0;
    for data in packets {
        let ticks = opus_ticks(&data).ok_or(broken("a packet of no length"))?;
        frames.push(Frame { data, time, key: true });
        time += u64::from(ticks);
    }
    if frames.is_empty() {
        return Err(broken("no sound"));
    }
    Ok(Clip { codec: Codec::Opus, fmtp: None, frames, duration: time })
}

struct Page<'a> {
    serial: u32,
    lacing: &'a [u8],
    body: &'a [u8],
    length: usize,
}

impl<'a> Page<'a> {
    fn parse(data: &'a [u8]) -> Result<Self, MediaError> {
        let header = data.get(..PAGE_HEADER).ok_or(broken("a page is cut off"))?;
        if !header.starts_with(b"OggS") || header[4] != 0 {
            return Err(broken("a page does not begin with its sign"));
        }
        let body_at = PAGE_HEADER + usize::from(header[26]);
        let lacing = data.get(PAGE_HEADER..body_at).ok_or(broken("a page is cut off"))?;
        let length = body_at + lacing.iter().map(|size| usize::from(*size)).sum::<usize>();
        let page = data.get(..length).ok_or(broken("a page is cut off"))?;
        let sum = checksum(&[&page[..22], &[0; 4], &page[26..]]);
        if sum.to_le_bytes() != page[22..26] {
            return Err(broken("the checksum of a page does not match"));
        }
        let serial = u32::from_le_bytes([header[14], header[15], header[16], header[17]]);
        Ok(Self { serial, lacing, body: &page[body_at..], length })
    }
}

/// Largest page there is (RFC 3533 §6).
pub(super) const PAGE_MOST: u64 = 65_307;

/// A page of a file that may be damaged further on.
pub(super) struct PageSeen {
    pub header: Vec<u8>,
    pub body: Vec<u8>,
    pub sequence: u32,
    /// That end in it.
    pub packets: u64,
}

/// The page that these bytes begin with; `None` where they do not, or it is not whole.
pub(super) fn look(data: &[u8]) -> Option<PageSeen> {
    let page = Page::parse(data).ok()?;
    let (header, rest) = data.split_at(page.length - page.body.len());
    let sequence = u32::from_le_bytes([header[18], header[19], header[20], header[21]]);
    let packets = page.lacing.iter().filter(|size| **size < 255).count() as u64;
    Some(PageSeen { header: header.to_vec(), body: rest[..page.body.len()].to_vec(), sequence, packets })
}

/// How many bytes a page has, from the first ones of it: its header without and with its lacing.
pub(super) fn page_length(data: &[u8]) -> Option<u64> {
    let header = data.get(..PAGE_HEADER).filter(|header| header.starts_with(b"OggS"))?;
    let lacing = data.get(PAGE_HEADER..PAGE_HEADER + usize::from(header[26]))?;
    Some((PAGE_HEADER + lacing.len()) as u64 + lacing.iter().map(|size| u64::from(*size)).sum::<u64>())
}

/// Bytes of the longest header of a page.
pub(super) const PAGE_HEADER_MOST: u64 = 27 + 255;

impl PageSeen {
    /// The pieces of packets in it, and whether a packet ends with each.
    pub fn pieces(&self) -> impl Iterator<Item = (&[u8], bool)> {
        let mut rest = &self.body[..];
        self.header[PAGE_HEADER..].iter().map(move |size| {
            let (piece, behind) = rest.split_at(usize::from(*size).min(rest.len()));
            rest = behind;
            (piece, *size < 255)
        })
    }

    /// How far the stream has come with it, in samples of 1/48000 s.
    pub fn position(&self) -> u64 {
        let granule = self.header[6..14].iter().rev().fold(0_u64, |granule, byte| granule << 8 | u64::from(*byte));
        granule.saturating_sub(u64::from(PRE_SKIP))
    }

    /// Its header where nothing comes behind it.
    pub fn as_last(&self) -> Vec<u8> {
        let mut header = self.header.clone();
        header[5] |= 4;
        header[22..26].fill(0);
        let sum = checksum(&[&header, &self.body]);
        header[22..26].copy_from_slice(&sum.to_le_bytes());
        header
    }
}

/// The CRC of RFC 3533 §6: polynomial 0x04c11db7, not reflected, beginning with zero.
fn checksum(parts: &[&[u8]]) -> u32 {
    parts.iter().flat_map(|part| part.iter()).fold(0, |sum, byte| {
        (0..8).fold(sum ^ (u32::from(*byte) << 24), |sum, _| (sum << 1) ^ (0x04c1_1db7 * (sum >> 31)))
    })
}

/// How long an Opus packet sounds, in samples of 1/48000 s (RFC 6716 §3.1), or `None` where it is not one.
pub fn opus_ticks(packet: &[u8]) -> Option<u32> {
    let toc = *packet.first()?;
    let configuration = toc >> 3;
    let frame = match configuration {
        0..=11 => [480, 960, 1_920, 2_880][usize::from(configuration & 3)],
        12..=15 => [480, 960][usize::from(configuration & 1)],
        _ => [120, 240, 480, 960][usize::from(configuration & 3)],
    };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(packet.get(1)? & 0x3f),
    };
    Some(frame * frames).filter(|ticks| (1..=5_760).contains(ticks))
}

/// Writes Opus packets.
#[derive(Debug)]
pub struct OggWriter<W> {
    out: W,
    page: Vec<u8>,
    lacing: Vec<u8>,
    page_ticks: u64,
    granule: u64,
    sequence: u32,
}

impl<W: Write> OggWriter<W> {
    /// Begins a file with the two headers.
    ///
    /// # Errors
    ///
    /// Where writing fails.
    pub fn new(out: W, channels: u8) -> io::Result<Self> {
        let mut writer = Self {
            out,
            page: Vec::new(),
            lacing: Vec::new(),
            page_ticks: 0,
            granule: u64::from(PRE_SKIP),
            sequence: 0,
        };
        let mut head = b"OpusHead\x01".to_vec();
        head.push(channels);
        head.extend_from_slice(&PRE_SKIP.to_le_bytes());
        head.extend_from_slice(&48_000_u32.to_le_bytes());
        head.extend_from_slice(&[0, 0, 0]);
        writer.lace(&head);
        writer.flush_page(2, 0)?;
        let name = b"rillcast";
        let mut tags = b"OpusTags".to_vec();
        tags.extend_from_slice(&[8, 0, 0, 0]);
        tags.extend_from_slice(name);
        tags.extend_from_slice(&[0; 4]);
        writer.lace(&tags);
        writer.flush_page(0, 0)?;
        Ok(writer)
    }

    /// Appends a packet that sounds for `ticks` samples of 1/48000 s. What was lost before it is part of `ticks`.
    ///
    /// # Errors
    ///
    /// Where writing fails, and for a packet over 60 kB.
    pub fn write(&mut self, packet: &[u8], ticks: u64) -> io::Result<()> {
        if packet.len() > 60_000 {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "an Opus packet over 60 kB"));
        }
        if self.lacing.len() + packet.len() / 255 + 1 > 255 || self.page_ticks >= PAGE_TICKS {
            self.flush_page(0, self.granule)?;
        }
        self.lace(packet);
        self.granule += ticks;
        self.page_ticks += ticks;
        Ok(())
    }

    /// Ends the page that has begun.
    pub(super) fn cut(&mut self) -> io::Result<()> {
        if self.lacing.is_empty() { Ok(()) } else { self.flush_page(0, self.granule) }
    }

    /// What is written.
    pub(super) fn out(&mut self) -> &mut W {
        &mut self.out
    }

    /// Writes the last page, and hands back the file.
    ///
    /// # Errors
    ///
    /// Where writing fails.
    pub fn finish(mut self) -> io::Result<W> {
        self.flush_page(4, self.granule)?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn lace(&mut self, packet: &[u8]) {
        self.lacing.extend(std::iter::repeat_n(255, packet.len() / 255));
        self.lacing.push(u8::try_from(packet.len() % 255).expect("a remainder of 255"));
        self.page.extend_from_slice(packet);
    }

    fn flush_page(&mut self, flags: u8, granule: u64) -> io::Result<()> {
        let mut header = b"OggS\0".to_vec();
        header.push(flags);
        header.extend_from_slice(&granule.to_le_bytes());
        header.extend_from_slice(&1_u32.to_le_bytes());
        header.extend_from_slice(&self.sequence.to_le_bytes());
        header.extend_from_slice(&[0; 4]);
        header.push(u8::try_from(self.lacing.len()).expect("a page is flushed before it has 256 segments"));
        header.append(&mut self.lacing);
        let sum = checksum(&[&header, &self.page]);
        header[22..26].copy_from_slice(&sum.to_le_bytes());
        self.out.write_all(&header)?;
        self.out.write_all(&self.page)?;
        self.page.clear();
        self.page_ticks = 0;
        self.sequence += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        // 20 ms each; lengths around the lacing's borders, and enough for several pages.
        let packets: Vec<Vec<u8>> = (0..130)
            .map(|n| [vec![0xfc], vec![n; [2, 253, 254, 255, 509, 510][usize::from(n) % 6]]].concat())
            .collect();
        let mut writer = OggWriter::new(Vec::new(), 2).unwrap();
        for packet in &packets {
            writer.write(packet, 960).unwrap();
        }
        let file = Bytes::from(writer.finish().unwrap());
        let clip = read(&file).unwrap();
        assert_eq!(clip.frames.iter().map(|frame| frame.data.to_vec()).collect::<Vec<_>>(), packets);
        assert_eq!((clip.duration, clip.frames[7].time), (130 * 960, 7 * 960));

        let mut flipped = file.to_vec();
        flipped[200] ^= 1;
        for bad in [&flipped[..], &file[..file.len() - 1], &file[1..], &file[..47], &[]] {
            assert!(read(&Bytes::copy_from_slice(bad)).is_err());
        }
    }

    #[test]
    fn length_of_a_packet() {
        let table: [(&[u8], Option<u32>); 9] = [
            (&[0xfc], Some(960)),
            (&[0xfd], Some(1_920)),
            (&[0xff, 3], Some(2_880)),
            (&[0xe0], Some(120)),
            (&[0x00], Some(480)),
            (&[0x18], Some(2_880)),
            (&[0x68], Some(960)),
            (&[0xff], None),
            (&[0xff, 7], None),
        ];
        for (packet, ticks) in table {
            assert_eq!(opus_ticks(packet), ticks, "{packet:x?}");
        }
    }
}
