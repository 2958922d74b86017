//! The calls of scripts that are on their way, all on one connection.

use std::collections::HashSet;
use std::pin::Pin;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use http_retry::fleet::{Answer, Id, StoreCommand, StoreRequest};

use crate::connection::Failure;

/// The calls that are on their way.
#[derive(Default)]
pub(super) struct Calls {
    calls: FuturesUnordered<Pin<Box<dyn Future<Output = Ended> + Send>>>,
    /// The keys for which slots are asked.
    asked: HashSet<Id>,
}

/// A call that has ended.
pub(super) struct Ended {
    pub(super) number: u64,
    request: StoreRequest,
    pub(super) result: Result<Answer, Failure>,
}

impl Calls {
    /// Returns whether a request may be sent now: one ask for slots of each key, and not too many in all.
    pub(super) fn admit(&mut self, request: &StoreRequest) -> bool {
        let is_ask = matches!(request.command, StoreCommand::Lease(_));
        self.calls.len() < MAX_CALLS && (!is_ask || self.asked.insert(request.id))
    }

    /// Adds the call of a request that was admitted.
    pub(super) fn push(
        &mut self,
        request: StoreRequest,
        call: impl Future<Output = Result<Answer, Failure>> + Send + 'static,
    ) {
        self.calls.push(Box::pin(async move {
            let result = call.await;
            Ended { number: request.number, request, result }
        }));
    }

    /// Waits for the end of a call. It returns `None` if no call is under way.
    pub(super) async fn next(&mut self) -> Option<Ended> {
        let ended = self.calls.next().await?;
        if matches!(ended.request.command, StoreCommand::Lease(_)) {
            self.asked.remove(&ended.request.id);
        }
        Some(ended)
    }
}

/// A store that answers in a millisecond has 16 at 16,000 requests a second.
const MAX_CALLS: usize = 4_096;
