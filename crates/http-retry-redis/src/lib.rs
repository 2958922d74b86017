//! Lets several processes share one rate limit and one retry budget, through Redis or Valkey.
//!
//! [`RedisStore`] is the [`Store`](http_retry::fleet::Store) of a fleet. It keeps an entry for each key of a pace and for each
//! budget, and runs the functions of [`http_retry::fleet::entry`] as scripts in the store. A task of its own moves requests and
//! answers, so that no caller waits for the network. The handle `Fleet` of `tower-http-retry` (feature `fleet`) uses it.
//!
//! ```no_run
//! use tower_http_retry::fleet::Fleet;
//! use tower_http_retry::{Budget, Pace, RetryLayer};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), http_retry_redis::ConnectError> {
//! let fleet = Fleet::new(http_retry_redis::connect("redis://127.0.0.1:6379/0", "prod")?);
//! let layer = RetryLayer::default()
//!     .pace(fleet.pace("api", Pace::per_credential()))
//!     .budget(fleet.budget("api", Budget::default()));
//! # let _: RetryLayer<_, tower_http_retry::markers::Concrete, _> = layer;
//! # Ok(())
//! # }
//! ```
//!
//! # The store
//!
//! It is Redis 7 or Valkey 8, as a distribution ships it: nothing needs to be installed or loaded there. All members of a fleet
//! name the same store and the same fleet.
//!
//! | URL | store |
//! |---|---|
//! | `redis://HOST:PORT/DB` | one server |
//! | `rediss://HOST:PORT/DB` | the same over TLS, by the roots of the system or [`RedisConfig::root_certificates`] |
//! | `redis://USER:PASSWORD@HOST:PORT/DB` | the same, as a user of the store |
//! | several, with [`RedisConfig::seed`] | a cluster (feature `cluster`) |
//! | `redis+sentinel://HOST:PORT/DB?master=NAME` | the server that its sentinels name (feature `sentinel`) |
//!
//! | entry | type | content | expires after |
//! |---|---|---|---|
//! | `hr1:{NAME:p:ID}` | hash | one key of a pace | 10 minutes without use, and a minute after its quiet |
//! | `hr1:{NAME:b:ID}` | hash | one retry budget | 10 minutes without use, and twice the time to fill |
//! | `hr1:{NAME:m}` | sorted set | the members | 60 seconds |
//! | `hr1:NAME:news` | channel | a line for each piece of news | |
//!
//! `ID` is a keyed hash of the name and key of a pace, so no credential is in the store. Set a [`secret`](RedisConfig::secret)
//! where keys may be guessed. An entry is one key of the store, and each script takes one, so a cluster spreads them.
//!
//! # Rights
//!
//! These are enough, for a fleet of any name:
//!
//! ```text
#![doc = include_str!("acl.txt")]
//! ```
//!
//! A cluster also needs `+cluster|slots` and `+asking`, a server behind sentinels `+role`, and a database other than 0 `+select`. A
//! user who may write the entries can slow a fleet down, or let it run into the upstream's own limit, and no more.
//!
//! # What happens when
//!
//! | the store | the member |
//! |---|---|
//! | does not answer a request in [`timeout`](RedisConfig::timeout) | is told [`Unreachable`](http_retry::fleet::StoreEvent::Unreachable) with `Timeout` |
//! | closed or refused the connection | the same at once, with `Closed` |
//! | refuses the user, is out of memory, or is not Redis 7 | the same, and the store is tried again each 30 s |
//! | is tried again | after 50 to 100 ms, then 0.2 to 0.4 s, and then each 1 to 2 s |
//! | runs a script again in time | is told [`Reachable`](http_retry::fleet::StoreEvent::Reachable), and gets news again |
//! | cannot run a script for one entry | gets the answer [`Failed`](http_retry::fleet::Answer::Failed) for this one |
//!
//! # Cancel safety
//!
//! The futures of [`Store::poll_event`](http_retry::fleet::Store::poll_event) hold nothing, so a dropped one loses no event. When
//! a [`RedisStore`] is dropped, requests that were sent are still run, for at most the timeout.

mod address;
mod check;
mod config;
mod connection;
mod driver;
mod error;
mod events;
mod id_key;
mod news;
mod scripts;
mod store;

pub use self::address::StoreAddress;
pub use self::check::StoreCheck;
pub use self::config::RedisConfig;
pub use self::error::{CheckError, ConnectError};
pub use self::store::RedisStore;

/// Connects a member of a fleet to its store, with the defaults of [`RedisConfig`].
///
/// It never waits: the connection is made in the background.
///
/// # Errors
///
/// Returns an error if the URL or the name cannot be used, or without a runtime of tokio.
pub fn connect(url: impl Into<String>, name: impl Into<String>) -> Result<RedisStore, ConnectError> {
    RedisConfig::new(url, name).connect()
}
