//! The encoding of the frames of an `application/vnd.amazon.eventstream`, in which Bedrock streams.
//!
//! A frame is its length, the length of its headers, the checksum of both, the headers, the payload, and the checksum of all
//! that, with numbers of four bytes in network order (AWS, "Event stream encoding").

use bytes::Bytes;
use flate2::Crc;

/// Encodes a frame with headers that are texts.
pub(super) fn frame(headers: &[(&str, &str)], payload: &[u8]) -> Bytes {
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

/// Returns the headers and the payload of a frame, or `None` if its checksums or lengths are wrong.
pub(super) fn parts(frame: &[u8]) -> Option<(&[u8], &[u8])> {
    let (rest, sum) = frame.split_last_chunk::<SUM>()?;
    let (prelude, rest) = rest.split_at_checked(PRELUDE)?;
    let (lengths, prelude_sum) = prelude.split_last_chunk::<SUM>()?;
    let is_whole = *sum == checksum(&frame[..frame.len() - SUM]) && *prelude_sum == checksum(lengths);
    let headers = u32::from_be_bytes(*lengths.last_chunk()?) as usize;
    rest.split_at_checked(headers).filter(|_| is_whole)
}

/// Returns the next header and the rest of the headers. The value is empty if it is no text.
pub(super) fn next_header(headers: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (length, rest) = headers.split_first()?;
    let (name, rest) = rest.split_at_checked((*length).into())?;
    let (kind, rest) = rest.split_first()?;
    let length = match *kind {
        0 | 1 => 0,
        2 => 1,
        3 => 2,
        4 => 4,
        5 | 8 => 8,
        9 => 16,
        BYTES | TEXT => {
            let (length, rest) = rest.split_first_chunk()?;
            let (value, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
            return Some((name, if *kind == TEXT { value } else { b"" }, rest));
        }
        _ => return None,
    };
    Some((name, b"", rest.get(length..)?))
}

/// Returns the CRC-32 of some bytes.
fn checksum(bytes: &[u8]) -> [u8; SUM] {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum().to_be_bytes()
}

/// The bytes of a frame. AWS allows 24 MiB.
pub(super) const FRAME_BYTES: std::ops::RangeInclusive<usize> = AROUND..=24 * 1024 * 1024;
/// The type of a header whose value is a text, and of one that is bytes.
const TEXT: u8 = 7;
const BYTES: u8 = 6;
/// The bytes of lengths and checksums.
const AROUND: usize = PRELUDE + SUM;
/// The bytes of both lengths and their checksum.
const PRELUDE: usize = 12;
/// The bytes of a checksum.
const SUM: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    /// The checksums of an empty frame stand in AWS's own test data (`empty_message`).
    #[test]
    fn checksums_are_those_of_aws() {
        assert_eq!(frame(&[], b"")[..], hex("00000010 00000000 05c248eb 7d98c8ff"));
    }

    fn hex(text: &str) -> Vec<u8> {
        let text = text.replace(' ', "");
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    }

    #[test]
    fn a_frame_is_read_as_it_was_written() {
        let encoded = frame(&[("a", "b"), (":event-type", "chunk")], b"payload");
        let (headers, payload) = parts(&encoded).unwrap();
        assert_eq!(payload, b"payload");
        let (name, value, rest) = next_header(headers).unwrap();
        assert_eq!((name, value), (&b"a"[..], &b"b"[..]));
        assert_eq!(next_header(rest).unwrap(), (&b":event-type"[..], &b"chunk"[..], &b""[..]));
        assert_eq!(next_header(b""), None);
    }

    #[test]
    fn a_frame_with_a_wrong_byte_is_none() {
        let encoded = frame(&[("a", "b")], b"payload");
        for at in 0..encoded.len() {
            let mut broken = encoded.to_vec();
            broken[at] ^= 1;
            assert_eq!(parts(&broken), None, "{at}");
            assert_eq!(parts(&encoded[..at]), None, "{at}");
        }
    }

    #[test]
    fn headers_of_all_types_are_passed() {
        for (kind, length) in [(0, 0), (1, 0), (2, 1), (3, 2), (4, 4), (5, 8), (8, 8), (9, 16)] {
            let header = [&[1, b'a', kind], &vec![7; length][..], b"rest"].concat();
            assert_eq!(next_header(&header), Some((&b"a"[..], &b""[..], &b"rest"[..])), "{kind}");
            assert_eq!(next_header(&header[..2 + length]), None, "{kind}");
        }
        assert_eq!(next_header(b"\x01a\x06\0\x02hirest"), Some((&b"a"[..], &b""[..], &b"rest"[..])));
        for broken in [&b"\x01a\x0a"[..], b"\x02a", b"\x01a\x07\0\x02h", b"\x01a\x07\0"] {
            assert_eq!(next_header(broken), None, "{broken:?}");
        }
    }
}
