//! Names of headers that are known by number.
//!
//! `http` holds the standard names as numbers, which it does not tell, but to a hasher: a standard name tells it just its
//! number, and any other name its text. So standard names have places in a table here, by those numbers, and are kept as
//! the place where they stand. Should an `http` tell a hasher something else one day, the table is empty, and all names are
//! kept as text.

use std::hash::{Hash, Hasher};
use std::num::NonZeroU64;
use std::sync::LazyLock;

use http::{HeaderName, header};

/// The standard names, each in its place.
pub(super) struct Known {
    names: [Option<HeaderName>; 256],
    /// What is written for each of them.
    marks: [Option<NonZeroU64>; 256],
}

impl Known {
    /// What is known, found out once.
    #[inline]
    pub(super) fn get() -> &'static Self {
        static KNOWN: LazyLock<Known> = LazyLock::new(|| Known::of(&STANDARD).unwrap_or(Known::nothing()));
        &KNOWN
    }

    /// Puts names into their places; `None` where one has none, or not for itself.
    fn of(names: &[HeaderName]) -> Option<Self> {
        let mut known = Self::nothing();
        for name in names {
            let number = number(name)?;
            let place = known.names.get_mut(number)?;
            if place.replace(name.clone()).is_some() {
                return None;
            }
            known.marks[number] = NonZeroU64::new(MARK | (number as u64) << 32);
        }
        // Neither has any other, but its text.
        number(&HeaderName::from_static("x-known")).is_none().then_some(known)
    }

    fn nothing() -> Self {
        Self { names: [const { None }; 256], marks: [None; 256] }
    }

    /// What is written for a name, if it has a place: that, in the upper half of a number, below a [`MARK`].
    #[inline]
    pub(super) fn mark(&self, name: &HeaderName) -> Option<NonZeroU64> {
        *self.marks.get(number(name)?)?
    }

    /// The name that stands in a place.
    pub(super) fn name(&self, place: usize) -> Option<&HeaderName> {
        self.names.get(place)?.as_ref()
    }
}

/// The number of a name, if it has one.
#[inline]
fn number(name: &HeaderName) -> Option<usize> {
    let mut told = Told::default();
    name.hash(&mut told);
    (!told.has_text).then_some(told.number)
}

/// What a name tells a hasher.
#[derive(Default)]
struct Told {
    number: usize,
    has_text: bool,
}

impl Hasher for Told {
    /// Also what is told of any number but the one below.
    fn write(&mut self, _: &[u8]) {
        self.has_text = true;
    }

    /// What is told of a variant: of the kind of the name first, and then of which it is.
    fn write_isize(&mut self, number: isize) {
        self.number = number as usize;
    }

    fn finish(&self) -> u64 {
        self.number as u64
    }
}

/// That a number tells the place of a name.
pub(super) const MARK: u64 = 1 << 63;

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
    fn every_standard_name_has_a_place_of_its_own() {
        for name in &STANDARD {
            let mark = Known::get().mark(name).unwrap();
            let place = (mark.get() & !MARK) >> 32;
            assert_eq!(mark.get(), MARK | place << 32);
            assert_eq!(Known::get().name(place as usize), Some(name));
            assert_eq!(Known::get().mark(&name.as_str().parse().unwrap()), Some(mark), "{name}");
        }
    }

    #[test]
    fn other_names_have_none() {
        for name in ["x-one", "a", "accepts", "sec-fetch-mode"] {
            assert_eq!(Known::get().mark(&HeaderName::from_static(name)), None, "{name}");
        }
        assert_eq!(Known::get().name(usize::MAX), None);
    }

    #[test]
    fn nothing_is_known_where_names_tell_no_numbers_of_their_own() {
        assert!(Known::of(&[header::HOST, header::ACCEPT]).is_some());
        assert!(Known::of(&[header::HOST, header::HOST]).is_none(), "two have the same");
        assert!(Known::of(&[header::HOST, HeaderName::from_static("x-one")]).is_none(), "one has none");
        assert_eq!(Known::nothing().mark(&header::HOST), None);
    }
}
