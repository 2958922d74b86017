//! Who saw what of each request: the clients, the gateway's log, and the upstreams.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde::Deserialize;

use crate::pattern;

/// The books of all, which are written as things happen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Books(Arc<Mutex<Pages>>);

#[derive(Debug, Default)]
pub(crate) struct Pages {
    pub(crate) clients: HashMap<u64, Vec<Seen>>,
    pub(crate) log: HashMap<u64, Vec<Line>>,
    pub(crate) upstreams: HashMap<u64, Vec<(SocketAddr, Event)>>,
    /// Lines of the log without a request, by what they are rejected for.
    pub(crate) rejected: BTreeMap<String, u64>,
    /// What was done to whom, and how often.
    pub(crate) faults: BTreeMap<&'static str, u64>,
    /// Processes that were killed.
    pub(crate) kills: Vec<(SocketAddr, Instant)>,
    pub(crate) violations: Vec<String>,
}

/// What a client knows of its request.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) kind: Kind,
    pub(crate) body: (u64, usize),
    pub(crate) began: Instant,
    pub(crate) end: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Get,
    Post,
    KeyedPost,
    Upload,
    Download,
    /// A download whose client reads slowly.
    SlowDownload,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Whole; a 200 is compared with what it should be.
    Answered(u16),
    /// Its head came, its body did not, and the connection said so.
    Broken(u16),
    /// Nothing came.
    NoAnswer(String),
    /// It went away.
    Left,
}

/// What an upstream writes down, before it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A request's head came.
    Head,
    /// Its body broke off.
    Torn,
    /// It was turned away, with a `Retry-After` of so many seconds.
    Told(Option<u64>),
    /// Half of its answer's body is sent.
    Cut,
    /// It was whole, and what it wants was done.
    Processed { hash: u64, len: usize },
}

/// A line of the access log.
#[derive(Debug, Deserialize)]
pub(crate) struct Line {
    path: Option<String>,
    pub(crate) status: u16,
    pub(crate) rejected: Option<String>,
    pub(crate) cause: Option<String>,
    pub(crate) reason: Option<String>,
    #[serde(default)]
    pub(crate) attempts: Vec<Attempt>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Attempt {
    pub(crate) endpoint: String,
    pub(crate) status: Option<u16>,
    pub(crate) error: Option<String>,
    pub(crate) at_ms: u64,
    pub(crate) took_ms: Option<u64>,
}

impl Books {
    pub(crate) fn open(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was written until now, and leaves empty books.
    pub(crate) fn close(&self) -> Pages {
        std::mem::take(&mut *self.open())
    }

    pub(crate) fn violation(&self, text: String) {
        self.open().violations.push(text);
    }

    /// A line of the gateway's standard output.
    pub(crate) fn log(&self, text: &str, may_be_torn: bool) {
        let line: Line = match serde_json::from_str(text) {
            Ok(line) => line,
            Err(_) if may_be_torn => return,
            Err(error) => return self.violation(format!("the log has a line that is none: {error}: {text}")),
        };
        let mut pages = self.open();
        let id = line.path.as_deref().and_then(pattern::id_of);
        match (id, &line.rejected) {
            (Some(id), _) => pages.log.entry(id).or_default().push(line),
            (None, Some(word)) => *pages.rejected.entry(word.clone()).or_default() += 1,
            (None, None) => pages.violations.push(format!("nobody sent what the log has: {text}")),
        }
    }

    /// A line of an upstream's standard output.
    pub(crate) fn upstream(&self, address: SocketAddr, text: &str) {
        match Event::read(text) {
            Some((id, event)) => self.open().upstreams.entry(id).or_default().push((address, event)),
            None => self.violation(format!("{address} says {text:?}")),
        }
    }
}

impl Event {
    pub(crate) fn write(self, id: u64) -> String {
        match self {
            Self::Head => format!("head {id}"),
            Self::Torn => format!("torn {id}"),
            Self::Cut => format!("cut {id}"),
            Self::Told(None) => format!("told {id}"),
            Self::Told(Some(seconds)) => format!("told {id} {seconds}"),
            Self::Processed { hash, len } => format!("done {id} {hash} {len}"),
        }
    }

    fn read(text: &str) -> Option<(u64, Self)> {
        let mut words = text.split(' ');
        let (word, id) = (words.next()?, words.next()?.parse().ok()?);
        let event = match word {
            "head" => Self::Head,
            "torn" => Self::Torn,
            "cut" => Self::Cut,
            "told" => Self::Told(words.next().map(str::parse).transpose().ok()?),
            "done" => Self::Processed { hash: words.next()?.parse().ok()?, len: words.next()?.parse().ok()? },
            _ => return None,
        };
        Some((id, event))
    }
}
