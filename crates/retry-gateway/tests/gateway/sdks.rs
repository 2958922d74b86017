//! The official Python SDKs of OpenAI, Anthropic, Google and AWS, as they are, behind a gateway of the profile for them.

mod api;
mod broken;
mod program;
pub(crate) mod venv;

use std::sync::{Arc, Barrier, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use self::api::{PIECES, Sdk};
use self::program::Program;
use crate::process::Gateway;
use crate::upstream::{Act, Upstream, response, say};

/// What an SDK tells of one call, by the way that it is made.
#[track_caller]
fn call(sdk: Sdk, way: &str, upstream: &Upstream) -> Value {
    let gateway = Gateway::before(&upstream.url(), LLM);
    let mut program = Program::of("drive.py", sdk.name());
    program.call(gateway.address, way);
    let told = program.next();
    program.done();
    let seen = upstream.seen();
    assert!(seen.iter().all(|each| sdk.is_asked(each) && each.body == seen[0].body), "{seen:?}");
    told
}

/// How an API turns a request away.
fn refusal(sdk: Sdk, status: u16, headers: &[&str]) -> Act {
    let common = ["content-type: application/json", "request-id: req_1", "x-request-id: req_1"];
    say(status, &[&common, headers].concat(), &sdk.error("not now"))
}

/// How often a call reaches an API that does not serve it, and what the SDK raises then. Nothing that the API said
/// is lost.
#[track_caller]
fn check_raised(way: &str, status: u16, headers: &[&str], expected: (usize, &str)) {
    for sdk in Sdk::ALL {
        let upstream = Upstream::answering(vec![refusal(sdk, status, headers)]);
        let told = call(sdk, way, &upstream);
        let raised = told["raised"].as_str().unwrap_or_default();
        assert_eq!((upstream.seen().len(), raised), expected, "{sdk:?} {told}");
        assert_eq!((&told["status"], &told["request_id"]), (&json!(status), &json!("req_1")), "{sdk:?}");
        assert_eq!(told["body"], sdk.error("not now"), "{sdk:?}");
        assert!(told["message"].as_str().unwrap().contains("not now"), "{sdk:?} {told}");
    }
}

/// A call that the API serves the second time reaches it twice, and the SDK knows nothing of the first. Returns how
/// long the gateway waited.
#[track_caller]
fn check_served(sdk: Sdk, way: &str, status: u16, headers: &[&str]) -> Duration {
    let upstream = Upstream::answering(vec![refusal(sdk, status, headers), Act::Say(sdk.answer())]);
    assert_eq!(call(sdk, way, &upstream), json!({ "text": PIECES.concat() }), "{sdk:?} {headers:?}");
    let [first, second] = &upstream.seen()[..] else { panic!("{:?}", upstream.seen()) };
    assert_eq!((first.header("x-retry-attempt"), second.header("x-retry-attempt")), (None, Some("2")));
    assert_eq!(second.header("x-stainless-retry-count"), Some("0"), "the SDK did not send it again");
    second.at - first.at
}

const LLM: &[&str] = &["--profile", "llm"];

#[test]
fn a_refused_call_is_sent_again_when_its_hint_is_over() {
    for sdk in Sdk::ALL {
        for (hint, wait) in [("retry-after-ms: 300", 300), ("retry-after: 1", 1_000)] {
            let waited = check_served(sdk, "plain", 429, &[hint]);
            assert!(waited >= Duration::from_millis(wait), "{sdk:?} {hint}: {waited:?}");
        }
    }
}

#[test]
fn an_sdk_that_would_try_again_has_no_need_to() {
    for sdk in Sdk::ALL {
        check_served(sdk, "with-retries", 529, &["retry-after-ms: 100"]);
    }
}

#[test]
fn a_failed_call_is_sent_again_if_it_has_a_key() {
    for sdk in Sdk::ALL {
        check_served(sdk, "with-key", 500, &[]);
    }
    check_raised("plain", 500, &[], (1, "InternalServerError"));
}

#[test]
fn a_refusal_for_good_is_raised_at_once() {
    check_raised("plain", 429, &["retry-after-ms: 10", "x-should-retry: false"], (1, "RateLimitError"));
}

#[test]
fn a_call_that_is_wrong_is_raised_at_once() {
    check_raised("plain", 400, &[], (1, "BadRequestError"));
}

#[test]
fn the_last_refusal_is_raised_with_all_that_it_said() {
    check_raised("plain", 429, &["retry-after-ms: 10"], (4, "RateLimitError"));
}

/// Four attempts of the gateway for each of the three of an SDK would be 12. The gateway says `x-should-retry: false` once it
/// has given up, so it is 4.
#[test]
fn attempts_of_an_sdk_and_of_the_gateway_do_not_multiply() {
    check_raised("with-retries", 429, &["retry-after-ms: 10"], (4, "RateLimitError"));
}

#[test]
fn a_stream_comes_whole_and_piece_by_piece_after_a_refusal() {
    for (sdk, status) in [(Sdk::OpenAi, 429), (Sdk::Anthropic, 529)] {
        let barrier = Arc::new(Barrier::new(2));
        let (beginning, rest) = sdk.stream();
        let held = Act::Held(beginning, Arc::clone(&barrier), rest);
        let upstream = Upstream::answering(vec![refusal(sdk, status, &["retry-after-ms: 100"]), held]);
        let gateway = Gateway::before(&upstream.url(), LLM);
        let mut program = Program::of("drive.py", sdk.name());
        program.call(gateway.address, "streaming");
        // The upstream says no more until the SDK has seen this.
        assert_eq!(program.next(), json!({ "piece": PIECES[0] }), "{sdk:?}");
        barrier.wait();
        for piece in &PIECES[1..] {
            assert_eq!(program.next(), json!({ "piece": piece }), "{sdk:?}");
        }
        assert_eq!(program.next(), json!({ "text": PIECES.concat() }), "{sdk:?}");
        program.done();
        assert_eq!(upstream.seen().len(), 2);
    }
}

#[test]
fn a_stream_that_begins_with_a_failure_is_asked_for_again_unseen() {
    for sdk in Sdk::ALL {
        let (beginning, rest) = sdk.stream();
        let good = Act::Say(format!("{beginning}{rest}"));
        let upstream = Upstream::answering(vec![Act::Say(sdk.failed_stream()), good]);
        let gateway = Gateway::before(&upstream.url(), LLM);
        let mut program = Program::of("drive.py", sdk.name());
        program.call(gateway.address, "streaming");
        for piece in PIECES {
            assert_eq!(program.next(), json!({ "piece": piece }), "{sdk:?}");
        }
        assert_eq!(program.next(), json!({ "text": PIECES.concat() }), "{sdk:?}");
        program.done();
        assert_eq!(upstream.seen().len(), 2);
    }
}

/// Nor does an SDK that tries again itself do so after what was said in a stream.
#[test]
fn the_last_failure_of_a_stream_is_raised_as_the_api_said_it() {
    for sdk in Sdk::ALL {
        let upstream = Upstream::answering(vec![Act::Say(sdk.failed_stream())]);
        let told = call(sdk, "streaming-with-retries", &upstream);
        assert!(told["raised"].as_str().is_some_and(|raised| raised.ends_with("Error")), "{sdk:?} {told}");
        assert!(told["message"].as_str().unwrap().contains("not now"), "{sdk:?} {told}");
        assert_eq!(upstream.seen().len(), 4, "{sdk:?}");
    }
}

/// A limit of so many calls a second.
#[derive(Default)]
struct Limit {
    second: Option<Instant>,
    served: usize,
    refusals: Vec<Refusal>,
}

/// Whom the API told when to come back.
struct Refusal {
    body: String,
    at: Instant,
    until: Instant,
}

impl Limit {
    /// `None` where the call is served, or else how long it is to stay away.
    fn refuse(&mut self, body: &str) -> Option<Duration> {
        let now = Instant::now();
        let second = self.second.filter(|second| now < *second + SECOND);
        if second.is_none() {
            self.served = 0;
        }
        let until = *self.second.insert(second.unwrap_or(now)) + SECOND;
        if self.served < CALLS_PER_SECOND {
            self.served += 1;
            return None;
        }
        self.refusals.push(Refusal { body: body.to_owned(), at: now, until });
        Some(until - now)
    }
}

const SECOND: Duration = Duration::from_secs(1);
const CALLS_PER_SECOND: usize = 3;
/// `CALLERS` of `drive.py`.
const CALLERS: usize = 8;

/// Those who come while others are served beside the refusals are refused too, but not again and again.
#[test]
fn callers_at_once_are_all_served_and_nobody_comes_before_its_own_hint() {
    for sdk in Sdk::ALL {
        let limit = Arc::<Mutex<Limit>>::default();
        let books = Arc::clone(&limit);
        let upstream = Upstream::start(move |_, seen| match books.lock().unwrap().refuse(&seen.body) {
            None => Act::Say(sdk.answer()),
            Some(wait) => {
                let hint = format!("retry-after-ms: {}", wait.as_nanos().div_ceil(1_000_000));
                Act::Say(response(429, &[&hint], &sdk.error("too many")))
            }
        });
        let gateway = Gateway::before(&upstream.url(), LLM);
        let mut program = Program::of("drive.py", sdk.name());
        program.call(gateway.address, "crowd");
        for _ in 0..CALLERS {
            assert_eq!(program.next(), json!({ "text": PIECES.concat() }), "{sdk:?}");
        }
        program.done();
        let (seen, refusals) = (upstream.seen(), &limit.lock().unwrap().refusals);
        assert_eq!(seen.len(), CALLERS + refusals.len(), "{sdk:?}");
        let refused = refusals.len();
        assert!(
            (1..=CALLERS).contains(&refused),
            "{sdk:?}: four at once are more than three, {refused} refused"
        );
        for refusal in refusals {
            let again = seen.iter().find(|seen| seen.body == refusal.body && seen.at > refusal.at);
            let is_late_enough = again.is_some_and(|seen| seen.at >= refusal.until);
            assert!(is_late_enough, "{sdk:?} {:?} {seen:?}", refusal.body);
        }
    }
}
