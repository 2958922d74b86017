//! The tests compile the code of the READMEs here.

/// The README of the repository.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Repository;

/// The README of the layer.
#[cfg(doctest)]
#[doc = include_str!("../crates/tower-http-retry/README.md")]
pub struct Layer;
