//! Two processes that share one limit, through a store: `cargo run -p http-retry-redis --example two_processes`.
//!
//! It needs a `redis-server` on this machine, or the URL of one as argument. The limit is 20 sends a second, with 4 at once.
//! Each of the two processes asks the store for slots and sends in them, so both together keep to the limit.

use std::future::poll_fn;
use std::process::Command;
use std::time::{Duration, Instant};

use http_retry::fleet::entry::{LeaseAnswer, LeaseQuestion};
use http_retry::fleet::{Answer, Store, StoreCommand, StoreEvent, StoreRequest};
use http_retry_redis::RedisStore;

type Error = Box<dyn std::error::Error + Send + Sync>;

const SENDS: u64 = 20;

fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or_else(|| "redis://127.0.0.1:6379/0".to_owned());
    if arguments.next().is_some() {
        return member(&url);
    }
    let begin = Instant::now();
    let program = std::env::current_exe()?;
    let start = |_| Command::new(&program).args([&url, "member"]).spawn();
    let children = (0..2).map(start).collect::<Result<Vec<_>, _>>()?;
    for mut child in children {
        if !child.wait()?.success() {
            return Err("a process did not end well".into());
        }
    }
    println!("{} sends in {:.1} s", 2 * SENDS, begin.elapsed().as_secs_f64());
    Ok(())
}

/// Sends some times, whenever the store says so.
#[tokio::main(flavor = "current_thread")]
async fn member(url: &str) -> Result<(), Error> {
    let store = http_retry_redis::connect(url, "example")?;
    // The first event says whether the store is there.
    if let Some(StoreEvent::Unreachable(reason)) = event(&store).await {
        return Err(format!("no store at {}: {reason}", store.address()).into());
    }
    let (mut number, mut sent, mut asked) = (0, 0, Instant::now());
    while sent < SENDS {
        number += 1;
        let mut question = LeaseQuestion::default();
        question.want = 1;
        question.lease = 200_000;
        // What this process knows of the limit, if the store knows nothing of it yet: 50 ms from slot to slot.
        (question.gap, question.burst) = (50_000, 4_000);
        // Its share of the limit follows from what it wants: as much as it gets, here.
        question.demand = 20_000;
        question.elapsed = i64::try_from(asked.elapsed().as_micros())?;
        asked = Instant::now();
        store.send(StoreRequest::new(number, store.id(b"api"), StoreCommand::Lease(question)));
        let answer = lease(&store, number).await?;
        // A slot that was free before now has a negative time.
        tokio::time::sleep(Duration::from_micros(answer.first.try_into().unwrap_or(0))).await;
        if answer.state == LeaseAnswer::PACED && answer.count > 0 {
            sent += 1;
            println!("process {} sends its request {sent}", std::process::id());
        }
    }
    Ok(())
}

async fn lease(store: &RedisStore, number: u64) -> Result<LeaseAnswer, Error> {
    loop {
        match event(store).await {
            Some(StoreEvent::Answer(answered, Answer::Lease(answer))) if answered == number => {
                return Ok(answer);
            }
            Some(StoreEvent::Unreachable(reason)) => {
                return Err(format!("the store is gone: {reason}").into());
            }
            None => return Err("the store is closed".into()),
            _ => {}
        }
    }
}

async fn event(store: &RedisStore) -> Option<StoreEvent> {
    poll_fn(|context| store.poll_event(context)).await
}
