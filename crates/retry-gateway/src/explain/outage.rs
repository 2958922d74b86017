//! Explains what happens to a request while no endpoint takes connections, where requests wait for the first that does.

use std::fmt::{self, Write as _};

use super::end::write_end;
use super::seconds::seconds;
use crate::config::{FallbackConfig, RouteConfig, UpstreamConfig};

/// Writes the attempts that find no connection, and the wait for the first endpoint that takes one. They are those of a
/// request that finds out for itself: while another request waits already, it has no attempt of its own.
pub(super) fn write_outage(
    text: &mut String,
    route: &RouteConfig,
    upstream: &UpstreamConfig,
    fallback: Option<&FallbackConfig>,
) -> fmt::Result {
    // Such a request is sent again whatever the settings of the route.
    let retries = route.retry.as_ref().map_or(0, |retry| retry.num_retries).max(1);
    let endpoints = u32::try_from(upstream.endpoints.len()).unwrap_or(u32::MAX);
    let tried = endpoints.min(retries).max(1);
    writeln!(text, "retryable after a failed connect: never-sent (RFC 9110 section 9.2.2)")?;
    for number in 2..=tried {
        writeln!(text, "attempt {number}: 0.000 s after the previous outcome")?;
    }
    let max_wait = fallback.map_or(route.timeout, |fallback| fallback.after).min(upstream.wait_while_down);
    let (number, max_wait) = (tried + 1, seconds(max_wait));
    writeln!(
        text,
        "attempt {number}: as soon as an endpoint takes connections, at most {max_wait} after the arrival of the request"
    )?;
    write_end(text, fallback, "no endpoint took a connection within wait_while_down")
}
