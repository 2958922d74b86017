//! The model of a request that was sent before it was known.

use bytes::Bytes;
use http::header::CONTENT_ENCODING;
use http::{Extensions, HeaderMap, HeaderValue};
use tower_http_retry::RequestHead;
use tower_http_retry::pace::KeyInBody;

use crate::llm;

/// Reads the model of a request that was sent before it was known.
#[derive(Debug)]
pub(super) struct ModelInBody;

impl KeyInBody for ModelInBody {
    fn read(&self, head: &RequestHead<'_>, body: &[Bytes]) -> Extensions {
        let encodings = head.headers().filter(|(name, _)| *name == CONTENT_ENCODING.as_str());
        let encodings = encodings.filter_map(|(_, value)| HeaderValue::from_bytes(value).ok());
        let headers: HeaderMap = encodings.map(|value| (CONTENT_ENCODING, value)).collect();
        let mut found = Extensions::new();
        found.insert(llm::model_in(&headers, body));
        found
    }
}
