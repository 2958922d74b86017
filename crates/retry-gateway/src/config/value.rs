//! Parsers for keywords, numbers, durations and sizes.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use toml::de::DeValue;

use super::error::Invalid;
use super::keywords::{Keyword, list, nearest};

/// Parses one of a few keywords.
pub(super) fn keyword<W: Keyword>(value: &DeValue<'_>) -> Result<W, Invalid> {
    let unknown = Invalid::new("unknown word").allowed(list::<W>());
    let Some(given) = value.as_str() else { return Err(unknown) };
    match W::KEYWORDS.iter().find(|(word, _)| *word == given) {
        Some((_, meaning)) => Ok(*meaning),
        None => Err(unknown.nearest(nearest(given, W::KEYWORDS.iter().map(|(word, _)| *word)))),
    }
}

/// Parses `true` or `false`.
pub(super) fn boolean(value: &DeValue<'_>) -> Result<bool, Invalid> {
    value.as_bool().ok_or_else(|| Invalid::new("neither true nor false").allowed("true, false"))
}

/// Returns the content of a string.
pub(super) fn text<'a>(value: &'a DeValue<'_>, allowed: &str) -> Result<&'a str, Invalid> {
    value.as_str().ok_or_else(|| Invalid::new("not a string").allowed(allowed))
}

/// Parses the path of a file.
pub(super) fn path(value: &DeValue<'_>) -> Result<PathBuf, Invalid> {
    let allowed = "the path of a PEM file";
    match text(value, allowed)? {
        path if path.is_empty() || path.contains('\0') => Err(Invalid::new("not a path").allowed(allowed)),
        path => Ok(PathBuf::from(path)),
    }
}

/// Returns a parser for whole numbers within these bounds.
pub(super) fn whole(range: RangeInclusive<u32>) -> impl FnOnce(&DeValue<'_>) -> Result<u32, Invalid> {
    move |value| {
        let allowed = format!("{} to {}", range.start(), range.end());
        let Some(number) = value.as_integer() else {
            return Err(Invalid::new("not a whole number").allowed(allowed));
        };
        let number = u32::from_str_radix(number.as_str(), number.radix()).ok();
        number
            .filter(|number| range.contains(number))
            .ok_or_else(|| Invalid::new("out of range").allowed(allowed))
    }
}

/// Parses a share from 0 to 10.
pub(super) fn share(value: &DeValue<'_>) -> Result<f64, Invalid> {
    let allowed = "a number from 0 to 10, such as 0.5";
    let number = match value {
        DeValue::Float(number) => number.as_str().parse::<f64>().ok(),
        DeValue::Integer(number) => u32::from_str_radix(number.as_str(), number.radix()).ok().map(f64::from),
        _ => return Err(Invalid::new("not a number").allowed(allowed)),
    };
    // Infinity and NaN are not in the range.
    number
        .filter(|number| (0.0..=10.0).contains(number))
        .ok_or_else(|| Invalid::new("out of range").allowed(allowed))
}

/// Parses a duration above zero.
pub(super) fn duration(value: &DeValue<'_>) -> Result<Duration, Invalid> {
    match duration_or_zero(value)? {
        Duration::ZERO => Err(Invalid::new("must be above zero").allowed(DURATIONS)),
        duration => Ok(duration),
    }
}

/// Parses a duration above zero, or `false` for none.
pub(super) fn duration_or_false(value: &DeValue<'_>) -> Result<Option<Duration>, Invalid> {
    match value.as_bool() {
        Some(false) => Ok(None),
        _ => duration(value).map(Some),
    }
}

/// Parses a duration: a number and its unit.
pub(super) fn duration_or_zero(value: &DeValue<'_>) -> Result<Duration, Invalid> {
    let invalid = || Invalid::new("not a duration").allowed(DURATIONS);
    let without_unit = |number: &str| {
        let seconds = decimal(number, 1).map(|_| format!("{number}s"));
        Invalid::new("a unit is missing").allowed(DURATIONS).nearest(seconds)
    };
    let given = match value {
        DeValue::String(given) => given,
        DeValue::Integer(number) => return Err(without_unit(number.as_str())),
        DeValue::Float(number) => return Err(without_unit(number.as_str())),
        _ => return Err(invalid()),
    };
    let (number, unit) = split(given);
    if unit.is_empty() && decimal(number, 1).is_some() {
        return Err(without_unit(number));
    }
    let Some(unit) = TIME_UNITS.iter().find(|known| known.name == unit) else {
        return Err(invalid().nearest(with_unit(number, unit, TIME_UNITS)));
    };
    let nanos = decimal(number, unit.scale).ok_or_else(invalid)?;
    let duration = u64::try_from(nanos).map_or(Duration::MAX, Duration::from_nanos);
    if duration > MAX_DURATION {
        return Err(Invalid::new("too long").allowed("up to 168h"));
    }
    Ok(duration)
}

