//! Words, numbers, durations and sizes, each read from one value.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use toml::de::DeValue;

use super::error::Wrong;
use super::keywords::{Word, list, nearest};

/// One of a few words.
pub(super) fn word<W: Word>(value: &DeValue<'_>) -> Result<W, Wrong> {
    let unknown = Wrong::new("unknown word").allowed(list::<W>());
    let Some(given) = value.as_str() else { return Err(unknown) };
    match W::WORDS.iter().find(|(word, _)| *word == given) {
        Some((_, meaning)) => Ok(*meaning),
        None => Err(unknown.nearest(nearest(given, W::WORDS.iter().map(|(word, _)| *word)))),
    }
}

/// `true` or `false`.
pub(super) fn boolean(value: &DeValue<'_>) -> Result<bool, Wrong> {
    value.as_bool().ok_or_else(|| Wrong::new("neither true nor false").allowed("true, false"))
}

/// A string.
pub(super) fn text<'a>(value: &'a DeValue<'_>, allowed: &str) -> Result<&'a str, Wrong> {
    value.as_str().ok_or_else(|| Wrong::new("not a string").allowed(allowed))
}

/// The name of a file.
pub(super) fn path(value: &DeValue<'_>) -> Result<PathBuf, Wrong> {
    let allowed = "the path of a PEM file";
    match text(value, allowed)? {
        path if path.is_empty() || path.contains('\0') => Err(Wrong::new("not a path").allowed(allowed)),
        path => Ok(PathBuf::from(path)),
    }
}

/// A whole number within bounds.
pub(super) fn whole(range: RangeInclusive<u32>) -> impl FnOnce(&DeValue<'_>) -> Result<u32, Wrong> {
    move |value| {
        let allowed = format!("{} to {}", range.start(), range.end());
        let Some(number) = value.as_integer() else {
            return Err(Wrong::new("not a whole number").allowed(allowed));
        };
        let number = u32::from_str_radix(number.as_str(), number.radix()).ok();
        number
            .filter(|number| range.contains(number))
            .ok_or_else(|| Wrong::new("out of range").allowed(allowed))
    }
}

/// A share, from 0 to 10.
pub(super) fn share(value: &DeValue<'_>) -> Result<f64, Wrong> {
    let allowed = "a number from 0 to 10, such as 0.5";
    let number = match value {
        DeValue::Float(number) => number.as_str().parse::<f64>().ok(),
        DeValue::Integer(number) => u32::from_str_radix(number.as_str(), number.radix()).ok().map(f64::from),
        _ => return Err(Wrong::new("not a number").allowed(allowed)),
    };
    // Infinite and not-a-number are not in the range.
    number
        .filter(|number| (0.0..=10.0).contains(number))
        .ok_or_else(|| Wrong::new("out of range").allowed(allowed))
}

/// A duration above zero.
pub(super) fn duration(value: &DeValue<'_>) -> Result<Duration, Wrong> {
    match duration_or_zero(value)? {
        Duration::ZERO => Err(Wrong::new("must be above zero").allowed(DURATIONS)),
        duration => Ok(duration),
    }
}

/// A duration: a number and its unit.
pub(super) fn duration_or_zero(value: &DeValue<'_>) -> Result<Duration, Wrong> {
    let not_one = || Wrong::new("not a duration").allowed(DURATIONS);
    let unitless = |number: &str| {
        let seconds = decimal(number, 1).map(|_| format!("{number}s"));
        Wrong::new("a unit is missing").allowed(DURATIONS).nearest(seconds)
    };
    let given = match value {
        DeValue::String(given) => given,
        DeValue::Integer(number) => return Err(unitless(number.as_str())),
        DeValue::Float(number) => return Err(unitless(number.as_str())),
        _ => return Err(not_one()),
    };
    let (number, unit) = split(given);
    if unit.is_empty() && decimal(number, 1).is_some() {
        return Err(unitless(number));
    }
    let Some(known) = TIMES.iter().find(|known| known.name == unit) else {
        return Err(not_one().nearest(with_unit(number, unit, TIMES)));
    };
    let nanos = decimal(number, known.scale).ok_or_else(not_one)?;
    let duration = u64::try_from(nanos).map_or(Duration::MAX, Duration::from_nanos);
    if duration > LONGEST {
        return Err(Wrong::new("too long").allowed("up to 168h"));
    }
    Ok(duration)
}

/// A size in bytes: a whole number, or a number and its unit.
pub(super) fn size(value: &DeValue<'_>) -> Result<usize, Wrong> {
    let not_one = || Wrong::new("not a size").allowed(SIZES);
    let bytes = match value {
        DeValue::Integer(number) => u128::from_str_radix(number.as_str(), number.radix()).ok(),
        DeValue::String(given) => {
            let (number, unit) = split(given);
            let Some(known) = BYTES.iter().find(|known| known.name == unit) else {
                return Err(not_one().nearest(with_unit(number, unit, BYTES)));
            };
            decimal(number, known.scale)
        }
        _ => None,
    };
    let bytes = bytes.ok_or_else(not_one)?;
    let bytes = Some(bytes).filter(|bytes| *bytes <= BIGGEST);
    bytes
        .and_then(|bytes| usize::try_from(bytes).ok())
        .ok_or_else(|| Wrong::new("too large").allowed("up to 1024GiB"))
}

/// The number, and what stands behind it.
fn split(given: &str) -> (&str, &str) {
    let end = given.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(given.len());
    given.split_at(end)
}

/// What was probably meant by a number with an unknown unit.
fn with_unit(number: &str, given: &str, units: &[Unit]) -> Option<String> {
    decimal(number, 1)?;
    let meant = |unit: &&Unit| {
        let mut names = unit.mistaken.iter().chain([&unit.name]);
        names.any(|name| name.eq_ignore_ascii_case(given))
    };
    units.iter().find(meant).map(|unit| format!("{number}{}", unit.name))
}

/// A decimal number times `scale`, rounded down; `None` where it is no number, or too large.
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

/// A unit, and what it is mistaken for.
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

/// In nanoseconds.
const TIMES: &[Unit] = &[
    Unit::new("ms", 1_000_000, &["msec", "msecs", "millis", "milliseconds"]),
    Unit::new("s", 1_000_000_000, &["sec", "secs", "second", "seconds"]),
    Unit::new("m", 60_000_000_000, &["min", "mins", "minute", "minutes"]),
    Unit::new("h", 3_600_000_000_000, &["hr", "hrs", "hour", "hours"]),
];
/// In bytes.
const BYTES: &[Unit] = &[
    Unit::new("B", 1, &["", "byte", "bytes"]),
    Unit::new("KiB", 1 << 10, &["k", "ki"]),
    Unit::new("MiB", 1 << 20, &["m", "mi"]),
    Unit::new("GiB", 1 << 30, &["g", "gi"]),
    Unit::new("kB", 1_000, &[]),
    Unit::new("MB", 1_000_000, &[]),
    Unit::new("GB", 1_000_000_000, &[]),
];

/// A week: nobody waits longer, and no clock overflows.
const LONGEST: Duration = Duration::from_secs(168 * 3_600);
/// A TiB: more than a machine has.
const BIGGEST: u128 = 1 << 40;
