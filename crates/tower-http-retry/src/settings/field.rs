//! Parses the fields of [`RetrySettings`](super::RetrySettings). Each field has a function of its own,
//! because every error names the field, and `serde` does not pass that name to a value.

use std::fmt;
use std::time::Duration;

use http::HeaderName;
use http_retry::Jitter;
use jiff::SignedDuration;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Unexpected, Visitor};

use super::{BudgetTable, PaceKey};
use crate::policy::AttemptHeader;

type FieldResult<'de, D, T> = Result<T, <D as Deserializer<'de>>::Error>;

pub(super) fn max_attempts<'de, D: Deserializer<'de>>(input: D) -> FieldResult<'de, D, Option<u32>> {
    let at_least_one = |value: FieldValue<'_>| value.whole().filter(|&attempts| attempts > 0);
    parse_field(input, "max_attempts", "a whole number from 1 to 4294967295", at_least_one).map(Some)
}

pub(super) fn max_elapsed<'de, D: Deserializer<'de>>(
    input: D,
) -> FieldResult<'de, D, Option<Option<Duration>>> {
    let duration_or_false = |value: FieldValue<'_>| match value {
        FieldValue::Bool(false) => Some(None),
        value => value.duration().map(Some),
    };
    parse_field(input, "max_elapsed", "a duration such as \"30s\", or false", duration_or_false).map(Some)
}

pub(super) fn budget<'de, D: Deserializer<'de>>(
    input: D,
) -> FieldResult<'de, D, Option<Option<BudgetTable>>> {
    input.deserialize_any(BudgetVisitor).map(Some)
}

pub(super) fn percent<'de, D: Deserializer<'de>>(input: D) -> FieldResult<'de, D, Option<u32>> {
    parse_field(input, "budget.percent", WHOLE, |value| value.whole()).map(Some)
}

pub(super) fn min_per_second<'de, D: Deserializer<'de>>(input: D) -> FieldResult<'de, D, Option<u32>> {
    parse_field(input, "budget.min_per_second", WHOLE, |value| value.whole()).map(Some)
}

pub(super) fn capacity<'de, D: Deserializer<'de>>(input: D) -> FieldResult<'de, D, Option<u32>> {
    parse_field(input, "budget.capacity", WHOLE, |value| value.whole()).map(Some)
}

pub(super) fn replay_limit<'de, D: Deserializer<'de>>(input: D) -> FieldResult<'de, D, Option<usize>> {
    parse_field(input, "replay_limit", BYTES, |value| value.whole()).map(Some)
}

pub(super) fn drain_bytes<'de, D: Deserializer<'de>>(input: D) -> FieldResult<'de, D, usize> {
    parse_field(input, "drain_limit.bytes", BYTES, |value| value.whole())
}

pub(super) fn drain_time<'de, D: Deserializer<'de>>(input: D) -> FieldResult<'de, D, Duration> {
    parse_field(input, "drain_limit.time", "a duration such as \"10ms\"", |value| value.duration())
}

pub(super) fn ignore_hints<'de, D: Deserializer<'de>>(input: D) -> FieldResult<'de, D, Option<bool>> {
    let switch = |value: FieldValue<'_>| match value {
        FieldValue::Bool(switch) => Some(switch),
        _ => None,
    };
    parse_field(input, "ignore_hints", "true or false", switch).map(Some)
}

pub(super) fn attempt_header<'de, D: Deserializer<'de>>(input: D) -> FieldResult<'de, D, Option<HeaderName>> {
    let name = |value: FieldValue<'_>| {
        let name: HeaderName = value.text()?.parse().ok()?;
        (!AttemptHeader::is_reserved(&name)).then_some(name)
    };
    let allowed = "the name of a header such as \"x-retry-attempt\", and not one that HTTP gives a meaning";
    parse_field(input, "attempt_header", allowed, name).map(Some)
}

pub(super) fn pace<'de, D: Deserializer<'de>>(input: D) -> FieldResult<'de, D, Option<PaceKey>> {
    let key = |value: FieldValue<'_>| match value.text()? {
        "authority" => Some(PaceKey::Authority),
        "credential" => Some(PaceKey::Credential),
        text => text.strip_prefix("header:")?.parse().ok().map(PaceKey::Header),
    };
    parse_field(input, "pace", "\"authority\", \"credential\" or \"header:NAME\"", key).map(Some)
}

