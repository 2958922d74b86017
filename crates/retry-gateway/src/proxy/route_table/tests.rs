use http::{HeaderValue, Method};
use proptest::prelude::*;

use super::*;
use crate::config::Profile;

/// Draws a route from few words, so that routes overlap in many ways.
fn route() -> impl Strategy<Value = RouteConfig> {
    let path = prop::sample::select(&["/", "/a", "/a/b", "/a/bc", "/A", "/b", "/é", "/a//b"][..]);
    let host = prop::option::of(prop::sample::select(
        &[("x", false), ("a.x", false), ("x", true), ("a.x", true), ("b.a.x", false)][..],
    ));
    let methods = prop::sample::subsequence(vec![Method::GET, Method::POST], 0..=1);
    let headers = prop::collection::btree_map(
        prop::sample::select(&["x-one", "x-two"][..]),
        prop::sample::select(&["1", "2"][..]),
        0..=2,
    );
    (path, host, methods, headers).prop_map(|(path, host, methods, headers)| RouteConfig {
        path_prefix: path.to_owned(),
        host: host.map(|(name, below)| match below {
            true => HostPattern::SubdomainsOf(name.to_owned()),
            false => HostPattern::Exact(name.to_owned()),
        }),
        methods,
        headers: headers
            .into_iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect(),
        ..RouteConfig::with_upstream("api", Profile::Default, false)
    })
}

fn request() -> impl Strategy<Value = Request<()>> {
    let path = prop::sample::select(
        &["/", "/a", "/a/", "/a/b", "/a/bc", "/ab", "/a/b/c", "/A", "/%C3%A9", "/a//b/", "//a", "/b?a", "*"]
            [..],
    );
    let host = prop::option::of(prop::sample::select(
        &["x", "X:80", "a.x", "A.x", "b.a.x", ".x", "ax", "c.b.a.x", "..a.x", "[::1]"][..],
    ));
    let method = prop::sample::select(vec![Method::GET, Method::POST, Method::OPTIONS]);
    let names = prop::sample::select(&["x-one", "x-two"][..]);
    let headers = prop::collection::vec((names, prop::sample::select(&["1", "2"][..])), 0..4);
    (path, host, method, headers).prop_map(|(path, host, method, headers)| {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(host) = host {
            request = request.header("host", host);
        }
        for (name, value) in headers {
            request = request.header(name, value);
        }
        request.body(()).unwrap()
    })
}

proptest! {
    #[test]
    fn the_index_finds_the_route_that_a_search_in_order_finds(
        routes in prop::collection::vec(route(), MAX_LINEAR + 1..24),
        requests in prop::collection::vec(request(), 8),
    ) {
        let table = RouteTable::new(&routes);
        for request in &requests {
            let expected = routes.iter().position(|route| route_match::matches(route, request));
            prop_assert_eq!(table.find(request, |number| &routes[number]), expected, "{:?}", request);
        }
    }
}

/// Counts the routes that a search among ten thousand compares with the request.
fn compared(routes: &[RouteConfig], request: &Request<()>) -> (Option<usize>, usize) {
    let count = std::cell::Cell::new(0);
    let found = RouteTable::new(routes).find(request, |number| {
        count.set(count.get() + 1);
        &routes[number]
    });
    (found, count.into_inner())
}

#[test]
fn a_large_table_costs_a_request_a_few_comparisons() {
    let routes = |change: fn(&mut RouteConfig, usize)| -> Vec<_> {
        (0..10_000)
            .map(|number| {
                let mut route = RouteConfig::with_upstream("api", Profile::Default, false);
                change(&mut route, number);
                route
            })
            .collect()
    };
    let by_path = routes(|route, number| route.path_prefix = format!("/tenant/{number}"));
    let by_host = routes(|route, number| route.host = Some(HostPattern::Exact(format!("h{number}.example"))));
    let below =
        routes(|route, number| route.host = Some(HostPattern::SubdomainsOf(format!("h{number}.example"))));
    let by_header = routes(|route, number| {
        route.headers = vec![(HeaderName::from_static("x-tenant"), HeaderValue::from(number as u64))];
    });
    let get =
        |path: &str, header: &str, value: &str| Request::get(path).header(header, value).body(()).unwrap();
    for (routes, request) in [
        (&by_path, get("/tenant/9999/x", "host", "a")),
        (&by_host, get("/", "host", "H9999.example")),
        (&below, get("/", "host", "a.h9999.example")),
        (&by_header, get("/", "x-tenant", "9999")),
    ] {
        let (found, compared) = compared(routes, &request);
        assert!(found == Some(9_999) && compared <= 4, "{request:?}: {found:?} after {compared}");
    }
    assert_eq!(compared(&by_path, &get("/tenant/10000", "host", "a")), (None, 0));
}
