use http::{Request, Response};

use super::*;
use crate::{Pace, RequestHead};

const NOW: Duration = Duration::from_secs(60);

fn has_state(pace: &Pace, ticket: &Ticket) -> bool {
    let shard = pace.table.shard(ticket.key).read().unwrap();
    shard.get(&ticket.key).unwrap().0.lock().is_some()
}

#[test]
fn a_key_has_a_state_once_something_is_to_be_remembered() {
    let pace = Pace::per_authority();
    let request = Request::get("http://key/").body(()).unwrap();
    let ticket = || pace.ticket(&RequestHead::from(&request));
    let send = |status| {
        let Admission::Go(permit) = pace.poll(&mut ticket(), NOW, None) else {
            panic!("the key is not free")
        };
        let response = Response::builder().status(status).body(()).unwrap();
        pace.settle(permit, &ResponseHead::from(&response), || {
            ClockReading::new(NOW, std::time::SystemTime::UNIX_EPOCH)
        });
    };
    (0..1_000).for_each(|_| send(200));
    (0..10).for_each(|_| send(500));
    assert!(!has_state(&pace, &ticket()));
    let report = pace.report(&ticket(), NOW);
    assert_eq!((report.why, report.in_flight, report.waiting), (None, 0, 0));
    assert!(!has_state(&pace, &ticket()));
    send(429);
    assert!(has_state(&pace, &ticket()));
}
