//! A request head in the form in which it is kept for a resend.

mod common;
mod restore;

use std::ops::Range;
use std::{fmt, mem};

use http::uri::{Authority, PathAndQuery};
use http::{Extensions, Method, Request, Version, request};

use super::RequestHead;
use super::known::{Known, MARK};

/// A request head that is kept for a resend, which most requests never need.
///
/// The URI and the headers are one run of bytes, because to clone them is to count a reference for each piece, and to hold
/// the buffer that they were read into. They are made what they were when they are sent again.
///
/// ```
/// use http::Request;
/// use http_retry::HeadSnapshot;
///
/// let request = Request::get("http://api.example/orders?limit=5").header("x-plan", "pro").body(()).unwrap();
/// let kept = HeadSnapshot::of(&request);
/// assert_eq!(kept.head().path(), "/orders");
///
/// let resend = Request::from_parts(kept.restore(), ());
/// assert_eq!((resend.uri(), resend.headers()), (request.uri(), request.headers()));
/// ```
#[derive(Clone)]
pub struct HeadSnapshot {
    pub(super) method: Method,
    version: Version,
    pub(super) extensions: Extensions,
    uri: Lengths,
    /// Scheme, authority, path and query; then each header line, which is a number of eight bytes, its name, and its value.
    /// The lower half of the number is the length of the value. The upper half is the length of the name, or, if the highest bit
    /// says so, the place of one that is [`Known`] and does not follow. The bit below says that the value is sensitive.
    bytes: Vec<u8>,
    /// How many of them are written; the rest is there to be written over.
    written: usize,
    /// How many lines there were at most.
    lines: u32,
}

/// Of the parts of a URI; what is not there is empty.
#[derive(Clone, Copy, Default)]
struct Lengths {
    scheme: u32,
    authority: u32,
    target: u32,
}

impl HeadSnapshot {
    /// Keeps a head: values are copied, and neither their order nor that they are sensitive is lost.
    pub fn of<B>(request: &Request<B>) -> Self {
        let mut kept = Self::default();
        kept.replace(request);
        kept
    }

    /// Keeps another head in its stead, in the same memory: nothing is allocated where that is large enough.
    pub fn replace<B>(&mut self, request: &Request<B>) {
        let mut bytes = mem::take(&mut self.bytes);
        // A guess costs less than a look at each of them.
        let mut room = request.headers().len() * USUAL + USUAL;
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

    /// Forgets the head, and lets go of what is in its extensions. The memory stays, for another.
    #[inline]
    pub fn clear(&mut self) {
        self.extensions = Extensions::new();
        self.uri = Lengths::default();
        self.written = 0;
    }

    /// How many bytes it has room for.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Gives memory back that it does not need: it may be kept for long.
    pub fn shrink(&mut self) {
        self.bytes.truncate(self.written);
        self.bytes.shrink_to_fit();
    }

    /// What a policy sees of it.
    #[inline]
    pub fn head(&self) -> RequestHead<'_> {
        RequestHead::from(self)
    }

    /// A head to send, the same as was kept.
    pub fn restore(&self) -> request::Parts {
        restore::parts(self)
    }

    /// Forgets all lines of a header; `name` is matched without regard to case.
    pub fn remove(&mut self, name: &str) {
        let mut kept = Vec::with_capacity(self.written);
        let mut rest = self.lines();
        kept.extend_from_slice(&self.bytes[..self.written - rest.0.len()]);
        loop {
            let from = rest.0;
            let Some(line) = rest.next() else { break };
            if !line.name.eq_ignore_ascii_case(name.as_bytes()) {
                kept.extend_from_slice(&from[..from.len() - rest.0.len()]);
            }
        }
        self.written = kept.len();
        self.bytes = kept;
    }

    pub(super) fn authority(&self) -> Option<&str> {
        let [_, authority, ..] = self.pieces();
        Some(text(authority)).filter(|authority| !authority.is_empty())
    }

    pub(super) fn path(&self) -> &str {
        let [scheme, _, target, _] = self.pieces();
        match text(target).split('?').next() {
            // As `http` has it.
            None | Some("") if !scheme.is_empty() || target.starts_with(b"?") => "/",
            path => path.unwrap_or_default(),
        }
    }

    pub(super) fn lines(&self) -> Lines<'_> {
        let [.., lines] = self.pieces();
        Lines(lines)
    }

    fn pieces(&self) -> [&[u8]; 4] {
        self.uri.split(self.bytes())
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.written]
    }
}

