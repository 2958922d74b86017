//! A saved copy of a request head, from which a resend is made.

mod common;
mod restore;

use std::ops::Range;
use std::{fmt, mem};

use http::uri::{Authority, PathAndQuery};
use http::{Extensions, Method, Request, Version, request};

use super::RequestHead;
use super::standard_names::{STANDARD_NAME, StandardNames};

/// A saved copy of a request head, for a resend that most requests never need.
///
/// The URI and the headers are copied into one run of bytes. A clone of them would count a reference for each piece, and
/// would hold the buffer that they were read into. Only a resend rebuilds the URI and the header map.
///
/// ```
/// use http::Request;
/// use http_retry::HeadSnapshot;
///
/// let request = Request::get("http://api.example/orders?limit=5").header("x-plan", "pro").body(()).unwrap();
/// let snapshot = HeadSnapshot::new(&request);
/// assert_eq!(snapshot.head().path(), "/orders");
///
/// let resend = Request::from_parts(snapshot.restore(), ());
/// assert_eq!((resend.uri(), resend.headers()), (request.uri(), request.headers()));
/// ```
#[derive(Clone)]
pub struct HeadSnapshot {
    pub(super) method: Method,
    version: Version,
    pub(super) extensions: Extensions,
    uri: UriLengths,
    /// Scheme, authority, path and query, then each header line: a prefix of eight bytes, the name, and the value.
    ///
    /// The lower half of the prefix is the length of the value. The upper half is the length of the name, or, if the bit
    /// [`STANDARD_NAME`] is set, its index in [`StandardNames`]; no name follows then. The bit [`SENSITIVE`] marks a
    /// sensitive value.
    bytes: Vec<u8>,
    /// The number of bytes that are in use. The rest is spare room.
    written: usize,
    /// An upper bound for the number of header lines.
    lines: u32,
}

/// The lengths of a URI's parts. An absent part has length zero.
#[derive(Clone, Copy, Default)]
struct UriLengths {
    scheme: u32,
    authority: u32,
    target: u32,
}

impl HeadSnapshot {
    /// Copies the head of a request. The copy has the same values in the same order, and sensitive ones stay sensitive.
    pub fn new<B>(request: &Request<B>) -> Self {
        let mut snapshot = Self::default();
        snapshot.replace(request);
        snapshot
    }

    /// Replaces the saved head. It uses the same buffer, and allocates only if that is too small.
    #[doc(hidden)]
    pub fn replace<B>(&mut self, request: &Request<B>) {
        let mut bytes = mem::take(&mut self.bytes);
        // An estimate costs less than to add up the lengths of all headers.
        let mut room = request.headers().len() * BYTES_PER_LINE + BYTES_PER_LINE;
        let (uri, written) = loop {
            if bytes.len() < room {
                bytes.resize(room, 0);
            }
            match write(request, &mut bytes) {
                Some(written) => break written,
                None => room = bytes.len() * 2,
            }
        };
        self.method = request.method().clone();
        self.version = request.version();
        self.extensions = request.extensions().clone();
        (self.uri, self.bytes, self.written) = (uri, bytes, written);
        self.lines = request.headers().len() as u32;
    }

    /// Removes the head and drops its extensions. The buffer stays allocated for the next head.
    #[doc(hidden)]
    #[inline]
    pub fn clear(&mut self) {
        self.extensions = Extensions::new();
        self.uri = UriLengths::default();
        self.written = 0;
    }

    /// Returns the capacity of the buffer, in bytes.
    #[doc(hidden)]
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Releases spare memory, for a snapshot that is stored for long.
    #[doc(hidden)]
    pub fn shrink(&mut self) {
        self.bytes.truncate(self.written);
        self.bytes.shrink_to_fit();
    }

