//! Finds out from the body of a refusal whether a wait helps, and how long it is.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http_body::Body;
use tokio::time::Instant;

use super::body_signal::{BodySignal, Finding};
use super::decode::BodyDecoder;
use super::error_body::ApiError;
use super::peeked_body::{Chunk, PeekedBody};
use crate::time::pooled_timeout::TimerPool;

/// Reads the body of a refusal, up to [`MAX_BYTES`] and until the deadline.
pub(super) async fn find<B>(
    body: &mut PeekedBody<B>,
    decoder: &mut BodyDecoder,
    deadline: Instant,
    timers: &TimerPool,
) -> Finding
where
    B: Body<Data = Bytes> + Unpin,
{
    let (mut json, mut left, mut is_readable) = (Vec::new(), MAX_UNPACKED_BYTES, true);
    let is_whole = body.read(MAX_BYTES, deadline, timers, |chunk| match chunk {
        Chunk::Data(data) => {
            let append = |data: &[u8]| {
                json.extend_from_slice(data);
                false
            };
            is_readable = decoder.feed(data, &mut left, append).is_ok();
            !is_readable
        }
        Chunk::End => true,
    });
    match is_whole.await && is_readable {
        true => meaning(&json, SystemTime::now()),
        false => Finding::default(),
    }
}

fn meaning(json: &[u8], now: SystemTime) -> Finding {
    ApiError::parse_refusal(json, now).map_or_else(Finding::default, |error| finding(&error))
}

/// Returns what a refusal with this error tells of the next attempt.
pub(super) fn finding(error: &ApiError) -> Finding {
    let signal = if error.is_permanent() {
        Some(BodySignal::QuotaGone)
    } else if error.is_too_large() {
        Some(BodySignal::TooLarge)
    } else {
        None
    };
    Finding { signal, wait: error.wait() }
}

/// The most bytes of a body that the gateway reads. Such a body has a few hundred.
pub(super) const MAX_BYTES: usize = 16 * 1024;
/// The most bytes to which such a body is unpacked.
const MAX_UNPACKED_BYTES: usize = 64 * 1024;
/// The longest time that the gateway reads. Most bodies arrive with the head, and another attempt would make the client
/// wait for longer.
pub(super) const MAX_WAIT: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_permanent_error_outranks_one_that_is_too_large_and_any_wait() {
        let found = |json: &str| meaning(json.as_bytes(), SystemTime::UNIX_EPOCH);
        let gone =
            found(r#"{"error":{"code":"insufficient_quota","message":"Request too large","retry_after":3}}"#);
        assert_eq!(gone.signal, Some(BodySignal::QuotaGone));
        let large =
            found(r#"{"error":{"message":"Request too large for x: Limit 30000, Requested 61000."}}"#);
        assert_eq!(large.signal, Some(BodySignal::TooLarge));
        let wait = found(r#"{"error":{"code":429,"retry_after":3}}"#);
        assert_eq!((wait.signal, wait.wait), (None, Some(Duration::from_secs(3))));
        assert_eq!(found("{}"), Finding::default());
    }

    proptest! {
        #[test]
        fn junk_never_panics(
            junk in proptest::collection::vec(any::<u8>(), 0..200),
            text in "[{}\"error:,typecodesagry in0-9.msh\\[\\] ]{0,80}",
        ) {
            meaning(&junk, SystemTime::UNIX_EPOCH);
            meaning(text.as_bytes(), SystemTime::UNIX_EPOCH);
        }
    }
}
