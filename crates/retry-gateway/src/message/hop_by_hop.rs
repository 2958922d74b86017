//! Hop-by-hop headers, which end at the gateway (RFC 9110 section 7.6.1).
//!
//! `message/header_scan` knows their names. `Connection` can name more of them, but for the headers that are
//! listed here as end-to-end.

use http::header::{self, HeaderMap, HeaderName};

use crate::message::header_scan::{HeaderScan, is_forwarding_header, is_hop_by_hop};

/// Removes the hop-by-hop headers, and the headers that `Connection` names.
pub(crate) fn remove(headers: &mut HeaderMap, scan: &HeaderScan) {
    if scan.hop_by_hop == 0 {
        return;
    }
    if scan.hop_by_hop == 1
        && let Some(connection) = headers.remove(header::CONNECTION)
    {
        // Most heads have no hop-by-hop header or this one, with a value that names no other header.
        if connection == "keep-alive" || connection == "close" {
            return;
        }
        headers.insert(header::CONNECTION, connection);
    }
    remove_all(headers);
}

fn remove_all(headers: &mut HeaderMap) {
    let lines = headers.get_all(header::CONNECTION).iter();
    let names = lines.flat_map(|value| value.to_str().unwrap_or_default().split(','));
    let names = names.filter_map(|name| HeaderName::try_from(name.trim()).ok());
    let mut removed: Vec<_> = names.filter(|name| !is_end_to_end(name.as_str())).collect();
    removed.extend(headers.keys().filter(|name| is_hop_by_hop(name.as_str())).cloned());
    for name in removed {
        headers.remove(name);
    }
}

/// Returns true for a header that `Connection` may not name. Listing one of these is an attempt to hide it
/// from the upstream, although the gateway or a proxy before it has acted on it. The header stays and the
/// request is forwarded, because a client that is only wrong should be served all the same.
fn is_end_to_end(name: &str) -> bool {
    const PREFIXES: &[&str] = &["content-", "if-"];
    const NAMES: &[&str] = &[
        "authorization",
        "cache-control",
        "cdn-loop",
        "cookie",
        "date",
        "early-data",
        "expect",
        "host",
        "idempotency-key",
        "location",
        "origin",
        "range",
        "retry-after",
        "set-cookie",
        "via",
    ];
    NAMES.contains(&name)
        || is_forwarding_header(name)
        || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}
