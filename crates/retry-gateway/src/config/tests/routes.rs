//! The hosts that a pattern matches, and the routes that an earlier one shadows.

use super::unreachable::EarlierRoutes;
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

/// Each route would otherwise be compared with all that stand before it.
#[test]
fn a_route_is_compared_only_with_those_that_may_cover_it() {
    for (line, expected) in [
        ((|number| format!("host = 'h{number}.example'")) as fn(usize) -> String, 0),
        (|number| format!("host = '*.h{number}.example'\nmethods = ['GET']"), 0),
        (|number| format!("path_prefix = '/v{number}/x'"), 0),
        (|number| format!("headers = {{ x-tenant = 't{number}' }}"), 0),
        (|number| format!("headers = {{ a = '{number}', b = '0' }}"), 0),
        (
            |number| {
                format!("host = 'h{}.example'\nmethods = ['{}']", number / 2, ["GET", "PUT"][number % 2])
            },
            10,
        ),
    ] {
        let mut earlier = EarlierRoutes::default();
        let mut compared = 0;
        for number in 0..20 {
            let route = route(&line(number));
            compared += earlier.candidates(&route).into_iter().map(Vec::len).sum::<usize>();
            assert_eq!(earlier.find_unreachable(&route), None);
            earlier.push(String::new(), route);
        }
        assert_eq!(compared, expected, "{}", line(0));
    }
}

#[test]
fn the_first_of_several_wider_routes_is_named() {
    let lines = ["host = 'x.a.example'", "path_prefix = '/v1'", "host = '*.a.example'", "host = '*.example'"];
    let narrow = "host = 'y.a.example'\npath_prefix = '/v1/x'\nheaders = { a = '1' }";
    let routes = |lines: &[&str]| lines.join("\n[[routes]]\nupstream = \"api\"\n");
    let message = |number| format!("never gets a request, because routes[{number}] takes all of them");
    let problem = |lines: &[&str]| problems(&file("", "", &routes(lines))).concat();
    assert!(problem(&[&lines[..], &[narrow]].concat()).contains(&message(1)));
    assert!(problem(&[lines[0], lines[3], lines[2], narrow]).contains(&message(1)));
}

#[test]
fn an_invalid_route_shadows_nothing() {
    let message = problems(&file("", "", "path_prefix = 1\n[[routes]]\nupstream = \"api\""));
    assert_eq!(message, ["8:15: routes[0].path_prefix: not a string: value 1; allowed: a path such as /v1"]);
}
