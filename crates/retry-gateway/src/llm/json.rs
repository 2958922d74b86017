//! Values of JSON that a reader takes as they come. What it does not ask for is skipped and not stored.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A text or a number; `None` for any other value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Scalar(pub(super) Option<String>);

/// An object with some fields, or a text. Both are `None` for any other value.
#[derive(Clone, Debug)]
pub(super) struct Object<T> {
    pub(super) fields: Option<T>,
    pub(super) text: Option<String>,
}

/// The objects of a list, up to [`MAX_OBJECTS`]. Another value is an empty list.
#[derive(Clone, Debug)]
pub(super) struct Objects<T>(pub(super) Vec<T>);

/// The first item of a list. Another value is the first item itself.
#[derive(Clone, Debug)]
pub(super) struct First<T>(pub(super) Object<T>);

/// True if a value says anything: `null`, an empty text, `false`, an empty list and an empty object do not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Presence(pub(super) bool);

/// The most objects of a list that are kept.
pub(super) const MAX_OBJECTS: usize = 16;

impl<T> Default for Object<T> {
    fn default() -> Self {
        Self { fields: None, text: None }
    }
}

impl<T> Default for First<T> {
    fn default() -> Self {
        Self(Object::default())
    }
}

impl<T> Default for Objects<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

/// Implements the methods of a visitor for scalar values that give the default.
macro_rules! default_for {
    ($($method:ident($type:ty)),*) => {$(
        fn $method<E>(self, _: $type) -> Result<Self::Value, E> {
            Ok(Default::default())
        }
    )*};
}

fn skip_list<'de, A: SeqAccess<'de>>(mut list: A) -> Result<bool, A::Error> {
    let mut has_items = false;
    while list.next_element::<IgnoredAny>()?.is_some() {
        has_items = true;
    }
    Ok(has_items)
}

fn skip_object<'de, A: MapAccess<'de>>(mut object: A) -> Result<bool, A::Error> {
    let mut has_fields = false;
    while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
        has_fields = true;
    }
    Ok(has_fields)
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ScalarVisitor;

        impl<'de> Visitor<'de> for ScalarVisitor {
            type Value = Scalar;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }

            fn visit_str<E>(self, text: &str) -> Result<Scalar, E> {
                Ok(Scalar(Some(text.to_owned())))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Scalar, E> {
                Ok(Scalar(Some(number.to_string())))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Scalar, E> {
                Ok(Scalar(Some(number.to_string())))
            }

            fn visit_f64<E>(self, number: f64) -> Result<Scalar, E> {
                Ok(Scalar(Some(number.to_string())))
            }

            default_for!(visit_bool(bool));

            fn visit_unit<E>(self) -> Result<Scalar, E> {
                Ok(Scalar(None))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Scalar, A::Error> {
                skip_list(list).map(|_| Scalar(None))
            }

            fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Scalar, A::Error> {
                skip_object(object).map(|_| Scalar(None))
            }
        }

        deserializer.deserialize_any(ScalarVisitor)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }

            fn visit_str<E>(self, text: &str) -> Result<Object<T>, E> {
                Ok(Object { fields: None, text: Some(text.to_owned()) })
            }

            default_for!(visit_u64(u64), visit_i64(i64), visit_f64(f64), visit_bool(bool));

            fn visit_unit<E>(self) -> Result<Object<T>, E> {
                Ok(Object::default())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Object<T>, A::Error> {
                skip_list(list).map(|_| Object::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(object))
                    .map(|fields| Object { fields: Some(fields), text: None })
            }
        }

        deserializer.deserialize_any(ObjectVisitor(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Objects<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectsVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectsVisitor<T> {
            type Value = Objects<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }

            default_for!(visit_str(&str), visit_u64(u64), visit_i64(i64), visit_f64(f64), visit_bool(bool));

            fn visit_unit<E>(self) -> Result<Objects<T>, E> {
                Ok(Objects(Vec::new()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Objects<T>, A::Error> {
                let mut objects = Vec::new();
                while objects.len() < MAX_OBJECTS {
                    match list.next_element::<Object<T>>()? {
                        Some(object) => objects.extend(object.fields),
                        None => return Ok(Objects(objects)),
                    }
                }
                skip_list(list).map(|_| Objects(objects))
            }

            fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Objects<T>, A::Error> {
                skip_object(object).map(|_| Objects(Vec::new()))
            }
        }

        deserializer.deserialize_any(ObjectsVisitor(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for First<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FirstVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for FirstVisitor<T> {
            type Value = First<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }

            fn visit_str<E>(self, text: &str) -> Result<First<T>, E> {
                Ok(First(Object { fields: None, text: Some(text.to_owned()) }))
            }

            default_for!(visit_u64(u64), visit_i64(i64), visit_f64(f64), visit_bool(bool));

            fn visit_unit<E>(self) -> Result<First<T>, E> {
                Ok(First::default())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<First<T>, A::Error> {
                let first = list.next_element::<Object<T>>()?.unwrap_or_default();
                skip_list(list).map(|_| First(first))
            }

            fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<First<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(object))
                    .map(|fields| First(Object { fields: Some(fields), text: None }))
            }
        }

        deserializer.deserialize_any(FirstVisitor(PhantomData))
    }
}

impl<'de> Deserialize<'de> for Presence {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PresenceVisitor;

        impl<'de> Visitor<'de> for PresenceVisitor {
            type Value = Presence;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }

            fn visit_str<E>(self, text: &str) -> Result<Presence, E> {
                Ok(Presence(!text.is_empty()))
            }

            fn visit_u64<E>(self, _: u64) -> Result<Presence, E> {
                Ok(Presence(true))
            }

            fn visit_i64<E>(self, _: i64) -> Result<Presence, E> {
                Ok(Presence(true))
            }

            fn visit_f64<E>(self, _: f64) -> Result<Presence, E> {
                Ok(Presence(true))
            }

            fn visit_bool<E>(self, value: bool) -> Result<Presence, E> {
                Ok(Presence(value))
            }

            fn visit_unit<E>(self) -> Result<Presence, E> {
                Ok(Presence(false))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Presence, A::Error> {
                skip_list(list).map(Presence)
            }

            fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Presence, A::Error> {
                skip_object(object).map(Presence)
            }
        }

        deserializer.deserialize_any(PresenceVisitor)
    }
}
