//! The gateway is killed under load, and started again.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::sleep;

use crate::book::{Books, End, Event, Kind, Pages};
use crate::chaos::Stop;
use crate::client;
use crate::gateway::Gateway;

/// Kills it so often, and returns what is wrong.
pub(crate) async fn run(gateway: &mut Gateway, seed: u64, books: &Books) -> anyhow::Result<Vec<String>> {
    let stop = Stop::default();
    let clients: Vec<_> = (0..12)
        .map(|number| {
            let (stop, books) = (Arc::clone(&stop), books.clone());
            tokio::spawn(client::run(gateway.address, number % 4 == 0, seed + number, stop, books))
        })
        .collect();
    for _ in 0..KILLS {
        sleep(Duration::from_millis(1500)).await;
        gateway.kill();
        sleep(Duration::from_millis(300)).await;
        gateway.restart()?;
    }
    sleep(Duration::from_secs(1)).await;
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.await?;
    }
    sleep(Duration::from_secs(1)).await;
    Ok(settle(books.close()))
}

fn settle(pages: Pages) -> Vec<String> {
    let mut wrong = pages.violations;
    let (mut answered, mut lost, mut left) = (0_u64, 0_u64, 0_u64);
    for (id, seen) in pages.clients.iter().flat_map(|(id, seen)| seen.iter().map(move |seen| (id, seen))) {
        match &seen.end {
            End::Answered(200) => answered += 1,
            End::Left => left += 1,
            End::NoAnswer(_) | End::Broken(200) => lost += 1,
            end => wrong.push(format!("{id}: neither a success nor a lost connection: {end:?}")),
        }
        let events = pages.upstreams.get(id).map_or(&[][..], Vec::as_slice);
        let heads = events.iter().filter(|(_, event)| *event == Event::Head).count();
        if matches!(seen.kind, Kind::Post | Kind::Upload) && heads > 1 {
            wrong.push(format!("{id}: a POST without a key was sent twice: {events:?}"));
        }
        let (hash, len) = seen.body;
        let is_other = |event: &Event| {
            matches!(event, Event::Processed { .. }) && *event != Event::Processed { hash, len }
        };
        if events.iter().any(|(_, event)| is_other(event)) {
            wrong.push(format!("{id}: an upstream took another body for the whole: {events:?}"));
        }
    }
    println!(
        "killed {KILLS} times: {answered} answered, {lost} lost with the connection, {left} left by clients"
    );
    wrong
}

const KILLS: u32 = 4;
