//! Connections to endpoints: which serves a request, how long it lives, and what is read from it.

mod early;
mod framing;
mod heads;
mod http1;
mod http2;
mod http2_ends;
mod http2_settings;
mod http2_streams;
mod names;
pub(crate) mod namespace;
mod vanished;

use crate::process::Gateway;

/// A gateway in front of an endpoint, with further lines of its upstream and of its route's retries, and with an admin
/// listener.
#[track_caller]
pub(crate) fn with_admin(endpoint: &str, upstream: &str, retry: &str) -> Gateway {
    Gateway::by(&format!(
        "admin = \"127.0.0.1:0\"\n[upstreams.api]\nendpoints = [\"{endpoint}\"]\n{upstream}\n\
         [[routes]]\nupstream = \"api\"\n{retry}\n"
    ))
}

/// The state of the endpoint, which says if it is to blame for something.
pub(crate) fn state(gateway: &Gateway) -> String {
    gateway.status()["upstreams"][0]["endpoints"][0]["state"].as_str().unwrap().to_owned()
}
