//! The boxed error of tower's middleware.

use std::error::Error;

/// Any error, boxed as tower's middleware returns it. The layer reads it in [`Boxed`](crate::markers::Boxed) mode, as
/// [`ReadError`](crate::markers::ReadError) shows.
pub type BoxError = Box<dyn Error + Send + Sync>;
