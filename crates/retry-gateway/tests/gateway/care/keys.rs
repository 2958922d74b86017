//! Requests that are given an `Idempotency-Key`.

use super::gateway;
use crate::client::call;
use crate::upstream::{Act, Upstream, say};

const MINT: &str = "mint_idempotency_key = true";

/// The keys with which a request reaches an upstream that breaks off the first time.
#[track_caller]
fn keys(retry: &str, line: &str, headers: &[&str]) -> Vec<Option<String>> {
    let upstream = Upstream::answering(vec![Act::Close, say(200, &[], "done")]);
    let gateway = gateway(&upstream, "", retry);
    call(gateway.address, line, headers, if line.starts_with("GET") { "" } else { "hello" });
    upstream.seen().iter().map(|seen| seen.header("idempotency-key").map(str::to_owned)).collect()
}

#[test]
fn each_attempt_has_the_same_key_and_each_request_its_own() {
    let [post, other, patch] = ["POST /", "POST /", "PATCH /"].map(|line| {
        let keys = keys(MINT, line, &[]);
        assert!(keys.len() == 2 && keys[0] == keys[1], "{keys:?}");
        keys[0].clone().unwrap()
    });
    assert!(post != other && other != patch && post != patch, "{post} {other} {patch}");
    assert!(post.len() == 38 && post.starts_with('"') && post.ends_with('"'), "{post}");
}

#[test]
fn a_key_that_is_there_stays() {
    let mine = Some("\"mine\"".to_owned());
    assert_eq!(keys(MINT, "POST /", &["Idempotency-Key: \"mine\""]), [mine.clone(), mine]);
}

#[test]
fn nobody_is_given_one_who_does_not_need_it_or_did_not_ask() {
    assert_eq!(keys(MINT, "GET /", &[]), [None, None]);
    assert_eq!(keys("", "POST /", &[]), [None]);
    // It is for the server alone, where the gateway does not trust it.
    let untrusted = keys(&format!("{MINT}\ntrust_idempotency_key = false"), "POST /", &[]);
    assert!(untrusted.len() == 1 && untrusted[0].is_some(), "{untrusted:?}");
}
