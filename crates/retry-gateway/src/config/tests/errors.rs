//! Problems that concern more than one line.

use super::*;

const NO_LISTEN: &str = "1:1: listen: missing; allowed: an IP address and a port, such as 127.0.0.1:8080";

#[test]
fn missing_keys_are_reported() {
    let upstreams = "1:1: upstreams: missing; allowed: at least one table [upstreams.NAME]";
    let routes = "1:1: routes: missing; allowed: at least one table [[routes]]";
    assert_eq!(problems(""), [NO_LISTEN, upstreams, routes]);
    assert_eq!(problems("# nothing\n"), [NO_LISTEN, upstreams, routes]);

    let text = "listen = '127.0.0.1:1'\n[upstreams.api]\n[[routes]]\n";
    let expected = [
        "2:1: upstreams.api.endpoints: missing; allowed: at least one URL such as http://10.0.0.1:8080, in a list",
        "3:1: routes[0].upstream: missing; allowed: api",
    ];
    assert_eq!(problems(text), expected);

    let text = "listen = '127.0.0.1:1'\nupstreams = {}\nroutes = []\n";
    let expected = [
        "2:13: upstreams: empty; allowed: at least one table [upstreams.NAME]",
        "3:10: routes: empty: value []; allowed: at least one table [[routes]]",
    ];
    assert_eq!(problems(text), expected);
}

#[test]
fn a_route_names_an_upstream_of_the_file() {
    let messages = problems(&MINIMAL.replace("upstream = \"api\"", "upstream = \"apis\""));
    let expected =
        "5:12: routes[0].upstream: no such upstream: value \"apis\"; allowed: api; did you mean \"api\"?";
    assert_eq!(messages, [expected]);
    // An upstream that is invalid itself can be named.
    let messages = problems(&MINIMAL.replace("[\"http://10.0.0.1:8080\"]", "[]"));
    assert_eq!(messages.len(), 1);
}

#[track_caller]
fn check_endpoint(given: &str, expected: &str) {
    let messages = problems(&MINIMAL.replace("\"http://10.0.0.1:8080\"", given));
    let allowed = "; allowed: a URL such as http://10.0.0.1:8080 or https://api.example.com";
    assert_eq!(
        messages,
        [format!("3:14: upstreams.api.endpoints[0]: {}", expected.replace("; ..", allowed))]
    );
}

#[test]
fn an_endpoint_is_a_scheme_and_an_authority() {
    let rows = [
        (
            "'10.0.0.1:80'",
            "neither http nor https: value '10.0.0.1:80'; ..; did you mean \"http://10.0.0.1:80\"?",
        ),
        ("'ftp://h'", "neither http nor https: value 'ftp://h'; .."),
        ("'/'", "not a URL with http or https, and a host: value '/'; .."),
        ("''", "not a URL: value ''; .."),
        ("'http://'", "not a URL: value 'http://'; .."),
        ("'http://:80'", "has no host, or a port that is none: value 'http://:80'; .."),
        ("'http://h:0'", "has no host, or a port that is none: value 'http://h:0'; .."),
        ("'http://h:65536'", "has no host, or a port that is none: value 'http://h:65536'; .."),
        ("'http://h/v1'", "has a path or a query, and requests bring their own: value 'http://h/v1'; .."),
        ("'http://h?q'", "has a path or a query, and requests bring their own: value 'http://h?q'; .."),
        ("'http://h#f'", "has a path or a query, and requests bring their own: value 'http://h#f'; .."),
        ("80", "not a string: value 80; .."),
    ];
    for (given, expected) in rows {
        check_endpoint(given, expected);
    }
}

#[test]
fn a_password_is_not_repeated() {
    check_endpoint("'http://me:secret@h'", "has a user or a password, which is not sent; ..");
    check_endpoint("'me:secret@h'", "neither http nor https; ..");
    let messages = problems(&file("", "", "headers = { authorization = \"secret\\n\" }"));
    assert!(!messages[0].contains("secret"), "{messages:?}");
    let given = config(&file("", "", "headers = { authorization = 'secret' }"));
    assert!(!format!("{given:?} {}", given.summary()).contains("secret"), "{given:?}");
}

