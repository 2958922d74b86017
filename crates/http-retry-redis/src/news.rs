//! News as a line of text, on the channel of the fleet.

use http_retry::fleet::Id;
use http_retry::fleet::entry::News;

use crate::scripts::LAYOUT;

/// Returns the channel on which the scripts tell news.
pub(crate) fn channel(fleet: &str) -> String {
    format!("hr1:{fleet}:news")
}

/// Reads a line: the layout, the id of the entry, and the numbers of the news. A line of another layout, or of no sense, is not
/// for this release. Further numbers are those of a later release.
pub(crate) fn parse(line: &str) -> Option<(Id, News)> {
    let mut words = line.split(' ');
    if words.next()?.parse() != Ok(LAYOUT) {
        return None;
    }
    let id = u128::from_str_radix(words.next()?, 16).ok()?;
    let numbers: Vec<i64> = words.map_while(|word| word.parse().ok()).collect();
    let is_whole = numbers.len() >= News::NAMES.len();
    is_whole.then(|| (Id::new(id), News::from_numbers(numbers)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: Option<[i64; 5]>) {
        assert_eq!(parse(line).map(|(_, news)| news.to_numbers()), expected, "{line:?}");
    }

    #[test]
    fn line_has_layout_id_and_numbers() {
        let line = "1 000000000000000000000000000000ff 7 1 500000 100000 4000";
        assert_eq!(parse(line).unwrap().0, Id::new(255));
        check(line, Some([7, 1, 500_000, 100_000, 4_000]));
    }

    #[test]
    fn what_a_later_release_appends_is_left_out() {
        check("1 ff 7 1 500000 100000 4000 12 word", Some([7, 1, 500_000, 100_000, 4_000]));
        check("2 ff 7 1 500000 100000 4000", None);
    }

    #[test]
    fn line_without_sense_is_no_news() {
        for line in ["", "1", "1 ff", "1 zz 7 1 0 0 0", "1 ff 7 1 0 0", "1 ff 7 1 x 100000 4000", "\u{0}"] {
            check(line, None);
        }
    }
}
