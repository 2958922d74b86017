//! The listeners: one for clients, and one for operators.

pub(crate) mod admin;
pub(crate) mod dashboard;
pub(crate) mod listener;
pub(crate) mod serve;
