//! Walks the tree of a configuration file, and records its problems with their positions.
//!
//! The walk continues after a problem, so that the error lists all of them at once. A value that does not
//! parse is `None`, as if it were missing.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{ConfigError, ConfigProblem, Invalid, MAX_PROBLEMS, Position};
use super::keywords::nearest;

/// Reads the text of a file.
pub(super) fn text_of(path: &Path, name: &str) -> Result<String, ConfigError> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes));
    read.map_err(|error| ConfigError::for_file(name, format!("cannot be read: {error}")))?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        let message = format!("is larger than {} MiB, and no configuration", MAX_FILE_BYTES >> 20);
        return Err(ConfigError::for_file(name, message));
    }
    String::from_utf8(bytes).map_err(|error| {
        let (bytes, end) = (error.as_bytes(), error.utf8_error().valid_up_to());
        let position = position_of(&String::from_utf8_lossy(&bytes[..end]), end);
        ConfigError::new(
            name,
            vec![ConfigProblem::new(Some(position), "", None, Invalid::new("is not UTF-8"))],
            0,
        )
    })
}

/// A configuration text, with the problems that were found in it.
pub(super) struct Document<'a> {
    text: &'a str,
    /// The folder that relative paths start from.
    pub(super) folder: &'a Path,
    problems: RefCell<Vec<ConfigProblem>>,
    /// The number of problems beyond [`MAX_PROBLEMS`].
    unlisted: Cell<usize>,
}

/// A table of the file. [`finish`](Self::finish) reports the keys that the code did not look up.
pub(super) struct Table<'a> {
    pub(super) document: &'a Document<'a>,
    pub(super) path: String,
    span: Range<usize>,
    entries: &'a DeTable<'a>,
    known_keys: Vec<&'static str>,
}

/// A value of the file, with its position.
pub(super) struct Value<'a> {
    document: &'a Document<'a>,
    path: String,
    spanned: &'a Spanned<DeValue<'a>>,
}

impl<'a> Document<'a> {
    pub(super) fn new(text: &'a str, folder: &'a Path) -> Self {
        Self { text, folder, problems: RefCell::default(), unlisted: Cell::new(0) }
    }

    /// Returns the number of problems so far.
    pub(super) fn problem_count(&self) -> usize {
        self.problems.borrow().len() + self.unlisted.get()
    }

    /// Returns the error with all problems, if there are any.
    pub(super) fn into_error(self, file: &str) -> Option<ConfigError> {
        let (problems, unlisted) = (self.problems.into_inner(), self.unlisted.get());
        (!problems.is_empty()).then(|| ConfigError::new(file, problems, unlisted))
    }

    /// Adds the problem of a field whose position is the byte `at`.
    pub(super) fn add(&self, at: usize, field: &str, value: Option<String>, invalid: Invalid) {
        let mut problems = self.problems.borrow_mut();
        if problems.len() >= MAX_PROBLEMS {
            self.unlisted.update(|count| count + 1);
            return;
        }
        let position = position_of(self.text, at);
        problems.push(ConfigProblem::new(Some(position), field, value, invalid));
    }

    /// Returns a piece of the text, in one line and shortened to [`MAX_SHOWN_CHARS`].
    fn excerpt(&self, span: Range<usize>) -> String {
        let text = self.text.get(span).unwrap_or_default();
        let mut shown: String = text.chars().take(MAX_SHOWN_CHARS).flat_map(printable).collect();
        if text.chars().nth(MAX_SHOWN_CHARS).is_some() {
            shown.push_str("..");
        }
        shown
    }
}

impl<'a> Table<'a> {
    pub(super) fn root(document: &'a Document<'a>, root: &'a Spanned<DeTable<'a>>) -> Self {
        Self { document, path: String::new(), span: 0..0, entries: root.get_ref(), known_keys: Vec::new() }
    }

