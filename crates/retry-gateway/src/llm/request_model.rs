//! Finds the model that a request names in its JSON body, as the APIs of OpenAI and Anthropic have it.

use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::Body;

use super::content_type;
use super::decode::BodyDecoder;
use super::model_scan::ModelScan;
use super::peeked_body::{Chunk, PeekedBody};

/// The model that a request's body names, or `None` if it names none in the part that was read. It is an extension of the
/// request where the key of a pace asks for it.
#[derive(Clone, Debug)]
pub(crate) struct BodyModel(pub(crate) Option<Bytes>);

/// Reads the start of one request body, up to its model.
pub(crate) struct ModelReading<B: Body> {
    body: PeekedBody<B>,
    decoder: BodyDecoder,
    scan: ModelScan,
    /// The bytes that may still be read.
    left: usize,
    /// The bytes that may still be unpacked.
    unpacked_left: usize,
    frames: usize,
}

/// Returns the model that a body with these headers names in the pieces that came of it.
pub(crate) fn model_in(headers: &HeaderMap, body: &[Bytes]) -> BodyModel {
    let (mut scan, mut unpacked_left) = (ModelScan::default(), MAX_UNPACKED_BYTES);
    if let Some(mut decoder) = BodyDecoder::new(headers) {
        let mut feed =
            |piece: &Bytes| decoder.feed(piece, &mut unpacked_left, |json| scan.feed(json)).unwrap_or(true);
        _ = body.iter().any(&mut feed);
    }
    BodyModel(scan.into_model())
}

/// Returns true if a body with these headers may name a model that the gateway can read.
pub(crate) fn may_name_model(headers: &HeaderMap) -> bool {
    content_type::is_json(headers)
}

impl<B> ModelReading<B>
where
    B: Body<Data = Bytes> + Unpin,
{
    /// Starts the reading of at most `max_bytes` of a body with these headers.
    ///
    /// # Errors
    ///
    /// Returns the body if it has an encoding that the gateway cannot read.
    pub(crate) fn new(headers: &HeaderMap, body: B, max_bytes: usize) -> Result<Self, B> {
        let Some(decoder) = BodyDecoder::new(headers) else { return Err(body) };
        let (body, scan) = (PeekedBody::new(body), ModelScan::default());
        Ok(Self { body, decoder, scan, left: max_bytes, unpacked_left: max_bytes, frames: 0 })
    }

    /// Reads until the model is found or no more may be read, and as long as `keep` returns true for the bytes of each
    /// frame.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, mut keep: impl FnMut(usize) -> bool) -> Poll<()> {
        let Self { body, decoder, scan, left, unpacked_left, frames } = self;
        let mut observe = |chunk: Chunk<'_>| match chunk {
            Chunk::Data(data) => {
                *frames += 1;
                let is_done = decoder.feed(data, unpacked_left, |json| scan.feed(json)).unwrap_or(true);
                is_done || !keep(data.len()) || *frames == MAX_FRAMES
            }
            Chunk::End => true,
        };
        body.poll_read(cx, left, &mut observe).map(drop)
    }

    /// Returns the body, which still has all of its frames, and its model.
    pub(crate) fn finish(self) -> (PeekedBody<B>, BodyModel) {
        (self.body, BodyModel(self.scan.into_model()))
    }
}

/// The most frames of a body that are read. Each takes about a hundred bytes beside its data, so many small ones must
/// not count as almost nothing.
const MAX_FRAMES: usize = 4096;
/// The most bytes of JSON that are read of a packed body.
const MAX_UNPACKED_BYTES: usize = 1024 * 1024;

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use http_body_util::BodyExt;
    use testkit::bodies::{BodyEvent, Frames};

    use super::*;

    /// Reads the model of a body in pieces. Returns it, the pieces that were read, and checks that the body still has all.
    async fn read(pieces: Vec<&'static str>, max_bytes: usize, memory: usize) -> (Option<String>, usize) {
        let whole = pieces.concat();
        let body = Frames::script(pieces.into_iter().map(BodyEvent::Data));
        let (mut kept, mut count) = (0, 0);
        let mut reading = ModelReading::new(&HeaderMap::new(), body, max_bytes).ok().unwrap();
        let keep = |kept: &mut usize, count: &mut usize, bytes| {
            *kept += bytes;
            *count += 1;
            *kept <= memory
        };
        poll_fn(|cx| reading.poll(cx, |bytes| keep(&mut kept, &mut count, bytes))).await;
        let (body, BodyModel(model)) = reading.finish();
        assert_eq!(body.collect().await.unwrap().to_bytes(), whole);
        (model.map(|model| String::from_utf8(model.to_vec()).unwrap()), count)
    }

    #[tokio::test]
    async fn a_body_is_read_up_to_its_model_and_goes_out_as_it_came() {
        let pieces = vec![r#"{"messages":["#, r#"1],"mod"#, r#"el":"a"#, r#"bc","n":"#, "1}"];
        let none_left = (None, 2);
        assert_eq!(read(pieces.clone(), 1000, 1000).await, (Some("abc".to_owned()), 3));
        assert_eq!(read(pieces.clone(), 20, 1000).await.0, None, "the model is beyond the bound");
        assert_eq!(read(pieces, 1000, 19).await, none_left, "there is no memory for more");
        assert_eq!(read(vec!["[1]", "x"], 1000, 1000).await, (None, 0), "it names no model");
        assert_eq!(read(vec![r#"{"n":1}"#], 1000, 1000).await, (None, 0));
        let mut many = vec![r#"{"n":""#];
        many.extend(vec!["x"; 2 * MAX_FRAMES]);
        let (model, count) = read(many, 1 << 20, 1 << 20).await;
        assert_eq!((model, count), (None, MAX_FRAMES));
    }

    #[test]
    fn other_bodies_are_not_read() {
        for (headers, expected) in [
            (vec![], false),
            (vec![("content-type", "text/plain")], false),
            (vec![("content-type", "application/json"), ("content-encoding", "compress")], false),
            (vec![("content-type", "application/json")], true),
        ] {
            let headers = headers
                .into_iter()
                .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()))
                .collect();
            let is_read =
                may_name_model(&headers) && ModelReading::new(&headers, Frames::script([]), 1).is_ok();
            assert_eq!(is_read, expected, "{headers:?}");
        }
    }
}
