//! Finds GOAWAY among the frames that an endpoint sends over HTTP/2.
//!
//! h2 reports a GOAWAY, and not its last stream. Without that number a request that has no body cannot be told from one that
//! the endpoint counts in.

/// Reads frames in pieces of any size, and keeps the head of one at most (RFC 9113 section 4.1).
#[derive(Debug, Default)]
pub(super) struct GoAwayReader {
    /// The head of the frame that is being read, and then the start of its payload if it is a GOAWAY.
    start: [u8; HEAD_BYTES],
    /// The number of bytes in `start`.
    len: usize,
    /// The bytes of the payload that are still to come.
    left: usize,
    is_goaway: bool,
}

impl GoAwayReader {
    /// Reads more bytes. Returns the least last stream of the GOAWAYs whose number is complete now.
    pub(super) fn read(&mut self, mut bytes: &[u8]) -> Option<u32> {
        let mut last = None;
        while !bytes.is_empty() {
            if self.left == 0 {
                bytes = self.fill(bytes, HEAD_BYTES);
                if self.len == HEAD_BYTES {
                    self.begin_payload();
                }
                continue;
            }
            let (payload, rest) = bytes.split_at(self.left.min(bytes.len()));
            if self.is_goaway && self.len < LAST_STREAM_BYTES {
                self.fill(payload, LAST_STREAM_BYTES);
                if self.len == LAST_STREAM_BYTES {
                    last = Some(last.map_or(self.number(), |last: u32| last.min(self.number())));
                }
            }
            self.left -= payload.len();
            if self.left == 0 {
                self.len = 0;
            }
            bytes = rest;
        }
        last
    }

    /// Moves bytes to the start of the frame, up to `len` of them. Returns the rest.
    fn fill<'b>(&mut self, bytes: &'b [u8], len: usize) -> &'b [u8] {
        let (more, rest) = bytes.split_at((len - self.len).min(bytes.len()));
        self.start[self.len..self.len + more.len()].copy_from_slice(more);
        self.len += more.len();
        rest
    }

    fn begin_payload(&mut self) {
        let [a, b, c, kind, ..] = self.start;
        self.left = u32::from_be_bytes([0, a, b, c]) as usize;
        (self.is_goaway, self.len) = (kind == GOAWAY, 0);
    }

    /// Returns the last stream, whose first bit means nothing.
    fn number(&self) -> u32 {
        let [a, b, c, d, ..] = self.start;
        u32::from_be_bytes([a, b, c, d]) & 0x7fff_ffff
    }
}

const HEAD_BYTES: usize = 9;
const LAST_STREAM_BYTES: usize = 4;
const GOAWAY: u8 = 7;

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
        let len = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&len[1..], &[kind, 0, 0, 0, 0, 0], payload].concat()
    }

    fn goaway(last: u32) -> Vec<u8> {
        frame(GOAWAY, &[&last.to_be_bytes()[..], &[0; 4], b"why"].concat())
    }

    /// Reads the frames in pieces of this size.
    fn last(frames: &[Vec<u8>], size: usize) -> Option<u32> {
        let mut reader = GoAwayReader::default();
        frames.concat().chunks(size).filter_map(|piece| reader.read(piece)).min()
    }

    #[test]
    fn the_least_last_stream_counts_in_pieces_of_any_size() {
        let other = [frame(4, &[]), frame(0, &[7; 300]), frame(1, &[GOAWAY; 9])].concat();
        for size in [1, 3, 9, 13, 1_000] {
            assert_eq!(last(std::slice::from_ref(&other), size), None, "{size}");
            assert_eq!(last(&[other.clone(), goaway(5), other.clone()], size), Some(5), "{size}");
            assert_eq!(last(&[goaway(0x7fff_ffff), other.clone(), goaway(3)], size), Some(3), "{size}");
            assert_eq!(last(&[goaway(0x8000_0001)], size), Some(1), "{size}");
            // The number is cut off.
            assert_eq!(last(&[goaway(5)[..12].to_vec()], size), None, "{size}");
            assert_eq!(last(&[frame(GOAWAY, &[1, 2, 3]), goaway(9)], size), Some(9), "{size}");
        }
    }
}
