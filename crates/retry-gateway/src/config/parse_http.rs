//! Parsers for the values that HTTP and the network define: addresses, URLs, hosts, methods, statuses and
//! headers.

use std::net::{IpAddr, SocketAddr};

use http::uri::{Authority, PathAndQuery};
use http::{HeaderName, HeaderValue, Method, StatusCode, Uri};
use ipnet::IpNet;
use toml::de::DeValue;
use tower_http_retry::policy::AttemptHeader;

use super::error::Invalid;
use super::keywords::nearest;
use super::route::HostPattern;
use super::upstream::{FairBy, HostRule, PaceKey};
use super::value::text;

/// Parses the address of a listener.
pub(super) fn address(value: &DeValue<'_>) -> Result<SocketAddr, Invalid> {
    let given = text(value, ADDRESSES)?;
    given.parse().map_err(|_| {
        let invalid = Invalid::new("not an address").allowed(ADDRESSES);
        let host = given.strip_prefix("localhost").map(|port| format!("127.0.0.1{port}"));
        let all = given.strip_prefix(':').map(|port| format!("0.0.0.0:{port}"));
        let port = given.parse::<u16>().ok().map(|port| format!("127.0.0.1:{port}"));
        invalid.nearest(
            [host, all, port].into_iter().flatten().find(|guess| guess.parse::<SocketAddr>().is_ok()),
        )
    })
}

/// Parses a network, or one address.
pub(super) fn network(value: &DeValue<'_>) -> Result<IpNet, Invalid> {
    let allowed = "a network or an address, such as 10.0.0.0/8 or 10.0.0.1";
    let given = text(value, allowed)?;
    let network = given.parse::<IpNet>().or_else(|_| given.parse::<IpAddr>().map(IpNet::from));
    network.map_err(|_| Invalid::new("not a network").allowed(allowed))
}

/// Parses the URL of an endpoint.
pub(super) fn endpoint(value: &DeValue<'_>) -> Result<Uri, Invalid> {
    let given = text(value, ENDPOINTS)?;
    // The part before an @ may be a password.
    endpoint_of(given).map_err(|invalid| if given.contains('@') { invalid.secret() } else { invalid })
}

/// Parses the URL of an endpoint: `http` or `https`, an authority, and nothing else.
pub(super) fn endpoint_of(given: &str) -> Result<Uri, Invalid> {
    let invalid = |message: &str| Invalid::new(message).allowed(ENDPOINTS);
    let uri: Uri = given.parse().map_err(|_| invalid("not a URL"))?;
    let Some(authority) = uri.authority() else {
        return Err(invalid("not a URL with http or https, and a host"));
    };
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        let guess = format!("http://{given}");
        let near = uri.scheme().is_none() && guess.parse::<Uri>().is_ok();
        return Err(invalid("neither http nor https").nearest(near.then_some(guess)));
    }
    if authority.as_str().contains('@') {
        return Err(invalid("has a user or a password, which is not sent"));
    }
    if !has_host_and_port(authority) {
        return Err(invalid("has no host, or a port that is none"));
    }
    if uri.path() != "/" || uri.query().is_some() || given.contains('#') {
        return Err(invalid("has a path or a query, and requests bring their own"));
    }
    Ok(uri)
}

/// Parses the rule for the `Host` of an upstream's requests.
pub(super) fn host_rule(value: &DeValue<'_>) -> Result<HostRule, Invalid> {
    const KEYWORDS: [&str; 2] = ["endpoint", "preserve"];
    let allowed = "endpoint, preserve, or a name such as api.example.com";
    let invalid = || Invalid::new("neither a word nor a host").allowed(allowed);
    match text(value, allowed)? {
        "endpoint" => Ok(HostRule::Endpoint),
        "preserve" => Ok(HostRule::Preserve),
        given => {
            // A mistyped keyword would be a valid host.
            if let Some(near) = nearest(given, KEYWORDS).filter(|_| !given.contains('.')) {
                return Err(Invalid::new("unknown word").allowed(allowed).nearest(near));
            }
            let name: Authority = given.parse().map_err(|_| invalid())?;
            let right = has_host_and_port(&name) && !given.contains('@');
            right.then_some(HostRule::Name(name)).ok_or_else(invalid)
        }
    }
}

/// Parses the host pattern of a route.
pub(super) fn host_pattern(value: &DeValue<'_>) -> Result<HostPattern, Invalid> {
    let allowed = "a host without a port, such as api.example.com or *.example.com";
    let given = text(value, allowed)?;
    let (below, name) = match given.strip_prefix("*.") {
        Some(parent) => (true, parent),
        None => (false, given),
    };
    let host = name.parse::<Authority>().ok().filter(|authority| authority.as_str() == authority.host());
    let Some(host) = host.filter(|host| !host.as_str().is_empty() && !host.as_str().contains('*')) else {
        return Err(Invalid::new("not a host").allowed(allowed));
    };
    let name = host.as_str().to_ascii_lowercase();
    Ok(if below { HostPattern::SubdomainsOf(name) } else { HostPattern::Exact(name) })
}

/// Parses the path prefix of a route, and removes a slash at its end.
pub(super) fn path_prefix(value: &DeValue<'_>) -> Result<String, Invalid> {
    let allowed = "a path such as /v1";
    let given = text(value, allowed)?;
    let path =
        given.parse::<PathAndQuery>().ok().filter(|path| path.as_str() == given && given.starts_with('/'));
    match path {
        Some(path) if path.query().is_none() => match given.trim_end_matches('/') {
            "" => Ok("/".to_owned()),
            trimmed => Ok(trimmed.to_owned()),
        },
        Some(_) => Err(Invalid::new("has a query").allowed(allowed)),
        None => Err(Invalid::new("not a path").allowed(allowed)),
    }
}

