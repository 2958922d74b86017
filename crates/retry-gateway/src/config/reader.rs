//! Walks the tree of a file, and remembers what is wrong where.
//!
//! Reading goes on after a problem, so that all are told at once: what could not be read is `None`, as if it were
//! not there.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{ConfigError, MOST, Place, Problem, Wrong};
use super::keywords::nearest;

/// A file's text.
pub(super) fn text_of(path: &Path, name: &str) -> Result<String, ConfigError> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes));
    read.map_err(|error| ConfigError::of_file(name, format!("cannot be read: {error}")))?;
    if bytes.len() as u64 > LARGEST {
        let what = format!("is larger than {} MiB, and no configuration", LARGEST >> 20);
        return Err(ConfigError::of_file(name, what));
    }
    String::from_utf8(bytes).map_err(|error| {
        let (bytes, end) = (error.as_bytes(), error.utf8_error().valid_up_to());
        let place = place_of(&String::from_utf8_lossy(&bytes[..end]), end);
        ConfigError::new(name, vec![Problem::new(Some(place), "", None, Wrong::new("is not UTF-8"))], 0)
    })
}

/// The text that is read, and what is wrong with it.
pub(super) struct Report<'a> {
    text: &'a str,
    /// Where relative paths start.
    pub(super) folder: &'a Path,
    problems: RefCell<Vec<Problem>>,
    /// Beyond those.
    more: Cell<usize>,
}

/// A table of the file, which must have no keys but those that somebody asked for.
pub(super) struct Table<'a> {
    pub(super) report: &'a Report<'a>,
    pub(super) path: String,
    span: Range<usize>,
    entries: &'a DeTable<'a>,
    known: Vec<&'static str>,
}

/// A value of the file, and where it stands.
pub(super) struct Value<'a> {
    report: &'a Report<'a>,
    path: String,
    spanned: &'a Spanned<DeValue<'a>>,
}

impl<'a> Report<'a> {
    pub(super) fn new(text: &'a str, folder: &'a Path) -> Self {
        Self { text, folder, problems: RefCell::default(), more: Cell::new(0) }
    }

    /// How many problems there are so far.
    pub(super) fn count(&self) -> usize {
        self.problems.borrow().len() + self.more.get()
    }

    /// All of them as one, if there are any.
    pub(super) fn into_error(self, file: &str) -> Option<ConfigError> {
        let (problems, more) = (self.problems.into_inner(), self.more.get());
        (!problems.is_empty()).then(|| ConfigError::new(file, problems, more))
    }

    pub(super) fn add(&self, at: usize, field: &str, value: Option<String>, wrong: Wrong) {
        let mut problems = self.problems.borrow_mut();
        if problems.len() >= MOST {
            self.more.update(|more| more + 1);
            return;
        }
        let place = place_of(self.text, at);
        problems.push(Problem::new(Some(place), field, value, wrong));
    }

    /// A piece of the text as it stands there, on one line and not too long.
    fn excerpt(&self, span: Range<usize>) -> String {
        let text = self.text.get(span).unwrap_or_default();
        let mut shown: String = text.chars().take(SHOWN).flat_map(printable).collect();
        if text.chars().nth(SHOWN).is_some() {
            shown.push_str("..");
        }
        shown
    }
}

impl<'a> Table<'a> {
    pub(super) fn root(report: &'a Report<'a>, root: &'a Spanned<DeTable<'a>>) -> Self {
        Self { report, path: String::new(), span: 0..0, entries: root.get_ref(), known: Vec::new() }
    }

    /// The value of a key, if it is there.
    pub(super) fn value(&mut self, key: &'static str) -> Option<Value<'a>> {
        if !self.known.contains(&key) {
            self.known.push(key);
        }
        let spanned = self.entries.get(key)?;
        Some(Value { report: self.report, path: self.path_of(key), spanned })
    }

    /// The value of a key, read by `read`, if it is there and right.
    pub(super) fn read<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&DeValue<'_>) -> Result<T, Wrong>,
    ) -> Option<T> {
        self.value(key)?.read(read)
    }

