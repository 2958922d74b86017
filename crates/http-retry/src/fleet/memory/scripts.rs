//! The entries of a store in memory, and the scripts that change them.

use std::collections::BTreeMap;

use crate::fleet::entry::{BudgetEntry, MemberRecord, News, PaceEntry, join, lease, publish, settle};
use crate::fleet::{Answer, Id, StoreCommand, StoreRequest};

/// All entries of a store.
#[derive(Clone, Debug, Default)]
pub(super) struct Entries {
    paces: BTreeMap<Id, Option<PaceEntry>>,
    budgets: BTreeMap<Id, Option<BudgetEntry>>,
    members: Vec<MemberRecord>,
}

impl Entries {
    /// Runs the script of a request, at this time of the store's clock.
    pub(super) fn run(&mut self, clock: i64, member: i64, request: &StoreRequest) -> (Answer, Option<News>) {
        let (paces, budgets) = (&mut self.paces, &mut self.budgets);
        match &request.command {
            StoreCommand::Lease(question) => {
                let slot = unexpired(paces.entry(request.id).or_default(), clock, |entry| {
                    entry.at + entry.expires_in()
                });
                (Answer::Lease(lease(slot, clock, member, question)), None)
            }
            StoreCommand::Publish(question) => {
                let slot = unexpired(paces.entry(request.id).or_default(), clock, |entry| {
                    entry.at + entry.expires_in()
                });
                let (answer, news) = publish(slot, clock, member, question);
                (Answer::Publish(answer), news)
            }
            StoreCommand::Settle(question) => {
                let slot = unexpired(budgets.entry(request.id).or_default(), clock, |entry| {
                    entry.at + entry.expires_in()
                });
                (Answer::Settle(settle(slot, clock, question)), None)
            }
            StoreCommand::Join(question) => {
                (Answer::Join(join(&mut self.members, clock, member, question)), None)
            }
        }
    }

    pub(super) fn pace(&self, id: Id) -> Option<PaceEntry> {
        self.paces.get(&id).copied().flatten()
    }
}

/// Returns the place of an entry, which is empty if the entry has expired.
fn unexpired<E>(slot: &mut Option<E>, clock: i64, expires_at: impl Fn(&E) -> i64) -> &mut Option<E> {
    slot.take_if(|entry| expires_at(entry) <= clock);
    slot
}
