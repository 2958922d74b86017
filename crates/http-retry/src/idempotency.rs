//! The `Idempotency-Key` of a request, by which the server tells a repetition from a new request.

use sfv::{BareItem, Item, Parser};

use crate::RequestHead;

/// Returns whether a request has exactly one valid `Idempotency-Key`.
///
/// A valid key is a structured-field string (draft-ietf-httpapi-idempotency-key-header-06 section 2), or a run of visible
/// characters without quotes, as SDKs send it.
pub(crate) fn has_idempotency_key(request: &RequestHead<'_>) -> bool {
    let mut values = request.values("idempotency-key");
    match (values.next(), values.next()) {
        (Some(key), None) => is_quoted(key) || is_bare(key),
        _ => false,
    }
}

fn is_quoted(value: &[u8]) -> bool {
    match Parser::new(value).parse::<Item>() {
        Ok(item) => matches!(item.bare_item, BareItem::String(key) if !key.as_str().is_empty()),
        Err(_) => false,
    }
}

fn is_bare(value: &[u8]) -> bool {
    let delimiter = |byte: &u8| matches!(byte, b'"' | b',' | b';' | b'\\');
    !value.is_empty() && value.iter().all(|byte| byte.is_ascii_graphic() && !delimiter(byte))
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, Request};

    use super::*;

    #[track_caller]
    fn check(lines: &[&[u8]], expected: bool) {
        let mut request = Request::new(());
        for line in lines {
            request.headers_mut().append("idempotency-key", HeaderValue::from_bytes(line).unwrap());
        }
        assert_eq!(has_idempotency_key(&RequestHead::from(&request)), expected, "{lines:?}");
    }

    #[test]
    fn a_key_is_a_structured_string_or_a_bare_token() {
        check(&[br#""8e03978e-40d5-43dd-bc93-6894a57f9324""#], true);
        check(&[br#""with a space and \"quotes\"""#], true);
        check(&[b"8e03978e-40d5-43dd-bc93-6894a57f9324"], true);
        check(&[b"c3RhaW5sZXNz/+=="], true);
        check(&[b"k"], true);
    }

    #[test]
    fn anything_else_is_no_key() {
        check(&[], false);
        check(&[b""], false);
        check(&[br#""""#], false);
        check(&[br#""unclosed"#], false);
        check(&[b"two words"], false);
        check(&[b"a,b"], false);
        check(&[b"\xff\xfe"], false);
        check(&[b"one", b"two"], false);
    }
}
