//! The standard header names and a number for each of them.
//!
//! `HeaderName` does not expose the index of a standard name, but hashes it; this module reads it from there. A standard
//! name gives a hasher only its index, and any other name gives its text. A saved header line can thus hold the index of
//! a standard name instead of its text. If a later version of `http` hashes something else, the table stays empty and
//! all names are saved as text.

use std::hash::{Hash, Hasher};
use std::num::NonZeroU64;
use std::sync::LazyLock;

use http::{HeaderName, header};

/// The table of the standard names, by index.
pub(super) struct StandardNames {
    names: [Option<HeaderName>; 256],
    /// The encoded form of each name, by the same index.
    encoded: [Option<NonZeroU64>; 256],
}

impl StandardNames {
    /// Returns the table, which the first call builds.
    #[inline]
    pub(super) fn get() -> &'static Self {
        static TABLE: LazyLock<StandardNames> =
            LazyLock::new(|| StandardNames::new(&STANDARD).unwrap_or(StandardNames::empty()));
        &TABLE
    }

    /// Builds the table of `names`. Returns `None` if a name has no index, or shares one.
    fn new(names: &[HeaderName]) -> Option<Self> {
        let mut table = Self::empty();
        for name in names {
            let index = index(name)?;
            let entry = table.names.get_mut(index)?;
            if entry.replace(name.clone()).is_some() {
                return None;
            }
            table.encoded[index] = NonZeroU64::new(STANDARD_NAME | (index as u64) << 32);
        }
        // A name that is not standard must hash its text, or its hash could pass for an index.
        index(&HeaderName::from_static("x-known")).is_none().then_some(table)
    }

    fn empty() -> Self {
        Self { names: [const { None }; 256], encoded: [None; 256] }
    }

    /// Returns the encoded form of a standard name: its index in the upper half, and [`STANDARD_NAME`] in the highest bit.
    #[inline]
    pub(super) fn encoded(&self, name: &HeaderName) -> Option<NonZeroU64> {
        *self.encoded.get(index(name)?)?
    }

    /// Returns the name with an index.
    pub(super) fn name(&self, index: usize) -> Option<&HeaderName> {
        self.names.get(index)?.as_ref()
    }
}

/// Returns the index of a standard name, and `None` for any other.
#[inline]
fn index(name: &HeaderName) -> Option<usize> {
    let mut probe = HashProbe::default();
    name.hash(&mut probe);
    (!probe.has_text).then_some(probe.index)
}

/// A hasher that records the values that a name hashes.
#[derive(Default)]
struct HashProbe {
    index: usize,
    has_text: bool,
}

impl Hasher for HashProbe {
    /// Records that the name hashes text. Numbers of other types than `isize` arrive here too.
    fn write(&mut self, _: &[u8]) {
        self.has_text = true;
    }

    /// Records the number of an enum's variant. The kind of the name arrives first, then the index of a standard name.
    fn write_isize(&mut self, number: isize) {
        self.index = number as usize;
    }

    fn finish(&self) -> u64 {
        self.index as u64
    }
}

/// The bit of a line's prefix that marks the index of a standard name.
pub(super) const STANDARD_NAME: u64 = 1 << 63;

#[rustfmt::skip]
static STANDARD: [HeaderName; 81] = [
    header::ACCEPT, header::ACCEPT_CHARSET, header::ACCEPT_ENCODING, header::ACCEPT_LANGUAGE, header::ACCEPT_RANGES,
    header::ACCESS_CONTROL_ALLOW_CREDENTIALS, header::ACCESS_CONTROL_ALLOW_HEADERS, header::ACCESS_CONTROL_ALLOW_METHODS,
    header::ACCESS_CONTROL_ALLOW_ORIGIN, header::ACCESS_CONTROL_EXPOSE_HEADERS, header::ACCESS_CONTROL_MAX_AGE,
    header::ACCESS_CONTROL_REQUEST_HEADERS, header::ACCESS_CONTROL_REQUEST_METHOD, header::AGE, header::ALLOW,
    header::ALT_SVC, header::AUTHORIZATION, header::CACHE_CONTROL, header::CACHE_STATUS, header::CDN_CACHE_CONTROL,
    header::CONNECTION, header::CONTENT_DISPOSITION, header::CONTENT_ENCODING, header::CONTENT_LANGUAGE,
    header::CONTENT_LENGTH, header::CONTENT_LOCATION, header::CONTENT_RANGE, header::CONTENT_SECURITY_POLICY,
    header::CONTENT_SECURITY_POLICY_REPORT_ONLY, header::CONTENT_TYPE, header::COOKIE, header::DNT, header::DATE,
    header::ETAG, header::EXPECT, header::EXPIRES, header::FORWARDED, header::FROM, header::HOST, header::IF_MATCH,
    header::IF_MODIFIED_SINCE, header::IF_NONE_MATCH, header::IF_RANGE, header::IF_UNMODIFIED_SINCE, header::LAST_MODIFIED,
    header::LINK, header::LOCATION, header::MAX_FORWARDS, header::ORIGIN, header::PRAGMA, header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION, header::PUBLIC_KEY_PINS, header::PUBLIC_KEY_PINS_REPORT_ONLY, header::RANGE,
    header::REFERER, header::REFERRER_POLICY, header::REFRESH, header::RETRY_AFTER, header::SEC_WEBSOCKET_ACCEPT,
    header::SEC_WEBSOCKET_EXTENSIONS, header::SEC_WEBSOCKET_KEY, header::SEC_WEBSOCKET_PROTOCOL,
    header::SEC_WEBSOCKET_VERSION, header::SERVER, header::SET_COOKIE, header::STRICT_TRANSPORT_SECURITY, header::TE,
    header::TRAILER, header::TRANSFER_ENCODING, header::UPGRADE, header::UPGRADE_INSECURE_REQUESTS, header::USER_AGENT,
    header::VARY, header::VIA, header::WARNING, header::WWW_AUTHENTICATE, header::X_CONTENT_TYPE_OPTIONS,
    header::X_DNS_PREFETCH_CONTROL, header::X_FRAME_OPTIONS, header::X_XSS_PROTECTION,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_standard_name_has_an_index_of_its_own() {
        for name in &STANDARD {
            let encoded = StandardNames::get().encoded(name).unwrap();
            let index = (encoded.get() & !STANDARD_NAME) >> 32;
            assert_eq!(encoded.get(), STANDARD_NAME | index << 32);
            assert_eq!(StandardNames::get().name(index as usize), Some(name));
            assert_eq!(
                StandardNames::get().encoded(&name.as_str().parse().unwrap()),
                Some(encoded),
                "{name}"
            );
        }
    }

    #[test]
    fn other_names_have_no_index() {
        for name in ["x-one", "a", "accepts", "sec-fetch-mode"] {
            assert_eq!(StandardNames::get().encoded(&HeaderName::from_static(name)), None, "{name}");
        }
        assert_eq!(StandardNames::get().name(usize::MAX), None);
    }

    #[test]
    fn no_table_is_built_of_names_without_an_index_of_their_own() {
        assert!(StandardNames::new(&[header::HOST, header::ACCEPT]).is_some());
        assert!(StandardNames::new(&[header::HOST, header::HOST]).is_none(), "two share an index");
        let other = HeaderName::from_static("x-one");
        assert!(StandardNames::new(&[header::HOST, other]).is_none(), "one has no index");
        assert_eq!(StandardNames::empty().encoded(&header::HOST), None);
    }
}
