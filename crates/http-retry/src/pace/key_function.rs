//! The function that finds the key of a request, for the pace's own table and for the store of a fleet.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::marker::PhantomData;

use http::HeaderName;

#[cfg(feature = "fleet")]
use super::seam::KeyBytes;
use super::{Pace, key_hash};
use crate::RequestHead;

/// Writes the key of a request to a hasher of any kind.
pub(super) trait WriteKey: Send + Sync {
    fn write_key<H: Hasher>(&self, head: &RequestHead<'_>, hasher: &mut H);
}

/// The same, for the hashers that a pace has.
pub(super) trait KeyFunction: Send + Sync {
    /// Hashes the key with the pace's own secret.
    fn hash(&self, head: &RequestHead<'_>, hasher: &mut DefaultHasher);

    /// Returns the bytes of the key, which are the same in all processes of a fleet.
    #[cfg(feature = "fleet")]
    fn bytes(&self, head: &RequestHead<'_>) -> Vec<u8>;
}

impl<T: WriteKey> KeyFunction for T {
    fn hash(&self, head: &RequestHead<'_>, hasher: &mut DefaultHasher) {
        self.write_key(head, hasher);
    }

    #[cfg(feature = "fleet")]
    fn bytes(&self, head: &RequestHead<'_>) -> Vec<u8> {
        let mut bytes = KeyBytes::default();
        self.write_key(head, &mut bytes);
        bytes.into_vec()
    }
}

pub(super) struct Authority;

impl WriteKey for Authority {
    fn write_key<H: Hasher>(&self, head: &RequestHead<'_>, hasher: &mut H) {
        key_hash::authority(head, hasher);
    }
}

pub(super) struct Credential;

impl WriteKey for Credential {
    fn write_key<H: Hasher>(&self, head: &RequestHead<'_>, hasher: &mut H) {
        key_hash::credential(head, hasher);
    }
}

/// The authority and one header.
pub(super) struct Header(pub(super) HeaderName);

impl WriteKey for Header {
    fn write_key<H: Hasher>(&self, head: &RequestHead<'_>, hasher: &mut H) {
        key_hash::header(head, &self.0, hasher);
    }
}

/// A function of the user's own.
pub(super) struct Custom<F, K> {
    key: F,
    returned: PhantomData<fn() -> K>,
}

impl<F, K> Custom<F, K> {
    pub(super) fn new(key: F) -> Self {
        Self { key, returned: PhantomData }
    }
}

impl<F: Fn(&RequestHead<'_>) -> K + Send + Sync, K: Hash> WriteKey for Custom<F, K> {
    fn write_key<H: Hasher>(&self, head: &RequestHead<'_>, hasher: &mut H) {
        (self.key)(head).hash(hasher);
    }
}

/// A function of the user's own that writes the key itself.
pub(super) struct Written<F>(pub(super) F);

impl<F: Fn(&RequestHead<'_>, &mut dyn Hasher) + Send + Sync> WriteKey for Written<F> {
    fn write_key<H: Hasher>(&self, head: &RequestHead<'_>, hasher: &mut H) {
        (self.0)(head, hasher);
    }
}

impl Pace {
    /// Hashes keys and tenants without a secret, so that a simulation is played alike in each process. Whoever chooses the keys of
    /// such a pace can choose many that share a place in its table.
    #[doc(hidden)]
    pub fn without_secret(self) -> Self {
        Self { hasher: DefaultHasher::new(), ..self }
    }
}
