//! The end of a stream of AWS's frames.

use bytes::Bytes;

use crate::llm::amazon_frame::{FRAME_BYTES, frame};

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

/// The exception that both streams of Bedrock have for a failure of the server (`InternalServerException` in the reference of
/// its API).
const EXCEPTION: &[(&str, &str)] = &[
    (":exception-type", "internalServerException"),
    (":content-type", "application/json"),
    (":message-type", "exception"),
];
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
        assert_eq!((piece.len(), after(&piece, 9).is_some()), (16, true));
        for stream in [&b"\0\0\0\x0f"[..], b"\xff\xff\xff\xff", b"data: {}\n\n"] {
            assert_eq!(after(&[&piece, stream].concat(), 5), None, "{stream:?}");
        }
    }
}
