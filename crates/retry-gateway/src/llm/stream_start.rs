//! Finds out whether a stream starts with a failure that another attempt may avoid.

use bytes::Bytes;
use http_body::Body;
use tokio::time::Instant;

use super::body_signal::Finding;
use super::decode::BodyDecoder;
use super::event_parser::StreamParser;
use super::peeked_body::{Chunk, PeekedBody};
use crate::time::pooled_timeout::TimerPool;

/// Reads a stream to the end of its first event that is more than a sign of life, up to [`MAX_BYTES`] and until the deadline.
pub(super) async fn find<B>(
    parser: &mut impl StreamParser,
    body: &mut PeekedBody<B>,
    decoder: &mut BodyDecoder,
    deadline: Instant,
    timers: &TimerPool,
) -> Finding
where
    B: Body<Data = Bytes> + Unpin,
{
    let (mut first, mut left) = (None, MAX_BYTES);
    let reading = body.read(MAX_BYTES, deadline, timers, |chunk| match chunk {
        Chunk::Data(data) => {
            let parse = |data: &[u8]| {
                first = parser.feed(data);
                first.is_some()
            };
            decoder.feed(data, &mut left, parse).unwrap_or(true)
        }
        Chunk::End => {
            first = parser.finish();
            true
        }
    });
    reading.await;
    first.map(Finding::from).unwrap_or_default()
}

/// The most bytes of a stream that the gateway reads. First events have a few hundred, and these bytes do not count
/// towards `buffers.total`.
const MAX_BYTES: usize = 64 * 1024;
