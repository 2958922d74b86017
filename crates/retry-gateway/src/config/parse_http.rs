//! What HTTP and the network have names for, each read from one value.

use std::net::{IpAddr, SocketAddr};

use http::uri::{Authority, PathAndQuery};
use http::{HeaderName, HeaderValue, Method, StatusCode, Uri};
use ipnet::IpNet;
use toml::de::DeValue;

use super::error::Wrong;
use super::keywords::nearest;
use super::route::HostPattern;
use super::upstream::{HostRule, PaceKey};
use super::value::text;

/// An address to listen at.
pub(super) fn address(value: &DeValue<'_>) -> Result<SocketAddr, Wrong> {
    let given = text(value, ADDRESSES)?;
    given.parse().map_err(|_| {
        let wrong = Wrong::new("not an address").allowed(ADDRESSES);
        let host = given.strip_prefix("localhost").map(|port| format!("127.0.0.1{port}"));
        let all = given.strip_prefix(':').map(|port| format!("0.0.0.0:{port}"));
        let port = given.parse::<u16>().ok().map(|port| format!("127.0.0.1:{port}"));
        wrong.nearest(
            [host, all, port].into_iter().flatten().find(|guess| guess.parse::<SocketAddr>().is_ok()),
        )
    })
}

/// The addresses of a network, or one alone.
pub(super) fn network(value: &DeValue<'_>) -> Result<IpNet, Wrong> {
    let allowed = "a network or an address, such as 10.0.0.0/8 or 10.0.0.1";
    let given = text(value, allowed)?;
    let network = given.parse::<IpNet>().or_else(|_| given.parse::<IpAddr>().map(IpNet::from));
    network.map_err(|_| Wrong::new("not a network").allowed(allowed))
}

/// A server's address.
pub(super) fn endpoint(value: &DeValue<'_>) -> Result<Uri, Wrong> {
    let given = text(value, ENDPOINTS)?;
    // What stands before an @ may be a password.
    endpoint_of(given).map_err(|wrong| if given.contains('@') { wrong.secret() } else { wrong })
}

/// A server's address: `http` or `https`, an authority, and nothing else.
pub(super) fn endpoint_of(given: &str) -> Result<Uri, Wrong> {
    let wrong = |what: &str| Wrong::new(what).allowed(ENDPOINTS);
    let uri: Uri = given.parse().map_err(|_| wrong("not a URL"))?;
    let Some(authority) = uri.authority() else {
        return Err(wrong("not a URL with http or https, and a host"));
    };
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        let guess = format!("http://{given}");
        let near = uri.scheme().is_none() && guess.parse::<Uri>().is_ok();
        return Err(wrong("neither http nor https").nearest(near.then_some(guess)));
    }
    if authority.as_str().contains('@') {
        return Err(wrong("has a user or a password, which is not sent"));
    }
    if !has_host_and_port(authority) {
        return Err(wrong("has no host, or a port that is none"));
    }
    if uri.path() != "/" || uri.query().is_some() || given.contains('#') {
        return Err(wrong("has a path or a query, and requests bring their own"));
    }
    Ok(uri)
}

/// What an upstream is called.
pub(super) fn host_rule(value: &DeValue<'_>) -> Result<HostRule, Wrong> {
    const WORDS: [&str; 2] = ["endpoint", "preserve"];
    let allowed = "endpoint, preserve, or a name such as api.example.com";
    let wrong = || Wrong::new("neither a word nor a host").allowed(allowed);
    match text(value, allowed)? {
        "endpoint" => Ok(HostRule::Endpoint),
        "preserve" => Ok(HostRule::Preserve),
        given => {
            // A mistyped word would make a fine host.
            if let Some(near) = nearest(given, WORDS).filter(|_| !given.contains('.')) {
                return Err(Wrong::new("unknown word").allowed(allowed).nearest(near));
            }
            let name: Authority = given.parse().map_err(|_| wrong())?;
            let right = has_host_and_port(&name) && !given.contains('@');
            right.then_some(HostRule::Name(name)).ok_or_else(wrong)
        }
    }
}

/// Which hosts a route is for.
pub(super) fn host_pattern(value: &DeValue<'_>) -> Result<HostPattern, Wrong> {
    let allowed = "a host without a port, such as api.example.com or *.example.com";
    let given = text(value, allowed)?;
    let (below, name) = match given.strip_prefix("*.") {
        Some(parent) => (true, parent),
        None => (false, given),
    };
    let host = name.parse::<Authority>().ok().filter(|authority| authority.as_str() == authority.host());
    let Some(host) = host.filter(|host| !host.as_str().is_empty() && !host.as_str().contains('*')) else {
        return Err(Wrong::new("not a host").allowed(allowed));
    };
    let name = host.as_str().to_ascii_lowercase();
    Ok(if below { HostPattern::Below(name) } else { HostPattern::Exact(name) })
}

/// What the paths of a route begin with, without a slash at the end.
pub(super) fn path_prefix(value: &DeValue<'_>) -> Result<String, Wrong> {
    let allowed = "a path such as /v1";
    let given = text(value, allowed)?;
    let path =
        given.parse::<PathAndQuery>().ok().filter(|path| path.as_str() == given && given.starts_with('/'));
    match path {
        Some(path) if path.query().is_none() => match given.trim_end_matches('/') {
            "" => Ok("/".to_owned()),
            trimmed => Ok(trimmed.to_owned()),
        },
        Some(_) => Err(Wrong::new("has a query").allowed(allowed)),
        None => Err(Wrong::new("not a path").allowed(allowed)),
    }
}

