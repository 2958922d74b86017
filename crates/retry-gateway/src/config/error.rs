//! The problems of a configuration, and their messages.

use std::error::Error;
use std::fmt;

/// The error of a configuration, which lists all of its problems. Its text has a line for each problem, which
/// begins with the file, the line and the column.
#[derive(Clone, PartialEq, Eq)]
pub struct ConfigError {
    file: String,
    problems: Vec<ConfigProblem>,
    /// The number of problems that are not listed.
    unlisted: usize,
}

/// One problem of a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblem {
    position: Option<Position>,
    field: String,
    value: Option<String>,
    invalid: Invalid,
}

/// A position in a text. Lines and columns count from 1, and columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    pub(super) line: usize,
    pub(super) column: usize,
}

/// The largest number of problems that an error lists.
pub(super) const MAX_PROBLEMS: usize = 100;

/// The message about an invalid value, without its position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Invalid {
    message: String,
    allowed: Option<String>,
    nearest: Option<String>,
    is_secret: bool,
}

impl ConfigError {
    /// Creates the error of at least one problem; `unlisted` counts those beyond [`MAX_PROBLEMS`].
    pub(super) fn new(file: &str, mut problems: Vec<ConfigProblem>, unlisted: usize) -> Self {
        problems.sort_by_key(|problem| problem.position);
        problems.dedup();
        Self { file: file.to_owned(), problems, unlisted }
    }

    /// Creates the error of a file that has one problem as a whole.
    pub(super) fn for_file(file: &str, message: impl Into<String>) -> Self {
        Self::new(file, vec![ConfigProblem::new(None, "", None, Invalid::new(message))], 0)
    }

    /// Returns the problems in the order of the file, and at most the first hundred.
    pub fn problems(&self) -> &[ConfigProblem] {
        &self.problems
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            let line_end = if index == 0 { "" } else { "\n" };
            write!(f, "{line_end}{}:", self.file)?;
            if let Some(Position { line, column }) = problem.position {
                write!(f, "{line}:{column}:")?;
            }
            write!(f, " {problem}")?;
        }
        if self.unlisted > 0 {
            write!(f, "\n{}: and {} more", self.file, self.unlisted)?;
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

impl ConfigProblem {
    /// Creates a problem; `field` is empty for a problem of the whole file.
    pub(super) fn new(
        position: Option<Position>,
        field: &str,
        value: Option<String>,
        invalid: Invalid,
    ) -> Self {
        Self { position, field: field.to_owned(), value, invalid }
    }

    /// Returns the line, which counts from 1, if the problem has a position in the file.
    pub fn line(&self) -> Option<usize> {
        self.position.map(|position| position.line)
    }

    /// Returns the column, which counts characters from 1, if the problem has a position in the file.
    pub fn column(&self) -> Option<usize> {
        self.position.map(|position| position.column)
    }

    /// Returns the key with all of its tables, such as `routes[0].retry.num_retries`. It is empty for a
    /// problem of the whole file.
    pub fn field(&self) -> &str {
        &self.field
    }
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        self.invalid.describe(f, self.value.as_deref())
    }
}

impl Invalid {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), allowed: None, nearest: None, is_secret: false }
    }

    /// Adds the values that are allowed.
    pub(super) fn allowed(self, allowed: impl Into<String>) -> Self {
        Self { allowed: Some(allowed.into()), ..self }
    }

    /// Adds the value that the operator probably meant.
    pub(super) fn nearest(self, nearest: impl Into<Option<String>>) -> Self {
        Self { nearest: nearest.into(), ..self }
    }

    /// Leaves the value out of the message.
    pub(super) fn secret(self) -> Self {
        Self { nearest: None, is_secret: true, ..self }
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>, value: Option<&str>) -> fmt::Result {
        f.write_str(&self.message)?;
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

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.describe(f, None)
    }
}
