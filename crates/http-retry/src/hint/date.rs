//! HTTP-dates in their three forms (RFC 9110 section 5.6.7).

use std::str;
use std::time::SystemTime;

/// Parses an HTTP-date. `httpdate` reads a year with two digits, as in the second form, as one from 1970 to 2069.
pub(super) fn parse(value: &[u8]) -> Option<SystemTime> {
    httpdate::parse_http_date(str::from_utf8(value).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: &str, expected: Option<&str>) {
        let date = |text| httpdate::parse_http_date(text).unwrap();
        assert_eq!(parse(value.as_bytes()), expected.map(date), "{value}");
    }

    #[test]
    fn the_three_forms_give_the_same_time() {
        let expected = Some("Sun, 06 Nov 1994 08:49:37 GMT");
        check("Sun, 06 Nov 1994 08:49:37 GMT", expected);
        check("Sunday, 06-Nov-94 08:49:37 GMT", expected);
        check("Sun Nov  6 08:49:37 1994", expected);
    }

    #[test]
    fn other_forms_are_no_date() {
        for value in [
            "",
            "Sunday, 06-Nov-1994 08:49:37 GMT",
            "Monday, 06-Nov-94 08:49:37 GMT",
            "Sunday, 06-Nov-94",
            "Sunday, 06-Nov",
            "Sunday, ",
            "Sunday, 6-N\u{f6}v-94 08:49:37 GMT",
            "Fri, 32 Dec 1999 23:59:59 GMT",
            "Fri, 29 Sep 100000 16:26:57 GMT",
        ] {
            check(value, None);
        }
    }
}
