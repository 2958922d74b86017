//! The life of a configuration: the gateway is built from it and replaced at a reload.

pub(crate) mod build;
pub(crate) mod current;
pub(crate) mod reload;
