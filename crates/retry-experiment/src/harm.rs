//! Whether a pace harms callers where it cannot help them, or can help only a little. The servers are real, and so are the
//! clients.
//!
//! A [`HarmRow`] is played without a pace and with one. Each [`Figure`] of it has a bound. The pace is that of a
//! [`RetryLayer`](tower_http_retry::RetryLayer), or of a proxy between the callers and the server.

mod case;
mod figure;
mod full_table;
mod load;
mod pairs;
mod proxy;
mod row;
mod separate_keys;
mod server;
mod server_model;
mod stalled_clients;
mod unpolled;

pub use self::figure::{Figure, Measured, TABLE_HEADER};
pub use self::proxy::{MAX_ATTEMPTS, ProxyKey, ProxyPace, RunningProxy, StartProxy, StartingProxy};
pub use self::row::HarmRow;
