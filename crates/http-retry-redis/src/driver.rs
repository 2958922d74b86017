//! The task that moves requests to the store, and answers and news to the member.

mod attempts;
mod calls;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http_retry::fleet::{Answer, StoreEvent, StoreRequest, UnreachableReason};
use rand::RngExt;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

use self::calls::{Calls, Ended};
use crate::connection::{Connection, Failure, Pushes, Target};
use crate::events::Events;
use crate::news;
use crate::scripts::Call;

/// The driver of one connection to a store.
pub(crate) struct Driver {
    target: Arc<Target>,
    fleet: String,
    /// The number by which the store knows this member.
    member: i64,
    timeout: Duration,
    events: Arc<Events>,
    requests: mpsc::Receiver<StoreRequest>,
    /// `true` since the member was told that the store is unreachable.
    is_unreachable: bool,
    /// The calls in a row that failed for their entry.
    failures: u32,
}

/// A connection with what the store says on it.
struct Link {
    connection: Connection,
    pushes: Pushes,
}

/// The end of a connection's use.
enum Served {
    /// The store does not answer. The link may be used again where it is not closed.
    Lost(UnreachableReason, Option<Link>),
    /// The member has dropped its store.
    Closed,
}

/// A request that waits for the first connection, and the time until which it does.
type Held = (Instant, StoreRequest);

impl Driver {
    pub(crate) fn new(
        target: Target,
        fleet: String,
        timeout: Duration,
        events: Arc<Events>,
        requests: mpsc::Receiver<StoreRequest>,
    ) -> Self {
        let member = rand::rng().random_range(1..MAX_MEMBER);
        Self {
            target: Arc::new(target),
            fleet,
            member,
            timeout,
            events,
            requests,
            is_unreachable: false,
            failures: 0,
        }
    }

    /// Runs until the member drops its store.
    pub(crate) async fn run(mut self) {
        let mut kept = None;
        let mut attempts = 0;
        loop {
            let reason = match self.join(kept.take()).await {
                Some(Ok((link, held))) => {
                    attempts = 0;
                    self.is_unreachable = false;
                    self.events.push(StoreEvent::Reachable);
                    match self.serve(link, held).await {
                        Served::Closed => return,
                        Served::Lost(reason, link) => {
                            kept = link;
                            reason
                        }
                    }
                }
                Some(Err(reason)) => reason,
                None => return,
            };
            self.lose(reason);
            let wait = attempts::wait(attempts, reason, &mut rand::rng());
            if self.pause(wait, &mut kept).await.is_none() {
                return;
            }
            attempts += 1;
        }
    }

    /// Tries to get a link to a store that runs scripts. Requests wait for the first one, but no longer than the timeout.
    ///
    /// It returns `None` once the member has dropped its store.
    async fn join(&mut self, kept: Option<Link>) -> Option<Result<(Link, Vec<Held>), UnreachableReason>> {
        let mut held: Vec<Held> = Vec::new();
        let attempt = attempt(self.target.clone(), self.fleet.clone(), self.timeout, kept);
        let mut attempt = pin!(attempt);
        loop {
            let first_end = held.first().map(|(end, _)| *end);
            tokio::select! {
                result = &mut attempt => return Some(result.map(|link| (link, held))),
                request = self.requests.recv() => {
                    let request = request?;
                    if !self.is_unreachable {
                        held.push((Instant::now() + self.timeout, request));
                    }
                }
                () = sleep_until(first_end.unwrap_or_else(Instant::now)), if first_end.is_some() => {
                    held.clear();
                    self.lose(UnreachableReason::Timeout);
                }
            }
        }
    }

    /// Runs requests until the store does not answer in time.
    async fn serve(&mut self, mut link: Link, held: Vec<Held>) -> Served {
        let mut calls = Calls::default();
        self.failures = 0;
        for (end, request) in held {
            self.start(&mut calls, &link.connection, end, request);
        }
        loop {
            let lost = tokio::select! {
                request = self.requests.recv() => match request {
                    Some(request) => {
                        let end = Instant::now() + self.timeout;
                        self.start(&mut calls, &link.connection, end, request);
                        None
                    }
                    None => {
                        // Slots and tokens go back with the last requests.
                        while calls.next().await.is_some() {}
                        return Served::Closed;
                    }
                },
                Some(ended) = calls.next() => self.finish(ended),
                Some(line) = link.pushes.news.recv() => {
                    self.tell(&line);
                    None
                }
                () = link.pushes.closed.notified() => Some(UnreachableReason::Closed),
            };
            match lost {
                None => {}
                // The store may go on, so news is still heard on this connection.
                Some(UnreachableReason::Timeout) => {
                    return Served::Lost(UnreachableReason::Timeout, Some(link));
                }
                Some(reason) => return Served::Lost(reason, None),
            }
        }
    }

