//! What OpenTelemetry's semantic conventions for HTTP call things.

use http::{Method, Version};
use opentelemetry::{KeyValue, Value};

pub(super) const CLIENT_ADDRESS: &str = "client.address";
pub(super) const ERROR_TYPE: &str = "error.type";
pub(super) const METHOD: &str = "http.request.method";
pub(super) const RESEND_COUNT: &str = "http.request.resend_count";
pub(super) const SERVER_ADDRESS: &str = "server.address";
pub(super) const SERVER_PORT: &str = "server.port";
pub(super) const STATUS: &str = "http.response.status_code";
pub(super) const URL_FULL: &str = "url.full";
pub(super) const URL_PATH: &str = "url.path";
pub(super) const URL_SCHEME: &str = "url.scheme";
pub(super) const VERSION: &str = "network.protocol.version";

/// What a span of a request with this method is called. Nobody knows how many unknown methods there are.
pub(super) fn name(method: &Method) -> String {
    if is_known(method) { method.to_string() } else { "HTTP".to_owned() }
}

/// The method, and as what it came if it is not one of HTTP's.
pub(super) fn method(method: &Method) -> impl Iterator<Item = KeyValue> {
    let said = || method.to_string();
    let (word, original) =
        if is_known(method) { (said(), None) } else { ("_OTHER".to_owned(), Some(said())) };
    let original = original.map(|said| KeyValue::new("http.request.method_original", said));
    [KeyValue::new(METHOD, word)].into_iter().chain(original)
}

pub(super) fn version(version: Version) -> Value {
    match version {
        Version::HTTP_10 => "1.0".into(),
        Version::HTTP_2 => "2".into(),
        _ => "1.1".into(),
    }
}

fn is_known(method: &Method) -> bool {
    matches!(
        method.as_str(),
        "CONNECT" | "DELETE" | "GET" | "HEAD" | "OPTIONS" | "PATCH" | "POST" | "PUT" | "QUERY" | "TRACE"
    )
}
