//! The entries of free keys that a thread used last, so that its next request needs neither the lock of a shard nor a count of
//! the references to an entry. Two threads that share a key would wait for each other's writes to both.

use std::cell::RefCell;
use std::sync::Arc;

use super::key_entry::KeyEntry;

thread_local! {
    /// The entries with their keys, the one that was used last at the end.
    static ENTRIES: RefCell<Vec<(u64, Arc<KeyEntry>)>> = const { RefCell::new(Vec::new()) };
}

/// Takes the entry of a key out of the cache, unless it is not there or the table has forgotten it.
#[inline]
pub(super) fn acquire(table: u32, key: u64) -> Option<Arc<KeyEntry>> {
    // The cache is gone while the thread ends.
    let taken = ENTRIES.try_with(|entries| {
        let mut entries = entries.borrow_mut();
        let index = entries.iter().rposition(|(cached, _)| *cached == key)?;
        // Nothing has to move behind the last one.
        let is_last = index + 1 == entries.len();
        let taken = if is_last { entries.pop() } else { Some(entries.remove(index)) };
        taken.map(|(_, entry)| entry)
    });
    // An entry that does not fit is dropped outside of the borrow, because its drop may run code of somebody else.
    taken.ok().flatten().filter(|entry| entry.is_of(table, key))
}

/// Puts an entry into the cache.
#[inline]
pub(super) fn release(entry: Arc<KeyEntry>) {
    if entry.is_forgotten() {
        return;
    }
    let displaced = ENTRIES.try_with(|entries| {
        let mut entries = entries.borrow_mut();
        let displaced = (entries.len() >= CACHED).then(|| entries.remove(0));
        entries.push((entry.key, entry));
        displaced
    });
    drop(displaced);
}

/// The largest number of entries in a cache, for each thread.
const CACHED: usize = 16;

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use http::{Request, Response};

    use super::*;
    use crate::{ClockReading, Pace, RequestHead, ResponseHead, Ticket};

    const NOW: Duration = Duration::from_secs(1);

    fn ticket(pace: &Pace, path: usize) -> Ticket {
        let request = Request::get(format!("/{path}")).body(()).unwrap();
        pace.ticket(&RequestHead::from(&request))
    }

    fn send_and_settle(pace: &Pace, ticket: &mut Ticket) {
        let permit = pace.admit_free(ticket, NOW).expect("the key is free");
        let response = Response::new(());
        pace.settle(permit, &ResponseHead::from(&response), || {
            ClockReading::new(NOW, SystemTime::UNIX_EPOCH)
        });
    }

    fn per_path() -> Pace {
        Pace::per(|head| head.path().to_owned())
    }

    #[test]
    fn a_key_that_the_table_has_forgotten_gets_a_new_entry() {
        let pace = per_path().keys(1);
        let mut first = ticket(&pace, 0);
        let shard = |ticket: &Ticket| ticket.key >> 58;
        let mut second =
            (1..).map(|path| ticket(&pace, path)).find(|second| shard(second) == shard(&first)).unwrap();
        send_and_settle(&pace, &mut first);
        send_and_settle(&pace, &mut second);
        let permit = pace.admit_free(&mut first, NOW).unwrap();
        assert_eq!((pace.key_count(), pace.report(&first, NOW).in_flight), (1, 1));
        pace.lose(permit, NOW);
        assert_eq!((pace.report(&first, NOW).in_flight, pace.unpaced()), (0, 0));
    }

    #[test]
    fn a_key_of_two_paces_has_an_entry_in_each() {
        let [one, other] = [per_path(), per_path()];
        let mut ticket = ticket(&one, 0);
        send_and_settle(&one, &mut ticket);
        send_and_settle(&other, &mut ticket);
        assert_eq!((one.key_count(), other.key_count()), (1, 1));
    }

    #[test]
    fn more_keys_than_are_cached_keep_their_entries() {
        let pace = per_path();
        for _ in 0..3 {
            let permits: Vec<_> =
                (0..3 * CACHED).map(|path| pace.admit_free(&mut ticket(&pace, path), NOW).unwrap()).collect();
            permits.into_iter().for_each(|permit| pace.lose(permit, NOW));
        }
        assert_eq!(pace.key_count(), 3 * CACHED);
        assert!(ENTRIES.with(|entries| entries.borrow().len()) <= CACHED);
        for path in 0..3 * CACHED {
            assert_eq!(pace.report(&ticket(&pace, path), NOW).in_flight, 0, "{path}");
        }
    }

    #[test]
    fn two_threads_with_one_key_count_every_send() {
        let pace = per_path();
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| (0..1_000).for_each(|_| send_and_settle(&pace, &mut ticket(&pace, 0))));
            }
        });
        let permit = pace.admit_free(&mut ticket(&pace, 0), NOW).unwrap();
        assert_eq!((pace.key_count(), pace.report(&ticket(&pace, 0), NOW).in_flight), (1, 1));
        pace.lose(permit, NOW);
    }
}
