//! `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-10): quotas as structured fields.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use http::HeaderMap;
use sfv::{BareItem, Dictionary, Item, List, ListEntry, Parameters, Parser};

use super::announced::{self, Announced, Means, Unit};
use super::family::fields;
use super::number;
use super::{Reading, RetryHint};
use crate::ResponseHead;

/// Parses the longest wait among the used-up quotas. The parameter `t` has the wait.
///
/// The draft lets a server leave `t` out. The quota is then back after the whole window of its policy at the latest, so
/// the window is the wait. It may be too long, but never too short.
///
/// A server may still send the dictionary of draft-07.
pub(super) fn parse(header: &'static str, head: &ResponseHead<'_>, now: SystemTime) -> Option<Reading> {
    let limits = items(head.headers(), header);
    let used_up = || limits.iter().filter(|limit| is_used_up(limit));
    // The server decides the length of both lists, so each is read once only.
    let needs_windows = used_up().any(|limit| !limit.params.contains_key("t"));
    let policies = if needs_windows { items(head.headers(), "ratelimit-policy") } else { Vec::new() };
    let windows = windows(&policies);
    let waits = used_up().filter_map(|limit| match limit.params.contains_key("t") {
        true => seconds(&limit.params, "t"),
        false => windows.get(name_of(limit)?).copied().map(Duration::from_secs),
    });
    let delay = match limits.is_empty() {
        false => waits.max()?,
        true => fields::longest_of_dictionary(head.headers(), header, now)?,
    };
    // A reset that is not in the future is wrong, or another quota is used up.
    let is_precise = delay.subsec_nanos() != 0;
    (!delay.is_zero()).then_some(Reading { hint: RetryHint::After(delay), header, is_precise })
}

/// Adds the quotas of `RateLimit` to the list, by name, until it has `max` of them.
pub(super) fn announced(head: &ResponseHead<'_>, max: usize, quotas: &mut Vec<Announced>) {
    let limits = items(head.headers(), "ratelimit");
    if limits.is_empty() {
        quotas.extend(from_dictionary(head.headers()));
        return;
    }
    let policies = items(head.headers(), "ratelimit-policy");
    let mut policy_of = HashMap::new();
    for policy in &policies {
        policy_of.entry(name_of(policy)).or_insert(policy);
    }
    for limit in limits.iter().take(max.saturating_sub(quotas.len())) {
        let policy = policy_of.get(&name_of(limit)).map(|policy| &policy.params);
        quotas.extend(name_of(limit).and_then(|name| announced_by(name, &limit.params, policy)));
    }
}

fn announced_by(name: &str, params: &Parameters, policy: Option<&Parameters>) -> Option<Announced> {
    let of_policy = |key| policy.and_then(|policy| integer(policy, key));
    let reset = match params.contains_key("t") {
        true => integer(params, "t")?,
        false => of_policy("w")?,
    };
    let unit_name = policy.and_then(|policy| policy.get("qu")?.as_string()).map(|unit| unit.as_str());
    let unit = match unit_name {
        Some("requests") => Some(Unit::Requests),
        // The cost of a request is not counted in these, so only the end of such a quota matters.
        Some(_) => None,
        None if ["token", "unit"].iter().any(|word| name.contains(word)) => Some(Unit::Units),
        None => Some(Unit::Requests),
    };
    let quota = Announced {
        name: announced::hash(&["ratelimit", name]),
        alternatives: None,
        unit: unit.unwrap_or(Unit::Requests),
        limit: unit.and_then(|_| of_policy("q")),
        remaining: integer(params, "r")?,
        granule: 1,
        reset: Duration::from_secs(reset),
        precision: Duration::from_secs(1),
        is_date: false,
        means: Means::WindowEnds,
    };
    quota.checked()
}

