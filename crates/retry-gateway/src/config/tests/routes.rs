//! The hosts that a pattern matches, and the routes that an earlier one shadows.

use super::*;

#[track_caller]
fn check_host(pattern: &str, host: &str, expected: bool) {
    let pattern = route(&format!("host = \"{pattern}\"")).host.unwrap();
    assert_eq!(pattern.matches(host), expected, "{pattern:?} {host}");
}

#[test]
fn a_pattern_is_a_host_or_its_subdomains() {
    check_host("api.example.com", "api.example.com", true);
    check_host("api.example.com", "API.Example.COM", true);
    check_host("api.example.com", "xapi.example.com", false);
    check_host("api.example.com", "", false);
    check_host("*.example.com", "api.example.com", true);
    check_host("*.example.com", "v1.API.example.com", true);
    check_host("*.example.com", "example.com", false);
    check_host("*.example.com", ".example.com", false);
    check_host("*.example.com", "badexample.com", false);
    check_host("*.example.com", "é.example.com", true);
    check_host("*.example.com", "xé", false);
}

/// Checks whether requests reach a second route.
#[track_caller]
fn check(first: &str, second: &str, is_reached: bool) {
    let text = file("", "", &format!("{first}\n[[routes]]\nupstream = \"api\"\n{second}"));
    if is_reached {
        assert_eq!(config(&text).routes.len(), 2);
    } else {
        let line = 8 + first.lines().count().max(1);
        let message = "routes[1]: never gets a request, because routes[0] takes all of them; \
                    allowed: the narrower route first, or without routes[0]";
        assert_eq!(problems(&text), [format!("{line}:1: {message}")]);
    }
}

#[test]
fn a_wider_route_before_it_shadows_a_route() {
    check("", "", false);
    check("", "path_prefix = '/v1'", false);
    check("path_prefix = '/v1'", "path_prefix = '/v1/'", false);
    check("path_prefix = '/v1'", "path_prefix = '/v1/chat'", false);
    check("host = '*.a.example'", "host = 'b.a.example'", false);
    check("host = '*.a.example'", "host = '*.b.a.example'", false);
    check("host = '*.a.example'", "host = '*.A.example'", false);
    check("host = 'a.example'", "host = 'A.EXAMPLE'", false);
    check("methods = ['GET', 'PUT']", "methods = ['PUT']", false);
    check("headers = { a = '1' }", "headers = { b = '2', a = '1' }", false);
}

#[test]
fn a_route_that_matches_other_requests_is_reached() {
    check("path_prefix = '/v1'", "", true);
    check("path_prefix = '/v1'", "path_prefix = '/v10'", true);
    check("host = 'a.example'", "", true);
    check("host = '*.a.example'", "host = 'a.example'", true);
    check("host = 'b.a.example'", "host = '*.a.example'", true);
    check("host = '*.b.a.example'", "host = '*.a.example'", true);
    check("methods = ['GET']", "", true);
    check("methods = ['GET']", "methods = ['GET', 'PUT']", true);
    check("headers = { a = '1' }", "", true);
    check("headers = { a = '1' }", "headers = { a = '2' }", true);
    check("path_prefix = '/v1'\nmethods = ['GET']", "path_prefix = '/v1'", true);
}

#[test]
fn an_invalid_route_shadows_nothing() {
    let message = problems(&file("", "", "path_prefix = 1\n[[routes]]\nupstream = \"api\""));
    assert_eq!(message, ["8:15: routes[0].path_prefix: not a string: value 1; allowed: a path such as /v1"]);
}