    /// Returns the view of the head that a policy reads.
    #[inline]
    pub fn head(&self) -> RequestHead<'_> {
        RequestHead::from(self)
    }

    /// Rebuilds the head, equal to the one that was saved.
    pub fn restore(&self) -> request::Parts {
        restore::parts(self)
    }

    /// Adds extensions to the head, in place of those of the same types.
    pub fn extend(&mut self, extensions: Extensions) {
        self.extensions.extend(extensions);
    }

    /// Removes all lines of a header. The case of `name` does not matter.
    pub fn remove(&mut self, name: &str) {
        let mut remaining = Vec::with_capacity(self.written);
        let mut rest = self.lines();
        remaining.extend_from_slice(&self.bytes[..self.written - rest.0.len()]);
        loop {
            let from = rest.0;
            let Some(line) = rest.next() else { break };
            if !line.name.eq_ignore_ascii_case(name.as_bytes()) {
                remaining.extend_from_slice(&from[..from.len() - rest.0.len()]);
            }
        }
        self.written = remaining.len();
        self.bytes = remaining;
    }

    pub(super) fn authority(&self) -> Option<&str> {
        let [_, authority, ..] = self.pieces();
        Some(text(authority)).filter(|authority| !authority.is_empty())
    }

    pub(super) fn query(&self) -> Option<&str> {
        let [_, _, target, _] = self.pieces();
        text(target).split_once('?').map(|(_, query)| query)
    }

    pub(super) fn path(&self) -> &str {
        let [scheme, _, target, _] = self.pieces();
        match text(target).split('?').next() {
            // `Uri::path` returns "/" here too.
            None | Some("") if !scheme.is_empty() || target.starts_with(b"?") => "/",
            path => path.unwrap_or_default(),
        }
    }

    pub(super) fn lines(&self) -> HeaderLines<'_> {
        let [.., lines] = self.pieces();
        HeaderLines(lines)
    }

    fn pieces(&self) -> [&[u8]; 4] {
        self.uri.split(self.bytes())
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.written]
    }
}

/// Writes the URI and the headers, and returns the URI's lengths and the number of bytes. Returns `None` if the buffer is
/// too small.
#[inline]
fn write<B>(request: &Request<B>, bytes: &mut [u8]) -> Option<(UriLengths, usize)> {
    let room = bytes.len();
    let mut rest = bytes;
    let uri = request.uri();
    let [scheme, authority, target] = [
        uri.scheme_str().unwrap_or_default(),
        uri.authority().map_or("", Authority::as_str),
        uri.path_and_query().map_or("", PathAndQuery::as_str),
    ];
    for part in [scheme, authority, target] {
        // Most request targets have only a path.
        if !part.is_empty() {
            rest = copy(rest, part.as_bytes())?;
        }
    }
    // A URI has at most 65,534 bytes.
    let uri = UriLengths {
        scheme: scheme.len() as u32,
        authority: authority.len() as u32,
        target: target.len() as u32,
    };
    let standard_names = StandardNames::get();
    for (name, value) in request.headers() {
        let is_sensitive = if value.is_sensitive() { SENSITIVE } else { 0 };
        let value = value.as_bytes();
        // No connection accepts a value whose length does not fit into four bytes.
        let value_bits = is_sensitive | value.len() as u64;
        let prefix;
        (prefix, rest) = rest.split_first_chunk_mut()?;
        match standard_names.encoded(name) {
            Some(encoded) => *prefix = (value_bits | encoded.get()).to_ne_bytes(),
            None => {
                // A name has at most 65,535 bytes.
                *prefix = (value_bits | (name.as_str().len() as u64) << 32).to_ne_bytes();
                rest = copy(rest, name.as_str().as_bytes())?;
            }
        }
        rest = copy(rest, value)?;
    }
    Some((uri, room - rest.len()))
}

/// Copies `piece` to the start of `buffer`, and returns the rest of the buffer. Returns `None` if it does not fit.
#[inline]
fn copy<'a>(buffer: &'a mut [u8], piece: &[u8]) -> Option<&'a mut [u8]> {
    let (target, rest) = buffer.split_at_mut_checked(piece.len())?;
    // Most pieces are short, and a call of `memcpy` for each takes longer than the copy itself.
    if !(copy_overlapping::<32>(target, piece)
        || copy_overlapping::<16>(target, piece)
        || copy_overlapping::<8>(target, piece))
    {
        target.copy_from_slice(piece);
    }
    Some(rest)
}