pub(super) fn base<'de, D: Deserializer<'de>>(input: D) -> FieldResult<'de, D, Option<Duration>> {
    parse_field(input, "backoff.base", "a duration such as \"100ms\"", |value| value.duration()).map(Some)
}

pub(super) fn cap<'de, D: Deserializer<'de>>(input: D) -> FieldResult<'de, D, Option<Duration>> {
    parse_field(input, "backoff.cap", "a duration such as \"10s\"", |value| value.duration()).map(Some)
}

pub(super) fn multiplier<'de, D: Deserializer<'de>>(input: D) -> FieldResult<'de, D, Option<f64>> {
    let at_least_one =
        |value: FieldValue<'_>| value.number().filter(|&factor| factor >= 1.0 && factor.is_finite());
    parse_field(input, "backoff.multiplier", "a number from 1", at_least_one).map(Some)
}

pub(super) fn jitter<'de, D: Deserializer<'de>>(input: D) -> FieldResult<'de, D, Option<Jitter>> {
    let jitter = |value: FieldValue<'_>| match value.text()? {
        "full" => Some(Jitter::Full),
        "equal" => Some(Jitter::Equal),
        "none" => Some(Jitter::None),
        _ => None,
    };
    parse_field(input, "backoff.jitter", "\"full\", \"equal\" or \"none\"", jitter).map(Some)
}

const WHOLE: &str = "a whole number from 0 to 4294967295";
const BYTES: &str = "a whole number of bytes";

/// The value of a field in the file.
enum FieldValue<'a> {
    Bool(bool),
    Whole(u64),
    Float(f64),
    Text(&'a str),
}

impl<'a> FieldValue<'a> {
    fn whole<T: TryFrom<u64>>(&self) -> Option<T> {
        match *self {
            Self::Whole(number) => number.try_into().ok(),
            _ => None,
        }
    }

    fn number(&self) -> Option<f64> {
        match *self {
            Self::Whole(number) => Some(number as f64),
            Self::Float(number) => Some(number),
            _ => None,
        }
    }

    fn text(&self) -> Option<&'a str> {
        match *self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    fn duration(&self) -> Option<Duration> {
        let duration: SignedDuration = self.text()?.parse().ok()?;
        // The conversion fails for a negative duration.
        duration.try_into().ok()
    }
}

fn parse_field<'de, D, T, F>(
    input: D,
    name: &'static str,
    allowed: &'static str,
    convert: F,
) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    F: Fn(FieldValue<'_>) -> Option<T>,
{
    input.deserialize_any(FieldVisitor { name, allowed, convert })
}

/// Parses one field. Its errors name the field and the allowed values.
struct FieldVisitor<F> {
    name: &'static str,
    allowed: &'static str,
    convert: F,
}

impl<'de, T, F: Fn(FieldValue<'_>) -> Option<T>> Visitor<'de> for FieldVisitor<F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` to be {}", self.name, self.allowed)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<T, E> {
        (self.convert)(FieldValue::Bool(value))
            .ok_or_else(|| E::invalid_value(Unexpected::Bool(value), &self))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<T, E> {
        match u64::try_from(value) {
            Ok(value) => self.visit_u64(value),
            Err(_) => Err(E::invalid_value(Unexpected::Signed(value), &self)),
        }
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<T, E> {
        (self.convert)(FieldValue::Whole(value))
            .ok_or_else(|| E::invalid_value(Unexpected::Unsigned(value), &self))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<T, E> {
        (self.convert)(FieldValue::Float(value))
            .ok_or_else(|| E::invalid_value(Unexpected::Float(value), &self))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<T, E> {
        (self.convert)(FieldValue::Text(value)).ok_or_else(|| E::invalid_value(Unexpected::Str(value), &self))
    }
}

struct BudgetVisitor;

impl<'de> Visitor<'de> for BudgetVisitor {
    type Value = Option<BudgetTable>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`budget` to be a table of `percent`, `min_per_second` and `capacity`, or false")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        match value {
            false => Ok(None),
            true => Err(E::invalid_value(Unexpected::Bool(value), &self)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        BudgetTable::deserialize(MapAccessDeserializer::new(map)).map(Some)
    }
}
