//! RFC 4571 framing: two bytes of length before each packet of a TCP connection.

use crate::limits;

/// Bytes before each frame.
pub const HEADER: usize = 2;

/// A frame larger than [`limits::DATAGRAM_BYTES`]: no client of ours sends one, and the stream cannot be followed
/// further.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a frame of {0} bytes")]
pub struct Oversize(pub usize);

/// Frames from bytes as they come.
pub struct Deframer {
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Default for Deframer {
    fn default() -> Self {
        Self { bytes: vec![0; limits::TCP_READ_BYTES].into(), start: 0, end: 0 }
    }
}

impl Deframer {
    /// Where the next bytes go. Never empty once [`Deframer::next_frame`] has returned `None`.
    pub fn space(&mut self) -> &mut [u8] {
        self.bytes.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        &mut self.bytes[self.end..]
    }

    /// So many bytes were written into [`Deframer::space`].
    pub fn advance(&mut self, count: usize) {
        self.end = (self.end + count).min(self.bytes.len());
    }

    /// The next complete frame, without its length. Empty ones are passed over.
    ///
    /// # Errors
    /// [`Oversize`]: close the connection.
    pub fn next_frame(&mut self) -> Result<Option<&mut [u8]>, Oversize> {
        loop {
            let waiting = &self.bytes[self.start..self.end];
            let Some((header, rest)) = waiting.split_first_chunk::<HEADER>() else { return Ok(None) };
            let len = usize::from(u16::from_be_bytes(*header));
            if len > limits::DATAGRAM_BYTES {
                return Err(Oversize(len));
            }
            if rest.len() < len {
                return Ok(None);
            }
            let begin = self.start + HEADER;
            self.start = begin + len;
            if len > 0 {
                return Ok(Some(&mut self.bytes[begin..begin + len]));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(frames: &[&[u8]]) -> Vec<u8> {
        let length = |frame: &[u8]| u16::try_from(frame.len()).unwrap().to_be_bytes();
        frames.iter().flat_map(|frame| [&length(frame)[..], frame].concat()).collect()
    }

    fn run(stream: &[u8], piece: usize) -> Result<Vec<Vec<u8>>, Oversize> {
        let (mut deframer, mut frames) = (Deframer::default(), Vec::new());
        for bytes in stream.chunks(piece) {
            let mut bytes = bytes;
            while !bytes.is_empty() {
                let space = deframer.space();
                let count = space.len().min(bytes.len());
                assert!(count > 0, "there is always space after the frames were taken");
                space[..count].copy_from_slice(&bytes[..count]);
                deframer.advance(count);
                bytes = &bytes[count..];
                while let Some(frame) = deframer.next_frame()? {
                    frames.push(frame.to_vec());
                }
            }
        }
        Ok(frames)
    }

    #[test]
    fn frames_come_whole_however_the_stream_is_cut() {
        let large = vec![7; limits::DATAGRAM_BYTES];
        let frames: Vec<&[u8]> = vec![b"a", b"", &large, b"bc", &large, &large, b"", b"d"];
        let stream = framed(&frames.repeat(5));
        let expected: Vec<Vec<u8>> =
            frames.repeat(5).iter().filter(|frame| !frame.is_empty()).map(|frame| frame.to_vec()).collect();
        for piece in [1, 2, 3, 1_000, 5_000, stream.len()] {
            assert_eq!(run(&stream, piece), Ok(expected.clone()), "pieces of {piece}");
        }
    }

    #[test]
    fn an_unfinished_frame_waits() {
        for cut in 0..4 {
            assert_eq!(run(&framed(&[b"ab"])[..cut], 1), Ok(vec![]), "{cut}");
        }
    }

    #[test]
    fn oversize_is_an_error() {
        let len = limits::DATAGRAM_BYTES + 1;
        assert_eq!(run(&framed(&[b"a", &vec![0; len]]), 100), Err(Oversize(len)));
        assert_eq!(run(b"\xff\xff", 1), Err(Oversize(65_535)));
    }
}
