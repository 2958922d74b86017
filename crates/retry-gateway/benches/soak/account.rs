//! The account: what the books say of each request, and where they disagree.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use comfy_table::Table;

use crate::book::{Attempt, End, Event, Kind, Line, Pages, Seen};
use crate::gateway::{ATTEMPTS, PER_SECOND, PERCENT};

/// Compares the books of so long a time, in which the log lost so many lines. Prints the sums, and returns what is wrong.
pub(crate) fn settle(mut pages: Pages, took: Duration, dropped: u64) -> Vec<String> {
    let mut missing = 0;
    let mut wrong = std::mem::take(&mut pages.violations);
    let mut sums = BTreeMap::<(Kind, String), u64>::new();
    for (id, seen) in &pages.clients {
        let lines = pages.log.get(id).map_or(&[][..], Vec::as_slice);
        let events = pages.upstreams.get(id).map_or(&[][..], Vec::as_slice);
        let mut violation = |text: &str| wrong.push(format!("{id}: {text}: {seen:?} {lines:?} {events:?}"));
        let [seen] = &seen[..] else {
            violation("its client has not one end of it");
            continue;
        };
        for text in one(seen, lines, events, &pages.kills) {
            // A line that the log lost is missed at most once.
            if lines.is_empty() && NOT_IN_LOG.contains(&text) && missing < dropped {
                missing += 1;
                break;
            }
            violation(text);
        }
        *sums.entry((seen.kind, class(seen, lines.first()))).or_default() += 1;
    }
    let strangers = |kept: &mut dyn Iterator<Item = &u64>, who: &str| -> Vec<String> {
        kept.filter(|id| !pages.clients.contains_key(id))
            .map(|id| format!("{id}: only {who} knows it"))
            .collect()
    };
    wrong.extend(strangers(&mut pages.log.keys(), "the log"));
    wrong.extend(strangers(&mut pages.upstreams.keys(), "an upstream"));
    wrong.extend(budget(&pages.log, &pages.upstreams, took, dropped));
    println!("the log lost {dropped} lines, of which {missing} are missed");
    print(&pages, &sums);
    wrong
}

/// What is wrong with one request.
fn one(
    seen: &Seen,
    lines: &[Line],
    events: &[(SocketAddr, Event)],
    kills: &[(SocketAddr, Instant)],
) -> Vec<&'static str> {
    let mut wrong = Vec::new();
    let heads = events.iter().filter(|(_, event)| *event == Event::Head).count();
    let done: Vec<_> = events.iter().filter_map(|(_, event)| processed(event)).collect();
    let attempts = lines.first().map_or(&[][..], |line| &line.attempts);
    let is_once = matches!(seen.kind, Kind::Post | Kind::Upload);
    let mut check = |is_wrong: bool, text| wrong.extend(is_wrong.then_some(text));
    check(lines.len() > 1, "the log has it more than once");
    check(lines.is_empty() && matches!(seen.end, End::Answered(_) | End::Broken(_)), NOT_IN_LOG[0]);
    check(lines.is_empty() && !events.is_empty(), NOT_IN_LOG[1]);
    check(attempts.len() > ATTEMPTS, "more attempts than there may be");
    check(!lines.is_empty() && heads > attempts.len(), "it came to upstreams more often than it was sent");
    check(is_once && heads > 1, "a POST without a key was sent twice");
    check(is_once && done.len() > 1, "a POST without a key was processed twice");
    check(done.iter().any(|body| *body != seen.body), "an upstream took another body for the whole");
    if let (End::Answered(status) | End::Broken(status), Some(line)) = (&seen.end, lines.first()) {
        check(line.status != *status, "the log has another status");
        check(*status == 200 && done.is_empty(), "it succeeded, and nobody processed it");
        check(*status == 200 && line.rejected.is_some(), "it succeeded, and was rejected");
    }
    let was_killed =
        |address: &SocketAddr| kills.iter().any(|(dead, at)| dead == address && *at > seen.began);
    let is_cut = events.iter().any(|(address, event)| *event == Event::Cut || was_killed(address));
    check(matches!(seen.end, End::Broken(_)) && !is_cut, "its answer broke off, and no upstream did that");
    // A client that still sends can lose the answer with the connection, and HTTP/2 drops a head that is not on its way
    // yet when the body behind it breaks off.
    let is_lost = seen.kind == Kind::Upload || (is_cut && lines.iter().any(|line| line.status == 200));
    check(matches!(seen.end, End::NoAnswer(_)) && !is_lost, "no answer at all");
    let only_torn = events.iter().all(|(_, event)| matches!(event, Event::Head | Event::Torn));
    let is_torn = only_torn && events.iter().any(|(_, event)| *event == Event::Torn);
    let is_blamed = is_torn && lines.iter().any(|line| line.status == 502);
    check(is_blamed && seen.end == End::Left, "its client broke off, and the log blames the upstream");
    let is_strange = matches!(seen.end, End::Answered(status) if !STATUSES.contains(&status));
    check(is_strange, "a status that nobody has a reason for");
    check(attempts.windows(2).any(|pair| is_early(pair, events)), "a resend before its Retry-After");
    wrong
}

