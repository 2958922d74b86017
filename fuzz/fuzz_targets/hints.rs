//! Headers of any server, which say when to come back: whatever they hold, somebody is told a time, and nobody is held for
//! ever.

#![no_main]

use std::time::{Duration, SystemTime};

use arbitrary::Arbitrary;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use libfuzzer_sys::fuzz_target;
use tower_http_retry::{Attempt, ExponentialBackoff, Pace, Plan, Policy, RequestHead, RetryAfterFirst, RetryCause, RetryContext, RetryHint};
use http_retry::{Admission, ClockReading};
use tower_http_retry::policy::ResponseHead;

#[derive(Arbitrary, Debug)]
struct Input {
    status: u16,
    now: u32,
    lines: Vec<(u8, Vec<u8>)>,
}

fuzz_target!(|input: Input| {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(200 + input.status % 400).unwrap();
    for (name, value) in input.lines {
        if let Ok(value) = HeaderValue::from_bytes(&value) {
            let name = NAMES[usize::from(name) % NAMES.len()];
            response.headers_mut().append(HeaderName::from_static(name), value);
        }
    }
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(input.now.into());
    let head = ResponseHead::from(&response);
    let read = RetryHint::read_with_header(&head, now);
    assert_eq!(RetryHint::read(&head, now), read.map(|(hint, _)| hint));
    schedule(&response, read, now);
    hold(&response, now);
});

/// A policy that obeys never comes earlier, nor later than it says.
fn schedule(response: &Response<()>, read: Option<(RetryHint, &'static str)>, now: SystemTime) {
    let policy = RetryAfterFirst::new(ExponentialBackoff::default()).longest(LONGEST);
    let request = Request::new(());
    let attempt = Attempt::new(1, &request, ResponseHead::from(response));
    let context = RetryContext::new(attempt, RetryCause::Throttled)
        .hint(read.map(|(hint, _)| hint))
        .hint_header(read.map(|(_, header)| header))
        .now(now);
    let asked = read.and_then(|(hint, _)| hint.delay());
    if let (Plan::Resend(window), Some(asked)) = (policy.schedule(&context), asked) {
        assert!(window.earliest >= asked && asked <= LONGEST, "{window:?} after {asked:?}");
        assert!(window.latest <= asked + Duration::from_secs(5), "{window:?} after {asked:?}");
        // The pushback of gRPC is exact, and may be none (proposal A6).
        if asked.is_zero() && read.is_some_and(|(_, header)| header != "grpc-retry-pushback-ms") {
            assert!(window.latest >= Duration::from_millis(100), "{window:?} is a hot loop");
        }
    }
}

/// The next caller goes once the longest stop is over, however often it is polled until then.
fn hold(response: &Response<()>, wall: SystemTime) {
    let pace = Pace::per(|_| ()).longest(LONGEST);
    let request = Request::new(());
    let head = RequestHead::from(&request);
    let Admission::Go(permit) = pace.poll(&mut pace.ticket(&head), Duration::ZERO, None) else { panic!("nobody holds it") };
    pace.settle(permit, &ResponseHead::from(response), || ClockReading::new(Duration::ZERO, wall));
    let mut ticket = pace.ticket(&head);
    let mut now = Duration::ZERO;
    for _ in 0..1_000 {
        match pace.poll(&mut ticket, now, None) {
            Admission::Go(permit) => return pace.lose(permit, now),
            Admission::Wait { until, .. } => {
                assert!(until > now, "the next poll is now, at {now:?}");
                now = until;
            }
            Admission::Rejected(rejection) => panic!("{rejection:?}"),
        }
        assert!(now <= LONGEST + Duration::from_secs(1), "still held at {now:?}");
    }
    panic!("too many polls until {now:?}");
}

const LONGEST: Duration = Duration::from_secs(120);
const NAMES: &[&str] = &[
    "date",
    "retry-after",
    "retry-after-ms",
    "x-ms-retry-after-ms",
    "x-amz-retry-after",
    "grpc-status",
    "grpc-retry-pushback-ms",
    "grpc-status-details-bin",
    "ratelimit",
    "ratelimit-policy",
    "ratelimit-limit",
    "ratelimit-remaining",
    "ratelimit-reset",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "x-ratelimit-retry-after",
    "x-ratelimit-limit-requests",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-reset-requests",
    "x-ratelimit-limit-tokens",
    "x-ratelimit-remaining-tokens",
    "x-ratelimit-reset-tokens",
    "anthropic-ratelimit-requests-remaining",
    "anthropic-ratelimit-requests-reset",
    "anthropic-ratelimit-tokens-remaining",
    "anthropic-ratelimit-tokens-reset",
    "x-should-retry",
    "x-rate-limit-remaining",
    "x-rate-limit-reset",
    "x-ratelimit-remaining-tokens-minute",
    "x-ratelimit-reset-tokens-minute",
    "x-ratelimit-reset-after",
    "x-ratelimit-reset-ms",
    "x-ratelimit-next",
    "beta-retry-after",
    "zendesk-ratelimit-tickets",
];
