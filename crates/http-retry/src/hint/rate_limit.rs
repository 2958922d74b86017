//! `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-10): quotas as structured fields.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use http::HeaderMap;
use sfv::{BareItem, Item, List, ListEntry, Parameters, Parser};

use super::{RetryHint, quota};
use crate::ResponseHead;

/// Parses the longest wait among the used-up quotas. The parameter `t` has the wait.
///
/// The draft lets a server leave `t` out. The quota is then back after the whole window of its policy at the latest, so
/// the window is the wait. It may be too long, but never too short.
pub(super) fn parse(name: &str, head: &ResponseHead<'_>, _: SystemTime) -> Option<RetryHint> {
    let limits = items(head.headers(), name);
    let used_up = || limits.iter().filter(|limit| integer(&limit.params, "r") == Some(0));
    // The server decides the length of both lists, so each is read once only.
    let needs_windows = used_up().any(|limit| !limit.params.contains_key("t"));
    let policies = if needs_windows { items(head.headers(), "ratelimit-policy") } else { Vec::new() };
    let windows = windows(&policies);
    let waits = used_up().filter_map(|limit| match limit.params.contains_key("t") {
        true => integer(&limit.params, "t"),
        false => windows.get(name_of(limit)?).copied(),
    });
    quota::hint_after(waits.max().map(Duration::from_secs)?)
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

/// Parses the items of a list. Its parts may be in several lines (RFC 9651 section 4.2). A malformed list has no items.
fn items(headers: &HeaderMap, name: &str) -> Vec<Item> {
    let lines: Vec<_> = headers.get_all(name).iter().map(|value| value.as_bytes()).collect();
    let entries = Parser::new(&lines.join(&b", "[..])).parse::<List>().unwrap_or_default();
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
            r#""default";r=0;t=5.5"#,
            r#""default";r=0;t="5""#,
            r#""default";r=0;t=9999999999999999"#,
            r#""default";r=-1;t=5"#,
            r#""default";r=?0;t=5"#,
            r#""default";r=0;t=5,"#,
            "limit=100, remaining=0, reset=5",
        ] {
            check(limit, "", None);
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
