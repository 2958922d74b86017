//! Structures of whole numbers, whose order is that of a script's arguments and answers.

/// Defines a structure of whole numbers. The order of its fields is that of the numbers.
macro_rules! numbers {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $field:ident,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct $name {
            $($(#[$doc])* pub $field: i64,)*
        }

        impl $name {
            /// The names of the numbers, in their order.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($field),)*];

            /// Creates the structure from its numbers in their order. A number that is missing is 0, and further ones are
            /// left out, because a later release may have appended them.
            pub fn from_numbers(numbers: impl IntoIterator<Item = i64>) -> Self {
                let mut numbers = numbers.into_iter();
                Self { $($field: numbers.next().unwrap_or(0),)* }
            }

            /// Returns the numbers in their order.
            pub fn to_numbers(&self) -> [i64; Self::NAMES.len()] {
                [$(self.$field,)*]
            }
        }
    };
}

pub(super) use numbers;

/// Divides and rounds down, as `math.floor(a / b)` does. `by` is above 0.
pub(super) fn div(number: i64, by: i64) -> i64 {
    number.div_euclid(by)
}

/// Returns the number in the bounds that is nearest to `number`.
pub(super) fn bound(number: i64, least: i64, most: i64) -> i64 {
    number.max(least).min(most)
}