/// Reads the dictionary of draft-07: `limit=100, remaining=0, reset=5`.
fn from_dictionary(headers: &HeaderMap) -> Option<Announced> {
    let lines: Vec<_> = headers.get_all("ratelimit").iter().map(|value| value.as_bytes()).collect();
    let entries = Parser::new(&lines.join(&b", "[..])).parse::<Dictionary>().ok()?;
    let number = |key: &str| match entries.get(key)? {
        ListEntry::Item(item) => u64::try_from(i64::from(item.bare_item.as_integer()?)).ok(),
        ListEntry::InnerList(_) => None,
    };
    let quota = Announced {
        name: announced::hash(&["ratelimit", ""]),
        alternatives: None,
        unit: Unit::Requests,
        limit: number("limit"),
        remaining: number("remaining")?,
        granule: 1,
        reset: Duration::from_secs(number("reset")?),
        precision: Duration::from_secs(1),
        is_date: false,
        means: Means::WindowEnds,
    };
    quota.checked()
}

/// Returns whether a quota of `RateLimit` is used up.
pub(super) fn is_gone(head: &ResponseHead<'_>) -> bool {
    let limits = items(head.headers(), "ratelimit");
    limits.iter().any(is_used_up) || fields::is_any_gone(head.headers(), "ratelimit")
}

/// Returns the longest window of each named policy.
fn windows(policies: &[Item]) -> HashMap<&str, u64> {
    let mut windows = HashMap::new();
    for policy in policies {
        if let (Some(name), Some(window)) = (name_of(policy), integer(&policy.params, "w")) {
            let longest = windows.entry(name).or_insert(window);
            *longest = window.max(*longest);
        }
    }
    windows
}

/// Parses the items of a list. Its parts may be in several lines (RFC 9651 section 4.2). A malformed list has no items, but a
/// malformed line beside others hides none of theirs, because a limit that is not heard is a resend without a wait.
fn items(headers: &HeaderMap, name: &str) -> Vec<Item> {
    let lines: Vec<_> = headers.get_all(name).iter().map(|value| value.as_bytes()).collect();
    let parse = |line: &[u8]| Parser::new(line).parse::<List>();
    let entries = parse(&lines.join(&b", "[..]))
        .unwrap_or_else(|_| lines.iter().filter_map(|line| parse(line).ok()).flatten().collect());
    let items = entries.into_iter().filter_map(|entry| match entry {
        ListEntry::Item(item) => Some(item),
        ListEntry::InnerList(_) => None,
    });
    items.collect()
}

/// Returns the name of a quota. It is a string; earlier drafts and some servers write a token.
fn name_of(item: &Item) -> Option<&str> {
    match &item.bare_item {
        BareItem::String(name) => Some(name.as_str()),
        BareItem::Token(name) => Some(name.as_str()),
        _ => None,
    }
}

/// Returns whether nothing is left of a quota.
fn is_used_up(limit: &Item) -> bool {
    seconds(&limit.params, "r").is_some_and(|rest| rest.is_zero())
}

/// Returns a parameter in seconds, if it is a number of zero or more. The draft has whole numbers only.
fn seconds(params: &Parameters, key: &str) -> Option<Duration> {
    match params.get(key)? {
        BareItem::Integer(integer) => Some(Duration::from_secs(i64::from(*integer).try_into().ok()?)),
        BareItem::Decimal(decimal) => {
            number::parse(decimal.to_string().as_bytes(), number::TimeUnit::Seconds)
        }
        _ => None,
    }
}

/// Returns a parameter if it is an integer of zero or more.
fn integer(params: &Parameters, key: &str) -> Option<u64> {
    u64::try_from(i64::from(params.get(key)?.as_integer()?)).ok()
}

#[cfg(test)]
mod tests {
    use crate::hint::tests::{self, HintedResponse};

    #[track_caller]
    fn check(limit: &str, policy: &str, expected_ms: impl Into<Option<u64>>) {
        let response = HintedResponse::default().with("ratelimit", limit).with("ratelimit-policy", policy);
        tests::check(response, "ratelimit", expected_ms);
    }

