//! Finds, in one pass, the headers that the proxy must act on.

use http::HeaderMap;

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
    /// There is at least one forwarding header: `Forwarded`, `X-Forwarded-*` or `X-Real-IP`.
    pub(crate) forwarding: bool,
}

impl HeaderScan {
    pub(crate) fn new(headers: &HeaderMap) -> Self {
        let mut scan = Self::default();
        for (name, _) in headers {
            scan.note(name.as_str());
        }
        scan
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
            9 if name == "forwarded" || name == "x-real-ip" => return self.forwarding = true,
            13.. if name.starts_with("x-forwarded-") => return self.forwarding = true,
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

/// Returns true for `Forwarded`, `X-Forwarded-*` and `X-Real-IP`.
pub(crate) fn is_forwarding_header(name: &str) -> bool {
    HeaderScan::of_name(name).forwarding
}
