//! The encodings of bodies that the gateway reads. The client gets the packed bytes as they came.

mod brotli;
mod decoder_limit;
mod output;
mod zstd;

use std::io::Write;

use flate2::write::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http::{HeaderMap, header};

use self::brotli::BrotliDecoder;
use self::decoder_limit::{DECODERS, DecoderPermit};
pub(super) use self::output::Unreadable;
use self::zstd::ZstdDecoder;

/// Unpacks a body, piece by piece.
pub(super) struct BodyDecoder {
    encoding: Encoding,
    /// The place of this decoder among the decoders that take memory. A body that is not packed needs no place.
    _permit: Option<DecoderPermit<'static>>,
}

/// The encoding of a body, with the state of its decoder.
enum Encoding {
    Identity,
    // The states of the decoders are large, and few bodies are read.
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
    Zlib(Box<ZlibDecoder<Vec<u8>>>),
    Deflate(Box<DeflateDecoder<Vec<u8>>>),
    /// The encoding is `deflate`, and the first byte will tell which of its two forms.
    UnknownDeflate,
    Brotli(Box<BrotliDecoder>),
    Zstd(ZstdDecoder),
}

impl BodyDecoder {
    /// Returns the decoder for a body with these headers. Returns `None` if the gateway cannot read its encoding, or reads too
    /// many packed bodies already.
    pub(super) fn new(headers: &HeaderMap) -> Option<Self> {
        let encoding = Encoding::from_headers(headers)?;
        let permit = match encoding {
            Encoding::Identity => None,
            _ => Some(DECODERS.begin()?),
        };
        Some(Self { encoding, _permit: permit })
    }

    /// Returns whether the body is not packed.
    pub(super) fn is_identity(&self) -> bool {
        matches!(self.encoding, Encoding::Identity)
    }

    /// Unpacks more bytes and gives them to `observe`, until that returns true or `max_bytes` have been unpacked.
    /// `max_bytes` counts down. Returns the last answer of `observe`.
    pub(super) fn feed(
        &mut self,
        packed: &[u8],
        max_bytes: &mut usize,
        mut observe: impl FnMut(&[u8]) -> bool,
    ) -> Result<bool, Unreadable> {
        let mut observe = |unpacked: &[u8]| {
            *max_bytes = max_bytes.checked_sub(unpacked.len()).ok_or(Unreadable)?;
            Ok(!unpacked.is_empty() && observe(unpacked))
        };
        if let (Encoding::UnknownDeflate, Some(first)) = (&self.encoding, packed.first()) {
            self.encoding = Encoding::deflate(*first);
        }
        match &mut self.encoding {
            Encoding::Identity => observe(packed),
            Encoding::UnknownDeflate => Ok(false),
            Encoding::Gzip(decoder) => write(&mut **decoder, MultiGzDecoder::get_mut, packed, &mut observe),
            Encoding::Zlib(decoder) => write(&mut **decoder, ZlibDecoder::get_mut, packed, &mut observe),
            Encoding::Deflate(decoder) => {
                write(&mut **decoder, DeflateDecoder::get_mut, packed, &mut observe)
            }
            Encoding::Brotli(decoder) => decoder.feed(packed, &mut observe),
            Encoding::Zstd(decoder) => decoder.feed(packed, &mut observe),
        }
    }
}

impl Encoding {
    fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let mut encodings = headers.get_all(header::CONTENT_ENCODING).iter();
        let Some(encoding) = encodings.next() else { return Some(Self::Identity) };
        if encodings.next().is_some() {
            return None;
        }
        Some(match encoding.to_str().ok()?.trim().to_ascii_lowercase().as_str() {
            "identity" => Self::Identity,
            "gzip" | "x-gzip" => Self::Gzip(Box::new(MultiGzDecoder::new(Vec::new()))),
            "deflate" => Self::UnknownDeflate,
            "br" => Self::Brotli(Box::default()),
            "zstd" => Self::Zstd(ZstdDecoder::new()?),
            _ => return None,
        })
    }

    /// Returns the form of `deflate` that begins with this byte. Some servers leave out the wrapper of zlib (RFC 9110
    /// section 8.4.1.2).
    fn deflate(first: u8) -> Self {
        match first & 0x0f {
            ZLIB_METHOD => Self::Zlib(Box::new(ZlibDecoder::new(Vec::new()))),
            _ => Self::Deflate(Box::new(DeflateDecoder::new(Vec::new()))),
        }
    }
}

/// Writes packed bytes to a decoder that appends what they unpack to into a vector.
fn write<D: Write>(
    decoder: &mut D,
    output: impl Fn(&mut D) -> &mut Vec<u8>,
    packed: &[u8],
    observe: &mut impl FnMut(&[u8]) -> Result<bool, Unreadable>,
) -> Result<bool, Unreadable> {
    // A piece of this size unpacks to half a megabyte at most.
    for piece in packed.chunks(PIECE_BYTES) {
        decoder.write_all(piece).and_then(|()| decoder.flush()).map_err(|_| Unreadable)?;
        let unpacked = std::mem::take(output(decoder));
        if observe(&unpacked)? {
            return Ok(true);
        }
    }
    Ok(false)
}

const PIECE_BYTES: usize = 512;
/// The low half of the first byte of a zlib stream (RFC 1950 section 2.2). A compressor of raw deflate does not write
/// it: it would be a stored block whose padding is not 0.
const ZLIB_METHOD: u8 = 8;

#[cfg(test)]
pub(super) mod tests;