/// Writes the URI and the headers, and says how many bytes they are; `None` where there is no room for them.
#[inline]
fn write<B>(request: &Request<B>, bytes: &mut [u8]) -> Option<(Lengths, usize)> {
    let room = bytes.len();
    let mut rest = bytes;
    let uri = request.uri();
    let [scheme, authority, target] = [
        uri.scheme_str().unwrap_or_default(),
        uri.authority().map_or("", Authority::as_str),
        uri.path_and_query().map_or("", PathAndQuery::as_str),
    ];
    for part in [scheme, authority, target] {
        // Most targets come without the first two.
        if !part.is_empty() {
            rest = put(rest, part.as_bytes())?;
        }
    }
    // A URI has at most 65,534 bytes.
    let uri = Lengths {
        scheme: scheme.len() as u32,
        authority: authority.len() as u32,
        target: target.len() as u32,
    };
    let known = Known::get();
    for (name, value) in request.headers() {
        let is_sensitive = if value.is_sensitive() { SENSITIVE } else { 0 };
        let value = value.as_bytes();
        // What is longer than a number of four bytes can tell does not come over any connection.
        let line = is_sensitive | value.len() as u64;
        let number;
        (number, rest) = rest.split_first_chunk_mut()?;
        match known.mark(name) {
            Some(mark) => *number = (line | mark.get()).to_ne_bytes(),
            None => {
                // A name has at most 65,535 bytes.
                *number = (line | (name.as_str().len() as u64) << 32).to_ne_bytes();
                rest = put(rest, name.as_str().as_bytes())?;
            }
        }
        rest = put(rest, value)?;
    }
    Some((uri, room - rest.len()))
}

/// What is left of `rest`, behind `piece`.
#[inline]
fn put<'a>(rest: &'a mut [u8], piece: &[u8]) -> Option<&'a mut [u8]> {
    let (place, rest) = rest.split_at_mut_checked(piece.len())?;
    // Most are short, and a call for each takes longer than to copy them.
    if !(put_ends::<32>(place, piece) || put_ends::<16>(place, piece) || put_ends::<8>(place, piece)) {
        place.copy_from_slice(piece);
    }
    Some(rest)
}

/// Copies a piece of between `N` and twice as many bytes, by its two ends; whether it is one.
#[inline(always)]
fn put_ends<const N: usize>(place: &mut [u8], piece: &[u8]) -> bool {
    let is_one = (N..=2 * N).contains(&piece.len());
    if is_one {
        let last = piece.len() - N;
        place[..N].copy_from_slice(&piece[..N]);
        place[last..].copy_from_slice(&piece[last..]);
    }
    is_one
}

impl Lengths {
    /// Where scheme, authority, path and query are.
    fn places(self) -> [Range<usize>; 3] {
        let authority = self.scheme as usize;
        let target = authority + self.authority as usize;
        [0..authority, authority..target, target..target + self.target as usize]
    }

    /// Scheme, authority, path and query, and what follows.
    fn split(self, bytes: &[u8]) -> [&[u8]; 4] {
        let [scheme, authority, target] = self.places();
        let lines = target.end..;
        [&bytes[scheme], &bytes[authority], &bytes[target], &bytes[lines]]
    }
}

impl Default for HeadSnapshot {
    /// That of a GET for nothing.
    fn default() -> Self {
        Self {
            method: Method::GET,
            version: Version::HTTP_11,
            extensions: Extensions::new(),
            uri: Lengths::default(),
            bytes: Vec::new(),
            written: 0,
            lines: 0,
        }
    }
}

fn text(piece: &[u8]) -> &str {
    // It was text before.
    std::str::from_utf8(piece).unwrap_or_default()
}

impl fmt::Debug for HeadSnapshot {
    /// Shows no header values: they hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.head().fmt(f)
    }
}

/// A header line.
#[derive(Clone, Copy)]
pub(super) struct Line<'a> {
    /// In lower case.
    pub(super) name: &'a [u8],
    pub(super) value: &'a [u8],
}

#[derive(Clone)]
pub(super) struct Lines<'a>(&'a [u8]);

impl<'a> Lines<'a> {
    /// The number of a line, what follows it of the name, and the value.
    #[inline]
    fn pieces(&mut self) -> Option<(u64, &'a [u8], &'a [u8])> {
        let (number, rest) = self.0.split_first_chunk()?;
        let number = u64::from_ne_bytes(*number);
        let name = if number & MARK == 0 { upper(number) } else { 0 };
        let (name, rest) = rest.split_at_checked(name)?;
        let (value, rest) = rest.split_at_checked(number as u32 as usize)?;
        self.0 = rest;
        Some((number, name, value))
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        let (number, name, value) = self.pieces()?;
        let name = match number & MARK {
            0 => name,
            _ => Known::get().name(upper(number))?.as_str().as_bytes(),
        };
        Some(Line { name, value })
    }
}

/// The upper half of a line's number, but for the highest two bits.
fn upper(number: u64) -> usize {
    ((number & !(MARK | SENSITIVE)) >> 32) as usize
}

/// Bytes that most lines do not need.
const USUAL: usize = 64;
const SENSITIVE: u64 = 1 << 62;

#[cfg(test)]
mod tests;
