//! HTTP-dates in their three forms (RFC 9110 section 5.6.7).

use std::time::SystemTime;

/// Reads an HTTP-date. `httpdate` takes the two digits of the second form for a year from 1970 to 2069.
pub(super) fn read(value: &[u8]) -> Option<SystemTime> {
    httpdate::parse_http_date(str::from_utf8(value).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: &str, expected: Option<&str>) {
        let parse = |text| httpdate::parse_http_date(text).unwrap();
        assert_eq!(read(value.as_bytes()), expected.map(parse), "{value}");
    }

    #[test]
    fn the_three_forms_are_one_moment() {
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
