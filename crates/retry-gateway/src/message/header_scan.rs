//! Finds, in one pass, the headers that the proxy must act on.

use http::header::{CONTENT_LENGTH, HeaderMap, HeaderValue};

/// The headers of a head that the proxy must act on. One pass over all headers costs less than a look-up of
/// each name.
///
/// A new hop-by-hop header or forwarding header is a new arm of [`note`](Self::note), a name in the tests of `forwarding`,
/// and a name that `AttemptHeader::is_reserved` knows.
#[derive(Debug, Default)]
pub(crate) struct HeaderScan {
    /// The number of hop-by-hop header lines.
    pub(crate) hop_by_hop: usize,
    /// The number of `Cookie` lines.
    pub(crate) cookies: usize,
    /// The number of `Host` lines.
    pub(crate) hosts: usize,
    pub(crate) te: bool,
    pub(crate) transfer_encoding: bool,
    pub(crate) upgrade: bool,
    pub(crate) expect: bool,
    /// There is at least one forwarding header: `Forwarded`, `X-Forwarded-*`, `X-Real-IP` or one of its kin.
    pub(crate) forwarding: bool,
    /// There is a `CDN-Loop`.
    pub(crate) cdn_loop: bool,
    /// A `Content-Length` is a list, such as `5, 5`. This is known of responses only.
    pub(crate) content_length_list: bool,
    /// A name has an underscore. This is known of requests only.
    pub(crate) underscores: bool,
}

impl HeaderScan {
    /// Scans the head of a response.
    pub(crate) fn of_response(headers: &HeaderMap) -> Self {
        let mut scan = Self::default();
        for (name, value) in headers {
            scan.content_length_list |= *name == CONTENT_LENGTH && value.as_bytes().contains(&b',');
            scan.note(name.as_str());
        }
        scan
    }

    /// Scans the head of a request. Returns the value of the last `Host` too.
    pub(crate) fn of_request(headers: &HeaderMap) -> (Self, Option<&HeaderValue>) {
        let (mut scan, mut host) = (Self::default(), None);
        for (name, value) in headers {
            let name = name.as_str();
            scan.underscores |= has_underscore(name);
            let hosts = scan.hosts;
            scan.note(name);
            if scan.hosts > hosts {
                host = Some(value);
            }
        }
        (scan, host)
    }

    fn of_name(name: &str) -> Self {
        let mut scan = Self::default();
        scan.note(name);
        scan
    }

    fn note(&mut self, name: &str) {
        // Most names have another length than any of these, so the length is compared first.
        let is_hop_by_hop = match name.len() {
            4 if name == "host" => return self.hosts += 1,
            6 if name == "cookie" => return self.cookies += 1,
            6 if name == "expect" => return self.expect = true,
            8 if name == "cdn-loop" => return self.cdn_loop = true,
            9.. if is_client_address(name) => return self.forwarding = true,
            2 if name == "te" => {
                self.te = true;
                true
            }
            7 if name == "upgrade" => {
                self.upgrade = true;
                true
            }
            17 if name == "transfer-encoding" => {
                self.transfer_encoding = true;
                true
            }
            10 => name == "connection" || name == "keep-alive",
            14 => name == "http2-settings",
            16 => name == "proxy-connection",
            18 => name == "proxy-authenticate",
            19 => name == "proxy-authorization",
            _ => false,
        };
        self.hop_by_hop += usize::from(is_hop_by_hop);
    }
}

/// Returns true for a header that ends at the next hop (RFC 9110 section 7.6.1 and RFC 7540 section 3.2.1).
pub(crate) fn is_hop_by_hop(name: &str) -> bool {
    HeaderScan::of_name(name).hop_by_hop > 0
}

/// Returns true for a header in which a proxy tells the client's address, host or scheme. Applications believe these
/// names in one framework or another.
fn is_client_address(name: &str) -> bool {
    match name.len() {
        9 => matches!(name, "forwarded" | "x-real-ip" | "client-ip"),
        10 => name == "cdn-src-ip",
        11 => matches!(name, "x-client-ip" | "x-remote-ip" | "x-forwarded"),
        13 if matches!(name, "fly-client-ip" | "x-remote-addr" | "forwarded-for" | "x-forward-for") => true,
        14 if matches!(name, "true-client-ip" | "x-proxyuser-ip" | "cf-pseudo-ipv4") => true,
        15 if matches!(name, "proxy-client-ip" | "incap-client-ip" | "ali-cdn-real-ip") => true,
        16 if matches!(
            name,
            "cf-connecting-ip"
                | "do-connecting-ip"
                | "fastly-client-ip"
                | "forwarded-for-ip"
                | "x-azure-clientip"
                | "x-azure-socketip"
                | "x-envoy-internal"
                | "x-originating-ip"
        ) =>
        {
            true
        }
        17 if name == "x-sucuri-clientip" => true,
        18 if matches!(name, "cf-connecting-ipv6" | "wl-proxy-client-ip") => true,
        19 if matches!(name, "x-appengine-user-ip" | "x-cluster-client-ip") => true,
        22 if name == "x-vercel-forwarded-for" => true,
        24 if matches!(name, "x-envoy-external-address" | "x-original-forwarded-for") => true,
        25 if matches!(name, "cloudfront-viewer-address" | "x-nf-client-connection-ip") => true,
        26 if name == "x-originally-forwarded-for" => true,
        13.. => name.starts_with("x-forwarded-"),
        _ => false,
    }
}

/// Returns true if a name has an underscore. Eight bytes at a time cost less than one.
fn has_underscore(name: &str) -> bool {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
    const UNDERSCORES: u64 = u64::from_ne_bytes([b'_'; 8]);
    // A byte that was an underscore is 0 then, and only a 0 has its highest bit set by the rest.
    let has_one = |bytes: &[u8; 8]| {
        let bytes = u64::from_ne_bytes(*bytes) ^ UNDERSCORES;
        bytes.wrapping_sub(ONES) & !bytes & HIGH != 0
    };
    let (chunks, rest) = name.as_bytes().as_chunks();
    match name.as_bytes().last_chunk() {
        Some(last) => chunks.iter().any(has_one) || has_one(last),
        None => rest.contains(&b'_'),
    }
}

/// Removes the headers whose name has an underscore.
pub(crate) fn remove_underscores(headers: &mut HeaderMap) {
    let names: Vec<_> = headers.keys().filter(|name| has_underscore(name.as_str())).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

/// Returns true for `Forwarded`, `X-Forwarded-*`, `X-Real-IP` and its kin.
pub(crate) fn is_forwarding_header(name: &str) -> bool {
    HeaderScan::of_name(name).forwarding
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_underscore_is_found_at_any_place() {
        for length in 1..40 {
            let name = "a".repeat(length);
            assert!(!has_underscore(&name));
            for place in 0..length {
                let mut name = name.clone();
                name.replace_range(place..=place, "_");
                assert!(has_underscore(&name), "{name}");
            }
        }
        // Neighbours of the underscore in ASCII, and a borrow between bytes.
        assert!(!has_underscore("^`^`^`^`^`"));
        assert!(!has_underscore("content-length"));
    }
}
