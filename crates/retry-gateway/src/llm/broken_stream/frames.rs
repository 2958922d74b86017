//! The end of an `application/vnd.amazon.eventstream`, the framing of Bedrock's streams.
//!
//! A frame is its length, the length of its headers, the checksum of both, the headers, the payload, and the checksum of all
//! that, with numbers of four bytes in network order (AWS, "Event stream encoding").

use bytes::Bytes;
use flate2::Crc;

/// Follows the frames by their lengths.
#[derive(Debug, Default)]
pub(crate) struct FramesEnd {
    /// The length of the frame so far.
    length: [u8; 4],
    length_bytes: usize,
    /// The bytes that the frame still has behind its length.
    left: usize,
    has_frames: bool,
    /// True once the bytes are no frames.
    is_lost: bool,
}

impl FramesEnd {
    /// Notes bytes that go to the client.
    pub(super) fn note(&mut self, mut data: &[u8]) {
        while !self.is_lost && !data.is_empty() {
            let taken = match self.left {
                0 => self.note_length(data),
                left => {
                    let taken = left.min(data.len());
                    self.left -= taken;
                    taken
                }
            };
            data = &data[taken..];
        }
    }

    /// Notes the next bytes of a length. Returns how many.
    fn note_length(&mut self, data: &[u8]) -> usize {
        let taken = data.len().min(self.length.len() - self.length_bytes);
        self.length[self.length_bytes..][..taken].copy_from_slice(&data[..taken]);
        self.length_bytes += taken;
        if self.length_bytes == self.length.len() {
            let length = u32::from_be_bytes(self.length) as usize;
            (self.length_bytes, self.has_frames) = (0, true);
            match FRAME_BYTES.contains(&length) {
                true => self.left = length - self.length.len(),
                false => self.is_lost = true,
            }
        }
        taken
    }

    /// Returns the frame that tells of a failure, if the stream stands between two frames.
    pub(super) fn error_frame(&self) -> Option<Bytes> {
        let is_between = self.has_frames && !self.is_lost && self.left == 0 && self.length_bytes == 0;
        is_between.then(|| frame(EXCEPTION, br#"{"message":"The upstream's stream broke off."}"#))
    }
}

/// Encodes a frame with headers that are texts.
fn frame(headers: &[(&str, &str)], payload: &[u8]) -> Bytes {
    let mut encoded = Vec::new();
    for (name, value) in headers {
        encoded.push(name.len() as u8);
        encoded.extend_from_slice(name.as_bytes());
        encoded.push(TEXT);
        encoded.extend_from_slice(&(value.len() as u16).to_be_bytes());
        encoded.extend_from_slice(value.as_bytes());
    }
    let length = AROUND + encoded.len() + payload.len();
    let mut frame = Vec::with_capacity(length);
    frame.extend_from_slice(&(length as u32).to_be_bytes());
    frame.extend_from_slice(&(encoded.len() as u32).to_be_bytes());
    frame.extend_from_slice(&checksum(&frame));
    frame.extend_from_slice(&encoded);
    frame.extend_from_slice(payload);
    frame.extend_from_slice(&checksum(&frame));
    frame.into()
}

/// Returns the CRC-32 of some bytes.
fn checksum(bytes: &[u8]) -> [u8; 4] {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum().to_be_bytes()
}

/// The exception that both streams of Bedrock have for a failure of the server (`InternalServerException` in the reference of
/// its API).
const EXCEPTION: &[(&str, &str)] = &[
    (":exception-type", "internalServerException"),
    (":content-type", "application/json"),
    (":message-type", "exception"),
];
/// The type of a header whose value is a text.
const TEXT: u8 = 7;
/// The bytes of lengths and checksums.
const AROUND: usize = 16;
/// The bytes of a frame. AWS allows 24 MiB.
const FRAME_BYTES: std::ops::RangeInclusive<usize> = AROUND..=24 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn after(stream: &[u8], size: usize) -> Option<Bytes> {
        let mut end = FramesEnd::default();
        stream.chunks(size).for_each(|piece| end.note(piece));
        end.error_frame()
    }

    #[test]
    fn an_error_comes_only_between_two_frames() {
        let piece = frame(&[(":event-type", "contentBlockDelta")], b"{}");
        let stream = [&piece[..], &piece[..]].concat();
        for size in [1, 3, 50, 1000] {
            for end in 0..=stream.len() {
                let is_told = after(&stream[..end], size).is_some();
                assert_eq!(is_told, end > 0 && end % piece.len() == 0, "{end} of {size}");
            }
        }
    }

    #[test]
    fn other_bytes_are_no_frames() {
        let piece = frame(&[], b"");
        assert_eq!((piece.len(), after(&piece, 9).is_some()), (AROUND, true));
        for stream in [&b"\0\0\0\x0f"[..], b"\xff\xff\xff\xff", b"data: {}\n\n"] {
            assert_eq!(after(&[&piece, stream].concat(), 5), None, "{stream:?}");
        }
    }

    /// The checksums of an empty frame stand in AWS's own test data (`empty_message`).
    #[test]
    fn checksums_are_those_of_aws() {
        assert_eq!(frame(&[], b"")[..], hex("00000010 00000000 05c248eb 7d98c8ff"));
    }

    fn hex(text: &str) -> Vec<u8> {
        let text = text.replace(' ', "");
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    }
}
