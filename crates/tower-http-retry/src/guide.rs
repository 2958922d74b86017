//! The guide tells what the reference does not say in one place. It contains no code of the crate.
//!
//! | page | tells |
//! |---|---|
//! | [`choosing`] | which policy and which settings fit which server |
//! | [`writing`] | how a policy of your own is written, tested and drawn |
//! | [`gateways`] | what differs in a gateway, and where the layer goes in axum |
//! | [`defaults`] | every default, its reason and its source |
//! | [`design`] | why the crate is as it is |
//! | [`migrating`] | how to port code from `tower::retry`, `reqwest-retry`, `reqwest::retry`, `tower-resilience-retry` and `backon` |
//!
//! The examples run as tests of the crate. If one needs a feature, the page names it.

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