/// Parses a size in bytes: a whole number, or a number and its unit.
pub(super) fn size(value: &DeValue<'_>) -> Result<usize, Invalid> {
    let invalid = || Invalid::new("not a size").allowed(SIZES);
    let bytes = match value {
        DeValue::Integer(number) => u128::from_str_radix(number.as_str(), number.radix()).ok(),
        DeValue::String(given) => {
            let (number, unit) = split(given);
            let Some(unit) = SIZE_UNITS.iter().find(|known| known.name == unit) else {
                return Err(invalid().nearest(with_unit(number, unit, SIZE_UNITS)));
            };
            decimal(number, unit.scale)
        }
        _ => None,
    };
    let bytes = bytes.ok_or_else(invalid)?;
    let bytes = Some(bytes).filter(|bytes| *bytes <= MAX_SIZE_BYTES);
    bytes
        .and_then(|bytes| usize::try_from(bytes).ok())
        .ok_or_else(|| Invalid::new("too large").allowed("up to 1024GiB"))
}

/// Splits a text into its number and the unit behind it.
fn split(given: &str) -> (&str, &str) {
    let end = given.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(given.len());
    given.split_at(end)
}

/// Returns the number with the unit that the operator probably meant.
fn with_unit(number: &str, given: &str, units: &[Unit]) -> Option<String> {
    decimal(number, 1)?;
    let is_meant = |unit: &&Unit| {
        let mut names = unit.mistaken.iter().chain([&unit.name]);
        names.any(|name| name.eq_ignore_ascii_case(given))
    };
    units.iter().find(is_meant).map(|unit| format!("{number}{}", unit.name))
}

/// Parses a decimal number and multiplies it with `scale`, rounded down; `None` for other texts and for an
/// overflow.
fn decimal(number: &str, scale: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits =
        |part: &str| !part.is_empty() && part.len() <= 18 && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return None;
    }
    let power = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    let fraction = fraction.parse::<u128>().ok()?.checked_mul(scale)? / power;
    whole.parse::<u128>().ok()?.checked_mul(scale)?.checked_add(fraction)
}

const DURATIONS: &str = "a number with ms, s, m or h, such as 250ms, 1.5s, 2m, 1h";
const SIZES: &str = "bytes, or a number with B, kB, MB, GB, KiB, MiB or GiB, such as 64KiB";

/// A unit, and the names that operators mistake for it.
struct Unit {
    name: &'static str,
    scale: u128,
    mistaken: &'static [&'static str],
}

impl Unit {
    const fn new(name: &'static str, scale: u128, mistaken: &'static [&'static str]) -> Self {
        Self { name, scale, mistaken }
    }
}

/// The units of durations; their scale is in nanoseconds.
const TIME_UNITS: &[Unit] = &[
    Unit::new("ms", 1_000_000, &["msec", "msecs", "millis", "milliseconds"]),
    Unit::new("s", 1_000_000_000, &["sec", "secs", "second", "seconds"]),
    Unit::new("m", 60_000_000_000, &["min", "mins", "minute", "minutes"]),
    Unit::new("h", 3_600_000_000_000, &["hr", "hrs", "hour", "hours"]),
];
/// The units of sizes; their scale is in bytes.
const SIZE_UNITS: &[Unit] = &[
    Unit::new("B", 1, &["", "byte", "bytes"]),
    Unit::new("KiB", 1 << 10, &["k", "ki"]),
    Unit::new("MiB", 1 << 20, &["m", "mi"]),
    Unit::new("GiB", 1 << 30, &["g", "gi"]),
    Unit::new("kB", 1_000, &[]),
    Unit::new("MB", 1_000_000, &[]),
    Unit::new("GB", 1_000_000_000, &[]),
];

/// A week: no timeout needs to be longer, and no clock overflows.
const MAX_DURATION: Duration = Duration::from_secs(168 * 3_600);
/// A TiB: more than a machine has memory.
const MAX_SIZE_BYTES: u128 = 1 << 40;
