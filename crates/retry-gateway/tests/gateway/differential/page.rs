//! The page that lists the differences.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use super::exchange::Case;
use super::{haproxy, reasons};

/// A case of which not the same arrives through both proxies.
#[derive(Clone, Debug)]
pub(super) struct Difference {
    pub(super) title: String,
    /// What arrived through one proxy, and not through the other.
    haproxy: Vec<String>,
    gateway: Vec<String>,
}

impl Difference {
    pub(super) fn find(case: &Case, mut haproxy: Vec<String>, mut gateway: Vec<String>) -> Option<Self> {
        haproxy.retain(|fact| match gateway.iter().position(|other| other == fact) {
            Some(place) => {
                gateway.remove(place);
                false
            }
            None => true,
        });
        let is_none = haproxy.is_empty() && gateway.is_empty();
        (!is_none).then(|| Self { title: case.title.clone(), haproxy, gateway })
    }

    /// Returns what differs, but for what a message of another version of HTTP has too.
    fn essence(&self) -> [Vec<&str>; 2] {
        [&self.haproxy, &self.gateway].map(|facts| {
            let facts = facts.iter().filter(|fact| !fact.starts_with("framing: "));
            facts.map(|fact| fact.trim_end_matches(" HTTP/1.1").trim_end_matches(" HTTP/1.0")).collect()
        })
    }
}

/// The outcome of all requests, or of all responses.
pub(super) struct Part {
    pub(super) title: &'static str,
    /// The number of cases.
    pub(super) cases: usize,
    pub(super) differences: Vec<Difference>,
    /// Set if the cases are those of an earlier part, before another server.
    pub(super) is_again: bool,
    /// The number of cases that differ as they do in the earlier part.
    pub(super) known: usize,
    /// The titles of the cases that both proxies answer themselves, alike, and the answer.
    pub(super) rejected: Vec<(String, String)>,
}

impl Part {
    /// Leaves out the differences that an earlier part has too, of the same cases before another server.
    pub(super) fn without(mut self, earlier: &Self) -> Self {
        let all = self.differences.len();
        let is_known = |difference: &Difference| {
            earlier
                .differences
                .iter()
                .any(|other| other.title == difference.title && other.essence() == difference.essence())
        };
        self.differences.retain(|difference| !is_known(difference));
        self.known = all - self.differences.len();
        for difference in &mut self.differences {
            difference.title += TO_HTTP2;
        }
        self
    }

    fn case(&self) -> &'static str {
        if self.title.starts_with("Responses") { "response" } else { "request" }
    }
}

/// Ends the title of a case whose server speaks HTTP/2.
const TO_HTTP2: &str = ", to HTTP/2";

/// Puts words for values that each run has others of.
pub(super) fn masked(facts: Vec<String>, server: SocketAddr) -> Vec<String> {
    let masked = |fact: String| match fact.split_once(": ") {
        Some(("date", value)) if !value.contains("1994") => "date: now".to_owned(),
        _ => fact.replace(&server.to_string(), "endpoint"),
    };
    facts.into_iter().map(masked).collect()
}

/// Compares the page with the outcome, or writes it.
#[track_caller]
pub(super) fn check(parts: &[Part]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/differences.md");
    let version = haproxy::version();
    let page = page(&version, parts);
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        return fs::write(path, page).unwrap();
    }
    let written = fs::read_to_string(path).unwrap();
    if written != page {
        let missing: Vec<_> = page.lines().filter(|line| !written.contains(line)).collect();
        let surplus: Vec<_> = written.lines().filter(|line| !page.contains(line)).collect();
        panic!(
            "docs/differences.md is not what HAProxy {version} and the gateway do.\nIt lacks: {missing:#?}\nIt has \
             without cause: {surplus:#?}\nUPDATE_SNAPSHOTS=1 writes it anew."
        );
    }
}

