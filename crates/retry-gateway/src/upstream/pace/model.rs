//! The model that the path of a request names.

use std::borrow::Cow;

/// Returns the model that a path names, without percent-encoding, or `None` if it names none:
///
/// | path | API |
/// |---|---|
/// | `/v1/models/MODEL:generateContent` | Google |
/// | `/openai/deployments/NAME/chat/completions` | Azure OpenAI, where a limit is one of a deployment |
/// | `/model/ID/invoke` | Amazon Bedrock |
pub(super) fn model_of(path: &str) -> Option<Cow<'_, [u8]>> {
    // Bytes are split with fewer instructions than text.
    let mut segments = path.as_bytes().split(|byte| *byte == b'/').skip_while(|segment| segment.is_empty());
    let (mut before, mut at): (&[u8], &[u8]) = (b"", segments.next()?);
    if at == b"model" {
        // An id of Bedrock has colons. The action behind it tells the path from those of other APIs.
        let id = segments.next().filter(|id| !id.is_empty())?;
        return segments.next().map(|_| decoded(id));
    }
    for segment in segments {
        match at {
            b"models" => return google_model(segment),
            b"deployments" if before == b"openai" && !segment.is_empty() => return Some(decoded(segment)),
            _ => (before, at) = (at, segment),
        }
    }
    None
}

/// Returns the model of a segment, which ends at the colon before the method.
fn google_model(segment: &[u8]) -> Option<Cow<'_, [u8]>> {
    let decoded = decoded(segment);
    let end = decoded.iter().position(|byte| *byte == b':').unwrap_or(decoded.len());
    let model = match decoded {
        Cow::Borrowed(bytes) => Cow::Borrowed(&bytes[..end]),
        Cow::Owned(mut bytes) => {
            bytes.truncate(end);
            Cow::Owned(bytes)
        }
    };
    (!model.is_empty()).then_some(model)
}

/// Decodes the percent-encoding of a segment (RFC 3986 section 2.1), so that all forms of a name are the same
/// key. A `%` without two digits stays as it is.
fn decoded(segment: &[u8]) -> Cow<'_, [u8]> {
    if !segment.contains(&b'%') {
        return Cow::Borrowed(segment);
    }
    let digit = |byte: Option<&u8>| char::from(*byte?).to_digit(16);
    let mut decoded = Vec::with_capacity(segment.len());
    let mut rest = segment;
    while let Some((byte, after)) = rest.split_first() {
        let value = digit(after.first()).zip(digit(after.get(1))).filter(|_| *byte == b'%');
        match value.and_then(|(high, low)| u8::try_from(16 * high + low).ok()) {
            Some(value) => {
                decoded.push(value);
                rest = &after[2..];
            }
            None => {
                decoded.push(*byte);
                rest = after;
            }
        }
    }
    Cow::Owned(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, expected: Option<&str>) {
        let model = model_of(path).map(|model| String::from_utf8(model.into_owned()).unwrap());
        assert_eq!(model.as_deref(), expected, "{path}");
    }

    #[test]
    fn the_model_is_found_where_each_api_has_it() {
        check("/v1/models/gemini-2.5-pro:generateContent", Some("gemini-2.5-pro"));
        check("/v1beta/models/gemini-2.5-pro:streamGenerateContent", Some("gemini-2.5-pro"));
        let vertex = "/v1/projects/p/locations/l/publishers/google/models";
        check(&format!("{vertex}/gemini-2.5-pro:generateContent"), Some("gemini-2.5-pro"));
        check("/v1/models/gpt-5", Some("gpt-5"));
        check("/openai/deployments/my-gpt/chat/completions", Some("my-gpt"));
        check("/prefix/openai/deployments/my-gpt/embeddings", Some("my-gpt"));
        check("/model/anthropic.claude-v2:1/invoke", Some("anthropic.claude-v2:1"));
        check("/model/anthropic.claude-v2:1/converse-stream", Some("anthropic.claude-v2:1"));
    }

    #[test]
    fn other_paths_name_no_model() {
        for path in [
            "",
            "/",
            "*",
            "//",
            "/v1/models",
            "/v1/models/",
            "/v1/models/:generateContent",
            "/v1/chat/completions",
            "/v1/deployments/my-gpt/chat/completions",
            "/openai/deployments/",
            "/openai/deployments",
            "/model",
            "/model/",
            "/model/id",
            "/model//invoke",
            "/v1/model/id/invoke",
        ] {
            check(path, None);
        }
    }

    #[test]
    fn all_forms_of_a_name_are_the_same() {
        check("/model/anthropic.claude-v2%3A1/invoke", Some("anthropic.claude-v2:1"));
        check("/model/anthropic.claude-v2%3a1/invoke", Some("anthropic.claude-v2:1"));
        check("/v1/models/gemini%2d2%3AgenerateContent", Some("gemini-2"));
        check("/model/a%b/invoke", Some("a%b"));
        check("/model/a%/invoke", Some("a%"));
        check("/model/a%2/invoke", Some("a%2"));
        check("/model/%zz%/invoke", Some("%zz%"));
    }
}
