//! The boxed error of tower's middleware.

use std::error::Error;

/// Any error, boxed as tower's middleware returns it. See [`ReadError`](crate::markers::ReadError). The layer reads it in [`Boxed`](crate::markers::Boxed)
/// mode.
pub type BoxError = Box<dyn Error + Send + Sync>;
