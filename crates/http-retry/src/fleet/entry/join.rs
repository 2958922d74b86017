//! The script `join`: a member gives a sign of life, and learns how many members there are.

use super::{SECOND, bound, numbers};

numbers! {
    /// A member's sign of life.
    JoinQuestion {
        /// The highest layout of entries that the member speaks. It speaks the one before as well.
        layout,
        /// 1 if the member leaves, or 0.
        leaves,
    }
}

numbers! {
    /// The answer to a [`JoinQuestion`].
    JoinAnswer {
        /// The number of members.
        members,
        /// The highest layout that all members speak.
        layout,
    }
}

numbers! {
    /// One member, or one layout that a member speaks, as the store knows it.
    MemberRecord {
        /// The number that the member drew, or 0 for the record of a layout.
        member,
        /// The layout, or 0 for the record of a member.
        layout,
        /// The time of the last sign of life of this member, or of any member that speaks this layout.
        seen,
    }
}

/// Notes a member's sign of life, or that it leaves, and forgets members that were silent for 6 s.
///
/// A layout counts until 6 s after the last sign of life of a member that speaks it, whether the member left or not: a store
/// keeps members and layouts apart, so that its script needs no right to list them.
pub fn join(members: &mut Vec<MemberRecord>, now: i64, member: i64, question: &JoinQuestion) -> JoinAnswer {
    let layout = bound(question.layout, 1, MAX_LAYOUT);
    // A time of the future is left from before the clock stepped back.
    members.retain(|record| now - record.seen < SILENT_AFTER && record.seen - now < SILENT_AFTER);
    members.retain(|record| record.layout > 0 || record.member != member);
    if question.leaves == 0 {
        members.retain(|record| record.layout != layout);
        members.push(MemberRecord { member, layout: 0, seen: now });
        members.push(MemberRecord { member: 0, layout, seen: now });
    }
    let count = members.iter().filter(|record| record.layout == 0).count() as i64;
    let layouts = members.iter().map(|record| record.layout).filter(|layout| *layout > 0);
    JoinAnswer { members: count, layout: layouts.min().unwrap_or(layout) }
}

/// A member that gave no sign of life for this long is no member any more.
pub const SILENT_AFTER: i64 = 6 * SECOND;
/// The highest layout that a member may name.
const MAX_LAYOUT: i64 = 9;
