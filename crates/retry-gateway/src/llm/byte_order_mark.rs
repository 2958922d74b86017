//! The byte order mark of UTF-8, with which a text may begin.

/// Returns a text without a byte order mark at its start. A reader of JSON may ignore one (RFC 8259 section 8.1), and a reader
/// of event streams does (HTML standard, section 9.2.5).
pub(super) fn strip(text: &[u8]) -> &[u8] {
    text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text)
}

/// Returns whether these bytes may be the start of a byte order mark.
pub(super) fn is_part(bytes: &[u8]) -> bool {
    BYTE_ORDER_MARK.starts_with(bytes)
}

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();
