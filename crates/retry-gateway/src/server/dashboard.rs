//! The page for people at the admin address. It is drawn from `/status`, and needs nothing from elsewhere.

use http::{HeaderName, HeaderValue, header};

/// A file of the page.
#[derive(Clone, Copy, Debug)]
pub(crate) struct File {
    pub(crate) kind: &'static str,
    pub(crate) text: &'static str,
}

/// The file at a path.
pub(crate) fn file(path: &str) -> Option<File> {
    let (kind, text) = match path {
        "/" => ("text/html; charset=utf-8", include_str!("dashboard/index.html")),
        "/page.css" => ("text/css; charset=utf-8", include_str!("dashboard/page.css")),
        "/page.js" => ("text/javascript; charset=utf-8", include_str!("dashboard/page.js")),
        _ => return None,
    };
    Some(File { kind, text })
}

/// What browsers are told of every answer at this address: it is nobody else's, loads nothing from elsewhere, and is
/// what it says it is.
pub(crate) const GUARDS: [(HeaderName, HeaderValue); 4] = [
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
