//! The number of requests after which an endpoint ends its connections.
//!
//! Some servers end each connection after one request, or after a few. Many requests at once on such a connection would be
//! lost, and their resends too. Once that has happened, a connection gets no more requests than the last one answered.

use std::time::Duration;

use tokio::time::Instant;

/// The knowledge about the connections that an endpoint has ended. The pool forgets it after a while, because a server may also
/// have restarted just then.
#[derive(Debug, Default)]
pub(super) struct ServedRequests(Option<Known>);

#[derive(Debug)]
struct Known {
    /// The requests that a connection gets.
    limit: usize,
    /// The time until which they are limited.
    until: Instant,
    /// The length of that time.
    lasts: Duration,
}

impl ServedRequests {
    /// Returns the number of requests that a connection gets, if they are limited.
    pub(super) fn limit(&self, now: Instant) -> Option<usize> {
        self.0.as_ref().filter(|known| now < known.until).map(|known| known.limit)
    }

    /// Notes that a connection has ended under at least one request, and had served so many others.
    pub(super) fn on_end(&mut self, served: u64, now: Instant) {
        let Some(served) = usize::try_from(served).ok().filter(|served| (1..FEW).contains(served)) else {
            return;
        };
        match &mut self.0 {
            Some(known) if now < known.until => known.limit = known.limit.min(served),
            earlier => {
                // It happens again soon after the limit was lifted, so it is the manner of the server.
                let is_again = |known: &&mut Known| now < known.until + known.lasts;
                let lasts = earlier.as_mut().filter(is_again).map_or(FIRST, |known| known.lasts * 4);
                let lasts = lasts.min(LONGEST);
                *earlier = Some(Known { limit: served, until: now + lasts, lasts });
            }
        }
    }
}

/// The number of requests that are no longer few. If a connection that has served so many ends, that costs few resends for each.
const FEW: usize = 8;
/// The time for which a limit holds at first. A server that has merely restarted gets a new connection for each few requests
/// until then.
const FIRST: Duration = Duration::from_secs(5);
/// The longest time.
const LONGEST: Duration = Duration::from_secs(320);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_holds_longer_where_it_proves_right() {
        let (mut served, start) = (ServedRequests::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        served.on_end(0, at(0));
        served.on_end(8, at(0));
        assert_eq!(served.limit(at(0)), None);
        served.on_end(3, at(0));
        served.on_end(1, at(1));
        served.on_end(2, at(2));
        assert_eq!((served.limit(at(4)), served.limit(at(5))), (Some(1), None));
        served.on_end(2, at(9));
        assert_eq!((served.limit(at(28)), served.limit(at(29))), (Some(2), None));
        for (begins, lasts) in [(40, 80), (130, 320), (500, 320)] {
            served.on_end(1, at(begins));
            let end = begins + lasts;
            assert_eq!((served.limit(at(end - 1)), served.limit(at(end))), (Some(1), None));
        }
        // Much later it may be another server.
        served.on_end(1, at(2_000));
        assert_eq!(served.limit(at(2_005)), None);
    }
}
