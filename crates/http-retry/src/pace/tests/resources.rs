//! Quotas of named resources, as GitHub has them: a request does not tell which it takes.

use super::*;

/// The answer to a request of a resource, whose quota is renewed in a minute.
fn answer(status: u16, resource: &str, remaining: u64) -> Response<()> {
    Response::builder()
        .status(status)
        .header("x-ratelimit-resource", resource)
        .header("x-ratelimit-limit", 5_000)
        .header("x-ratelimit-remaining", remaining)
        .header("x-ratelimit-reset", 60)
        .body(())
        .unwrap()
}

/// Returns the time at which the next request goes, at most `longest` from now.
fn next_goes(pace: &Pace, now: Duration, longest: Duration) -> (Permit, Duration) {
    let (mut ticket, mut time) = (ticket(pace, "key", ""), now);
    loop {
        match pace.poll(&mut ticket, time, None) {
            Admission::Go(permit) => return (permit, time),
            Admission::Wait { until, .. } => time = until.max(time + ms(1)),
            Admission::Rejected(rejection) => panic!("{rejection}"),
        }
        assert!(time <= now + longest, "nobody goes within {longest:?}");
    }
}

#[test]
fn the_first_answer_of_a_used_up_resource_holds_no_request_of_another() {
    for (status, first) in [(403, "refused"), (200, "the last one")] {
        let pace = Pace::per_authority();
        let permit = go(&pace, &mut ticket(&pace, "key", ""), START);
        settle(&pace, permit, &answer(status, "search", 0), START);
        let (permit, now) = next_goes(&pace, START, secs(1));
        settle(&pace, permit, &answer(200, "core", 4_990), now);
        for request in 0..100 {
            let (permit, at) = next_goes(&pace, now, ms(0));
            settle(&pace, permit, &answer(200, "core", 4_989 - request), at);
        }
        assert!(now <= START + secs(1), "{first}");
    }
}

#[test]
fn the_only_resource_of_all_requests_holds_them_until_its_reset() {
    let pace = Pace::per_authority();
    let (mut now, mut refused) = (START, 0);
    for status in [200, 403, 403, 403, 403] {
        let (permit, at) = next_goes(&pace, now, secs(61));
        if at >= START + secs(60) {
            break;
        }
        refused += u32::from(status == 403);
        settle(&pace, permit, &answer(status, "core", 0), at);
        now = at;
    }
    assert!(refused <= 2, "{refused} requests went to find another resource");
}
