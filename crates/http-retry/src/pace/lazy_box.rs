//! A part of a key's state that most keys do not need most of the time. It has memory only while there is something in it.

use std::collections::VecDeque;
use std::fmt;
use std::ops::{Deref, DerefMut};

/// A value that is boxed, unless it is at rest.
///
/// A change of the value allocates memory, and [`release`](Self::release) frees it once the value is at rest again.
pub(super) struct LazyBox<T>(Option<Box<T>>);

/// A value that may be at rest, so that a new one takes its place without a difference.
pub(super) trait AtRest: Default + 'static {
    /// The value at rest, which is equal to the default.
    const REST: &'static Self;

    fn is_at_rest(&self) -> bool;
}

impl<T> LazyBox<T> {
    pub(super) const fn new() -> Self {
        Self(None)
    }
}

impl<T: AtRest> LazyBox<T> {
    /// Returns the value to change it, unless it has no memory. Then it is at rest.
    pub(super) fn present_mut(&mut self) -> Option<&mut T> {
        self.0.as_deref_mut()
    }

    /// Frees the memory if the value is at rest.
    pub(super) fn release(&mut self) {
        self.0.take_if(|value| value.is_at_rest());
    }

    /// Replaces the value by one at rest.
    pub(super) fn reset(&mut self) {
        self.0 = None;
    }
}

impl<T> Default for LazyBox<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: AtRest> Deref for LazyBox<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_deref().unwrap_or(T::REST)
    }
}

impl<T: AtRest> DerefMut for LazyBox<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.get_or_insert_default()
    }
}

impl<T: fmt::Debug> fmt::Debug for LazyBox<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T: 'static> AtRest for VecDeque<T> {
    const REST: &'static Self = &Self::new();

    fn is_at_rest(&self) -> bool {
        self.is_empty()
    }
}
