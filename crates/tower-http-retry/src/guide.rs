//! The guide has what the reference does not say in one place. Nothing here is code.
//!
//! | page | content |
//! |---|---|
//! | [`choosing`] | the policy and the settings for each kind of server |
//! | [`writing`] | how to write, test and draw a policy of your own |
//! | [`gateways`] | the settings of a gateway, and the layer in axum |
//! | [`compile_errors`] | when it does not compile: the error, its cause, and the line to write |
//! | [`defaults`] | every default, with its reason and its source |
//! | [`design`] | the reasons for the design |
//! | [`migrating`] | the same code for `tower::retry`, `reqwest-retry`, `reqwest::retry`, `tower-resilience-retry` and `backon` |
//!
//! The examples run as tests of the crate. Some need a feature, which the page names.

#[doc = include_str!("guide/choosing.md")]
pub mod choosing {}

#[doc = include_str!("guide/writing.md")]
pub mod writing {}

#[doc = include_str!("guide/gateways.md")]
pub mod gateways {}

#[doc = include_str!("guide/compile_errors.md")]
pub mod compile_errors {}

#[doc = include_str!("guide/defaults.md")]
pub mod defaults {}

#[doc = include_str!("guide/design.md")]
pub mod design {}

#[doc = include_str!("guide/migrating.md")]
pub mod migrating {}
