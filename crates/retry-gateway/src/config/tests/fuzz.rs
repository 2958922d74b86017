//! No text makes the parser panic, and every problem has a position.

use proptest::prelude::*;

use super::*;

/// A change to a file, whose position is a share of its length.
#[derive(Clone, Debug)]
enum Change {
    Remove(f64, usize),
    Insert(f64, String),
    Repeat(f64, usize),
    Replace(usize, String),
}

impl Change {
    fn apply(&self, text: &mut String) {
        let position =
            |share: f64, text: &str| text.floor_char_boundary((text.len() as f64 * share) as usize);
        match self {
            Self::Remove(at, length) => {
                let at = position(*at, text);
                let end = text.floor_char_boundary(at + length);
                text.replace_range(at..end.max(at), "");
            }
            Self::Insert(at, piece) => text.insert_str(position(*at, text), piece),
            Self::Repeat(at, length) => {
                let at = position(*at, text);
                let end = text.floor_char_boundary(at + length).max(at);
                let piece = text[at..end].to_owned();
                text.insert_str(at, &piece);
            }
            Self::Replace(index, value) => replace_value(text, *index, value),
        }
    }
}

/// Replaces the value in one of the lines with a key, so that the file stays TOML and reaches the parsers of
/// values.
fn replace_value(text: &mut String, index: usize, value: &str) {
    let keys: Vec<_> = text.match_indices(" = ").map(|(at, _)| at + 3).collect();
    let Some(start) = index.checked_rem(keys.len()).map(|index| keys[index]) else { return };
    let end = text[start..].find('\n').map_or(text.len(), |end| start + end);
    text.replace_range(start..end, value);
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{0,12}",
        "\"[ -~&&[^\"\\\\]]{0,12}\"",
        "\"[a-z]{1,4}://[a-zA-Z0-9@:.\\[\\]/?#*é-]{0,12}\"",
        "\"[0-9.]{0,24}(ms|s|m|h|B|kB|KiB|GiB|)\"",
        "\\[(\"[A-Z0-9é-]{0,9}\",){0,3}\\]",
        "-?[0-9]{1,25}(\\.[0-9]{1,5}(e[0-9]{1,4})?)?",
        "0[xob][01]{1,70}",
        "(true|false|inf|-nan|1979-05-27|07:32:00|\\{\\}|\\[\\[\\]\\]|\\[\\{\\}\\])",
    ]
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        1 => (0.0..1.0, 1..40_usize).prop_map(|(at, length)| Change::Remove(at, length)),
        1 => (0.0..1.0, "\\PC{0,8}").prop_map(|(at, piece)| Change::Insert(at, piece)),
        1 => (0.0..1.0, 1..200_usize).prop_map(|(at, length)| Change::Repeat(at, length)),
        4 => (any::<usize>(), value()).prop_map(|(index, value)| Change::Replace(index, value)),
    ]
}

#[track_caller]
fn check(text: &str) {
    if let Err(error) = Config::parse("gateway.toml", text) {
        assert!(!error.problems().is_empty());
        for problem in error.problems() {
            let lines = text.split('\n').count();
            assert!(problem.line().is_none_or(|line| (1..=lines).contains(&line)), "{problem}");
            assert!(problem.column() != Some(0));
        }
        let text = error.to_string();
        assert!(text.lines().all(|line| line.starts_with("gateway.toml:")), "{text}");
    }
}

proptest! {
    #[test]
    fn a_changed_file_parses_or_has_problems(changes in prop::collection::vec(change(), 1..8)) {
        let mut text = EXAMPLE.to_owned();
        changes.iter().for_each(|change| change.apply(&mut text));
        check(&text);
    }

    #[test]
    fn any_text_parses_or_has_problems(text in "\\PC{0,200}") {
        check(&text);
    }
}

#[test]
fn deep_and_long_files_have_problems() {
    check(&"a.".repeat(50_000));
    check(&format!("a = {}", "[".repeat(50_000)));
    check(&format!("a = {}", "{a = ".repeat(50_000)));
    check(&"[a]\n".repeat(1_000));
    check(&format!("{}{}", MINIMAL, "[[routes]]\n".repeat(1_000)));
    check(&format!("{} = 1", "x".repeat(500_000)));
}