/// Which requests share a limit.
pub(super) fn pace_key(value: &DeValue<'_>) -> Result<PaceKey, Wrong> {
    let allowed = "upstream, endpoint, header:NAME";
    let given = text(value, allowed)?;
    match given.split_once(':') {
        None if given == "upstream" => Ok(PaceKey::Upstream),
        None if given == "endpoint" => Ok(PaceKey::Endpoint),
        Some(("header", name)) => match HeaderName::from_bytes(name.as_bytes()) {
            Ok(name) => Ok(PaceKey::Header(name)),
            Err(_) => Err(Wrong::new("not the name of a header").allowed(allowed)),
        },
        _ => {
            let header = header_name(given).map(|name| format!("header:{name}"));
            let near = nearest(given, ["upstream", "endpoint"]).or(header.ok());
            Err(Wrong::new("unknown word").allowed(allowed).nearest(near))
        }
    }
}

/// A header that the gateway may set on resends.
pub(super) fn attempt_header(value: &DeValue<'_>) -> Result<HeaderName, Wrong> {
    let allowed = "the name of a header, or false";
    let name = header_name(text(value, allowed)?).map_err(|wrong| wrong.allowed(allowed))?;
    match NOT_TO_SET.contains(&name.as_str()) {
        true => Err(Wrong::new("a header that has another meaning").allowed(allowed)),
        false => Ok(name),
    }
}

/// The name of a header.
pub(super) fn header_name(given: &str) -> Result<HeaderName, Wrong> {
    HeaderName::from_bytes(given.as_bytes()).map_err(|_| Wrong::new("not the name of a header"))
}

/// The value of a header.
pub(super) fn header_value(value: &DeValue<'_>) -> Result<HeaderValue, Wrong> {
    let allowed = "the exact value of the header";
    let given = text(value, allowed)?;
    let trimmed = given.trim_matches([' ', '\t']) == given;
    let mut value = HeaderValue::from_str(given).ok().filter(|_| trimmed);
    if let Some(value) = &mut value {
        // It may be a key, and so `Debug` leaves it out.
        value.set_sensitive(true);
    }
    value.ok_or_else(|| Wrong::new("no header has this value").allowed(allowed).secret())
}

/// A method that can be forwarded.
pub(super) fn method(value: &DeValue<'_>) -> Result<Method, Wrong> {
    let given = text(value, METHODS)?;
    if given.eq_ignore_ascii_case("CONNECT") {
        return Err(Wrong::new("never sent again, and no route takes it").allowed(METHODS));
    }
    let known = COMMON.iter().chain(REGISTERED).find(|method| **method == given);
    let method = known.and_then(|method| Method::from_bytes(method.as_bytes()).ok());
    method.ok_or_else(|| {
        let near = nearest(given, COMMON.iter().chain(REGISTERED).copied());
        Wrong::new("not a method").allowed(METHODS).nearest(near)
    })
}

/// A status after which a request may be sent again.
pub(super) fn status(value: &DeValue<'_>) -> Result<StatusCode, Wrong> {
    match value {
        DeValue::Integer(number) if number.radix() == 10 => status_of(number.as_str()),
        DeValue::String(given) => Err(Wrong::new("not a number")
            .allowed(STATUSES)
            .nearest(status_of(given).ok().map(|code| code.as_str().to_owned()))),
        _ => Err(Wrong::new("not a status").allowed(STATUSES)),
    }
}

/// A status that blames the server.
pub(super) fn server_error(value: &DeValue<'_>) -> Result<StatusCode, Wrong> {
    let status = status(value).map_err(|wrong| wrong.allowed("500 to 599"))?;
    let is_one = status.is_server_error();
    is_one.then_some(status).ok_or_else(|| Wrong::new("not a server's failure").allowed("500 to 599"))
}

/// As [`status`], of its three digits.
pub(super) fn status_of(digits: &str) -> Result<StatusCode, Wrong> {
    let status = StatusCode::from_bytes(digits.as_bytes()).ok();
    let failure = status.filter(|status| status.is_client_error() || status.is_server_error());
    failure.ok_or_else(|| Wrong::new("not the status of a failure").allowed(STATUSES))
}

fn has_host_and_port(authority: &Authority) -> bool {
    let port = authority.as_str().rsplit('@').next().and_then(|rest| rest.strip_prefix(authority.host()));
    let has_port = match port.and_then(|port| port.strip_prefix(':')) {
        Some(port) => port.parse::<u16>().is_ok_and(|port| port > 0),
        None => port == Some(""),
    };
    !authority.host().is_empty() && has_port
}

const ADDRESSES: &str = "an IP address and a port, such as 127.0.0.1:8080";
const ENDPOINTS: &str = "a URL such as http://10.0.0.1:8080 or https://api.example.com";
const METHODS: &str =
    "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE, QUERY, or another of IANA's registry";
const STATUSES: &str = "400 to 599";

const COMMON: &[&str] = &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY"];
/// The rest of IANA's registry of methods, without CONNECT and HTTP/2's own PRI.
const REGISTERED: &[&str] = &[
    "ACL",
    "BASELINE-CONTROL",
    "BIND",
    "CHECKIN",
    "CHECKOUT",
    "COPY",
    "LABEL",
    "LINK",
    "LOCK",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MKREDIRECTREF",
    "MKWORKSPACE",
    "MOVE",
    "ORDERPATCH",
    "PROPFIND",
    "PROPPATCH",
    "REBIND",
    "REPORT",
    "SEARCH",
    "UNBIND",
    "UNCHECKOUT",
    "UNLINK",
    "UNLOCK",
    "UPDATE",
    "UPDATEREDIRECTREF",
    "VERSION-CONTROL",
];

/// Headers that say how the message is to be read or by whom: an attempt's number in them breaks it.
const NOT_TO_SET: &[&str] = &[
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "host",
    "idempotency-key",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
