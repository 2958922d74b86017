//! The names and values of OpenTelemetry's semantic conventions for HTTP, and the names of our own, which begin with
//! `retry.`.

use http::{Method, Version};
use opentelemetry::{KeyValue, Value};

pub(super) const CLIENT_ADDRESS: &str = "client.address";
pub(super) const ERROR_TYPE: &str = "error.type";
pub(super) const METHOD: &str = "http.request.method";
pub(super) const PACE_WAIT: &str = "retry.pace.wait";
pub(super) const PACE_WHY: &str = "retry.pace.why";
pub(super) const RESEND_COUNT: &str = "http.request.resend_count";
pub(super) const RESPONSE_END: &str = "retry.response.end";
pub(super) const RESPONSE_SIZE: &str = "http.response.body.size";
pub(super) const RPC_STATUS: &str = "rpc.response.status_code";
pub(super) const SERVER_ADDRESS: &str = "server.address";
pub(super) const SERVER_PORT: &str = "server.port";
pub(super) const STATUS: &str = "http.response.status_code";
pub(super) const URL_FULL: &str = "url.full";
pub(super) const URL_PATH: &str = "url.path";
pub(super) const URL_SCHEME: &str = "url.scheme";
pub(super) const VERSION: &str = "network.protocol.version";

/// Returns the name of a span for this method. All unknown methods share one name, so that a client cannot create
/// any number of names.
pub(super) fn name(method: &Method) -> String {
    if is_known(method) { method.to_string() } else { "HTTP".to_owned() }
}

/// Returns the attributes of the method: its name, or `_OTHER` and the original of an unknown method.
pub(super) fn method(method: &Method) -> impl Iterator<Item = KeyValue> {
    let name = || method.to_string();
    let (value, original) =
        if is_known(method) { (name(), None) } else { ("_OTHER".to_owned(), Some(name())) };
    let original = original.map(|name| KeyValue::new("http.request.method_original", name));
    [KeyValue::new(METHOD, value)].into_iter().chain(original)
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
