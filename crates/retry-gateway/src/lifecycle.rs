//! The life of a configuration: a gateway is built from it, and a reload replaces it.

pub(crate) mod build;
pub(crate) mod current;
pub(crate) mod reload;