    /// Looks up the value of a key.
    pub(super) fn value(&mut self, key: &'static str) -> Option<Value<'a>> {
        if !self.known_keys.contains(&key) {
            self.known_keys.push(key);
        }
        let spanned = self.entries.get(key)?;
        Some(Value { document: self.document, path: self.path_of(key), spanned })
    }

    /// Looks up the value of a key and parses it. An invalid value is reported, and is `None` like a missing
    /// one.
    pub(super) fn parse<T>(
        &mut self,
        key: &'static str,
        parser: impl FnOnce(&DeValue<'_>) -> Result<T, Invalid>,
    ) -> Option<T> {
        self.value(key)?.parse(parser)
    }

    /// Looks up and parses the value of a required key. If the key is missing, the problem lists the
    /// `allowed` values.
    pub(super) fn require<T>(
        &mut self,
        key: &'static str,
        allowed: &str,
        parser: impl FnOnce(&DeValue<'_>) -> Result<T, Invalid>,
    ) -> Option<T> {
        let value = self.value(key);
        if value.is_none() {
            self.report_missing(key, allowed);
        }
        value?.parse(parser)
    }

    /// Reports that a key is missing.
    pub(super) fn report_missing(&self, key: &str, allowed: &str) {
        let invalid = Invalid::new("missing").allowed(allowed);
        self.document.add(self.span.start, &self.path_of(key), None, invalid);
    }

    /// Reports the value of a key.
    pub(super) fn report(&self, key: &str, invalid: Invalid) {
        let span = self.entries.get(key).map_or(self.span.clone(), Spanned::span);
        let value = self.entries.get(key).map(|_| self.document.excerpt(span.clone()));
        self.document.add(span.start, &self.path_of(key), value, invalid);
    }

    /// Reports the table as a whole.
    pub(super) fn report_table(&self, invalid: Invalid) {
        self.document.add(self.span.start, &self.path, None, invalid);
    }

    /// Returns the first byte of the table in the text.
    pub(super) fn start(&self) -> usize {
        self.span.start
    }

    /// Returns the entries of a table in the order of the file, such as one whose keys are names of the
    /// operator.
    pub(super) fn entries(&self) -> Vec<(&'a str, Value<'a>)> {
        let mut entries: Vec<_> = self.entries.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        let entry = |(key, spanned): (&'a Spanned<_>, _)| {
            let key: &'a str = AsRef::<str>::as_ref(key.get_ref());
            (key, Value { document: self.document, path: self.path_of(key), spanned })
        };
        entries.into_iter().map(entry).collect()
    }

    /// Reports a key, such as one that is a name of the operator.
    pub(super) fn report_key(&self, key: &str, invalid: Invalid) {
        let at = self.entries.get_key_value(key).map_or(self.span.start, |(key, _)| key.span().start);
        self.document.add(at, &self.path_of(key), None, invalid);
    }

    /// Reports all keys that the code did not look up.
    pub(super) fn finish(self) {
        for (key, _) in self.entries() {
            if !self.known_keys.contains(&key) {
                let near = nearest(key, self.known_keys.iter().copied());
                self.report_key(
                    key,
                    Invalid::new("unknown key").allowed(self.known_keys.join(", ")).nearest(near),
                );
            }
        }
    }

    fn path_of(&self, key: &str) -> String {
        let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        let key = match !key.is_empty() && key.chars().all(bare) {
            true => key.to_owned(),
            false => {
                format!("\"{}\"", key.chars().take(MAX_SHOWN_CHARS).flat_map(printable).collect::<String>())
            }
        };
        if self.path.is_empty() { key } else { format!("{}.{key}", self.path) }
    }
}

impl<'a> Value<'a> {
    /// Parses the value. An invalid value is reported, and is `None`.
    pub(super) fn parse<T>(self, parser: impl FnOnce(&DeValue<'_>) -> Result<T, Invalid>) -> Option<T> {
        parser(self.spanned.get_ref()).map_err(|invalid| self.report(invalid)).ok()
    }

    /// Reports the value.
    pub(super) fn report(&self, invalid: Invalid) {
        let span = self.spanned.span();
        // A message shows the path of a table, and not its content.
        let shown = !matches!(self.spanned.get_ref(), DeValue::Table(_));
        let value = shown.then(|| self.document.excerpt(span.clone()));
        self.document.add(span.start, &self.path, value, invalid);
    }

    /// Returns the value if it is `true` or `false`, and reports nothing otherwise.
    pub(super) fn boolean(&self) -> Option<bool> {
        self.spanned.get_ref().as_bool()
    }

    /// Returns the items of a list. Another value is reported, with `allowed` as what is allowed.
    pub(super) fn items(self, allowed: &str) -> Option<Vec<Value<'a>>> {
        let DeValue::Array(items) = self.spanned.get_ref() else {
            self.report(Invalid::new("not a list").allowed(allowed));
            return None;
        };
        let item = |(index, spanned)| Value {
            document: self.document,
            path: format!("{}[{index}]", self.path),
            spanned,
        };
        Some(items.iter().enumerate().map(item).collect())
    }

    /// Returns the value of a key in this table, and reports nothing if the key is missing.
    pub(super) fn inner(&self, key: &str) -> Option<Value<'a>> {
        let spanned = self.spanned.get_ref().get(key)?;
        Some(Value { document: self.document, path: String::new(), spanned })
    }

    pub(super) fn as_str(&self) -> Option<&'a str> {
        self.spanned.get_ref().as_str()
    }

    pub(super) fn is_list(&self) -> bool {
        self.spanned.get_ref().is_array()
    }

    /// Returns the table. Another value is reported, with `allowed` as what is allowed.
    pub(super) fn table(self, allowed: &str) -> Option<Table<'a>> {
        self.table_or(Invalid::new("not a table").allowed(allowed))
    }

    /// Returns the table. Another value is reported with this message.
    pub(super) fn table_or(self, invalid: Invalid) -> Option<Table<'a>> {
        let DeValue::Table(entries) = self.spanned.get_ref() else {
            self.report(invalid);
            return None;
        };
        let span = self.spanned.span();
        Some(Table { document: self.document, path: self.path, span, entries, known_keys: Vec::new() })
    }

    /// Returns the string of a key in this table, and reports nothing if it is missing.
    pub(super) fn peek(&self, key: &str) -> Option<&'a str> {
        self.spanned.get_ref().get(key)?.get_ref().as_str()
    }
}

/// Returns the position of the byte `at` in a text.
pub(super) fn position_of(text: &str, at: usize) -> Position {
    let before = &text[..text.floor_char_boundary(at)];
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    Position {
        line: 1 + before.bytes().filter(|byte| *byte == b'\n').count(),
        column: 1 + before[line_start..].chars().count(),
    }
}

/// Returns a character, or its escape where it would move the terminal's cursor.
fn printable(c: char) -> impl Iterator<Item = char> {
    let escaped = c.is_control().then(|| c.escape_default());
    let plain = (!c.is_control()).then_some(c);
    escaped.into_iter().flatten().chain(plain)
}

/// A larger file is no configuration, and may be a device without an end.
const MAX_FILE_BYTES: u64 = 1 << 20;
/// The largest number of characters of a value that a message shows.
const MAX_SHOWN_CHARS: usize = 60;
