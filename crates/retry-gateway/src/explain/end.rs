//! Says where the outcome of a request goes that is not sent again.

use std::fmt::{self, Write as _};

use crate::config::FallbackConfig;

/// Writes that the request goes to the next upstream, if there is one, or that its outcome goes to the client.
pub(super) fn write_end(text: &mut String, fallback: Option<&FallbackConfig>, reason: &str) -> fmt::Result {
    match fallback.and_then(|fallback| fallback.upstreams.first()) {
        Some(upstream) => writeln!(text, "sent to {upstream}: {reason}"),
        None => writeln!(text, "returned to the client: {reason}"),
    }
}
