//! The dashboard at the admin address. Its page reads `/status` and loads nothing from other servers.

use http::{HeaderName, HeaderValue, header};

/// A file of the dashboard.
#[derive(Clone, Copy, Debug)]
pub(crate) struct File {
    pub(crate) kind: &'static str,
    pub(crate) text: &'static str,
}

/// Returns the file at a path.
pub(crate) fn file(path: &str) -> Option<File> {
    let (kind, text) = match path {
        "/" => ("text/html; charset=utf-8", include_str!("dashboard/index.html")),
        "/page.css" => ("text/css; charset=utf-8", include_str!("dashboard/page.css")),
        "/chart.js" => ("text/javascript; charset=utf-8", include_str!("dashboard/chart.js")),
        "/page.js" => ("text/javascript; charset=utf-8", include_str!("dashboard/page.js")),
        _ => return None,
    };
    Some(File { kind, text })
}

/// The headers of every response at the admin address. Browsers then load nothing from other servers, embed the page
/// nowhere, and trust the content types.
pub(crate) const SECURITY_HEADERS: [(HeaderName, HeaderValue); 4] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
        ),
    ),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
];
