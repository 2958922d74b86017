//! Members that share entries: slots, tokens, news, and the number of members.

use http_retry::fleet::entry::{LeaseAnswer, News, SettleQuestion};
use http_retry::fleet::{Answer, Store, StoreCommand, StoreEvent};
use testkit::redis::{RedisServer, Reply};

use crate::support::{Member, join, question, quiet, run};

#[test]
fn members_share_the_slots_of_one_key() {
    let server = RedisServer::start();
    run(async {
        let (mut first, mut second) = (Member::join(&server.url()).await, Member::join(&server.url()).await);
        let id = first.store.id(b"api");
        assert_eq!(second.store.id(b"api"), id, "members come to the same id");
        let given = first.lease(id, question(3)).await;
        assert_eq!((given.state, given.count), (LeaseAnswer::PACED, 3));
        let next = second.lease(id, question(1)).await;
        assert_eq!((next.count, next.born), (1, given.born));
        // The first slot was free when the entry was made, and this one is the fourth.
        assert!((-700_000..=300_000).contains(&next.first), "{next:?}");
        assert_ne!(first.store.id(b"other"), id);
    });
}

#[test]
fn quiet_is_pushed_to_all_members() {
    let server = RedisServer::start();
    run(async {
        let (mut first, mut second) = (Member::join(&server.url()).await, Member::join(&server.url()).await);
        let id = first.store.id(b"api");
        assert!(matches!(first.ask(id, quiet()).await, Answer::Publish(answer) if answer.written == 1));
        let news = second.news(id).await;
        assert_eq!((news.kind, news.until, news.serial), (News::QUIET, 30_000_000, 1));
        let answer = second.lease(id, question(1)).await;
        assert_eq!((answer.state, answer.count), (LeaseAnswer::QUIET, 0));
        // The sender hears its own news, before the answer or after it.
        first.send(id, quiet());
        first.news(id).await;
    });
}

#[test]
fn members_borrow_from_one_budget_and_are_counted() {
    let server = RedisServer::start();
    run(async {
        let (mut first, mut second) = (Member::join(&server.url()).await, Member::join(&server.url()).await);
        let id = first.store.id(b"budget");
        let mut question = SettleQuestion::default();
        (question.want, question.capacity, question.members) = (90_000, 100_000, 2);
        let Answer::Settle(lent) = first.ask(id, StoreCommand::Settle(question)).await else { panic!() };
        assert_eq!((lent.lent, lent.level), (12_500, 87_500));
        let Answer::Settle(lent) = second.ask(id, StoreCommand::Settle(question)).await else { panic!() };
        assert_eq!((lent.lent, lent.level), (12_500, 75_000));

        assert_eq!((first.members(false).await, second.members(false).await), (1, 2));
        assert_eq!((second.members(true).await, first.members(false).await), (1, 1));
    });
}

#[test]
fn last_requests_are_run_when_a_member_goes() {
    let server = RedisServer::start();
    run(async {
        let (mut first, mut second) = (Member::join(&server.url()).await, Member::join(&server.url()).await);
        assert_eq!((first.members(false).await, second.members(false).await), (1, 2));
        first.send(first.store.id(b""), join(true));
        drop(first);
        while second.members(false).await != 1 {}
    });
}

#[test]
fn every_entry_expires_and_tells_nothing() {
    let server = RedisServer::start();
    run(async {
        let mut member = Member::join(&server.url()).await;
        let id = member.store.id(b"Bearer swordfish");
        member.lease(id, question(1)).await;
        member.ask(id, StoreCommand::Settle(SettleQuestion::default())).await;
        member.members(false).await;
        let mut client = server.client();
        let Reply::Array(keys) = client.run(&["KEYS", "*"]) else { panic!("no keys") };
        let mut keys: Vec<_> =
            keys.iter().map(|key| format!("{key:?}").replace(&id.to_string(), "ID")).collect();
        keys.sort();
        assert_eq!(
            keys,
            ["hr1:{test:b:ID}", "hr1:{test:m}", "hr1:{test:p:ID}"].map(|key| format!("Text({key:?})"))
        );
        for (key, most) in [("p", 600), ("b", 600)] {
            let expiry = client.run(&["TTL", &format!("hr1:{{test:{key}:{id}}}")]);
            let Reply::Integer(seconds) = expiry else { panic!("{expiry:?}") };
            assert!((most - 60..=most).contains(&seconds), "{seconds} s");
        }
    });
}

#[test]
fn entry_of_a_wrong_type_fails_alone() {
    let server = RedisServer::start();
    run(async {
        let mut member = Member::join(&server.url()).await;
        let (good, bad) = (member.store.id(b"good"), member.store.id(b"bad"));
        server.client().run(&["SET", &format!("hr1:{{test:p:{bad}}}"), "x"]);
        let command = StoreCommand::Lease(question(1));
        assert_eq!(member.ask(bad, command).await, Answer::Failed);
        assert_eq!(member.lease(good, question(1)).await.count, 1);
        assert_eq!(member.ask(bad, command).await, Answer::Failed, "the key may be asked for again");
    });
}

#[test]
fn one_ask_for_slots_of_a_key_is_open() {
    let server = RedisServer::start();
    run(async {
        let mut member = Member::join(&server.url()).await;
        let (id, other) = (member.store.id(b"api"), member.store.id(b"other"));
        server.stop();
        let first = member.send(id, StoreCommand::Lease(question(1)));
        let second = member.send(id, StoreCommand::Lease(question(1)));
        let third = member.send(other, StoreCommand::Lease(question(1)));
        assert_eq!(member.event().await, StoreEvent::Answer(second, Answer::Failed));
        server.go_on();
        for _ in 0..2 {
            let StoreEvent::Answer(number, Answer::Lease(_)) = member.event().await else { panic!() };
            assert!(number == first || number == third);
        }
    });
}

#[test]
fn fields_and_arguments_of_a_later_release_stay() {
    let server = RedisServer::start();
    run(async {
        let mut member = Member::join(&server.url()).await;
        let id = member.store.id(b"api");
        let key = format!("hr1:{{test:p:{id}}}");
        member.lease(id, question(1)).await;
        let mut client = server.client();
        client.run(&["HSET", &key, "later", "12"]);
        let answer = member.lease(id, question(1)).await;
        assert_eq!((answer.state, answer.count), (LeaseAnswer::PACED, 1));
        assert_eq!(client.run(&["HGET", &key, "later"]), Reply::Text("12".to_owned()));
        // A release that writes fewer fields than this one.
        client.run(&["HDEL", &key, "spare", "spare_at", "full_at"]);
        assert_eq!(member.lease(id, question(1)).await.born, answer.born);
        client.run(&["PUBLISH", "hr1:test:news", "2 ff 1 1 1 1 1"]);
        client.run(&["PUBLISH", "hr1:test:news", &format!("1 {id} 9 3 0 100000 4000 5 6")]);
        assert_eq!(member.news(id).await.serial, 9);
    });
}
