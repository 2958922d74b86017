//! The fields of an error that name a wait, whatever their spelling.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use super::wait;
use crate::llm::error_words::{OBJECTS_WITH_WAITS, WAITS_IN_MILLISECONDS, WAITS_IN_SECONDS};
use crate::llm::json::{Object, Scalar};

/// The longest wait that a field of an object names, or a field of an object in it that has details.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct WaitFields(pub(super) Option<Duration>);

impl<'de> Deserialize<'de> for WaitFields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WaitVisitor;

        impl<'de> Visitor<'de> for WaitVisitor {
            type Value = WaitFields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<WaitFields, A::Error> {
                let mut longest = None;
                while let Some(name) = object.next_key::<String>()? {
                    let name = name.replace(['_', '-'], "").to_ascii_lowercase();
                    let is_among = |list: &[&str]| list.contains(&name.as_str());
                    let wait = if is_among(WAITS_IN_SECONDS) {
                        let Scalar(text) = object.next_value()?;
                        text.and_then(|text| wait::seconds(&text).or_else(|| wait::duration(&text)))
                    } else if is_among(WAITS_IN_MILLISECONDS) {
                        let Scalar(text) = object.next_value()?;
                        text.and_then(|text| wait::milliseconds(&text))
                    } else if is_among(OBJECTS_WITH_WAITS) {
                        let details: Object<WaitFields> = object.next_value()?;
                        details.fields.and_then(|WaitFields(wait)| wait)
                    } else {
                        object.next_value::<IgnoredAny>()?;
                        None
                    };
                    longest = longest.max(wait);
                }
                Ok(WaitFields(longest))
            }
        }

        deserializer.deserialize_map(WaitVisitor)
    }
}
