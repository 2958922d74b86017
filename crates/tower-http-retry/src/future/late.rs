//! The key of a request that was sent before it was known, because a part of it stands in the body.

use http::Response;
use http_body::Body;
use http_retry::{Policy, Ticket};
use tower_service::Service;

use super::state::RetryState;
use crate::ReplayBody;
use crate::body::ReplayState;
use crate::bounds::{BytesBody, CloneService};
use crate::head::PooledSnapshot;
use crate::pace::{PacedRequest, SharedPace};

/// Returns a ticket with the whole key of a request. The rest of the key is read in what is saved of its body, unless the head
/// tells it.
#[cold]
pub(super) fn named_ticket<B: BytesBody>(
    pace: &SharedPace,
    snapshot: &mut PooledSnapshot,
    replay: &ReplayState<B>,
) -> Ticket {
    let ticket = pace.pace.ticket(&snapshot.head());
    if ticket.is_late()
        && let Some(reader) = &pace.key_in_body
    {
        let found = reader.read(&snapshot.head(), &replay.saved());
        snapshot.extend(found);
        return pace.pace.ticket(&snapshot.head());
    }
    ticket
}

impl<S, P, B, R> RetryState<S, P, B, Response<R>, S::Error>
where
    S: Service<Request<B>, Response = Response<R>> + CloneService,
    P: Policy,
    B: BytesBody,
    R: Body,
{
    /// Gives a request its whole key before a resend, which then waits for others with that key.
    pub(super) fn name(&mut self, paced: &mut PacedRequest) {
        if let Some(pace) = self.config.pace.as_ref().filter(|_| paced.is_late()) {
            paced.name(&named_ticket(pace, &mut self.snapshot, &self.replay));
        }
    }
}

/// The request of an attempt.
type Request<B> = http::Request<ReplayBody<B>>;
