//! Settings of a layer, as a configuration file contains them: see [`RetrySettings`].

mod field;

use std::time::Duration;

use http::HeaderName;
use http_retry::{Budget, ExponentialBackoff, Jitter, Pace, RetryAfterFirst};
use serde::Deserialize;

use crate::RetryLayer;

/// Settings of a [`RetryLayer`] that a program reads from its own configuration, with `serde`.
///
/// ```
/// use tower_http_retry::RetryLayer;
/// use tower_http_retry::settings::RetrySettings;
///
/// # fn main() -> Result<(), toml::de::Error> {
/// let settings: RetrySettings = toml::from_str(r#"
///     max_attempts = 4
///     max_elapsed = "30s"
///     budget = { percent = 10, min_per_second = 5 }
///     backoff = { base = "250ms", cap = "5s" }
/// "#)?;
/// let layer: RetryLayer = settings.layer();
/// # let _ = layer;
///
/// let error = toml::from_str::<RetrySettings>("max_attempts = 0").unwrap_err();
/// let expected = "invalid value: integer `0`, expected `max_attempts` to be a whole number from 1 to 4294967295";
/// assert_eq!(error.message(), expected);
/// # Ok(())
/// # }
/// ```
///
/// | key | value | sets |
/// |---|---|---|
/// | `max_attempts` | a whole number from 1 | [`RetryLayer::max_attempts`] |
/// | `max_elapsed` | a duration, or false for no limit | [`RetryLayer::max_elapsed`] |
/// | `budget` | a table of the next three, or false for no budget | [`RetryLayer::budget`] |
/// | `budget.percent` | a whole number, 20 if it is missing | [`Budget::percent`] |
/// | `budget.min_per_second` | a whole number, 10 if it is missing | [`Budget::min_per_second`] |
/// | `budget.capacity` | a whole number of tokens | [`Budget::capacity`] |
/// | `replay_limit` | a whole number of bytes | [`RetryLayer::replay_limit`] |
/// | `drain_limit.bytes` | a whole number of bytes, 16384 if it is missing | [`RetryLayer::drain_limit`] |
/// | `drain_limit.time` | a duration, 10 ms if it is missing | [`RetryLayer::drain_limit`] |
/// | `ignore_hints` | true or false | [`RetryLayer::ignore_hints`] |
/// | `attempt_header` | the name of a header | [`RetryLayer::attempt_header`] |
/// | `pace` | `"authority"`, `"credential"` or `"header:NAME"` | nothing in [`layer`](Self::layer): see [`pace`](Self::pace) |
/// | `backoff.base` | a duration, 100 ms if it is missing | [`ExponentialBackoff::new`] |
/// | `backoff.cap` | a duration, 10 s if it is missing | [`ExponentialBackoff::new`] |
/// | `backoff.multiplier` | a number from 1 | [`ExponentialBackoff::multiplier`] |
/// | `backoff.jitter` | `"full"`, `"equal"` or `"none"` | [`ExponentialBackoff::jitter`] |
///
/// A setting whose key is missing stays as it is in the layer. A duration is text such as `"30s"`, `"250ms"`
/// or `"1m 30s"`; ISO 8601 (`"PT30S"`) is read as well. An unknown key is an error, and each error names the
/// key, its value and the allowed values. The format must describe its own types, as JSON, TOML and YAML do.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table of retry settings")]
pub struct RetrySettings {
    #[serde(deserialize_with = "field::max_attempts")]
    max_attempts: Option<u32>,
    #[serde(deserialize_with = "field::max_elapsed")]
    max_elapsed: Option<Option<Duration>>,
    #[serde(deserialize_with = "field::budget")]
    budget: Option<Option<BudgetTable>>,
    #[serde(deserialize_with = "field::replay_limit")]
    replay_limit: Option<usize>,
    drain_limit: Option<DrainTable>,
    #[serde(deserialize_with = "field::ignore_hints")]
    ignore_hints: Option<bool>,
    #[serde(deserialize_with = "field::attempt_header")]
    attempt_header: Option<HeaderName>,
    #[serde(deserialize_with = "field::pace")]
    pace: Option<PaceKey>,
    backoff: BackoffTable,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct BudgetTable {
    #[serde(deserialize_with = "field::percent")]
    percent: Option<u32>,
    #[serde(deserialize_with = "field::min_per_second")]
    min_per_second: Option<u32>,
    #[serde(deserialize_with = "field::capacity")]
    capacity: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "`drain_limit` to be a table of `bytes` and `time`")]