fn page(version: &str, parts: &[Part]) -> String {
    let cases = |case| {
        parts
            .iter()
            .filter(|part| part.case() == case && !part.is_again)
            .map(|part| part.cases)
            .sum::<usize>()
    };
    let mut page = format!(
        "# Differences from HAProxy\n\n\
         A test sends {} requests and {} responses with odd but mostly legal framing, sizes, names and encodings through \
         the gateway and\nthrough HAProxy {version}, and compares what arrives byte by byte. Everything that differs is \
         below, with the reason. The test\nfails if anything else differs, or if a row is no longer true.\n\n\
         Four things do not count as a difference: the options of `Connection`, the sizes of chunks, the order of headers \
         with\ndifferent names, and the headers that the gateway adds (`X-Forwarded-*`, `Forwarded`, `CDN-Loop`). Both send \
         the names of\nheaders in lower case. Of a request that is rejected, the status counts. The gateway has `host = \
         \"preserve\"` and `retry =\nfalse` here, and HAProxy has no options.\n\n\
         The requests are also sent to a server of HTTP/2 (`protocol = \"http2\"`, and `proto h2` of HAProxy). The two \
         sections about it leave\nout what differs in the same way before a server of HTTP/1.1, and `Host` counts as `:authority` in them.\n",
        cases("request"),
        cases("response")
    );
    for part in parts {
        let (title, case) = (part.title, part.case());
        let alike = part.cases - part.differences.len() - part.known;
        let known = match part.known {
            0 => String::new(),
            1 => ", and 1 differs as above".to_owned(),
            known => format!(", and {known} differ as above"),
        };
        let _ = write!(page, "\n## {title}\n\n{alike} of {} arrive alike{known}. ", part.cases);
        if !part.rejected.is_empty() {
            let rejected =
                part.rejected.iter().map(|(title, answer)| format!("{} ({answer})", escaped(title)));
            let _ = write!(
                page,
                "Both proxies reject some of these:\n\n* {}\n\n",
                rejected.collect::<Vec<_>>().join("\n* ")
            );
        }
        let _ = write!(
            page,
            "The others:\n\n| {case} | through HAProxy | through the gateway | reason |\n|---|---|---|---|\n"
        );
        page.extend(rows(&part.differences));
    }
    page
}

/// One row for all cases with the same difference and reason.
fn rows(differences: &[Difference]) -> Vec<String> {
    let mut rows: Vec<(String, Vec<&str>)> = Vec::new();
    for difference in differences {
        let reason = reasons::find(&difference.title).unwrap_or_default();
        let [haproxy, gateway] = cells(difference);
        let rest = format!("{haproxy} | {gateway} | {reason}");
        match rows.iter_mut().find(|(known, _)| *known == rest) {
            Some((_, titles)) => titles.push(&difference.title),
            None => rows.push((rest, vec![&difference.title])),
        }
    }
    rows.into_iter()
        .map(|(rest, titles)| {
            format!(
                "| {} | {rest} |\n",
                titles.iter().map(|title| escaped(title)).collect::<Vec<_>>().join("<br>")
            )
        })
        .collect()
}

/// What arrived through HAProxy and through the gateway.
fn cells(difference: &Difference) -> [String; 2] {
    let Difference { haproxy, gateway, .. } = difference;
    [cell(haproxy, gateway), cell(gateway, haproxy)]
}

fn cell(facts: &[String], others: &[String]) -> String {
    let is_answer = |fact: &String| fact.starts_with("answer: ");
    let shown = match facts {
        [] => return "(without it)".to_owned(),
        // The other proxy let nothing pass, so the start line stands for the whole.
        [start, ..] if others.iter().any(is_answer) && !facts.iter().any(is_answer) => vec![start],
        _ => facts.iter().collect(),
    };
    shown.into_iter().map(|fact| code(fact)).collect::<Vec<_>>().join("<br>")
}

/// Bytes as code. Two backticks fence one, and a bar would end the cell.
fn code(fact: &str) -> String {
    let text = fact.replace('|', "\\|");
    if text.contains('`') { format!("`` {text} ``") } else { format!("`{text}`") }
}

/// A title as text, without what Markdown would read.
fn escaped(title: &str) -> String {
    let title = title.replace('<', "&lt;");
    let mut text = String::new();
    for char in title.chars() {
        if "|`*_\\[]".contains(char) {
            text.push('\\');
        }
        text.push(char);
    }
    text
}