/// Parses the key of a pace.
pub(super) fn pace_key(value: &DeValue<'_>) -> Result<PaceKey, Invalid> {
    const KEYWORDS: [(&str, PaceKey); 5] = [
        ("upstream", PaceKey::Upstream),
        ("endpoint", PaceKey::Endpoint),
        ("authority", PaceKey::Authority),
        ("credential", PaceKey::Credential),
        ("credential+model", PaceKey::CredentialAndModel),
    ];
    let allowed = "upstream, endpoint, authority, credential, credential+model, header:NAME";
    keyword_or_header(value, allowed, &KEYWORDS, PaceKey::Header)
}

/// Parses what makes a tenant of a pace.
pub(super) fn fair_by(value: &DeValue<'_>) -> Result<FairBy, Invalid> {
    let allowed = "client, header:NAME, or false";
    keyword_or_header(value, allowed, &[("client", FairBy::Client)], FairBy::Header)
}

/// Parses one of a few keywords, or `header:` with the name of a header.
fn keyword_or_header<T: Clone>(
    value: &DeValue<'_>,
    allowed: &str,
    keywords: &[(&str, T)],
    header: impl FnOnce(HeaderName) -> T,
) -> Result<T, Invalid> {
    let given = text(value, allowed)?;
    if let Some(name) = given.strip_prefix("header:") {
        return header_name(name).map(header).map_err(|invalid| invalid.allowed(allowed));
    }
    match keywords.iter().find(|(word, _)| *word == given) {
        Some((_, meaning)) => Ok(meaning.clone()),
        None => {
            let name = header_name(given).map(|name| format!("header:{name}"));
            let near = nearest(given, keywords.iter().map(|(word, _)| *word)).or(name.ok());
            Err(Invalid::new("unknown word").allowed(allowed).nearest(near))
        }
    }
}

/// Parses the name of the header that names a model.
pub(super) fn model_header(value: &DeValue<'_>) -> Result<HeaderName, Invalid> {
    let allowed = "the name of a header";
    header_name(text(value, allowed)?).map_err(|invalid| invalid.allowed(allowed))
}

/// Parses the name of a header that the gateway may set on resends.
pub(super) fn attempt_header(value: &DeValue<'_>) -> Result<HeaderName, Invalid> {
    let allowed = "the name of a header, or false";
    let name = header_name(text(value, allowed)?).map_err(|invalid| invalid.allowed(allowed))?;
    match AttemptHeader::is_reserved(&name) {
        true => Err(Invalid::new("a header that has another meaning").allowed(allowed)),
        false => Ok(name),
    }
}

/// Parses the name of a header.
pub(super) fn header_name(given: &str) -> Result<HeaderName, Invalid> {
    HeaderName::from_bytes(given.as_bytes()).map_err(|_| Invalid::new("not the name of a header"))
}

/// Parses the value of a header.
pub(super) fn header_value(value: &DeValue<'_>) -> Result<HeaderValue, Invalid> {
    let allowed = "the exact value of the header";
    let given = text(value, allowed)?;
    let trimmed = given.trim_matches([' ', '\t']) == given;
    let mut value = HeaderValue::from_str(given).ok().filter(|_| trimmed);
    if let Some(value) = &mut value {
        // The value may be a secret key, so `Debug` leaves it out.
        value.set_sensitive(true);
    }
    value.ok_or_else(|| Invalid::new("no header has this value").allowed(allowed).secret())
}

/// Parses a method that the gateway can forward.
pub(super) fn method(value: &DeValue<'_>) -> Result<Method, Invalid> {
    let given = text(value, METHODS)?;
    if given.eq_ignore_ascii_case("CONNECT") {
        return Err(Invalid::new("never sent again, and no route takes it").allowed(METHODS));
    }
    let known = COMMON.iter().chain(REGISTERED).find(|method| **method == given);
    let method = known.and_then(|method| Method::from_bytes(method.as_bytes()).ok());
    method.ok_or_else(|| {
        let near = nearest(given, COMMON.iter().chain(REGISTERED).copied());
        Invalid::new("not a method").allowed(METHODS).nearest(near)
    })
}

/// Parses a status after which a request may be sent again.
pub(super) fn status(value: &DeValue<'_>) -> Result<StatusCode, Invalid> {
    match value {
        DeValue::Integer(number) if number.radix() == 10 => status_of(number.as_str()),
        DeValue::String(given) => Err(Invalid::new("not a number")
            .allowed(STATUSES)
            .nearest(status_of(given).ok().map(|code| code.as_str().to_owned()))),
        _ => Err(Invalid::new("not a status").allowed(STATUSES)),
    }
}

/// Parses a 5xx status.
pub(super) fn server_error(value: &DeValue<'_>) -> Result<StatusCode, Invalid> {
    let status = status(value).map_err(|invalid| invalid.allowed("500 to 599"))?;
    let is_one = status.is_server_error();
    is_one.then_some(status).ok_or_else(|| Invalid::new("not a server's failure").allowed("500 to 599"))
}

/// Parses the three digits of a status, as [`status`] does.
pub(super) fn status_of(digits: &str) -> Result<StatusCode, Invalid> {
    let status = StatusCode::from_bytes(digits.as_bytes()).ok();
    let failure = status.filter(|status| status.is_client_error() || status.is_server_error());
    failure.ok_or_else(|| Invalid::new("not the status of a failure").allowed(STATUSES))
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
/// The other methods of IANA's registry, without CONNECT and HTTP/2's PRI.
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
