//! Bodies that are packed with brotli (RFC 7932).

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};

use super::output::{UNPACKED_BYTES, Unreadable};

/// Unpacks brotli, piece by piece.
///
/// The crate's own writer is not used, because it unpacks on when it is dropped, whatever the bound. Windows of all sizes are
/// read, because usual encoders announce 4 MiB for the shortest text. The window takes no more memory than what was unpacked.
pub(super) struct BrotliDecoder {
    state: BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>,
    has_ended: bool,
}

impl Default for BrotliDecoder {
    fn default() -> Self {
        let alloc = StandardAlloc::default;
        // Windows above 16 MiB are no part of the content encoding.
        Self { state: BrotliState::new_strict(alloc(), alloc(), alloc()), has_ended: false }
    }
}

impl BrotliDecoder {
    /// Unpacks more bytes and gives them to `observe`, until that returns true or an error.
    pub(super) fn feed(
        &mut self,
        packed: &[u8],
        observe: &mut impl FnMut(&[u8]) -> Result<bool, Unreadable>,
    ) -> Result<bool, Unreadable> {
        if packed.is_empty() {
            return Ok(false);
        }
        if self.has_ended {
            return Err(Unreadable);
        }
        let mut unpacked = [0; UNPACKED_BYTES];
        let (mut left, mut at) = (packed.len(), 0);
        loop {
            let (mut room, mut written, mut total) = (unpacked.len(), 0, 0);
            let result = BrotliDecompressStream(
                &mut left,
                &mut at,
                packed,
                &mut room,
                &mut written,
                &mut unpacked,
                &mut total,
                &mut self.state,
            );
            if observe(&unpacked[..written])? {
                return Ok(true);
            }
            match result {
                BrotliResult::NeedsMoreOutput => {}
                BrotliResult::NeedsMoreInput => return Ok(false),
                BrotliResult::ResultSuccess if left == 0 => {
                    self.has_ended = true;
                    return Ok(false);
                }
                BrotliResult::ResultSuccess | BrotliResult::ResultFailure => return Err(Unreadable),
            }
        }
    }
}
