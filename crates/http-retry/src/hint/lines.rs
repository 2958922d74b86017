//! The values of a header. A proxy may have joined several lines to one (RFC 9110 section 5.3), which means what the lines
//! meant.

use http::HeaderMap;

use super::{date, trim};

/// Returns the values of all lines of a header, without white space around them.
pub(super) fn values<'h>(headers: &'h HeaderMap, name: &str) -> impl Iterator<Item = &'h [u8]> {
    headers.get_all(name).iter().flat_map(|line| Values(Some(line.as_bytes())))
}

/// The values of one line, between its commas. A comma behind the name of a weekday belongs to a date.
struct Values<'h>(Option<&'h [u8]>);

impl<'h> Iterator for Values<'h> {
    type Item = &'h [u8];

    fn next(&mut self) -> Option<&'h [u8]> {
        let line = self.0?;
        let mut commas = (0..line.len()).filter(|index| line[*index] == b',');
        let end = commas.next().and_then(|comma| {
            let is_in_date = std::str::from_utf8(trim(&line[..comma])).is_ok_and(date::is_weekday);
            if is_in_date { commas.next() } else { Some(comma) }
        });
        let (value, rest) = match end {
            Some(end) => (&line[..end], Some(&line[end + 1..])),
            None => (line, None),
        };
        self.0 = rest;
        Some(trim(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(lines: &[&str], expected: &[&str]) {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("retry-after", line.parse().unwrap());
        }
        let values: Vec<_> = values(&headers, "retry-after").collect();
        assert_eq!(values, expected.iter().map(|value| value.as_bytes()).collect::<Vec<_>>(), "{lines:?}");
    }

    #[test]
    fn commas_separate_values_but_not_the_parts_of_a_date() {
        check(&[], &[]);
        check(&["5"], &["5"]);
        check(&["60, soon", "7"], &["60", "soon", "7"]);
        check(&["5,"], &["5", ""]);
        check(&["", " , "], &["", "", ""]);
        check(
            &["Thu, 01 Jan 2026 00:00:30 GMT, Sunday, 06-Nov-94 08:49:37 GMT,7"],
            &["Thu, 01 Jan 2026 00:00:30 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "7"],
        );
        check(&["Thu, 5", "Thu,", "Thursday"], &["Thu, 5", "Thu,", "Thursday"]);
    }
}
