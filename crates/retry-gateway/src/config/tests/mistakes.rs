//! What is said about each mistake, to the letter.

use super::*;

/// Blocks of a line of the file, and what is said about it.
const MISTAKES: &str = include_str!("mistakes.txt");

#[test]
fn every_mistake_is_told_with_its_place() {
    let blocks = MISTAKES.split("\n\n").skip(1);
    let mut count = 0;
    for block in blocks {
        let (mistake, expected) = block.trim_end().split_once('\n').unwrap();
        let (place, line) = mistake.split_once(" > ").unwrap();
        let text = match place {
            "top" => file(line, "", ""),
            "upstream" => file("", line, ""),
            "route" => file("", "", line),
            "retry" => file("", "", &format!("[routes.retry]\n{line}")),
            other => panic!("{other} is no place"),
        };
        assert_eq!(problems(&text).join("\n"), expected, "{mistake}");
        count += 1;
    }
    assert!(count > 100, "the blocks are not where they were");
}
