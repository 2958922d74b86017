//! The parameters of one draw, each with a name, so that a draw can be repeated and changed by hand.

use std::fmt;
use std::time::Duration;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

/// Draws parameters by name: the same seed, family and name always give the same value.
///
/// Each name has a stream of its own, so that a value that is set by hand, or a parameter that joins a family,
/// moves no other value.
#[derive(Debug)]
pub struct Draw {
    family: &'static str,
    seed: u64,
    /// The values that were set by hand, and whether the family has asked for each.
    settings: Vec<(Setting, bool)>,
    parameters: Vec<Parameter>,
    problem: Option<anyhow::Error>,
}

/// A parameter that is set by hand, as `name=value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The parameter's name.
    pub name: String,
    /// Its value, as text.
    pub value: String,
}

/// A parameter and its value in one draw.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// Its value.
    pub value: Value,
}

/// The value of a parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// A number.
    Number(f64),
    /// A time.
    Time(Duration),
    /// One word of a few.
    Word(&'static str),
}

impl Draw {
    /// A draw of a family. `seed` gives all values that `settings` do not give.
    pub fn new(family: &'static str, seed: u64, settings: &[Setting]) -> Self {
        let settings = settings.iter().map(|setting| (setting.clone(), false)).collect();
        Self { family, seed, settings, parameters: Vec::new(), problem: None }
    }

    /// Draws a number log-uniformly. It is rounded to three digits, so that its text repeats it exactly.
    pub fn number(&mut self, name: &'static str, least: f64, most: f64) -> f64 {
        let drawn = round(log_uniform(self.uniform(name), least, most)).clamp(least, most.max(least));
        let value = self.setting(name, |text| in_range(text.parse().ok(), least, most)).unwrap_or(drawn);
        self.record(name, Value::Number(value));
        value
    }

    /// Draws a share uniformly, in hundredths.
    pub fn share(&mut self, name: &'static str, least: f64, most: f64) -> f64 {
        let drawn = ((least + self.uniform(name) * (most - least)) * 1e2).round() / 1e2;
        let value = self.setting(name, |text| in_range(text.parse().ok(), 0.0, most)).unwrap_or(drawn);
        self.record(name, Value::Number(value));
        value
    }

    /// Draws a whole number log-uniformly.
    pub fn count(&mut self, name: &'static str, least: u32, most: u32) -> u32 {
        let most = most.max(least);
        // Half a number more on both sides gives the ends their share.
        let ends = (f64::from(least) - 0.5, f64::from(most) + 0.499);
        let drawn = log_uniform(self.uniform(name), ends.0.max(0.5), ends.1).round() as u32;
        let parse = |text: &str| {
            let number = text.parse::<u32>().ok().filter(|number| *number > 0).map(f64::from);
            in_range(number, f64::from(least), f64::from(most)).map(|number| number as u32)
        };
        let value = self.setting(name, parse).unwrap_or(drawn.clamp(least, most));
        self.record(name, Value::Number(f64::from(value)));
        value
    }

    /// Draws a time log-uniformly, from and to a number of seconds, in whole microseconds.
    pub fn time(&mut self, name: &'static str, least: f64, most: f64) -> Duration {
        let drawn = round(log_uniform(self.uniform(name), least, most)).clamp(least, most.max(least));
        let parse = |text: &str| in_range(seconds(text), least, most);
        let value = self.setting(name, parse).unwrap_or(drawn);
        let value = Duration::from_micros((value * 1e6).round() as u64);
        self.record(name, Value::Time(value));
        value
    }

    /// Draws one of `words`, each as likely as the others.
    pub fn word(&mut self, name: &'static str, words: &[&'static str]) -> &'static str {
        let index = (self.uniform(name) * words.len() as f64) as usize;
        let parse = |text: &str| {
            let word = words.iter().find(|word| **word == text).copied();
            word.ok_or_else(|| words.join(", "))
        };
        let drawn = words.get(index).copied().unwrap_or_default();
        let value = self.setting(name, parse).unwrap_or(drawn);
        self.record(name, Value::Word(value));
        value
    }

    /// Ends the draw. An error names a setting that no parameter has, or that is not allowed.
    pub fn finish(self) -> anyhow::Result<Vec<Parameter>> {
        if let Some(problem) = self.problem {
            return Err(problem);
        }
        let unknown = self.settings.iter().find(|(_, is_used)| !is_used);
        if let Some((setting, _)) = unknown {
            let names: Vec<_> = self.parameters.iter().map(|parameter| parameter.name).collect();
            anyhow::bail!(
                "this draw of {} has no parameter {:?}; it has seed, {}",
                self.family,
                setting.name,
                names.join(", ")
            );
        }
        Ok(self.parameters)
    }

    /// A number from 0 to 1, which belongs to the name.
    fn uniform(&self, name: &str) -> f64 {
        let bytes = self.family.bytes().chain([0]).chain(name.bytes());
        // FNV-1a, whose result is the same on all machines.
        let hash = bytes.fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        });
        Xoshiro256PlusPlus::seed_from_u64(hash ^ self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)).random()
    }

    /// The value that was set by hand. `parse` returns the values that are allowed, if this is not one.
    fn setting<T>(&mut self, name: &str, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let mut value = None;
        for (setting, is_used) in self.settings.iter_mut().filter(|(setting, _)| setting.name == name) {
            *is_used = true;
            match parse(&setting.value) {
                Ok(parsed) => value = Some(parsed),
                Err(allowed) => {
                    let problem = anyhow::anyhow!("{name} cannot be {:?}; allowed: {allowed}", setting.value);
                    self.problem.get_or_insert(problem);
                }
            }
        }
        value
    }

    fn record(&mut self, name: &'static str, value: Value) {
        self.parameters.push(Parameter { name, value });
    }
}

impl fmt::Display for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.value {
            Value::Number(number) => write!(f, "{}={number}", self.name),
            Value::Time(time) => write!(f, "{}={time:?}", self.name),
            Value::Word(word) => write!(f, "{}={word}", self.name),
        }
    }
}

fn log_uniform(uniform: f64, least: f64, most: f64) -> f64 {
    least * (most.max(least) / least).powf(uniform)
}

/// Rounds to three digits.
fn round(value: f64) -> f64 {
    // The text of a float has the shortest digits that give it back, unlike a division by a power of ten.
    format!("{value:.2e}").parse().unwrap_or(value)
}

/// A time in seconds, from `2s`, `35ms`, `750µs`, `750us` or a number of seconds.
fn seconds(text: &str) -> Option<f64> {
    let units = [("ms", 1e-3), ("µs", 1e-6), ("us", 1e-6), ("s", 1.0), ("", 1.0)];
    units.iter().find_map(|(unit, scale)| Some(text.strip_suffix(unit)?.parse::<f64>().ok()? * scale))
}

/// Allows what is at most a hundred times beyond the range of the draws: enough to explore, not enough to run for
/// hours.
fn in_range(value: Option<f64>, least: f64, most: f64) -> Result<f64, String> {
    let (least, most) = (least / 100.0, most * 100.0);
    value
        .filter(|value| (least..=most).contains(value))
        .ok_or_else(|| format!("{} to {}", round(least), round(most)))
}

#[cfg(test)]
mod tests;
