//! A member of a fleet, driven by hand.

use std::future::poll_fn;
use std::time::Duration;

use http_retry::fleet::entry::{JoinQuestion, LeaseAnswer, LeaseQuestion, News, PublishQuestion};
use http_retry::fleet::{Answer, Id, Store, StoreCommand, StoreEvent, StoreRequest, UnreachableReason};
use http_retry_redis::{RedisConfig, RedisStore};
use tokio::time::timeout;

/// A member that is not connected by a pace, but by the test.
pub(crate) struct Member {
    pub(crate) store: RedisStore,
    number: u64,
}

impl Member {
    /// Connects a member with a timeout that a loaded machine keeps, and waits until the store is reachable.
    pub(crate) async fn join(url: &str) -> Self {
        let mut member = Self::connect(RedisConfig::new(url, "test").timeout(Duration::from_secs(1)));
        member.reachable().await;
        member
    }

    pub(crate) fn connect(config: RedisConfig) -> Self {
        Self { store: config.connect().unwrap(), number: 0 }
    }

    pub(crate) fn send(&mut self, id: Id, command: StoreCommand) -> u64 {
        self.number += 1;
        self.store.send(StoreRequest::new(self.number, id, command));
        self.number
    }

    /// Returns the next event, which comes within some seconds.
    pub(crate) async fn event(&self) -> StoreEvent {
        let event = timeout(Duration::from_secs(15), poll_fn(|context| self.store.poll_event(context)));
        event.await.expect("an event in time").expect("the store is open")
    }

    /// Returns the first of the next events that this function knows.
    pub(crate) async fn find<T>(&self, known: impl Fn(StoreEvent) -> Option<T>) -> T {
        loop {
            if let Some(found) = known(self.event().await) {
                return found;
            }
        }
    }

    pub(crate) async fn reachable(&mut self) {
        self.find(|event| (event == StoreEvent::Reachable).then_some(())).await;
    }

    pub(crate) async fn unreachable(&mut self) -> UnreachableReason {
        self.find(|event| match event {
            StoreEvent::Unreachable(reason) => Some(reason),
            _ => None,
        })
        .await
    }

    pub(crate) async fn ask(&mut self, id: Id, command: StoreCommand) -> Answer {
        let number = self.send(id, command);
        self.find(|event| match event {
            StoreEvent::Answer(answered, answer) => (answered == number).then_some(answer),
            StoreEvent::Unreachable(reason) => panic!("the store is unreachable: {reason}"),
            _ => None,
        })
        .await
    }

    pub(crate) async fn lease(&mut self, id: Id, question: LeaseQuestion) -> LeaseAnswer {
        match self.ask(id, StoreCommand::Lease(question)).await {
            Answer::Lease(answer) => answer,
            other => panic!("no slots: {other:?}"),
        }
    }

    /// Joins the fleet, or leaves it, and returns the number of members.
    pub(crate) async fn members(&mut self, leaves: bool) -> i64 {
        match self.ask(Id::new(0), join(leaves)).await {
            Answer::Join(answer) => answer.members,
            other => panic!("no members: {other:?}"),
        }
    }

    pub(crate) async fn news(&mut self, id: Id) -> News {
        self.find(|event| match event {
            StoreEvent::News(of, news) => (of == id).then_some(news),
            _ => None,
        })
        .await
    }
}

pub(crate) fn join(leaves: bool) -> StoreCommand {
    StoreCommand::Join(JoinQuestion::from_numbers([1, i64::from(leaves)]))
}

/// A question of a member that knows a limit of 10 per second with a burst of 4.
pub(crate) fn question(want: i64) -> LeaseQuestion {
    let mut question = LeaseQuestion::default();
    (question.want, question.demand, question.lease) = (want, 10_000, 200_000);
    (question.gap, question.burst) = (100_000, 4_000);
    question
}

/// Tells all members that none may send for half a minute.
pub(crate) fn quiet() -> StoreCommand {
    let mut question = PublishQuestion::default();
    (question.kind, question.quiet, question.refused) = (News::QUIET, 30_000_000, 1);
    StoreCommand::Publish(question)
}

/// Runs a test on a machine that has other things to do.
pub(crate) fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(test);
}