#[test]
fn an_endpoint_is_listed_once() {
    let text = MINIMAL.replace("10.0.0.1:8080\"]", "A.example\", \"http://a.example:80/\"]");
    assert_eq!(
        problems(&text),
        ["3:34: upstreams.api.endpoints[1]: stands here twice: value \"http://a.example:80/\""]
    );
}

#[test]
fn roots_are_for_endpoints_with_https() {
    let text = MINIMAL.replace("[[routes]]", "tls = { ca = 'ca.pem' }\n[[routes]]");
    assert_eq!(
        problems(&text),
        ["4:7: upstreams.api.tls: no endpoint speaks TLS; allowed: endpoints with https"]
    );
}

#[test]
fn the_name_of_an_upstream_fits_into_metrics() {
    let messages = problems(&MINIMAL.replace("upstreams.api", "upstreams.\"a b\""));
    let allowed = "up to 64 letters, digits, dots, hyphens and underscores";
    assert_eq!(messages[0], format!("2:12: upstreams.\"a b\": not a name; allowed: {allowed}"));
}

#[test]
fn a_syntax_error_has_a_position() {
    assert_eq!(problems("listen = \"a\n"), ["1:12: not TOML: invalid basic string, expected `\"`"]);
    assert_eq!(problems("a = 1\na = 2\n"), ["2:1: not TOML: duplicate key"]);
    let messages = problems("listen = = 1\n[a\n");
    assert!(messages.len() > 1 && messages[0].starts_with("1:10: not TOML: "), "{messages:?}");
}

#[test]
fn columns_are_characters_as_an_editor_counts_them() {
    let messages = problems("\u{feff}listen = 'é' # ä\r\nx = 1");
    assert!(messages[2].starts_with("1:10: listen: not an address: value 'é'"), "{messages:?}");
    let messages = problems(&file("tls = { cert = 'é', kye = '' }", "", ""));
    assert!(
        messages[1].starts_with("1:21: tls.kye: unknown key; allowed: cert, key; did you mean \"key\"?"),
        "{messages:?}"
    );
}

#[test]
fn long_and_odd_values_are_shown_in_one_short_line() {
    let messages = problems(&file("admin = \"\"\"a\n\tb\"\"\"", "", ""));
    assert!(messages[0].contains(r#"value """a\n\tb"""; allowed"#), "{messages:?}");
    let messages = problems(&file(&format!("admin = '{}'", "x".repeat(1_000)), "", ""));
    assert!(messages[0].contains(&format!("value '{}..; allowed", "x".repeat(59))), "{messages:?}");
}

#[test]
fn all_problems_are_listed_at_once_up_to_a_hundred() {
    let messages = problems(&file("a = 1\nb = 2", "c = 3", "d = 4\nretry = { e = 5 }"));
    assert_eq!(messages.len(), 5);
    let keys: String = (0..150).map(|number| format!("a{number} = 1\n")).collect();
    let messages = problems(&file(&keys, "", ""));
    assert_eq!((messages.len(), messages[100].as_str()), (101, "and 50 more"));
    let messages = problems(&"]\n".repeat(1_000));
    assert_eq!((messages.len(), messages[100].as_str()), (101, "and 900 more"));
}

#[test]
fn a_problem_has_a_position_and_a_field() {
    let error = Config::parse("gateway.toml", &file("", "", "retry = { e = 5 }")).unwrap_err();
    let [problem] = error.problems() else { panic!("{error}") };
    assert_eq!((problem.line(), problem.column(), problem.field()), (Some(8), Some(11), "routes[0].retry.e"));
    assert!(
        error
            .to_string()
            .starts_with("gateway.toml:8:11: routes[0].retry.e: unknown key; allowed: retry_on, ")
    );
}
