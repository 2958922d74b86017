//! Reads which files of a crate import which, from the paths that begin with `crate`, `self`, `super` or a submodule.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The files of a crate, each with the files that it imports. A file is called by its path below `src`.
pub(super) type Imports = BTreeMap<String, BTreeSet<String>>;

/// The name of the crate's root among the imported files, because an item of `lib.rs` or `main.rs` is imported alike.
pub(super) const ROOT: &str = "the root";

/// Reads the files below a crate's `src`. Unit tests are left out, and so are the roots, which put the rest together.
pub(super) fn read(src: &Path) -> Imports {
    let name = |path: &Path| path.strip_prefix(src).unwrap().to_str().unwrap().to_owned();
    let files = super::rust_files(src).into_iter().map(|path| (name(&path), path));
    let sources = files
        .filter(|(name, _)| !["lib.rs", "main.rs"].contains(&name.as_str()))
        .filter(|(name, _)| !name.split(['/', '.']).any(|part| part == "tests"))
        .map(|(name, path)| (name, fs::read_to_string(path).unwrap()));
    of(&sources.collect())
}

/// Finds the imports of sources, which are given by the names of their files.
fn of(sources: &BTreeMap<String, String>) -> Imports {
    let modules: BTreeMap<Vec<&str>, &str> =
        sources.keys().map(|name| (module(name), name.as_str())).collect();
    // The longest part of a path that is a module is the file. What follows is an item in it.
    let file = |path: &[&str]| {
        let module = (1..=path.len()).rev().find_map(|end| modules.get(&path[..end]));
        module.copied().unwrap_or(ROOT).to_owned()
    };
    let imports = |(name, text): (&String, &String)| {
        let tokens = without_tests(&tokens(text));
        let mut imported: BTreeSet<_> = paths(&tokens, &module(name)).iter().map(|path| file(path)).collect();
        imported.remove(name);
        (name.clone(), imported)
    };
    sources.iter().map(imports).collect()
}

/// Returns the path of a file's module: `a/b.rs` is `a::b`.
fn module(name: &str) -> Vec<&str> {
    name.trim_end_matches(".rs").split('/').collect()
}

/// Splits code into words, `::` and single characters, without comments and literals.
fn tokens(text: &str) -> Vec<&str> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (length, is_code) = match first {
            '/' if rest.starts_with("//") => (rest.find('\n').unwrap_or(rest.len()), false),
            '"' => (literal(rest, '"'), false),
            'r' if raw_string(rest).is_some() => (raw_string(rest).unwrap(), false),
            // A lifetime has the quote in front alone.
            '\'' => match rest.chars().nth(1) {
                Some('\\') => (literal(rest, '\''), false),
                Some(_) if rest.chars().nth(2) == Some('\'') => (literal(rest, '\''), false),
                _ => (1, false),
            },
            ':' if rest.starts_with("::") => (2, true),
            _ if is_word(first) => (rest.find(|c| !is_word(c)).unwrap_or(rest.len()), true),
            _ => (first.len_utf8(), !first.is_whitespace()),
        };
        if is_code {
            tokens.push(&rest[..length]);
        }
        rest = &rest[length..];
    }
    tokens
}

/// Returns the length of the string or the character at the start of a text.
fn literal(text: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if c == quote && !is_escaped {
            return at + 1;
        }
        is_escaped = c == '\\' && !is_escaped;
    }
    text.len()
}

fn raw_string(text: &str) -> Option<usize> {
    let hashes: String = text[1..].chars().take_while(|c| *c == '#').collect();
    let start = text[1 + hashes.len()..].strip_prefix('"')?;
    let end = start.find(&format!("\"{hashes}")).unwrap_or(start.len());
    Some((text.len() - start.len() + end + 1 + hashes.len()).min(text.len()))
}

/// Leaves out each item that is compiled for tests only.
fn without_tests<'a>(tokens: &[&'a str]) -> Vec<&'a str> {
    const CFG_TEST: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut left = Vec::new();
    let mut rest = tokens;
    while let Some((first, after)) = rest.split_first() {
        rest = match rest.strip_prefix(&CFG_TEST) {
            Some(item) => &item[item_length(item)..],
            None => {
                left.push(*first);
                after
            }
        };
    }
    left
}

/// Returns the number of tokens up to the semicolon or the closing brace that ends an item.
fn item_length(tokens: &[&str]) -> usize {
    let mut depth = 0;
    for (index, token) in tokens.iter().enumerate() {
        match *token {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => depth -= 1,
            _ => {}
        }
        if depth == 0 && matches!(*token, ";" | "}") {
            return index + 1;
        }
    }
    tokens.len()
}

/// Returns each path into the crate, from its root, that these tokens of a module name.
fn paths<'a>(tokens: &[&'a str], module: &[&'a str]) -> Vec<Vec<&'a str>> {
    let declared = |name: &str| tokens.windows(3).any(|three| three == ["mod", name, ";"]);
    let mut paths = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        let is_start = index == 0 || tokens[index - 1] != "::";
        if !is_start || tokens.get(index + 1) != Some(&"::") {
            continue;
        }
        let (base, from) = match *token {
            "crate" => (Vec::new(), index + 2),
            "self" => (module.to_vec(), index + 2),
            "super" => (module.to_vec(), index),
            name if declared(name) => (module.to_vec(), index),
            _ => continue,
        };
        branch(tokens, from, base, &mut paths);
    }
    paths
}

/// Reads a branch of a path, which may part further, and returns the index of the token behind it.
fn branch<'a>(
    tokens: &[&'a str],
    mut at: usize,
    mut base: Vec<&'a str>,
    paths: &mut Vec<Vec<&'a str>>,
) -> usize {
    loop {
        match tokens[at] {
            "{" => {
                at += 1;
                while tokens[at] != "}" {
                    at = branch(tokens, at, base.clone(), paths);
                    at += tokens[at..].iter().take_while(|token| !["}", ","].contains(token)).count();
                    at += usize::from(tokens[at] == ",");
                }
                return at + 1;
            }
            "self" => {}
            "super" => drop(base.pop()),
            name => base.push(name),
        }
        if tokens.get(at + 1) != Some(&"::") {
            paths.push(base);
            return at + 1;
        }
        at += 2;
    }
}

#[test]
fn imports_are_read_in_every_form() {
    let sources = [
        ("a.rs", "mod b; pub use self::b::B; use crate::c::{self, d::{E, F as G}}; fn f() { b::g(); }"),
        (
            "a/b.rs",
            "use super::super::c; // use crate::a::h;\n fn f(c: char) -> bool { c == '\"' || super::x() }",
        ),
        (
            "c.rs",
            "const S: &str = r#\"crate::a\"#; fn f() { crate::main(); std::a::b(); } #[cfg(test)] mod t { use crate::a; }",
        ),
        ("c/d.rs", "#[cfg(test)] use crate::a; fn f<'a>(x: &'a str) -> [u8; 2] { crate::a::b::f('\\'', x) }"),
    ];
    let imports = of(&sources.map(|(name, text)| (name.to_owned(), text.to_owned())).into());
    for (file, expected) in [
        ("a.rs", &["a/b.rs", "c.rs", "c/d.rs"][..]),
        ("a/b.rs", &["a.rs", "c.rs"]),
        ("c.rs", &[ROOT]),
        ("c/d.rs", &["a/b.rs"]),
    ] {
        assert!(imports[file].iter().eq(expected), "{file}: {:?}", imports[file]);
    }
}
