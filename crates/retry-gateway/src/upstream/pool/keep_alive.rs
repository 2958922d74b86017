//! The header `Keep-Alive` of a response.

use std::time::Duration;

use http::{HeaderMap, HeaderName};

/// Returns the time for which a server keeps an idle connection open (`Keep-Alive: timeout`, RFC 2068 section
/// 19.7.1), less a margin in which a request could still meet the server's close.
pub(super) fn keep_alive(headers: &HeaderMap) -> Option<Duration> {
    // Few heads have more lines than a look-up takes comparisons.
    let values = headers.iter().filter(|(name, _)| **name == KEEP_ALIVE);
    let lines = values.filter_map(|(_, line)| line.to_str().ok());
    let timeouts = lines.flat_map(|line| line.split(',')).filter_map(|parameter| {
        let (name, seconds) = parameter.split_once('=')?;
        let is_timeout = name.trim().eq_ignore_ascii_case("timeout");
        is_timeout.then(|| seconds.trim().trim_matches('"').parse().ok()).flatten()
    });
    Some(Duration::from_secs(timeouts.min()?).saturating_sub(KEEP_ALIVE_MARGIN))
}

static KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
/// The part of `Keep-Alive: timeout` in which a connection takes no request.
const KEEP_ALIVE_MARGIN: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_server_says_how_long_a_connection_may_be_idle() {
        let of = |value: &'static str| {
            let headers = HeaderMap::from_iter([(KEEP_ALIVE.clone(), HeaderValue::from_static(value))]);
            keep_alive(&headers).map(|time| time.as_secs())
        };
        for (value, expected) in [
            ("timeout=5", Some(4)),
            ("timeout=5, max=1000", Some(4)),
            ("max=1000, Timeout = \"75\"", Some(74)),
            ("timeout=1", Some(0)),
            ("timeout=0", Some(0)),
            ("timeout=-1", None),
            ("timeout=soon", None),
            ("max=5", None),
            ("", None),
        ] {
            assert_eq!(of(value), expected, "{value}");
        }
        let lines = ["max=1000", "timeout=5", "timeout=9"].map(|line| (KEEP_ALIVE.clone(), line));
        let mut headers = HeaderMap::new();
        for (name, line) in lines {
            headers.append(name, HeaderValue::from_static(line));
        }
        assert_eq!(keep_alive(&headers), Some(Duration::from_secs(4)), "the lines are one list");
    }
}