    #[test]
    fn a_used_up_quota_gives_a_hint() {
        check(r#""default";r=0;t=5"#, "", 5_000);
        check("default;t=5;r=0", "", 5_000);
        check(r#""default";r=0.0;t=5.5"#, "", 5_500);
        check(r#""default";r=0;t=5;pk=:cHsdsRa894==:"#, "", 5_000);
        check(r#""default";r=0;t=999999999999999"#, "", 999_999_999_999_999_000);
    }

    #[test]
    fn a_quota_that_is_not_used_up_gives_no_hint() {
        check(r#""default";r=50;t=30"#, "", None);
        check(r#""a";r=1;t=30, "b";r=2;t=60"#, "", None);
    }

    #[test]
    fn the_longest_wait_among_the_used_up_quotas_counts() {
        check(r#""a";r=0;t=10, "b";r=0;t=60, "c";r=5;t=3600"#, "", 60_000);
        check(r#""a";r=0;t=10, ("b" "c");r=0;t=60, "d";r=0;t=-1"#, "", 10_000);
    }

    #[test]
    fn lines_are_one_list() {
        let response = HintedResponse::default().with("ratelimit", r#""a";r=0;t=10"#);
        tests::check(response.with("ratelimit", r#""b";r=0;t=60"#), "ratelimit", 60_000);
    }

    #[test]
    fn without_a_time_the_window_of_the_same_name_counts() {
        check(r#""a";r=0"#, r#""a";q=100;w=60, "b";q=5;w=3600"#, 60_000);
        check("a;r=0", r#""a";q=100;w=60"#, 60_000);
        check(r#""a";r=0;t=3"#, r#""a";q=100;w=60"#, 3_000);
        check(r#""a";r=0, "b";r=0;t=5"#, r#""a";q=100;w=60"#, 60_000);
        check(r#""a";r=0"#, r#""b";q=100;w=60"#, None);
        check(r#""a";r=0"#, r#""a";q=100;w="an hour""#, None);
        check(r#""a";r=0"#, "!!!", None);
        // A malformed `t` is not the same as an absent one.
        check(r#""a";r=0;t=-5"#, r#""a";q=100;w=60"#, None);
    }

    #[test]
    fn anything_else_is_no_hint() {
        for limit in [
            "",
            "!!!",
            "\u{e9}",
            r#""default";r=0"#,
            r#""default";t=5"#,
            r#""default";r=0;t=0"#,
            r#""default";r=0;t=-5"#,
            r#""default";r=0;t="5""#,
            r#""default";r=0;t=9999999999999999"#,
            r#""default";r=-1;t=5"#,
            r#""default";r=?0;t=5"#,
            r#""default";r=0;t=5,"#,
            "limit=100, remaining=1, reset=5",
            "limit=100, remaining=0, reset=soon",
            "limit=100, remaining=0",
        ] {
            check(limit, "", None);
        }
    }

    #[test]
    fn the_dictionary_of_an_earlier_draft_is_read() {
        check("limit=100, remaining=0, reset=5", "", 5_000);
        check("limit=0, remaining=0, reset=5.5", "", 5_500);
        check("limit=9, remaining=0, reset=5, limit=90, remaining=3, reset=60", "", 5_000);
        check("limit=9, remaining=0, reset=1767225630", "", 30_000);
    }

    #[test]
    fn a_malformed_line_hides_no_other() {
        for lines in [["!!!", r#""a";r=0;t=10"#], [r#""a";r=0;t=10"#, r#""a";r=0;t=10,"#]] {
            let response = HintedResponse::default().with("ratelimit", lines[0]).with("ratelimit", lines[1]);
            tests::check(response, "ratelimit", 10_000);
        }
    }

    #[test]
    fn a_policy_without_a_name_is_ignored() {
        check("5;r=0", "7;w=60", None);
    }

    /// A search through all policies for each quota would take hours here.
    #[test]
    fn the_time_for_long_lists_is_linear() {
        let limit = vec!["a;r=0"; 20_000].join(", ");
        let policy = vec!["b;w=1"; 20_000].join(", ");
        check(&limit, &format!("{policy}, a;w=9"), 9_000);
    }
}
