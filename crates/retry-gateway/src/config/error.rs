//! What is wrong with a configuration, and how that is said.

use std::error::Error;
use std::fmt;

/// Everything that is wrong with a configuration. Its text has a line for each problem, which begins with the file,
/// the line and the column.
#[derive(Clone, PartialEq, Eq)]
pub struct ConfigError {
    file: String,
    problems: Vec<Problem>,
    more: usize,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    place: Option<Place>,
    field: String,
    value: Option<String>,
    wrong: Wrong,
}

/// Where something stands in a text. Both count from 1, and columns are characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) line: usize,
    pub(super) column: usize,
}

/// Who has that many problems has one, and it is not in the details.
pub(super) const MOST: usize = 100;

/// What is wrong with a value, wherever it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    what: String,
    allowed: Option<String>,
    nearest: Option<String>,
    is_secret: bool,
}

impl ConfigError {
    /// There is at least one problem, and there are some `more` that nobody needs to be told of yet.
    pub(super) fn new(file: &str, mut problems: Vec<Problem>, more: usize) -> Self {
        problems.sort_by_key(|problem| problem.place);
        problems.dedup();
        Self { file: file.to_owned(), problems, more }
    }

    /// What is wrong with the file as a whole.
    pub(super) fn of_file(file: &str, what: impl Into<String>) -> Self {
        Self::new(file, vec![Problem::new(None, "", None, Wrong::new(what))], 0)
    }

    /// What is wrong, in the order of the file; of a hundred and more, the first hundred.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            let line_end = if index == 0 { "" } else { "\n" };
            write!(f, "{line_end}{}:", self.file)?;
            if let Some(Place { line, column }) = problem.place {
                write!(f, "{line}:{column}:")?;
            }
            write!(f, " {problem}")?;
        }
        if self.more > 0 {
            write!(f, "\n{}: and {} more", self.file, self.more)?;
        }
        Ok(())
    }
}

impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for ConfigError {}

impl Problem {
    /// `field` is empty where it is about the whole file.
    pub(super) fn new(place: Option<Place>, field: &str, value: Option<String>, wrong: Wrong) -> Self {
        Self { place, field: field.to_owned(), value, wrong }
    }

    /// The line, from 1, if it is about a place in the file.
    pub fn line(&self) -> Option<usize> {
        self.place.map(|place| place.line)
    }

    /// The column, from 1 and in characters, if it is about a place in the file.
    pub fn column(&self) -> Option<usize> {
        self.place.map(|place| place.column)
    }

    /// The key with all tables that it is in, as `routes[0].retry.num_retries`; empty for the whole file.
    pub fn field(&self) -> &str {
        &self.field
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        self.wrong.describe(f, self.value.as_deref())
    }
}

impl Wrong {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), allowed: None, nearest: None, is_secret: false }
    }

    /// Says what would be right.
    pub(super) fn allowed(self, allowed: impl Into<String>) -> Self {
        Self { allowed: Some(allowed.into()), ..self }
    }

    /// Says what was probably meant.
    pub(super) fn nearest(self, nearest: impl Into<Option<String>>) -> Self {
        Self { nearest: nearest.into(), ..self }
    }

    /// Keeps the value out of what is said.
    pub(super) fn secret(self) -> Self {
        Self { nearest: None, is_secret: true, ..self }
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>, value: Option<&str>) -> fmt::Result {
        f.write_str(&self.what)?;
        if let Some(value) = value.filter(|_| !self.is_secret) {
            write!(f, ": value {value}")?;
        }
        if let Some(allowed) = &self.allowed {
            write!(f, "; allowed: {allowed}")?;
        }
        if let Some(nearest) = &self.nearest {
            write!(f, "; did you mean \"{nearest}\"?")?;
        }
        Ok(())
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.describe(f, None)
    }
}
