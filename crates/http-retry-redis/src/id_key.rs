//! The ids of entries, which tell nothing of the keys that they stand for.

use hmac::{Hmac, KeyInit, Mac};
use http_retry::fleet::Id;
use sha2::{Digest, Sha256};

/// The key with which all members of a fleet make the ids of entries.
#[derive(Clone)]
pub(crate) struct IdKey(Hmac<Sha256>);

impl IdKey {
    pub(crate) fn new(secret: &[u8]) -> Self {
        // HMAC's own rule for a key of any length, which a key of exactly one block cannot fail.
        let mut block = [0; 64];
        match block.get_mut(..secret.len()) {
            Some(start) => start.copy_from_slice(secret),
            None => block[..32].copy_from_slice(&Sha256::digest(secret)),
        }
        Self(Hmac::new(&block.into()))
    }

    /// Returns the first 128 bits of the keyed hash.
    pub(crate) fn id(&self, key: &[u8]) -> Id {
        let mut hash = self.0.clone();
        hash.update(key);
        let bytes = hash.finalize().into_bytes();
        let bits = bytes.iter().take(16).fold(0, |bits, byte| bits << 8 | u128::from(*byte));
        Id::new(bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(secret: &[u8], key: &[u8], expected: &str) {
        assert_eq!(IdKey::new(secret).id(key).to_string(), expected);
    }

    #[test]
    fn ids_are_hmac_sha_256() {
        // RFC 4231, test cases 1, 2 and 6. The last one has a key longer than a block.
        check(&[0x0b; 20], b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b");
        check(b"Jefe", b"what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c7");
        let long = b"Test Using Larger Than Block-Size Key - Hash Key First";
        check(&[0xaa; 131], long, "60e431591ee0b67f0d8a26aacbf5b77f");
    }
}
