//! The headers of all families that say when a quota resets: `x-ratelimit-reset`, `x-rate-limit-reset`,
//! `x-ratelimit-reset-tokens-minute`, `anthropic-ratelimit-tokens-reset`, `ratelimitbysize-reset`. One rule reads all spellings.

pub(super) mod fields;
mod name;
mod value;

use std::time::SystemTime;

use http::HeaderMap;

use self::name::ResetName;
pub(super) use self::name::is_remaining;
pub(super) use self::value::Moment;
use super::quota::{self, Remaining};
use super::{Reading, RetryHint};
use crate::ResponseHead;

/// The ground on which a reset counts. A stronger one outranks all weaker ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    /// The status is a limit, and the quota has something left, which was too little for the request.
    TooLittle,
    /// The status is a limit, and nothing says that this quota has something left.
    Unopposed,
    /// Nothing is left of the quota, or the header belongs to no quota.
    Exhausted,
}

/// Reads the longest wait of the quotas that are used up.
///
/// If no quota is announced as used up, the status must be a limit. Then those count that do not say that something is left.
/// At last a header without a kind in its name, such as `x-ratelimit-reset`, counts in any case: the request may cost more
/// than what is left.
pub(super) fn parse(_: &str, head: &ResponseHead<'_>, now: SystemTime) -> Option<Reading> {
    let names = head.headers().keys().filter_map(|name| ResetName::parse(name.as_str()));
    let longest = names.filter_map(|name| {
        let standing = standing(&name, head)?;
        let Moment { delay, is_date } = moment(&name, head.headers(), now)?;
        // A reset that is not in the future is wrong, or another quota is used up. Azure sends zero for a quota that it does
        // not know.
        (!delay.is_zero()).then_some((standing, delay, is_date, name))
    });
    let longest = longest.max_by_key(|(standing, delay, ..)| (*standing, *delay));
    let in_fields = fields::longest(head.headers(), now);
    let (delay, header, is_precise) = match (longest, in_fields) {
        (Some((standing, delay, is_date, name)), fields)
            if fields.is_none_or(|wait| (standing, delay) >= (Standing::Exhausted, wait)) =>
        {
            let is_precise = !is_date && (delay.subsec_nanos() != 0 || name.is_in_milliseconds());
            (delay, name.label(), is_precise)
        }
        (_, fields) => (fields?, name::OTHERS, false),
    };
    Some(Reading { hint: RetryHint::After(delay), header, is_precise })
}

/// Returns whether a header may say when a quota resets, by itself or in a field of its value.
pub(super) fn may_have_hint(name: &str) -> bool {
    name::is_of_limit(name) || ResetName::parse(name).is_some()
}

/// Returns the time until the reset that the header with this name announces.
pub(super) fn reset(name: &str, headers: &HeaderMap, now: SystemTime) -> Option<Moment> {
    moment(&ResetName::parse(name)?, headers, now)
}

fn moment(name: &ResetName<'_>, headers: &HeaderMap, now: SystemTime) -> Option<Moment> {
    value::longest(headers, name.as_str(), name.numbers(), now)
}

/// Returns the ground on which a header counts, if it does.
fn standing(name: &ResetName<'_>, head: &ResponseHead<'_>) -> Option<Standing> {
    if !name.is_of_quota() {
        return Some(Standing::Exhausted);
    }
    // 509 is the status of limits on bandwidth.
    let is_limit = matches!(head.status().as_u16(), 429 | 509);
    match rest(name, head.headers()) {
        Some(Remaining::Nothing) => Some(Standing::Exhausted),
        None => is_limit.then_some(Standing::Unopposed),
        Some(Remaining::Something) => (is_limit && name.is_without_kind()).then_some(Standing::TooLittle),
    }
}

/// Returns the rest of the quota, from the headers of the same name with another word in the place of `reset`.
fn rest(name: &ResetName<'_>, headers: &HeaderMap) -> Option<Remaining> {
    // Bybit calls the rest a status.
    let rest = ["remaining", "remain", "status", "left", "available"]
        .into_iter()
        .find_map(|word| name.siblings(word).find_map(|sibling| quota::remaining(headers, &sibling)));
    let used = || name.siblings("used-percent").find_map(|sibling| quota::unused(headers, &sibling));
    rest.or_else(used).or_else(|| {
        // Anthropic sends the status of a plan's limit in the place of its rest.
        let mut statuses = name.siblings("status").filter_map(|sibling| headers.get(sibling));
        statuses.any(|status| status.as_bytes().starts_with(b"allowed")).then_some(Remaining::Something)
    })
}

#[cfg(test)]
mod tests;