    /// Starts the call of a request.
    fn start(&mut self, calls: &mut Calls, connection: &Connection, end: Instant, request: StoreRequest) {
        let number = request.number;
        let call = Call::new(&self.fleet, self.member, &request).filter(|_| calls.admit(&request));
        let Some(call) = call else {
            self.events.push(StoreEvent::Answer(number, Answer::Failed));
            return;
        };
        let (target, connection) = (self.target.clone(), connection.clone());
        calls.push(request, async move {
            match timeout_at(end, target.run(connection, &call)).await {
                Ok(result) => result.map(|numbers| call.answer(numbers)),
                Err(_) if target.has_nodes() => Err(Failure::Entry),
                Err(_) => Err(Failure::Store(UnreachableReason::Timeout)),
            }
        });
    }

    /// Tells the member the end of a call, or returns the reason for which the store is lost.
    fn finish(&mut self, ended: Ended) -> Option<UnreachableReason> {
        let answer = match ended.result {
            Ok(answer) => {
                self.failures = 0;
                answer
            }
            Err(Failure::Entry) => {
                self.failures += 1;
                Answer::Failed
            }
            Err(Failure::Store(reason)) => return Some(reason),
        };
        self.events.push(StoreEvent::Answer(ended.number, answer));
        // Of a cluster, no node answers. A new connection asks all of them again.
        let is_gone = self.target.has_nodes() && self.failures >= MAX_FAILURES;
        is_gone.then_some(UnreachableReason::Closed)
    }

    fn tell(&self, line: &str) {
        if let Some((id, news)) = news::parse(line) {
            self.events.push(StoreEvent::News(id, news));
        }
    }

    /// Tells the member once that the store does not answer. All requests before that are over.
    fn lose(&mut self, reason: UnreachableReason) {
        if !self.is_unreachable {
            self.is_unreachable = true;
            self.events.push(StoreEvent::Unreachable(reason));
        }
    }

    /// Waits before the next attempt, and hears news meanwhile if it can. It returns `None` once the member has dropped its store.
    async fn pause(&mut self, wait: Duration, kept: &mut Option<Link>) -> Option<()> {
        let mut end = pin!(sleep(wait));
        loop {
            let line = async {
                match kept {
                    Some(link) => link.pushes.news.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = &mut end => return Some(()),
                // Nothing is queued for a store that does not answer.
                request = self.requests.recv() => { request?; }
                line = line => match line {
                    Some(line) => self.tell(&line),
                    None => *kept = None,
                },
            }
        }
    }
}

/// Tries a link, or makes one: it must run a script in time.
async fn attempt(
    target: Arc<Target>,
    fleet: String,
    limit: Duration,
    kept: Option<Link>,
) -> Result<Link, UnreachableReason> {
    let link = match kept {
        Some(link) => link,
        None => {
            let connected = timeout(CONNECT_TIMEOUT, target.connect(&fleet)).await;
            let (connection, pushes) = connected.map_err(|_| UnreachableReason::Timeout)??;
            Link { connection, pushes }
        }
    };
    match timeout(limit, target.run(link.connection.clone(), &Call::trial(&fleet))).await {
        Ok(Ok(_)) => Ok(link),
        Ok(Err(Failure::Store(reason))) => Err(reason),
        Ok(Err(Failure::Entry)) if target.has_nodes() => Err(UnreachableReason::Closed),
        Ok(Err(Failure::Entry)) => Err(UnreachableReason::Unsupported),
        Err(_) => Err(UnreachableReason::Timeout),
    }
}

/// A runtime that ends drops the driver's task anywhere, even before it has begun.
impl Drop for Driver {
    fn drop(&mut self) {
        self.events.close();
    }
}

/// A connection with TLS takes several round trips. No request waits for it longer than its own timeout.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// One node of a cluster may be gone for long, while the others answer.
const MAX_FAILURES: u32 = 16;
/// The numbers of members are whole numbers of Lua.
const MAX_MEMBER: i64 = 1 << 53;
