//! The requests in flight of all users of one store.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http_retry::fleet::StoreRequest;

use super::user::User;

/// The requests in flight. Each user numbers its own from 1, and the store gets numbers that are unique.
#[derive(Default)]
pub(super) struct OpenRequests {
    number: u64,
    open: HashMap<u64, OpenRequest>,
}

/// A request in flight.
pub(super) struct OpenRequest {
    /// `None` for the request of the member itself.
    pub(super) user: Option<Arc<User>>,
    /// The user's own number of it.
    pub(super) number: u64,
    pub(super) script: &'static str,
    pub(super) sent_at: Duration,
}

impl OpenRequests {
    /// Notes a request, and gives it its number for the store.
    pub(super) fn add(&mut self, user: Option<Arc<User>>, request: &mut StoreRequest, now: Duration) {
        self.number += 1;
        let number = std::mem::replace(&mut request.number, self.number);
        let open = OpenRequest { user, number, script: request.command.script(), sent_at: now };
        self.open.insert(self.number, open);
    }

    /// Takes the request of an answer.
    pub(super) fn take(&mut self, number: u64) -> Option<OpenRequest> {
        self.open.remove(&number)
    }

    /// Forgets all requests, because the store lost them.
    pub(super) fn clear(&mut self) {
        self.open.clear();
    }

    /// Forgets requests that the store did not answer although it should have.
    pub(super) fn forget_old(&mut self, now: Duration) {
        self.open.retain(|_, open| open.sent_at.saturating_add(LONGEST) > now);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }
}

/// A pace gives a request up after 2 s.
const LONGEST: Duration = Duration::from_secs(10);
