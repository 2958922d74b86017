//! The limits of an upstream's requests: how many are in flight (`max_requests`), and how many wait
//! (`max_pending_requests`).
//!
//! A request that waits for a resend or for a connection holds no permit, and takes one when it goes on. If none is left
//! then, it queues for the next one that is given back, before any request that arrives.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::oneshot;

use crate::connection::limit::{ConcurrencyLimit, Permit};
use crate::connection::wait_reason::WaitReason;
use crate::sync::lock;

/// The limits of an upstream's requests, with the counts that all of its routes share.
#[derive(Clone, Debug)]
pub(crate) struct RequestLimit {
    pub(crate) counts: Arc<RequestCounts>,
    pub(crate) max_requests: usize,
    pub(crate) max_pending_requests: usize,
}

/// Counts the requests of an upstream.
#[derive(Debug, Default)]
pub(crate) struct RequestCounts {
    in_flight: AtomicUsize,
    pending: ConcurrencyLimit,
    /// The requests that wait, by reason in the order of [`WaitReason::ALL`].
    waits: [AtomicUsize; WaitReason::ALL.len()],
    /// The length of `queue`, so that a permit that is given back takes no lock while no request queues.
    queued: AtomicUsize,
    queue: Mutex<VecDeque<QueuedRequest>>,
}

/// A request that goes on when it gets a permit.
#[derive(Debug)]
struct QueuedRequest {
    /// The limit of the configuration with which the request arrived.
    max_requests: usize,
    sender: oneshot::Sender<RequestPermit>,
}

/// The right to be in flight at an upstream, which its drop gives back.
#[derive(Debug)]
pub(crate) struct RequestPermit(
    /// `None` once another request has taken over the right.
    Option<Arc<RequestCounts>>,
);

impl RequestLimit {
    /// Returns a permit for one request, or `None` if `max_requests` is reached.
    pub(crate) fn try_acquire(&self) -> Option<RequestPermit> {
        self.counts.try_acquire(self.max_requests)
    }

    /// Waits for a permit, in the order of the calls. It is `None` if none will ever come.
    pub(crate) async fn acquire(&self) -> Option<RequestPermit> {
        let (sender, permit) = oneshot::channel();
        self.counts.enqueue(QueuedRequest { max_requests: self.max_requests, sender });
        permit.await.ok()
    }

    /// Returns the permit of a request that waits, or `None` if `max_pending_requests` is reached. The wait for a body, which
    /// is short, is counted and has no limit.
    pub(crate) fn try_wait(&self, reason: WaitReason) -> Option<WaitPermit> {
        let max = if reason == WaitReason::Body { usize::MAX } else { self.max_pending_requests };
        let permit = self.counts.pending.try_acquire(max)?;
        self.counts.waits[reason as usize].fetch_add(1, Ordering::Relaxed);
        Some(WaitPermit { counts: Arc::clone(&self.counts), reason, _permit: permit })
    }
}

impl RequestCounts {
    /// Returns the number of requests in flight.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Returns the number of requests that wait.
    pub(crate) fn pending(&self) -> usize {
        self.pending.in_use()
    }

    /// Returns the number of requests that wait for each reason.
    pub(crate) fn waits(&self) -> impl Iterator<Item = (WaitReason, usize)> {
        WaitReason::ALL
            .into_iter()
            .map(|reason| (reason, self.waits[reason as usize].load(Ordering::Relaxed)))
    }

    fn try_acquire(self: &Arc<Self>, max_requests: usize) -> Option<RequestPermit> {
        let next = |in_flight| (in_flight < max_requests).then_some(in_flight + 1);
        self.in_flight.fetch_update(Ordering::SeqCst, Ordering::Relaxed, next).ok()?;
        Some(RequestPermit(Some(Arc::clone(self))))
    }

    #[cold]
    fn enqueue(self: &Arc<Self>, request: QueuedRequest) {
        let mut queue = lock(&self.queue);
        // Who has gone makes room before the queue grows.
        if queue.len() == queue.capacity() {
            queue.retain(|request| !request.sender.is_closed());
        }
        queue.push_back(request);
        self.queued.store(queue.len(), Ordering::SeqCst);
        drop(queue);
        self.serve_queue();
    }

    /// Gives a free permit to the first request of the queue. Its drop goes on with the next one.
    #[cold]
    fn serve_queue(self: &Arc<Self>) {
        let max_requests = lock(&self.queue).front().map(|request| request.max_requests);
        drop(max_requests.and_then(|max_requests| self.try_acquire(max_requests)));
    }

    /// Gives the right of a permit that is being dropped to the first request of the queue that still waits. Returns
    /// whether there is one.
    #[cold]
    fn hand_over(self: &Arc<Self>) -> bool {
        let mut queue = lock(&self.queue);
        let mut is_handed_over = false;
        while let Some(request) = queue.pop_front() {
            // A reload may have lowered the limit.
            if self.in_flight.load(Ordering::SeqCst) > request.max_requests {
                queue.push_front(request);
                break;
            }
            match request.sender.send(RequestPermit(Some(Arc::clone(self)))) {
                Ok(()) => {
                    is_handed_over = true;
                    break;
                }
                // The request has gone. Its permit is none, so that its drop does not come back here.
                Err(mut permit) => permit.0 = None,
            }
        }
        self.queued.store(queue.len(), Ordering::SeqCst);
        is_handed_over
    }
}

impl Drop for RequestPermit {
    fn drop(&mut self) {
        let Some(counts) = self.0.take() else { return };
        if counts.queued.load(Ordering::SeqCst) != 0 && counts.hand_over() {
            return;
        }
        counts.in_flight.fetch_sub(1, Ordering::SeqCst);
        // A request may have queued since, and found no free permit.
        if counts.queued.load(Ordering::SeqCst) != 0 {
            counts.serve_queue();
        }
    }
}

/// The right to wait at an upstream, which its drop gives back.
#[derive(Debug)]
pub(crate) struct WaitPermit {
    counts: Arc<RequestCounts>,
    reason: WaitReason,
    _permit: Permit,
}

impl WaitPermit {
    /// Records what the request waits for from now on.
    pub(crate) fn set_reason(&mut self, reason: WaitReason) {
        if reason != self.reason {
            self.counts.waits[self.reason as usize].fetch_sub(1, Ordering::Relaxed);
            self.counts.waits[reason as usize].fetch_add(1, Ordering::Relaxed);
            self.reason = reason;
        }
    }
}

impl Drop for WaitPermit {
    fn drop(&mut self) {
        self.counts.waits[self.reason as usize].fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
