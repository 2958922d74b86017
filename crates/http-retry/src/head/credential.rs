//! The credential of a request, by which APIs tell accounts apart, in the places where vendors put it.

use super::RequestHead;

impl<'a> RequestHead<'a> {
    /// Calls `each` with the parts of the request's credential: the number of the place and the bytes there. A request without
    /// a credential has none.
    ///
    /// The places are `Authorization` (RFC 9110 section 11.6.2), `x-api-key` (Anthropic), `api-key` (Azure), `x-goog-api-key`
    /// (Google), `ocp-apim-subscription-key` (Azure API Management) and `xi-api-key` (ElevenLabs). If none of these headers is
    /// there, the query counts: `key` (Google), `api_key`, `apikey`, `api-key`, `subscription-key`, `access_token` (RFC 6750
    /// section 2.3) and `X-Amz-Credential`. Of a signature of AWS, which differs each time, only the id of the access key
    /// counts.
    pub fn each_credential(&self, mut each: impl FnMut(u8, &'a [u8])) {
        let mut is_found = false;
        for (index, name) in HEADERS.iter().enumerate() {
            self.values(name).for_each(|value| {
                is_found = true;
                each(index as u8, account(value));
            });
        }
        if !is_found && let Some(value) = in_query(self) {
            each(QUERY, value);
        }
    }
}

/// The headers that hold a credential.
pub(crate) const HEADERS: [&str; 6] =
    ["authorization", "x-api-key", "api-key", "x-goog-api-key", "ocp-apim-subscription-key", "xi-api-key"];

/// The number of a place in the query.
pub(crate) const QUERY: u8 = HEADERS.len() as u8;

/// The parameters of a query that hold a credential.
const PARAMETERS: [&str; 7] =
    ["key", "api_key", "apikey", "api-key", "subscription-key", "access_token", "X-Amz-Credential"];

/// Returns the place of a header in [`HEADERS`].
#[inline]
pub(crate) fn header_place(name: &str) -> Option<usize> {
    match name {
        "authorization" => Some(0),
        "x-api-key" => Some(1),
        "api-key" => Some(2),
        "x-goog-api-key" => Some(3),
        "ocp-apim-subscription-key" => Some(4),
        "xi-api-key" => Some(5),
        _ => None,
    }
}

/// Returns the part of a value that stays the same from request to request: of a signature of AWS the id of the access key,
/// and else all of it.
#[inline]
pub(crate) fn account(value: &[u8]) -> &[u8] {
    match value.strip_prefix(b"AWS4-") {
        Some(signature) => access_key(signature).unwrap_or(value),
        None => value,
    }
}

/// Returns the credential in the query, if there is one.
#[cold]
pub(crate) fn in_query<'a>(head: &RequestHead<'a>) -> Option<&'a [u8]> {
    head.query()?.split('&').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let is_credential = !value.is_empty() && PARAMETERS.contains(&name);
        // The scope of the access key follows it, with the day.
        let end = value.find("%2F").filter(|_| name == "X-Amz-Credential").unwrap_or(value.len());
        is_credential.then(|| &value.as_bytes()[..end])
    })
}

#[cold]
fn access_key(signature: &[u8]) -> Option<&[u8]> {
    const NAME: &[u8] = b"Credential=";
    let start = signature.windows(NAME.len()).position(|window| window == NAME)? + NAME.len();
    signature[start..].split(|byte| matches!(byte, b'/' | b',' | b' ')).next()
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[track_caller]
    fn check(uri: &str, lines: &[(&str, &str)], expected: &[(u8, &str)]) {
        let mut request = Request::get(uri);
        for (name, value) in lines {
            request = request.header(*name, *value);
        }
        let request = request.body(()).unwrap();
        let mut found = Vec::new();
        let head = RequestHead::from(&request);
        head.each_credential(|place, value| found.push((place, str::from_utf8(value).unwrap())));
        assert_eq!(found, expected, "{uri} {lines:?}");
    }

    #[test]
    fn every_header_has_its_place() {
        for (index, name) in HEADERS.iter().enumerate() {
            assert_eq!(header_place(name), Some(index));
            check("/", &[(name, "a")], &[(index as u8, "a")]);
        }
        check("/", &[("accept", "*/*")], &[]);
    }

    #[test]
    fn a_signature_counts_by_its_access_key() {
        let signed = |key: &str, signature: &str| {
            format!(
                "AWS4-HMAC-SHA256 Credential={key}/20260101/us-east-1/bedrock/aws4_request, \
                 SignedHeaders=host, Signature={signature}"
            )
        };
        check("/", &[("authorization", &signed("AKIA1", "a"))], &[(0, "AKIA1")]);
        check("/", &[("authorization", &signed("AKIA1", "b"))], &[(0, "AKIA1")]);
        check("/", &[("authorization", "AWS4-ECDSA-P256-SHA256 Credential=AKIA2/x")], &[(0, "AKIA2")]);
        // What is no signature counts as it is.
        check("/", &[("authorization", "AWS4-x")], &[(0, "AWS4-x")]);
    }

    #[test]
    fn the_query_counts_if_no_header_does() {
        check("/v1/models/m:generateContent?alt=sse&key=a", &[], &[(QUERY, "a")]);
        check("http://a.example?api_key=a", &[], &[(QUERY, "a")]);
        check("/?X-Amz-Credential=AKIA1%2F20260101%2Fus-east-1&X-Amz-Signature=b", &[], &[(QUERY, "AKIA1")]);
        check("/?key=", &[], &[]);
        check("/?monkey=a&key", &[], &[]);
        check("/?key=a", &[("api-key", "b")], &[(2, "b")]);
    }
}
