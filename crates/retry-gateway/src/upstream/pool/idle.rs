//! A list of idle connections. The one that was used last is taken first, so that the others can grow old and go.

use tokio::time::Instant;

/// Connections that wait for a request, in the order of their return.
#[derive(Debug)]
pub(super) struct IdleList<T>(Vec<IdleConnection<T>>);

#[derive(Debug)]
struct IdleConnection<T> {
    connection: T,
    /// The time from which the connection takes no request.
    expires_at: Instant,
}

impl<T> Default for IdleList<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> IdleList<T> {
    /// Adds a connection, which takes requests until `expires_at`.
    pub(super) fn push(&mut self, connection: T, expires_at: Instant) {
        self.0.push(IdleConnection { connection, expires_at });
    }

    /// Removes the connection that was added last and is usable. The others that it meets on its way are dropped.
    pub(super) fn pop(&mut self, now: Instant, is_usable: impl Fn(&T) -> bool) -> Option<T> {
        while let Some(IdleConnection { connection, expires_at }) = self.0.pop() {
            if now < expires_at && is_usable(&connection) {
                return Some(connection);
            }
        }
        None
    }

    /// Removes all connections that are too old or not usable.
    pub(super) fn remove_unusable(&mut self, now: Instant, is_usable: impl Fn(&T) -> bool) -> Vec<T> {
        let is_unusable =
            |idle: &mut IdleConnection<T>| now >= idle.expires_at || !is_usable(&idle.connection);
        self.0.extract_if(.., is_unusable).map(|idle| idle.connection).collect()
    }

    /// Returns the time at which the first connection expires.
    pub(super) fn first_expiry(&self) -> Option<Instant> {
        self.0.iter().map(|idle| idle.expires_at).min()
    }

    /// Removes that connection.
    pub(super) fn remove_first(&mut self) -> Option<T> {
        let (index, _) = self.0.iter().enumerate().min_by_key(|(_, idle)| idle.expires_at)?;
        Some(self.0.remove(index).connection)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_last_connection_that_is_usable_is_taken_first() {
        let (mut list, now) = (IdleList::default(), Instant::now());
        let in_seconds = |seconds| now + Duration::from_secs(seconds);
        for (connection, lives) in [(1, 9), (2, 9), (3, 9), (4, 2), (5, 9)] {
            list.push(connection, in_seconds(lives));
        }
        assert_eq!(list.pop(now, |_| true), Some(5));
        assert_eq!(list.pop(in_seconds(2), |connection| *connection != 3), Some(2));
        assert_eq!(list.pop(in_seconds(8), |_| true), Some(1));
        assert_eq!(list.pop(now, |_| true), None);
    }

    #[test]
    fn connections_that_expire_or_close_are_removed_wherever_they_stand() {
        let (mut list, now) = (IdleList::default(), Instant::now());
        for (connection, lives) in [(1, 9), (2, 1), (3, 9)] {
            list.push(connection, now + Duration::from_secs(lives));
        }
        let later = now + Duration::from_secs(1);
        assert_eq!(list.remove_unusable(later, |connection| *connection != 3), [2, 3]);
        assert!(!list.0.is_empty());
        list.push(4, now + Duration::from_secs(2));
        assert_eq!(list.first_expiry(), Some(now + Duration::from_secs(2)));
        assert_eq!(list.remove_first(), Some(4));
        assert_eq!(list.pop(later, |_| true), Some(1));
        assert_eq!((list.first_expiry(), list.remove_first()), (None, None));
        assert!(list.0.is_empty());
    }
}
