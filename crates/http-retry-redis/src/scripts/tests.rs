//! The scripts on a real `redis-server` beside the functions of `http_retry::fleet::entry`, with the same times.

mod questions;

use std::collections::BTreeSet;

use http_retry::fleet::entry::{
    BudgetEntry, JoinQuestion, LeaseQuestion, MemberRecord, News, PaceEntry, PublishQuestion, SettleQuestion,
    join, lease, publish, settle,
};
use http_retry::fleet::{Id, StoreCommand, StoreRequest};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use testkit::redis::{RedisClient, RedisServer, Reply, encode};

use self::questions::{Clock, lease_question, pick, publish_question, settle_question};
use super::*;
use crate::news;

/// What the store and the functions keep of one sequence of questions.
enum Entry {
    Pace(Option<PaceEntry>),
    Budget(Option<BudgetEntry>),
    Members(Vec<MemberRecord>),
}

/// A sequence as it was played in Rust, with what the store is expected to say.
struct Played {
    seed: u64,
    id: Id,
    key: String,
    commands: String,
    answers: Vec<(Call, Vec<i64>)>,
    news: Vec<(Id, News)>,
    entry: Entry,
}

#[test]
fn rust_and_lua_agree_over_ten_thousand_sequences() {
    let server = RedisServer::start();
    let (mut client, mut listener) = (server.client(), server.client());
    listener.run(&["SUBSCRIBE", &news::channel(FLEET)]);
    let hashes = load(&mut client);
    // The store runs a batch while the next one is played.
    let mut sent: Vec<Played> = Vec::new();
    for batch in 0..=100 {
        let numbers = batch * 100..(batch + 1).min(100) * 100;
        let sequences: Vec<_> = numbers.map(|seed| play(seed, &hashes)).collect();
        sent.iter().for_each(|played| compare(played, &mut client, &mut listener));
        let commands: String = sequences.iter().map(|played| played.commands.as_str()).collect();
        client.send(&commands);
        sent = sequences;
    }
}

/// Plays one sequence in Rust.
fn play(seed: u64, hashes: &[String]) -> Played {
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut clock = Clock::new();
    let id = Id::new(u128::from(seed) + 1);
    let mut entry = match seed % 8 {
        0..5 => Entry::Pace(None),
        5..7 => Entry::Budget(None),
        _ => Entry::Members(Vec::new()),
    };
    // Each set of members is a fleet of its own.
    let fleet = if let Entry::Members(_) = entry { format!("f{seed}") } else { FLEET.to_owned() };
    let mut played = Played {
        seed,
        id,
        key: String::new(),
        commands: String::new(),
        answers: Vec::new(),
        news: Vec::new(),
        entry: Entry::Pace(None),
    };
    for _ in 0..rng.random_range(1..5) * rng.random_range(1..4) {
        let now = clock.pass(&mut rng);
        let member = if rng.random_ratio(1, 20) { (1 << 53) - 1 } else { rng.random_range(1..4) };
        let (command, answer) = ask(&mut entry, now, member, &mut rng, &mut played);
        let call = Call::new(&fleet, member, &StoreRequest::new(0, id, command)).unwrap();
        let numbers = call.arguments.iter().chain([&now]).map(ToString::to_string);
        let words =
            ["EVALSHA".to_owned(), hashes[call.script as usize].clone(), "1".to_owned(), call.key.clone()];
        played.commands += &encode(&words.into_iter().chain(numbers).collect::<Vec<_>>());
        played.key.clone_from(&call.key);
        played.answers.push((call, answer));
    }
    played.commands += &match &entry {
        Entry::Pace(_) => encode(&[&["HMGET", &played.key], PaceEntry::NAMES].concat()),
        Entry::Budget(_) => encode(&[&["HMGET", &played.key], BudgetEntry::NAMES].concat()),
        Entry::Members(_) => encode(&["ZRANGE", &played.key, "0", "-1", "WITHSCORES"]),
    };
    played.commands += &encode(&["PTTL", &played.key]);
    played.entry = entry;
    played
}

