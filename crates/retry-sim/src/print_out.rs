//! The standard output of all commands.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};

/// Writes a line to standard output. If its reader is gone, as `head` is after its last line, that is no error.
pub(crate) fn print_out(text: impl Display) -> io::Result<()> {
    match writeln!(io::stdout(), "{text}") {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}
