//! The guide: what the reference does not say in one place. Nothing here is code.
//!
//! | page | says |
//! |---|---|
//! | [`choosing`] | which policy, and which settings, for which server |
//! | [`writing`] | how a policy of your own is written, tested and drawn |
//! | [`gateways`] | what is different in a gateway, and how the layer sits in axum |
//! | [`defaults`] | every default, its reason, and where it is from |
//! | [`design`] | why it is as it is |
//! | [`migrating`] | what becomes of code for `tower::retry`, `reqwest-retry`, `reqwest::retry`, `tower-resilience-retry` and `backon` |
//!
//! The examples run as tests of the crate. Some need a feature, which the page names.

#[doc = include_str!("guide/choosing.md")]
pub mod choosing {}

#[doc = include_str!("guide/writing.md")]
pub mod writing {}

#[doc = include_str!("guide/gateways.md")]
pub mod gateways {}

#[doc = include_str!("guide/defaults.md")]
pub mod defaults {}

#[doc = include_str!("guide/design.md")]
pub mod design {}

#[doc = include_str!("guide/migrating.md")]
pub mod migrating {}