fn processed(event: &Event) -> Option<(u64, usize)> {
    match event {
        Event::Processed { hash, len } => Some((*hash, *len)),
        _ => None,
    }
}

/// Whether the second of two attempts came earlier than the server of the first had said.
fn is_early(pair: &[Attempt], events: &[(SocketAddr, Event)]) -> bool {
    let [first, second] = pair else { return false };
    let Some(seconds) = told(first, events) else { return false };
    let answered = first.at_ms + first.took_ms.unwrap_or(0);
    // Both are cut to whole milliseconds.
    second.at_ms + 2 < answered + seconds * 1000
}

/// The `Retry-After` that an attempt was answered with.
fn told(attempt: &Attempt, events: &[(SocketAddr, Event)]) -> Option<u64> {
    if attempt.status != Some(503) {
        return None;
    }
    let there = events.iter().filter(|(address, _)| attempt.endpoint.contains(&address.to_string()));
    let told = there.filter_map(|(_, event)| match event {
        Event::Told(after) => Some(*after),
        _ => None,
    });
    // Two attempts at the same endpoint may have been told different things; the lesser one binds both.
    told.min_by_key(|after| after.unwrap_or(0)).flatten()
}

/// Whether the resends were paid for: each by what the attempt before came back with.
fn budget(
    log: &HashMap<u64, Vec<Line>>,
    upstreams: &HashMap<u64, Vec<(SocketAddr, Event)>>,
    took: Duration,
    dropped: u64,
) -> Option<String> {
    let (mut paid, mut resends, mut successes) = (0.0, 0_u64, 0_u64);
    for (id, line) in log.iter().flat_map(|(id, lines)| lines.iter().map(move |line| (id, line))) {
        let events = upstreams.get(id).map_or(&[][..], Vec::as_slice);
        let before = line.attempts.iter().take(line.attempts.len().saturating_sub(1));
        for (place, attempt) in before.enumerate() {
            paid += match attempt.error.as_deref() {
                Some("connect failed") if place == 0 => 0.25,
                Some("timeout") => 2.0,
                None if told(attempt, events).is_some() => 0.25,
                _ => 1.0,
            };
            resends += 1;
        }
        successes += line.attempts.iter().filter(|attempt| attempt.status == Some(200)).count() as u64;
    }
    // A line that the log lost may have been a success.
    successes += dropped;
    let earned =
        100.0 + successes as f64 * f64::from(PERCENT) / 100.0 + took.as_secs_f64() * f64::from(PER_SECOND);
    println!("{resends} resends, paid with {paid:.0} tokens; there were {earned:.0} at most");
    (paid > earned).then(|| format!("resends for {paid:.0} tokens, where there were {earned:.0}"))
}

/// How a request ended, and why.
fn class(seen: &Seen, line: Option<&Line>) -> String {
    let why = line.map(|line| {
        let last = line.attempts.last().and_then(|attempt| attempt.error.as_deref());
        let words = [line.rejected.as_deref(), line.cause.as_deref(), line.reason.as_deref(), last];
        words.into_iter().flatten().collect::<Vec<_>>().join(", ")
    });
    let why = why.filter(|why| !why.is_empty()).map(|why| format!(" ({why})")).unwrap_or_default();
    match &seen.end {
        End::Answered(200) => match line.map_or(1, |line| line.attempts.len()) {
            0 | 1 => "200".to_owned(),
            resent => format!("200 with attempt {resent}"),
        },
        End::Answered(status) => format!("{status}{why}"),
        End::Broken(status) => format!("{status}, then its body broke off"),
        End::NoAnswer(error) => format!("no answer: {error}{why}"),
        End::Left => match line {
            None => "client left before the gateway knew".to_owned(),
            Some(line) => format!("client left: {}", line.status),
        },
    }
}

fn print(pages: &Pages, sums: &BTreeMap<(Kind, String), u64>) {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::ASCII_MARKDOWN);
    table.set_header(["sent", "came back", "requests"]);
    for ((kind, class), count) in sums {
        table.add_row([format!("{kind:?}"), class.clone(), count.to_string()]);
    }
    println!("{table}");
    let faults: Vec<_> = pages.faults.iter().map(|(name, count)| format!("{name} {count}")).collect();
    println!("done to it: {}", faults.join(", "));
    let count = |test: fn(&Event) -> bool| {
        pages.upstreams.values().flatten().filter(|(_, event)| test(event)).count()
    };
    println!(
        "{} requests by clients, {} lines of the log, {:?} rejected without a request; upstreams: {} heads, \
         {} processed, {} told to come later, {} torn",
        pages.clients.len(),
        pages.log.values().map(Vec::len).sum::<usize>(),
        pages.rejected,
        count(|event| *event == Event::Head),
        count(|event| processed(event).is_some()),
        count(|event| matches!(event, Event::Told(_))),
        count(|event| *event == Event::Torn),
    );
}

/// What is wrong with a request without a line, unless the log lost it.
const NOT_IN_LOG: [&str; 2] = ["the log does not have it", "an upstream has it, and the log does not"];
/// What upstreams answer, and the gateway where they do not.
const STATUSES: [u16; 4] = [200, 502, 503, 504];
