use http::Request;
use tower_http_retry::Pace;

use super::*;

fn config(key: PaceKey) -> PaceConfig {
    PaceConfig { key, ..PaceConfig::default() }
}

/// Returns whether two requests, each a path with header lines, share a key.
fn shares(pace: &Pace, requests: [(&str, &[(&str, &str)]); 2]) -> bool {
    let [first, second] = requests.map(|(uri, headers)| {
        let mut request = Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(()).unwrap();
        pace.report(&pace.ticket(&RequestHead::from(&request)), std::time::Duration::ZERO).key
    });
    first == second
}

#[track_caller]
fn check(key: &PaceKey, requests: [(&str, &[(&str, &str)]); 2], expected: bool) {
    assert_eq!(shares(&new_pace(&config(key.clone())), requests), expected, "{key:?} {requests:?}");
}

#[test]
fn a_credential_is_one_in_any_of_its_headers() {
    let key = PaceKey::Credential;
    for name in ["authorization", "x-api-key", "api-key", "x-goog-api-key"] {
        check(&key, [("/", &[(name, "a")]), ("/", &[(name, "a")])], true);
        check(&key, [("/", &[(name, "a")]), ("/", &[(name, "b")])], false);
        check(&key, [("/", &[(name, "a")]), ("/", &[])], false);
    }
    check(&key, [("/", &[]), ("/x", &[("x-team", "a")])], true);
    check(&key, [("/", &[("api-key", "a")]), ("/", &[("x-api-key", "a")])], false);
    // A client may call the gateway by several names, and the upstream counts its requests together.
    check(
        &key,
        [("http://a.example/", &[("api-key", "a")]), ("http://b.example/", &[("api-key", "a")])],
        true,
    );
    // The credential of a user is no less one beside that of an organization.
    let both: &[_] = &[("authorization", "a"), ("x-api-key", "b")];
    check(&key, [("/", both), ("/", &[("authorization", "a")])], false);
}

#[test]
fn a_model_is_a_part_of_the_key_where_the_key_says_so() {
    let key = PaceKey::CredentialAndModel;
    let (a, b): (&[_], &[_]) = (&[("x-api-key", "a")], &[("x-api-key", "b")]);
    let [pro, flash] = ["pro", "flash"].map(|model| format!("/v1beta/models/{model}:generateContent"));
    check(&key, [(&pro, a), (&pro, a)], true);
    check(&key, [(&pro, a), (&flash, a)], false);
    check(&key, [(&pro, a), (&pro, b)], false);
    check(&key, [(&pro, a), ("/v1beta/models/pro:countTokens", a)], true);
    check(&PaceKey::Credential, [(&pro, a), (&flash, a)], true);
    check(&key, [("/v1/chat", a), ("/v1/messages", a)], true);
    let with = |model| vec![("x-api-key", "a"), ("x-model", model)];
    check(&key, [("/", &with("pro")), ("/", &with("flash"))], false);
    check(&key, [("/", &with("pro")), (&pro, a)], true);
    // The path is what the upstream goes by.
    check(&key, [(&pro, &with("flash")), (&pro, a)], true);
    let renamed = PaceConfig { model_header: HeaderName::from_static("x-llm"), ..config(key) };
    let requests: [(&str, &[_]); 2] = [("/", &[("x-llm", "pro")]), ("/", &[("x-llm", "flash")])];
    assert!(!shares(&new_pace(&renamed), requests));
}

#[test]
fn the_host_is_a_key_only_where_the_key_is_the_authority() {
    let requests: [(&str, &[_]); 2] = [("http://a.example/", &[]), ("http://b.example/", &[])];
    check(&PaceKey::Authority, requests, false);
    for key in [PaceKey::Upstream, PaceKey::Credential, PaceKey::Header("x-key".parse().unwrap())] {
        check(&key, requests, true);
    }
}

#[test]
fn an_authority_is_the_host_that_the_upstream_gets() {
    let upstream = UpstreamConfig::with_endpoints(vec!["http://10.0.0.1".parse().unwrap()]);
    assert_eq!(in_force(&upstream), None);
    let key = |host: HostRule| {
        let pace = Some(config(PaceKey::Authority));
        in_force(&UpstreamConfig { pace, host, ..upstream.clone() }).unwrap().key
    };
    assert_eq!(key(HostRule::Endpoint), PaceKey::Endpoint);
    assert_eq!(key(HostRule::Preserve), PaceKey::Authority);
    assert_eq!(key(HostRule::Name("api.example".parse().unwrap())), PaceKey::Upstream);
}

#[test]
fn a_client_with_many_addresses_of_ipv6_is_one_tenant() {
    let tenant = |address: &str| tenant_of(address.parse().unwrap());
    assert_eq!(tenant("2001:db8:1:2::1"), tenant("2001:db8:1:2:ffff::9"));
    assert_ne!(tenant("2001:db8:1:2::1"), tenant("2001:db8:1:3::1"));
    assert_ne!(tenant("192.0.2.1"), tenant("192.0.2.2"));
}
