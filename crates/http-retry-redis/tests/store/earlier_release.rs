//! A member of the release that came before the sum of sends was shared: its scripts, and the arguments that it gives to them.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};
use std::thread;

use http_retry::fleet::entry::{JoinAnswer, LeaseAnswer, News, PublishAnswer, SettleAnswer};
use http_retry::fleet::{Answer, Id, Store, StoreCommand, StoreEvent, StoreRequest};
use http_retry_redis::RedisStore;
use testkit::redis::{RedisClient, Reply};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

macro_rules! script {
    ($($part:literal),*) => {
        concat!($(include_str!(concat!("earlier_release/", $part, ".lua"))),*)
    };
}

/// The scripts of that release, as its own text. They are never changed: a script is known by its hash.
const LEASE: &str = script!("numbers", "pace_entry", "lease");
const PUBLISH: &str = script!("numbers", "pace_entry", "publish");
const SETTLE: &str = script!("numbers", "settle");
const JOIN: &str = script!("numbers", "join");

/// The store as a member of that release sees it.
pub(crate) struct EarlierRelease {
    /// It hears news, and tells whether the store answers. It runs no script.
    listener: RedisStore,
    requests: Sender<StoreRequest>,
    answers: Mutex<UnboundedReceiver<StoreEvent>>,
}

impl EarlierRelease {
    /// Connects a member with this number to the store of the fleet `test`.
    pub(crate) fn connect(url: &str, client: RedisClient, member: i64) -> Self {
        let listener = http_retry_redis::connect(url, "test").unwrap();
        let ((requests, asked), (answered, answers)) = (channel(), unbounded_channel());
        thread::spawn(move || serve(client, member, &asked, &answered));
        Self { listener, requests, answers: Mutex::new(answers) }
    }
}

impl Store for EarlierRelease {
    fn id(&self, key: &[u8]) -> Id {
        self.listener.id(key)
    }

    fn send(&self, request: StoreRequest) {
        self.requests.send(request).unwrap();
    }

    fn poll_event(&self, context: &mut Context<'_>) -> Poll<Option<StoreEvent>> {
        let event = self.listener.poll_event(context);
        // That release does not know that a limit may be dropped.
        let is_known = |event: &Option<StoreEvent>| !matches!(event, Some(StoreEvent::News(_, news)) if news.kind == News::DROPPED);
        match event {
            Poll::Ready(event) if is_known(&event) => return Poll::Ready(event),
            Poll::Ready(_) => context.waker().wake_by_ref(),
            Poll::Pending => {}
        }
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).poll_recv(context)
    }
}

/// Runs the requests of a member one after the other, until the member is gone.
fn serve(
    mut client: RedisClient,
    member: i64,
    requests: &Receiver<StoreRequest>,
    answers: &UnboundedSender<StoreEvent>,
) {
    while let Ok(request) = requests.recv() {
        let answer = run(&mut client, member, &request);
        if answers.send(StoreEvent::Answer(request.number, answer)).is_err() {
            return;
        }
    }
}

/// Runs a request as that release does.
pub(crate) fn run(client: &mut RedisClient, member: i64, request: &StoreRequest) -> Answer {
    let id = request.id;
    let mut ask = |script: &str, entry: &str, numbers: &[i64]| {
        let words = ["EVAL", script, "1", &format!("hr1:{{test:{entry}}}")].map(str::to_owned);
        let numbers = [1, member].into_iter().chain(numbers.iter().copied()).map(|number| number.to_string());
        let reply = client.run(&words.into_iter().chain(numbers).collect::<Vec<_>>());
        assert!(matches!(reply, Reply::Array(_)), "{request:?}: {reply:?}");
        reply.numbers()
    };
    match &request.command {
        // `passed` came later.
        StoreCommand::Lease(question) => {
            let numbers = ask(LEASE, &format!("p:{id}"), &question.to_numbers()[..13]);
            assert_eq!(numbers.len(), 11);
            Answer::Lease(LeaseAnswer::from_numbers(numbers))
        }
        StoreCommand::Publish(question) if question.kind == News::DROPPED => {
            Answer::Publish(PublishAnswer::default())
        }
        StoreCommand::Publish(question) => {
            let numbers = ask(PUBLISH, &format!("p:{id}"), &question.to_numbers());
            Answer::Publish(PublishAnswer::from_numbers(numbers))
        }
        StoreCommand::Settle(question) => {
            let numbers = ask(SETTLE, &format!("b:{id}"), &question.to_numbers());
            Answer::Settle(SettleAnswer::from_numbers(numbers))
        }
        StoreCommand::Join(question) => {
            Answer::Join(JoinAnswer::from_numbers(ask(JOIN, "m", &question.to_numbers())))
        }
        other => panic!("no command of that release: {other:?}"),
    }
}
