//! Ends requests that come back to the gateway again and again, by the header `CDN-Loop` (RFC 8586).
//!
//! `Via` names the proxies too, but nginx and others compress no response to a request with that header.

use std::sync::LazyLock;

use http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::message::headers;

/// The name of this process, which no other gateway has.
static NAME: LazyLock<HeaderValue> = LazyLock::new(|| {
    let name = format!("retry-gateway-{:016x}", rand::random::<u64>());
    HeaderValue::try_from(name).unwrap_or(HeaderValue::from_static("retry-gateway"))
});

/// Returns whether a request has passed this gateway so often that it would do so without end.
pub(crate) fn is_loop(headers: &HeaderMap) -> bool {
    // The items are read as bytes, because a byte that is no ASCII must not hide the others.
    let items = headers.get_all(CDN_LOOP).iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    // A proxy may add parameters after a semicolon.
    let names = items.filter_map(|item| item.split(|byte| *byte == b';').next());
    names.filter(|name| NAME.as_bytes() == name.trim_ascii()).count() >= MAX_PASSES
}

/// Adds the name of this process. `is_first` is true if the request has no such header.
pub(crate) fn mark(headers: &mut HeaderMap, is_first: bool) {
    if is_first {
        headers.insert(CDN_LOOP, NAME.clone());
    } else {
        headers::append(headers, CDN_LOOP, NAME.clone());
    }
}

const CDN_LOOP: HeaderName = HeaderName::from_static("cdn-loop");
/// The passes that one request may make. A gateway in front of several services gets the same request again if a service
/// copies its headers into a call of the next one.
const MAX_PASSES: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_passed_too_often_is_a_loop() {
        let mut headers = HeaderMap::new();
        headers.append(CDN_LOOP, HeaderValue::from_static("other-cdn; a=1, retry-gateway-0"));
        for _ in 0..MAX_PASSES {
            assert!(!is_loop(&headers));
            mark(&mut headers, false);
        }
        assert!(is_loop(&headers), "{headers:?}");
        assert_eq!(headers.get_all(CDN_LOOP).iter().count(), 1);
        assert!(
            headers[CDN_LOOP]
                .to_str()
                .unwrap()
                .starts_with("other-cdn; a=1, retry-gateway-0, retry-gateway-")
        );
    }

    #[test]
    fn lines_and_parameters_of_other_proxies_hide_no_pass() {
        let mut headers = HeaderMap::new();
        let name = NAME.to_str().unwrap();
        for line in [name.to_owned(), format!("{name};v=1 , cdn"), format!("cdn,{name}"), "é".to_owned()] {
            headers.append(CDN_LOOP, HeaderValue::try_from(line).unwrap());
        }
        assert!(!is_loop(&headers));
        mark(&mut headers, false);
        assert!(is_loop(&headers));
        let mut first = HeaderMap::new();
        mark(&mut first, true);
        assert!(!is_loop(&first));
    }
}
