//! A message of HTTP/1.1, read from a socket by RFC 9112, or of HTTP/2.

use std::io::{BufRead, Read};

use flate2::Crc;

/// Which side reads a message: it decides where a body without a length ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reader {
    Server,
    /// A client whose request was, or was not, a HEAD.
    Client {
        is_head: bool,
    },
}

/// A message as it arrived.
#[derive(Debug, Default)]
pub(super) struct Message {
    pub(super) start: Vec<u8>,
    /// Names are in lower case, since they mean the same in any case.
    pub(super) headers: Vec<(String, Vec<u8>)>,
    pub(super) framing: &'static str,
    pub(super) body: Vec<u8>,
    pub(super) trailers: Vec<(String, Vec<u8>)>,
    /// The connection closed before the end of the message.
    pub(super) is_cut: bool,
}

impl Message {
    /// Reads a message. Returns `None` if the connection closes before its head is whole.
    pub(super) fn read(from: &mut impl BufRead, reader: Reader) -> Option<Self> {
        let mut message = Self { start: line(from)?, ..Self::default() };
        message.headers = lines(from)?;
        message.is_cut = message.read_body(from, reader).is_none();
        Some(message)
    }

    /// Returns true for a response that another one follows.
    pub(super) fn is_interim(&self) -> bool {
        self.status().starts_with(b"1") && self.status() != b"101"
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    pub(super) fn status(&self) -> &[u8] {
        self.start.split(|byte| *byte == b' ').nth(1).unwrap_or_default()
    }

    fn value(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| &value[..])
    }

    /// Reads the body and trailers. Returns `None` if the connection closes before their end.
    fn read_body(&mut self, from: &mut impl BufRead, reader: Reader) -> Option<()> {
        let has_none = match reader {
            Reader::Server => false,
            Reader::Client { is_head } => {
                is_head || self.status().starts_with(b"1") || [&b"204"[..], b"304"].contains(&self.status())
            }
        };
        if has_none {
            self.framing = "none";
        } else if self
            .value("transfer-encoding")
            .is_some_and(|coding| coding.eq_ignore_ascii_case(b"chunked"))
        {
            self.framing = "chunked";
            self.read_chunks(from)?;
        } else if let Some(length) = self.value("content-length") {
            let length = str::from_utf8(length).ok()?.parse().ok()?;
            self.framing = "length";
            return read_exactly(from, length, &mut self.body);
        } else if reader == Reader::Server {
            self.framing = "none";
        } else {
            self.framing = "close";
            from.read_to_end(&mut self.body).ok()?;
        }
        Some(())
    }

    fn read_chunks(&mut self, from: &mut impl BufRead) -> Option<()> {
        loop {
            let size = line(from)?;
            let digits = size.split(|byte| *byte == b';').next()?.trim_ascii();
            let length = u64::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?;
            if length == 0 {
                self.trailers = lines(from)?;
                return Some(());
            }
            read_exactly(from, length, &mut self.body)?;
            line(from)?;
        }
    }

    /// Describes the message, one fact a line. The lines of a name keep their order, and names are sorted. What may
    /// differ without meaning is left out: `Connection`, whose options end at each hop, and the sizes of chunks.
    pub(super) fn facts(&self) -> Vec<String> {
        let mut headers: Vec<_> =
            self.headers.iter().filter(|(name, _)| !IGNORED.contains(&name.as_str())).collect();
        headers.sort_by(|(one, _), (other, _)| one.cmp(other));
        let headers = headers.into_iter().map(|(name, value)| field("", name, value));
        let mut trailers: Vec<_> = self.trailers.iter().collect();
        trailers.sort_by(|(one, _), (other, _)| one.cmp(other));
        let trailers = trailers.into_iter().map(|(name, value)| field("trailer ", name, value));
        let mut facts = vec![text(&self.start)];
        facts.extend(headers);
        facts.push(format!("framing: {}", self.framing));
        if !self.body.is_empty() {
            facts.push(format!("body: {}", text(&self.body)));
        }
        facts.extend(trailers);
        if self.is_cut {
            facts.push("cut".to_owned());
        }
        facts
    }
}

const IGNORED: [&str; 3] = ["connection", "keep-alive", "transfer-encoding"];

fn field(prefix: &str, name: &str, value: &[u8]) -> String {
    format!("{prefix}{name}: {}", text(value)).trim_end().to_owned()
}

/// Bytes as text. Of many bytes it has the first ones, the number, and a checksum.
pub(super) fn text(bytes: &[u8]) -> String {
    const SHOWN: usize = 60;
    if bytes.len() <= SHOWN {
        return escaped(bytes);
    }
    let mut sum = Crc::new();
    sum.update(bytes);
    format!("{}... ({} bytes, CRC {:08x})", escaped(&bytes[..16]), bytes.len(), sum.sum())
}

/// Bytes as text. What is not printable ASCII is escaped, but no quotes.
pub(super) fn escaped(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string().replace("\\\"", "\"").replace("\\'", "'")
}

fn read_exactly(from: &mut impl BufRead, length: u64, into: &mut Vec<u8>) -> Option<()> {
    let read = from.take(length).read_to_end(into).ok()?;
    (read as u64 == length).then_some(())
}

/// Reads a line without its end. Returns `None` if the connection closes before its end.
fn line(from: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut line = Vec::new();
    from.read_until(b'\n', &mut line).ok()?;
    line.pop_if(|byte| *byte == b'\n')?;
    line.pop_if(|byte| *byte == b'\r');
    Some(line)
}

/// Reads header lines to the empty line behind them.
fn lines(from: &mut impl BufRead) -> Option<Vec<(String, Vec<u8>)>> {
    let mut lines = Vec::new();
    loop {
        let line = line(from)?;
        if line.is_empty() {
            return Some(lines);
        }
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default().trim_ascii().to_vec();
        lines.push((String::from_utf8_lossy(name).to_ascii_lowercase(), value));
    }
}
