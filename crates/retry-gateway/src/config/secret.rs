//! Values that are never shown: they may be in the file, in a file of their own, or in the environment.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use super::error::Invalid;

/// A text that is shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    text: String,
    /// The file that the text was read from.
    file: Option<PathBuf>,
}

impl Secret {
    /// Creates a secret of its text.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), file: None }
    }

    /// Reads a value: the secret itself, or where it is.
    pub(super) fn read(value: &str, folder: &Path) -> Result<Self, Invalid> {
        if let Some(name) = value.strip_prefix("env:") {
            let text = std::env::var(name).unwrap_or_default();
            return Self::trimmed(&text, None)
                .ok_or_else(|| Invalid::new("an environment variable that is not set, or is empty"));
        }
        let Some(path) = value.strip_prefix("file:").map(|path| folder.join(path)) else {
            return Self::trimmed(value, None).ok_or_else(|| Invalid::new("empty").secret());
        };
        match fs::metadata(&path).map(|data| data.len()) {
            Ok(MAX_BYTES..) => return Err(Invalid::new("a file of more than 64 KiB, which is no secret")),
            Ok(_) => {}
            Err(error) => return Err(Invalid::new(format!("a file that cannot be read ({error})"))),
        }
        let text = fs::read_to_string(&path)
            .map_err(|error| Invalid::new(format!("a file that cannot be read ({error})")))?;
        Self::trimmed(&text, Some(path)).ok_or_else(|| Invalid::new("an empty file"))
    }

    /// Returns the text. The caller of this must not show it.
    pub(crate) fn expose(&self) -> &str {
        &self.text
    }

    /// Returns the file that the text was read from. A reload reads it again.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Editors end a file with a line break, which is no part of the secret.
    fn trimmed(text: &str, file: Option<PathBuf>) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty()).then(|| Self { text: text.to_owned(), file })
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

const MAX_BYTES: u64 = 64 << 10;
