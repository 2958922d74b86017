//! Who shares a limit with whom.

use http::header::AUTHORIZATION;

use super::*;

/// Whether the two share a limit.
#[track_caller]
fn check(pace: fn() -> Pace, one: &Request<()>, other: &Request<()>, is_shared: bool) {
    let mut pace = pace();
    let first = pace.enter(&one.into());
    let Admission::Go(pass) = pace.poll(&first, Duration::ZERO) else { panic!("it is open") };
    pace.observe(pass, &(&answer(429, &[("retry-after", "1")])).into(), moment(Duration::ZERO));
    let second = pace.enter(&other.into());
    let is_held = matches!(pace.poll(&second, Duration::ZERO), Admission::Wait(_));
    assert_eq!(is_held, is_shared, "{one:?} {other:?}");
}

#[test]
fn an_authority_is_a_host_and_a_port_in_any_case() {
    let check = |one, other, is_shared| check(Pace::per_authority, &request(one), &request(other), is_shared);
    check("https://api.example/a?b", "https://api.example/c", true);
    check("https://api.example/", "https://API.Example/", true);
    check("https://user:secret@api.example/", "https://api.example/", true);
    check("https://api.example/", "https://api.example:8443/", false);
    check("https://api.example:8080/", "https://api.example:8443/", false);
    check("https://api.example/", "https://b.api.example/", false);
    check("/", "/a", true);
    check("/", "https://api.example/", false);
}

#[test]
fn an_authority_may_stand_in_the_host_header() {
    let with = |host: &str| Request::get("/").header("host", host).body(()).unwrap();
    check(Pace::per_authority, &with("api.example"), &request("https://api.example/"), true);
    check(Pace::per_authority, &with("api.example"), &with("API.EXAMPLE"), true);
    check(Pace::per_authority, &with("a.example"), &with("b.example"), false);
}

#[test]
fn a_header_tells_values_and_authorities_apart() {
    let with = |host: &str, values: &[&[u8]]| {
        let mut request = request(&format!("https://{host}/"));
        for value in values {
            request.headers_mut().append(AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
        }
        request
    };
    type Caller = (&'static str, &'static [&'static [u8]]);
    let rows: &[(Caller, Caller, bool)] = &[
        (("a", &[b"one"]), ("a", &[b"one"]), true),
        (("a", &[b"one"]), ("a", &[b"two"]), false),
        (("a", &[b"one"]), ("a", &[b"ONE"]), false),
        (("a", &[b"one"]), ("b", &[b"one"]), false),
        (("a", &[b"one"]), ("a", &[]), false),
        (("a", &[b""]), ("a", &[]), false),
        (("a", &[]), ("a", &[]), true),
        (("a", &[]), ("b", &[]), false),
        (("a", &[b"one", b"two"]), ("a", &[b"one", b"two"]), true),
        (("a", &[b"one", b"two"]), ("a", &[b"one"]), false),
        (("a", &[b"one", b"two"]), ("a", &[b"onetwo"]), false),
        // Values that are no text are told apart too.
        (("a", &[b"\xff"]), ("a", &[b"\xfe"]), false),
        (("ab", &[b"c"]), ("a", &[b"bc"]), false),
    ];
    for ((one, values), (other, other_values), is_shared) in rows {
        let pace = || Pace::per_header(AUTHORIZATION);
        check(pace, &with(one, values), &with(other, other_values), *is_shared);
    }
}

#[test]
fn other_headers_do_not_matter() {
    let with = |value| Request::get("https://a/").header("x-other", value).body(()).unwrap();
    check(|| Pace::per_header(AUTHORIZATION), &with("one"), &with("two"), true);
}

#[test]
fn a_key_may_be_anything() {
    let tenant = || Pace::per(|head| head.path().split('/').nth(1).map(str::to_owned));
    check(tenant, &request("https://a/one/x"), &request("https://b/one/y"), true);
    check(tenant, &request("https://a/one/x"), &request("https://a/two/x"), false);
    check(|| Pace::per(|_| ()), &request("https://a/"), &request("https://b/"), true);
}
