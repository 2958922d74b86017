//! The paces of an upstream: which requests share a limit of the server, and which count as one tenant.

mod model;
mod model_in_body;

use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::net::IpAddr;

use http::HeaderName;
use http::header::CONTENT_TYPE;
use tower_http_retry::pace::SharedPace;
use tower_http_retry::{Pace, RequestHead};

use self::model::model_of;
use self::model_in_body::ModelInBody;
use crate::config::{FairBy, HostRule, PaceConfig, PaceKey, UpstreamConfig};
use crate::llm::{self, BodyModel};

/// The address of a request's client, as far as trusted proxies tell it. It is an extension of the request
/// where a pace is fair by client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientAddress(pub(crate) IpAddr);

/// Returns the pace of an upstream with the key that is in force. The key `authority` means all requests where
/// the upstream always gets the same `Host`, and the requests to the same endpoint where it gets that of the
/// endpoint. A reload keeps the paces of an upstream for which this is unchanged.
///
/// The queue of a pace with several keys is no longer than all that may wait at the upstream. A key may have a part of the
/// queue only, and so cannot take the places that the others need.
pub(crate) fn in_force(upstream: &UpstreamConfig) -> Option<PaceConfig> {
    let mut pace = upstream.pace.clone()?;
    if pace.key == PaceKey::Authority {
        pace.key = match upstream.host {
            HostRule::Endpoint => PaceKey::Endpoint,
            HostRule::Preserve => PaceKey::Authority,
            HostRule::Name(_) => PaceKey::Upstream,
        };
    }
    if !matches!(pace.key, PaceKey::Upstream | PaceKey::Endpoint) {
        pace.waiters = pace.waiters.min(upstream.max_pending_requests);
    }
    Some(pace)
}

/// Creates a pace, whose key is one that is [in force](in_force).
///
/// The pace belongs to one upstream or to one endpoint, so the host that a client asked for is no part of its
/// keys, unless the key is that host.
pub(crate) fn new_pace(config: &PaceConfig) -> Pace {
    let pace = match &config.key {
        PaceKey::Upstream | PaceKey::Endpoint => Pace::per(|_| ()),
        PaceKey::Authority => Pace::per_authority(),
        PaceKey::Credential => Pace::per_written(|head, mut hasher| hash_credential(head, &mut hasher)),
        PaceKey::CredentialAndModel => {
            let name = config.model_header.clone();
            Pace::per_parts(
                |head, mut hasher| hash_credential(head, &mut hasher),
                move |head, mut hasher| hash_model(head, &name, &mut hasher),
            )
        }
        PaceKey::Header(name) => {
            let name = name.clone();
            Pace::per_written(move |head, mut hasher| hash_header(head, name.as_str(), &mut hasher))
        }
    };
    let pace = pace.longest(config.longest).waiters(config.waiters).keys(config.keys);
    let pace = if config.slow_start { pace.slow_start() } else { pace };
    match &config.fair_by {
        None => pace,
        Some(FairBy::Client) => {
            pace.fair_by(|head| head.extension().map(|ClientAddress(address)| tenant_of(*address)))
        }
        Some(FairBy::Header(name)) => {
            let (name, state) = (name.clone(), RandomState::new());
            pace.fair_by(move |head| hashed(&state, |hasher| hash_header(head, name.as_str(), hasher)))
        }
    }
}

/// Lets a pace with the key of `config` read a model in a body, if its key has one.
pub(crate) fn with_key_in_body(config: &PaceConfig, pace: SharedPace) -> SharedPace {
    match config.key {
        PaceKey::CredentialAndModel => pace.key_in_body(ModelInBody),
        _ => pace,
    }
}

fn hashed(state: &RandomState, hash: impl FnOnce(&mut <RandomState as BuildHasher>::Hasher)) -> u64 {
    let mut hasher = state.build_hasher();
    hash(&mut hasher);
    hasher.finish()
}

/// Hashes the credential, with its place, so that the same value in another header is another key.
fn hash_credential(head: &RequestHead<'_>, hasher: &mut impl Hasher) {
    head.each_credential(|place, value| (place, value).hash(hasher));
}

/// Returns true if a path names the model.
pub(crate) fn path_names_model(path: &str) -> bool {
    model_of(path).is_some()
}

/// Hashes the model that the path names, or else the header, or else the body. Returns `false` if the model may stand in the
/// body, and the body was not read yet.
fn hash_model(head: &RequestHead<'_>, name: &HeaderName, hasher: &mut impl Hasher) -> bool {
    if let Some(model) = model_of(head.path()) {
        Some(model).hash(hasher);
        return true;
    }
    let (mut model, mut content_type) = (None, None);
    // An inner loop over the headers takes half of the instructions of an outer one.
    let name = name.as_str();
    head.headers().for_each(|(header, value)| {
        if header == name {
            model.get_or_insert(value);
        } else if header == CONTENT_TYPE.as_str() {
            content_type.get_or_insert(value);
        }
    });
    let body = head.extension();
    let in_body = body.and_then(|BodyModel(model)| model.as_deref());
    model.or(in_body).hash(hasher);
    model.is_some() || body.is_some() || !content_type.is_some_and(llm::is_json_type)
}

/// Hashes all values of a header.
fn hash_header(head: &RequestHead<'_>, name: &str, hasher: &mut impl Hasher) {
    for (_, value) in head.headers().filter(|(header, _)| *header == name) {
        value.hash(hasher);
    }
}

/// Returns the tenant of a client: its address. An IPv6 host usually has all addresses with the same first 64
/// bits (RFC 4291 section 2.5.4), and would be as many tenants.
fn tenant_of(address: IpAddr) -> u64 {
    match address {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => (address.to_bits() >> 64) as u64,
    }
}

#[cfg(test)]
mod tests;
