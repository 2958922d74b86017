//! The code in the READMEs, which is compiled with the tests.

/// The repository's.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Repository;

/// The layer's.
#[cfg(doctest)]
#[doc = include_str!("../crates/tower-http-retry/README.md")]
pub struct Layer;
