//! The message about each mistake, to the letter.

use super::*;

/// Blocks of a line of the file and the message about it.
const MISTAKES: &str = include_str!("mistakes.txt");

#[test]
fn every_mistake_has_its_message_and_position() {
    let blocks = MISTAKES.split("\n\n").skip(1);
    let mut count = 0;
    for block in blocks {
        let (mistake, expected) = block.trim_end().split_once('\n').unwrap();
        let (part, line) = mistake.split_once(" > ").unwrap();
        let text = match part {
            "top" => file(line, "", ""),
            "upstream" => file("", line, ""),
            "route" => file("", "", line),
            "retry" => file("", "", &format!("[routes.retry]\n{line}")),
            other => panic!("{other} is no part of the file"),
        };
        assert_eq!(problems(&text).join("\n"), expected, "{mistake}");
        count += 1;
    }
    assert!(count > 100, "the blocks are not where they were");
}

#[test]
fn a_fallback_names_each_upstream_once_and_not_too_many() {
    let check = |list: &str, expected: &str| {
        let others = ('b'..='j').map(|name| format!("[upstreams.{name}]\nendpoints = [\"http://{name}\"]\n"));
        let line = format!("fallback = {{ upstreams = [{list}] }}");
        let messages = problems(&file("", &others.collect::<String>(), &line));
        assert_eq!(messages.len(), 1, "{messages:?}");
        assert!(messages[0].ends_with(expected), "{messages:?}");
    };
    check(
        "'b', 'c', 'b'",
        "26:37: routes[0].fallback.upstreams[2]: stands here twice: value 'b'; allowed: each once",
    );
    check(
        "'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j'",
        "upstreams: too many: value ['b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j']; \
         allowed: a list of up to 8 upstreams, such as [\"other\"]",
    );
}