    /// As [`read`](Self::read), for a key that must be there; `allowed` says what for.
    pub(super) fn require<T>(
        &mut self,
        key: &'static str,
        allowed: &str,
        read: impl FnOnce(&DeValue<'_>) -> Result<T, Wrong>,
    ) -> Option<T> {
        let value = self.value(key);
        if value.is_none() {
            self.miss(key, allowed);
        }
        value?.read(read)
    }

    /// Says that a key is missing.
    pub(super) fn miss(&self, key: &str, allowed: &str) {
        let wrong = Wrong::new("missing").allowed(allowed);
        self.report.add(self.span.start, &self.path_of(key), None, wrong);
    }

    /// Says that a key's value does not go with another.
    pub(super) fn blame(&self, key: &str, wrong: Wrong) {
        let span = self.entries.get(key).map_or(self.span.clone(), Spanned::span);
        let value = self.entries.get(key).map(|_| self.report.excerpt(span.clone()));
        self.report.add(span.start, &self.path_of(key), value, wrong);
    }

    /// Says that the table as a whole is wrong.
    pub(super) fn blame_all(&self, wrong: Wrong) {
        self.report.add(self.span.start, &self.path, None, wrong);
    }

    /// Where it begins in the text.
    pub(super) fn start(&self) -> usize {
        self.span.start
    }

    /// The entries of a table whose keys are the user's own, as they stand in the file.
    pub(super) fn entries(&self) -> Vec<(&'a str, Value<'a>)> {
        let mut entries: Vec<_> = self.entries.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        let entry = |(key, spanned): (&'a Spanned<_>, _)| {
            let key: &'a str = AsRef::<str>::as_ref(key.get_ref());
            (key, Value { report: self.report, path: self.path_of(key), spanned })
        };
        entries.into_iter().map(entry).collect()
    }

    /// Says of a key of the user's own that it is wrong.
    pub(super) fn blame_key(&self, key: &str, wrong: Wrong) {
        let at = self.entries.get_key_value(key).map_or(self.span.start, |(key, _)| key.span().start);
        self.report.add(at, &self.path_of(key), None, wrong);
    }

    /// Tells of all keys that nobody asked for.
    pub(super) fn finish(self) {
        for (key, _) in self.entries() {
            if !self.known.contains(&key) {
                let near = nearest(key, self.known.iter().copied());
                self.blame_key(key, Wrong::new("unknown key").allowed(self.known.join(", ")).nearest(near));
            }
        }
    }

    fn path_of(&self, key: &str) -> String {
        let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        let key = match !key.is_empty() && key.chars().all(bare) {
            true => key.to_owned(),
            false => format!("\"{}\"", key.chars().take(SHOWN).flat_map(printable).collect::<String>()),
        };
        if self.path.is_empty() { key } else { format!("{}.{key}", self.path) }
    }
}

impl<'a> Value<'a> {
    /// What `read` makes of it, if it is right.
    pub(super) fn read<T>(self, read: impl FnOnce(&DeValue<'_>) -> Result<T, Wrong>) -> Option<T> {
        read(self.spanned.get_ref()).map_err(|wrong| self.blame(wrong)).ok()
    }

    pub(super) fn blame(&self, wrong: Wrong) {
        let span = self.spanned.span();
        // A table is shown by its path, and not by all that stands in it.
        let shown = !matches!(self.spanned.get_ref(), DeValue::Table(_));
        let value = shown.then(|| self.report.excerpt(span.clone()));
        self.report.add(span.start, &self.path, value, wrong);
    }

    /// Whether it is `true` or `false`, if it is either.
    pub(super) fn boolean(&self) -> Option<bool> {
        self.spanned.get_ref().as_bool()
    }

    /// Its items, if it is a list; `allowed` says what else.
    pub(super) fn items(self, allowed: &str) -> Option<Vec<Value<'a>>> {
        let DeValue::Array(items) = self.spanned.get_ref() else {
            self.blame(Wrong::new("not a list").allowed(allowed));
            return None;
        };
        let item = |(index, spanned)| Value {
            report: self.report,
            path: format!("{}[{index}]", self.path),
            spanned,
        };
        Some(items.iter().enumerate().map(item).collect())
    }

    /// What stands in it under a key, without a word about it if there is nothing.
    pub(super) fn inner(&self, key: &str) -> Option<Value<'a>> {
        let spanned = self.spanned.get_ref().get(key)?;
        Some(Value { report: self.report, path: String::new(), spanned })
    }

    pub(super) fn as_str(&self) -> Option<&'a str> {
        self.spanned.get_ref().as_str()
    }

    pub(super) fn is_list(&self) -> bool {
        self.spanned.get_ref().is_array()
    }

    /// The table that it is; `allowed` says what else.
    pub(super) fn table(self, allowed: &str) -> Option<Table<'a>> {
        let DeValue::Table(entries) = self.spanned.get_ref() else {
            self.blame(Wrong::new("not a table").allowed(allowed));
            return None;
        };
        let span = self.spanned.span();
        Some(Table { report: self.report, path: self.path, span, entries, known: Vec::new() })
    }

    /// A string in it, without a word about it if there is none.
    pub(super) fn peek(&self, key: &str) -> Option<&'a str> {
        self.spanned.get_ref().get(key)?.get_ref().as_str()
    }
}

/// Where a byte of a text stands.
pub(super) fn place_of(text: &str, at: usize) -> Place {
    let before = &text[..text.floor_char_boundary(at)];
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    Place {
        line: 1 + before.bytes().filter(|byte| *byte == b'\n').count(),
        column: 1 + before[line_start..].chars().count(),
    }
}

/// A character, or what stands for it where it would move the terminal's cursor.
fn printable(c: char) -> impl Iterator<Item = char> {
    let escaped = c.is_control().then(|| c.escape_default());
    let plain = (!c.is_control()).then_some(c);
    escaped.into_iter().flatten().chain(plain)
}

/// More is no configuration, and maybe has no end.
const LARGEST: u64 = 1 << 20;
/// How many characters of a value are shown.
const SHOWN: usize = 60;