struct DrainTable {
    #[serde(deserialize_with = "field::drain_bytes")]
    bytes: usize,
    #[serde(deserialize_with = "field::drain_time")]
    time: Duration,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "`backoff` to be a table of `base`, `cap`, `multiplier` and `jitter`"
)]
struct BackoffTable {
    #[serde(deserialize_with = "field::base")]
    base: Option<Duration>,
    #[serde(deserialize_with = "field::cap")]
    cap: Option<Duration>,
    #[serde(deserialize_with = "field::multiplier")]
    multiplier: Option<f64>,
    #[serde(deserialize_with = "field::jitter")]
    jitter: Option<Jitter>,
}

/// The requests that share a limit.
#[derive(Clone, Debug, PartialEq)]
enum PaceKey {
    Authority,
    Credential,
    Header(HeaderName),
}

impl RetrySettings {
    /// Creates a layer with these settings, over [`policy`](Self::policy). Each call creates a budget of its
    /// own.
    pub fn layer<E>(&self) -> RetryLayer<RetryAfterFirst, E> {
        RetryLayer::new(self.policy()).settings(self)
    }

    /// Creates the default policy with the `backoff` of these settings.
    pub fn policy(&self) -> RetryAfterFirst {
        let BackoffTable { base, cap, multiplier, jitter } = self.backoff;
        let mut backoff = ExponentialBackoff::new(base.unwrap_or(DEFAULT_BASE), cap.unwrap_or(DEFAULT_CAP));
        if let Some(multiplier) = multiplier {
            backoff = backoff.multiplier(multiplier);
        }
        if let Some(jitter) = jitter {
            backoff = backoff.jitter(jitter);
        }
        RetryAfterFirst::new(backoff)
    }

    /// Creates the pace whose key the setting `pace` names. It is `None` if the setting is missing.
    ///
    /// A pace changes the type of the layer and its error, so a program that allows this setting builds the layer for it:
    ///
    /// ```
    /// use tower_http_retry::RetryLayer;
    /// use tower_http_retry::markers::{Concrete, Paced};
    /// use tower_http_retry::settings::RetrySettings;
    ///
    /// # fn main() -> Result<(), toml::de::Error> {
    /// let settings: RetrySettings = toml::from_str(r#"pace = "credential""#)?;
    /// if let Some(pace) = settings.pace() {
    ///     let layer: RetryLayer<_, Concrete, Paced> = settings.layer().pace(pace.slow_start());
    ///     # let _ = layer;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn pace(&self) -> Option<Pace> {
        Some(match self.pace.as_ref()? {
            PaceKey::Authority => Pace::per_authority(),
            PaceKey::Credential => Pace::per_credential(),
            PaceKey::Header(name) => Pace::per_header(name.clone()),
        })
    }
}

impl<P, E, G> RetryLayer<P, E, G> {
    /// Applies settings from a configuration file. A setting that the file does not name stays as it is.
    ///
    /// The `backoff` belongs to the policy, which stays as well; [`RetrySettings::policy`] creates a policy
    /// with it. To share a budget among several layers, set it with [`budget`](Self::budget) after this call.
    pub fn settings(mut self, settings: &RetrySettings) -> Self {
        if let Some(max_attempts) = settings.max_attempts {
            self = self.max_attempts(max_attempts);
        }
        if let Some(max_elapsed) = settings.max_elapsed {
            self = self.max_elapsed(max_elapsed);
        }
        if let Some(budget) = settings.budget {
            self = self.budget(budget.map(Budget::from));
        }
        if let Some(replay_limit) = settings.replay_limit {
            self = self.replay_limit(replay_limit);
        }
        if let Some(DrainTable { bytes, time }) = settings.drain_limit {
            self = self.drain_limit(bytes, time);
        }
        if let Some(ignore_hints) = settings.ignore_hints {
            self = self.read_hints(!ignore_hints);
        }
        if let Some(attempt_header) = &settings.attempt_header {
            self = self.attempt_header(attempt_header.clone());
        }
        self
    }
}

impl From<BudgetTable> for Budget {
    fn from(table: BudgetTable) -> Self {
        let mut budget = table.percent.map_or_else(Budget::default, Budget::percent);
        if let Some(min_per_second) = table.min_per_second {
            budget = budget.min_per_second(min_per_second);
        }
        if let Some(capacity) = table.capacity {
            budget = budget.capacity(capacity);
        }
        budget
    }
}

impl Default for DrainTable {
    /// Returns the limits of a new [`RetryLayer`].
    fn default() -> Self {
        Self { bytes: 16 * 1024, time: Duration::from_millis(10) }
    }
}

/// The base of [`ExponentialBackoff::default`].
const DEFAULT_BASE: Duration = Duration::from_millis(100);
/// The cap of [`ExponentialBackoff::default`].
const DEFAULT_CAP: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