/// Asks one random question in Rust.
fn ask(
    entry: &mut Entry,
    now: i64,
    member: i64,
    rng: &mut SmallRng,
    played: &mut Played,
) -> (StoreCommand, Vec<i64>) {
    match entry {
        Entry::Pace(slot) if rng.random_ratio(2, 3) => {
            let question = LeaseQuestion::from_numbers(lease_question(rng, slot.as_ref()));
            let answer = lease(slot, now, member, &question);
            (StoreCommand::Lease(question), answer.to_numbers().to_vec())
        }
        Entry::Pace(slot) => {
            let question = PublishQuestion::from_numbers(publish_question(rng, slot.as_ref()));
            let (answer, news) = publish(slot, now, member, &question);
            played.news.extend(news.map(|news| (played.id, news)));
            (StoreCommand::Publish(question), answer.to_numbers().to_vec())
        }
        Entry::Budget(slot) => {
            let question = SettleQuestion::from_numbers(settle_question(rng, slot.as_ref()));
            let answer = settle(slot, now, &question);
            (StoreCommand::Settle(question), answer.to_numbers().to_vec())
        }
        Entry::Members(members) => {
            let question = JoinQuestion::from_numbers([pick(rng) % 12, i64::from(rng.random_ratio(1, 4))]);
            let answer = join(members, now, member, &question);
            (StoreCommand::Join(question), answer.to_numbers().to_vec())
        }
    }
}

/// Compares what the store says with what was played.
fn compare(played: &Played, client: &mut RedisClient, listener: &mut RedisClient) {
    let seed = played.seed;
    for (call, answer) in &played.answers {
        let reply = client.read();
        assert!(matches!(reply, Reply::Array(_)), "seed {seed}: {call:?}: {reply:?}");
        assert_eq!(reply.numbers(), *answer, "seed {seed}: {call:?}");
    }
    for expected in &played.news {
        let Reply::Array(message) = listener.read() else { panic!("no message") };
        let Some(Reply::Text(line)) = message.last() else { panic!("no line: {message:?}") };
        assert!(line.len() <= 120, "{line}");
        assert_eq!(news::parse(line).as_ref(), Some(expected), "seed {seed}: {line}");
    }
    let (stored, expires_in) = (client.read(), client.read());
    let expected_expiry = match &played.entry {
        Entry::Pace(Some(entry)) => {
            assert_eq!(stored.numbers(), entry.to_numbers(), "seed {seed}");
            entry.expires_in() / 1_000
        }
        Entry::Budget(Some(entry)) => {
            assert_eq!(stored.numbers(), entry.to_numbers(), "seed {seed}");
            entry.expires_in() / 1_000
        }
        Entry::Members(members) => {
            assert_eq!(stored_members(&stored), record_names(members), "seed {seed}");
            60_000
        }
        Entry::Pace(None) | Entry::Budget(None) => {
            assert!(stored.numbers().iter().all(|number| *number == 0), "seed {seed}: {stored:?}");
            return;
        }
    };
    // A set without elements is gone.
    let is_gone = matches!(&played.entry, Entry::Members(members) if members.is_empty());
    let Reply::Integer(expires_in) = expires_in else { panic!("no time: {expires_in:?}") };
    let is_near = (expected_expiry - 60_000..=expected_expiry).contains(&expires_in);
    assert!(is_gone || is_near, "seed {seed}: {expires_in} ms of {expected_expiry}");
}

fn stored_members(stored: &Reply) -> BTreeSet<(String, i64)> {
    let Reply::Array(stored) = stored else { panic!("no set: {stored:?}") };
    let pairs = stored.chunks(2).map(|pair| match pair {
        [Reply::Text(name), Reply::Text(seen)] => (name.clone(), seen.parse::<f64>().unwrap() as i64),
        other => panic!("no element: {other:?}"),
    });
    pairs.collect()
}

fn record_names(members: &[MemberRecord]) -> BTreeSet<(String, i64)> {
    let name = |record: &MemberRecord| match record.layout {
        0 => record.member.to_string(),
        layout => format!("layout:{layout}"),
    };
    members.iter().map(|record| (name(record), record.seen)).collect()
}

/// Loads the scripts with a time that is their last argument, and returns their hashes.
fn load(client: &mut RedisClient) -> Vec<String> {
    const TIME: &str = "local now = time[1] * 1000000 + time[2]\n";
    let scripts = [ScriptName::Lease, ScriptName::Publish, ScriptName::Settle, ScriptName::Join];
    let load = |script: ScriptName| {
        let source = script.source();
        assert_eq!(source.matches(TIME).count(), 1, "the time has a line of its own");
        let source = source.replace(TIME, "local now = tonumber(ARGV[#ARGV])\n");
        match client.run(&["SCRIPT", "LOAD", &source]) {
            Reply::Text(hash) => hash,
            other => panic!("{script:?}: {other:?}"),
        }
    };
    scripts.map(load).to_vec()
}

const FLEET: &str = "test-1";