/// Copies a piece of `N` to `2 * N` bytes as two blocks of `N` bytes that may overlap. Returns whether the length fits,
/// and copies nothing if not.
#[inline(always)]
fn copy_overlapping<const N: usize>(target: &mut [u8], piece: &[u8]) -> bool {
    let fits = (N..=2 * N).contains(&piece.len());
    if fits {
        let last = piece.len() - N;
        target[..N].copy_from_slice(&piece[..N]);
        target[last..].copy_from_slice(&piece[last..]);
    }
    fits
}

impl UriLengths {
    /// Returns the ranges of the scheme, the authority, and path and query.
    fn ranges(self) -> [Range<usize>; 3] {
        let authority = self.scheme as usize;
        let target = authority + self.authority as usize;
        [0..authority, authority..target, target..target + self.target as usize]
    }

    /// Returns the scheme, the authority, path and query, and the rest.
    fn split(self, bytes: &[u8]) -> [&[u8]; 4] {
        let [scheme, authority, target] = self.ranges();
        let lines = target.end..;
        [&bytes[scheme], &bytes[authority], &bytes[target], &bytes[lines]]
    }
}

impl Default for HeadSnapshot {
    /// Returns an empty snapshot, of a GET without a URI and without headers.
    fn default() -> Self {
        Self {
            method: Method::GET,
            version: Version::HTTP_11,
            extensions: Extensions::new(),
            uri: UriLengths::default(),
            bytes: Vec::new(),
            written: 0,
            lines: 0,
        }
    }
}

fn text(piece: &[u8]) -> &str {
    // The bytes are those of a `str`.
    std::str::from_utf8(piece).unwrap_or_default()
}

impl fmt::Debug for HeadSnapshot {
    /// Formats the head without its header values, because they may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.head().fmt(f)
    }
}

/// A header line of a snapshot.
#[derive(Clone, Copy)]
pub(super) struct HeaderLine<'a> {
    /// The name in lower case.
    pub(super) name: &'a [u8],
    pub(super) value: &'a [u8],
}

/// The header lines of a snapshot that are still to be read.
#[derive(Clone)]
pub(super) struct HeaderLines<'a>(&'a [u8]);

impl<'a> HeaderLines<'a> {
    /// Reads the next line: its prefix, its name (empty for a standard name), and its value.
    #[inline]
    fn pieces(&mut self) -> Option<(u64, &'a [u8], &'a [u8])> {
        let (prefix, rest) = self.0.split_first_chunk()?;
        let prefix = u64::from_ne_bytes(*prefix);
        let name = if prefix & STANDARD_NAME == 0 { high_bits(prefix) } else { 0 };
        let (name, rest) = rest.split_at_checked(name)?;
        let (value, rest) = rest.split_at_checked(prefix as u32 as usize)?;
        self.0 = rest;
        Some((prefix, name, value))
    }
}

impl<'a> Iterator for HeaderLines<'a> {
    type Item = HeaderLine<'a>;

    fn next(&mut self) -> Option<HeaderLine<'a>> {
        let (prefix, name, value) = self.pieces()?;
        let name = match prefix & STANDARD_NAME {
            0 => name,
            _ => StandardNames::get().name(high_bits(prefix))?.as_str().as_bytes(),
        };
        Some(HeaderLine { name, value })
    }
}

/// Returns the upper half of a line's prefix without its two flags.
fn high_bits(prefix: u64) -> usize {
    ((prefix & !(STANDARD_NAME | SENSITIVE)) >> 32) as usize
}

/// The estimated size of a header line. Most lines are shorter.
const BYTES_PER_LINE: usize = 64;
/// The bit of a line's prefix that marks a sensitive value.
const SENSITIVE: u64 = 1 << 62;

#[cfg(test)]
mod tests;
