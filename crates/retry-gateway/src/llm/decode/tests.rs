use std::io::Write;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use proptest::prelude::*;

use super::*;

/// The encodings, and `raw` for deflate without the wrapper of zlib.
const PACKED: [&str; 7] = ["gzip", "GZIP", "x-gzip", "deflate", "raw", "br", "zstd"];

pub(crate) fn packed(encoding: &str, text: &[u8]) -> Vec<u8> {
    match encoding {
        "deflate" => {
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(text).unwrap();
            encoder.finish().unwrap()
        }
        "raw" => {
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(text).unwrap();
            encoder.finish().unwrap()
        }
        "br" => stored_brotli(text),
        "zstd" => ::zstd::encode_all(text, 0).unwrap(),
        "identity" | "" => text.to_vec(),
        _ => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(text).unwrap();
            encoder.finish().unwrap()
        }
    }
}

/// Packs up to 64 KiB as a stored block of brotli (RFC 7932 section 9.2), for which no encoder is needed.
fn stored_brotli(text: &[u8]) -> Vec<u8> {
    let head = (u32::try_from(text.len()).unwrap() - 1) << 4 | 1 << 20;
    [&head.to_le_bytes()[..3], text, &[3]].concat()
}

/// 10 MiB of spaces, from the encoder of brotli with its defaults, which announces a window of 4 MiB.
const SPACES: [u8; 27] = [
    0xcb, 0xff, 0xff, 0x3f, 0xf8, 0x25, 0x40, 0xe2, 0xb1, 0x40, 0x20, 0xf7, 0xfe, 0x2f, 0xff, 0xff, 0x3f,
    0xf0, 0x4b, 0x00, 0xc4, 0x61, 0x11, 0x80, 0xee, 0xfd, 0x07,
];

/// `{"error":{"code":"insufficient_quota"}}`, from the same encoder.
const QUOTA: [u8; 36] = [
    0x1b, 0x26, 0x00, 0xf8, 0x8d, 0xd3, 0x15, 0xf3, 0x23, 0x84, 0x75, 0xaf, 0x45, 0xf6, 0xc2, 0xbe, 0x96,
    0x4e, 0x5f, 0x2b, 0x32, 0x89, 0x28, 0xd9, 0x68, 0x10, 0x66, 0x38, 0xa6, 0x19, 0xc6, 0x08, 0x43, 0xc3,
    0xde, 0xdd,
];

fn decoder(encoding: &str) -> Option<BodyDecoder> {
    let encoding = if encoding == "raw" { "deflate" } else { encoding };
    let headers = (!encoding.is_empty()).then(|| (header::CONTENT_ENCODING, encoding.parse().unwrap()));
    BodyDecoder::new(&headers.into_iter().collect())
}

/// Unpacks a body in pieces of this size, up to 64 KiB.
fn unpacked(encoding: &str, packed: &[u8], size: usize) -> (Result<bool, Unreadable>, Vec<u8>) {
    let mut decoder = decoder(encoding).unwrap();
    let (mut unpacked, mut left) = (Vec::new(), LIMIT);
    for piece in packed.chunks(size) {
        let result = decoder.feed(piece, &mut left, |bytes| {
            unpacked.extend_from_slice(bytes);
            false
        });
        if result != Ok(false) {
            return (result, unpacked);
        }
    }
    assert_eq!(left, LIMIT - unpacked.len());
    (Ok(false), unpacked)
}

const LIMIT: usize = 64 * 1024;

#[test]
fn each_encoding_is_unpacked_in_pieces_of_any_size() {
    let text: Vec<u8> = (0..3_000_u32).flat_map(u32::to_le_bytes).collect();
    for encoding in ["", "identity"].into_iter().chain(PACKED) {
        for size in [1, 7, 600, 100_000] {
            let (result, unpacked) = unpacked(encoding, &packed(encoding, &text), size);
            assert!(result == Ok(false) && unpacked == text, "{encoding} {size}");
        }
    }
    for size in [1, 100] {
        let (result, unpacked) = unpacked("br", &QUOTA, size);
        assert_eq!(
            (result, unpacked.as_slice()),
            (Ok(false), &b"{\"error\":{\"code\":\"insufficient_quota\"}}"[..])
        );
    }
}

/// An event stream is read before its end.
#[test]
fn what_has_come_is_unpacked_at_once() {
    let event = b"data: {}\n\n";
    let mut encoder = ::zstd::Encoder::new(Vec::new(), 3).unwrap();
    encoder.write_all(event).unwrap();
    encoder.flush().unwrap();
    // Its end is still to come.
    let stored = packed("br", event);
    for (encoding, start) in [("zstd", encoder.get_ref().as_slice()), ("br", &stored[..stored.len() - 1])] {
        assert_eq!(unpacked(encoding, start, 1_000), (Ok(false), event.to_vec()), "{encoding}");
    }
}

#[test]
fn a_bomb_and_junk_are_unreadable() {
    let spaces = vec![b' '; 10 << 20];
    for encoding in PACKED {
        let bomb = if encoding == "br" { SPACES.to_vec() } else { packed(encoding, &spaces) };
        for size in [3, 1_000_000] {
            let (result, unpacked) = unpacked(encoding, &bomb, size);
            assert_eq!((result, unpacked.len() <= LIMIT), (Err(Unreadable), true), "{encoding} {size}");
        }
        assert_eq!(unpacked(encoding, &[7; 99], 99), (Err(Unreadable), vec![]), "{encoding}");
    }
    for encoding in ["br, gzip", "gzip, gzip", "x", "bro"] {
        assert!(decoder(encoding).is_none(), "{encoding}");
    }
}

/// A window of 16 MiB is larger than the content encoding allows.
#[test]
fn a_frame_of_zstandard_with_a_huge_window_is_unreadable() {
    let mut encoder = ::zstd::Encoder::new(Vec::new(), 3).unwrap();
    encoder.window_log(24).unwrap();
    encoder.write_all(b"{}").unwrap();
    encoder.flush().unwrap();
    let (result, unpacked) = unpacked("zstd", encoder.get_ref(), 1_000);
    assert_eq!((result, unpacked), (Err(Unreadable), vec![]));
}

proptest! {
    /// Neither junk nor a body with a few other bytes makes a decoder panic, or unpack more than the limit.
    #[test]
    fn no_body_makes_a_decoder_panic(
        encoding in prop::sample::select(PACKED.to_vec()),
        start in prop_oneof![Just(true), Just(false)],
        junk in prop::collection::vec(any::<u8>(), 0..200),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        size in 1..64_usize,
    ) {
        let text = b"{\"error\":{\"code\":\"rate_limit_exceeded\",\"message\":\"Please try again in 20 s\"}}";
        let mut body = match (start, encoding) {
            (false, _) => junk,
            (true, "br") => QUOTA.to_vec(),
            (true, encoding) => packed(encoding, text),
        };
        for (index, byte) in changes {
            if !body.is_empty() {
                let index = index.index(body.len());
                body[index] = byte;
            }
        }
        let (_, unpacked) = unpacked(encoding, &body, size);
        prop_assert!(unpacked.len() <= LIMIT);
    }
}
