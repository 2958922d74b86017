//! The key of a request, as a keyed hash: its authority, and the headers that tell accounts apart.

use std::hash::Hasher;

use http::HeaderName;

use crate::RequestHead;
use crate::head::credential::{self, HEADERS};

/// Hashes the authority.
pub(super) fn authority(head: &RequestHead<'_>, hasher: &mut impl Hasher) {
    let mut text = Text::new(hasher, head.authority_bytes());
    text.finish();
}

/// Hashes the authority and the values of a header.
pub(super) fn header(head: &RequestHead<'_>, name: &HeaderName, hasher: &mut impl Hasher) {
    let mut text = Text::new(hasher, head.authority_bytes());
    head.values(name.as_str()).for_each(|value| text.add_header(0, value));
    text.finish();
}

/// Hashes the authority and the [credential](RequestHead::each_credential). The order of its headers does not matter.
pub(super) fn credential(head: &RequestHead<'_>, hasher: &mut impl Hasher) {
    let (mut values, mut found, mut is_repeated, mut host) = ([&[][..]; HEADERS.len()], 0_u8, false, None);
    // One pass over all lines takes less time than to look for each of the headers, of which most requests have one.
    head.each_header(|name, value| {
        // Few names have the length of one of them, and fewer begin like one.
        if name.len() >= 32
            || LENGTHS >> name.len() & 1 == 0
            || INITIALS >> (name.as_bytes()[0] % 32) & 1 == 0
        {
            return;
        }
        if name == HOST {
            host.get_or_insert(value);
        } else if let Some(index) = credential::header_place(name) {
            is_repeated |= found >> index & 1 != 0;
            found |= 1 << index;
            values[index] = value;
        }
    });
    let mut text = Text::new(hasher, head.authority_bytes_or(host));
    if is_repeated {
        head.each_credential(|place, value| text.add_header(place, value));
        return text.finish();
    }
    if found == 0
        && let Some(value) = credential::in_query(head)
    {
        text.add_header(credential::QUERY, value);
    }
    while found != 0 {
        let index = found.trailing_zeros() as u8;
        text.add_header(index, credential::account(values[usize::from(index)]));
        found &= found - 1;
    }
    text.finish();
}

const HOST: &str = "host";

/// The lengths of the names of these headers, as a set of bits.
const LENGTHS: u32 = {
    let (mut lengths, mut index) = (1 << HOST.len(), 0);
    while index < HEADERS.len() {
        lengths |= 1 << HEADERS[index].len();
        index += 1;
    }
    lengths
};

/// Their first letters, by the lowest five bits.
const INITIALS: u32 = {
    let (mut initials, mut index) = (1 << (HOST.as_bytes()[0] % 32), 0);
    while index < HEADERS.len() {
        initials |= 1 << (HEADERS[index].as_bytes()[0] % 32);
        index += 1;
    }
    initials
};

/// Gathers what is hashed, because a hasher takes one long text in less time than several short ones.
struct Text<'a, H> {
    hasher: &'a mut H,
    bytes: [u8; GATHERED],
    len: usize,
}

impl<'a, H: Hasher> Text<'a, H> {
    /// Creates a text that begins with the authority, after its length, without user and password, and regardless of its case
    /// (RFC 3986 section 3.2.2).
    #[inline]
    fn new(hasher: &'a mut H, authority: Option<&[u8]>) -> Self {
        let authority = authority.unwrap_or_default();
        let mut text = Self { hasher, bytes: [0; GATHERED], len: LENGTH + authority.len() };
        let (length, room) = text.bytes.split_at_mut(LENGTH);
        length.copy_from_slice(&length_of(0, authority));
        let is_plain = room.get_mut(..authority.len()).is_some_and(|room| !copy_lower(authority, room));
        if !is_plain {
            text.begin_rare(authority);
        }
        text
    }

    /// Begins with an authority that is long, or has a user.
    #[cold]
    fn begin_rare(&mut self, authority: &[u8]) {
        let host = authority.rsplit(|byte| *byte == b'@').next().unwrap_or_default();
        self.len = 0;
        self.add(&length_of(0, host));
        self.add(&host.to_ascii_lowercase());
    }

    /// Adds a value of a header after its length, with an index so that the same value in another header is another key.
    #[inline]
    fn add_header(&mut self, index: u8, value: &[u8]) {
        self.add(&length_of(index, value));
        self.add(value);
    }

    #[inline]
    fn add(&mut self, text: &[u8]) {
        match self.bytes.get_mut(self.len..self.len + text.len()) {
            Some(room) => {
                room.copy_from_slice(text);
                self.len += text.len();
            }
            None => self.add_long(text),
        }
    }

    #[cold]
    fn add_long(&mut self, text: &[u8]) {
        self.finish();
        self.hasher.write(text);
        self.len = 0;
    }

    #[inline]
    fn finish(&mut self) {
        self.hasher.write(&self.bytes[..self.len]);
    }
}

/// Returns a length as three bytes, after an index.
#[inline]
fn length_of(index: u8, text: &[u8]) -> [u8; LENGTH] {
    (u32::from(index) << 24 | text.len() as u32 & 0xff_ffff).to_be_bytes()
}

/// Copies a text in lower case to `to`, which is as long. Returns whether it contains an `@`.
///
/// It takes eight bytes at once, which takes the fewest instructions. The last eight of a text overlap those before.
#[inline]
fn copy_lower(text: &[u8], to: &mut [u8]) -> bool {
    let (Some(last), Some(to_last)) = (text.last_chunk(), to.last_chunk_mut()) else {
        return copy_short_lower(text, to);
    };
    let last = u64::from_le_bytes(*last);
    *to_last = lower(last).to_le_bytes();
    let mut has_at = at_signs(last);
    for (chunk, to) in text.chunks_exact(8).zip(to.chunks_exact_mut(8)) {
        let chunk = chunk.first_chunk().map_or(0, |chunk| u64::from_le_bytes(*chunk));
        has_at |= at_signs(chunk);
        to.copy_from_slice(&lower(chunk).to_le_bytes());
    }
    has_at != 0
}

#[cold]
fn copy_short_lower(text: &[u8], to: &mut [u8]) -> bool {
    to.iter_mut().zip(text).for_each(|(to, byte)| *to = byte.to_ascii_lowercase());
    text.contains(&b'@')
}

/// Returns eight bytes in lower case.
#[inline]
fn lower(bytes: u64) -> u64 {
    let low = bytes & (EACH * 0x7f);
    // The highest bit of each byte says whether it is at least `A`, and whether it is above `Z`.
    let (from_a, above_z) = (low + EACH * (0x80 - 0x41), low + EACH * (0x80 - 0x5b));
    let upper = from_a & !above_z & !bytes & (EACH * 0x80);
    bytes | upper >> 2
}

/// Returns 0 unless one of eight bytes is an `@`.
#[inline]
fn at_signs(bytes: u64) -> u64 {
    let zero_where_at = bytes ^ (EACH * 0x40);
    zero_where_at.wrapping_sub(EACH) & !zero_where_at & (EACH * 0x80)
}

/// A one in each byte.
const EACH: u64 = 0x0101_0101_0101_0101;
/// The bytes of a length.
const LENGTH: usize = 4;
/// The bytes of an authority and the credential of an LLM API, and some more.
const GATHERED: usize = 256;

#[cfg(test)]
mod tests;
