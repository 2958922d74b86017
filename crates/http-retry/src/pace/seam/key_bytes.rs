//! The bytes of a key, which must be the same in all processes of a fleet.

use std::hash::Hasher;

/// Takes the place of a hasher, and keeps what it is given. A hash of the standard library may differ between its releases, and
/// between machines whose `usize` has another width.
#[derive(Default)]
pub(in crate::pace) struct KeyBytes(Vec<u8>);

impl KeyBytes {
    pub(in crate::pace) fn into_vec(self) -> Vec<u8> {
        self.0
    }
}

impl Hasher for KeyBytes {
    /// A key that builds a hash of its own does it with another hasher, so this one is not asked.
    fn finish(&self) -> u64 {
        self.0.len() as u64
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn write_u16(&mut self, number: u16) {
        self.write(&number.to_le_bytes());
    }

    fn write_u32(&mut self, number: u32) {
        self.write(&number.to_le_bytes());
    }

    fn write_u64(&mut self, number: u64) {
        self.write(&number.to_le_bytes());
    }

    fn write_u128(&mut self, number: u128) {
        self.write(&number.to_le_bytes());
    }

    /// Lengths are of this type too.
    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    fn write_i16(&mut self, number: i16) {
        self.write(&number.to_le_bytes());
    }

    fn write_i32(&mut self, number: i32) {
        self.write(&number.to_le_bytes());
    }

    fn write_i64(&mut self, number: i64) {
        self.write(&number.to_le_bytes());
    }

    fn write_i128(&mut self, number: i128) {
        self.write(&number.to_le_bytes());
    }

    fn write_isize(&mut self, number: isize) {
        self.write_i64(number as i64);
    }
}

#[cfg(test)]
mod tests {
    use std::hash::Hash;

    use super::*;

    #[track_caller]
    fn check(key: impl Hash, expected: &[u8]) {
        let mut bytes = KeyBytes::default();
        key.hash(&mut bytes);
        assert_eq!(bytes.into_vec(), expected);
    }

    #[test]
    fn keys_are_bytes_of_fixed_widths() {
        check(1_usize, &[1, 0, 0, 0, 0, 0, 0, 0]);
        check(-2_isize, &[254, 255, 255, 255, 255, 255, 255, 255]);
        check(0x0102_u16, &[2, 1]);
        check(-2_i32, &[254, 255, 255, 255]);
        check((7_u8, true), &[7, 1]);
    }

    #[test]
    fn texts_that_stand_in_a_row_are_told_apart() {
        check("ab", b"ab\xff");
        check(("a", "b"), b"a\xffb\xff");
        check(("ab", ""), b"ab\xff\xff");
        check(*b"ab".as_slice().first_chunk::<2>().unwrap(), &[2, 0, 0, 0, 0, 0, 0, 0, b'a', b'b']);
    }
}
