//! Bodies that are packed with Zstandard (RFC 8878).

use zstd::stream::raw::{DParameter, Decoder, Operation};

use super::output::{UNPACKED_BYTES, Unreadable};

/// Unpacks Zstandard, piece by piece.
///
/// It is the library of C, because the one in Rust returns nothing of a frame before the frame has ended or filled its window,
/// and an event stream would be held for that long.
pub(super) struct ZstdDecoder(Decoder<'static>);

impl ZstdDecoder {
    /// Returns `None` if there is no memory for a decoder.
    pub(super) fn new() -> Option<Self> {
        let mut decoder = Decoder::new().ok()?;
        decoder.set_parameter(DParameter::WindowLogMax(MAX_WINDOW_LOG)).ok()?;
        Some(Self(decoder))
    }

    /// Unpacks more bytes and gives them to `observe`, until that returns true or an error.
    pub(super) fn feed(
        &mut self,
        packed: &[u8],
        observe: &mut impl FnMut(&[u8]) -> Result<bool, Unreadable>,
    ) -> Result<bool, Unreadable> {
        let mut unpacked = [0; UNPACKED_BYTES];
        let mut rest = packed;
        // A full buffer may hide that more is to come.
        let mut is_full = false;
        while is_full || !rest.is_empty() {
            let status = self.0.run_on_buffers(rest, &mut unpacked[..]).map_err(|_| Unreadable)?;
            rest = &rest[status.bytes_read..];
            is_full = status.bytes_written == unpacked.len();
            if observe(&unpacked[..status.bytes_written])? {
                return Ok(true);
            }
            if status.bytes_read == 0 && status.bytes_written == 0 && !rest.is_empty() {
                return Err(Unreadable);
            }
        }
        Ok(false)
    }
}

/// The largest window, 8 MiB, as the content encoding allows (RFC 9659 section 3). Usual encoders announce 2 MiB for a stream of
/// any length. The window takes no more memory than what was unpacked.
const MAX_WINDOW_LOG: u32 = 23;
