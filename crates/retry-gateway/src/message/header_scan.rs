//! What there is in a head that something is to be done about.

use http::HeaderMap;

/// All headers are looked at once, because to look for each of these is more.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Header lines that are for one connection.
    pub(crate) hops: usize,
    pub(crate) cookies: usize,
    pub(crate) hosts: usize,
    pub(crate) te: bool,
    /// `Transfer-Encoding`.
    pub(crate) coding: bool,
    pub(crate) upgrade: bool,
    pub(crate) expect: bool,
    /// Something of the way here.
    pub(crate) way: bool,
}

impl Found {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut found = Self::default();
        for (name, _) in headers {
            found.note(name.as_str());
        }
        found
    }

    fn note(&mut self, name: &str) {
        // Most have another length than any of these.
        let is_for_one_connection = match name.len() {
            4 if name == "host" => return self.hosts += 1,
            6 if name == "cookie" => return self.cookies += 1,
            6 if name == "expect" => return self.expect = true,
            9 if name == "forwarded" || name == "x-real-ip" => return self.way = true,
            13.. if name.starts_with("x-forwarded-") => return self.way = true,
            2 if name == "te" => {
                self.te = true;
                true
            }
            7 if name == "upgrade" => {
                self.upgrade = true;
                true
            }
            17 if name == "transfer-encoding" => {
                self.coding = true;
                true
            }
            10 => name == "connection" || name == "keep-alive",
            14 => name == "http2-settings",
            16 => name == "proxy-connection",
            18 => name == "proxy-authenticate",
            19 => name == "proxy-authorization",
            _ => false,
        };
        self.hops += usize::from(is_for_one_connection);
    }
}

/// RFC 9110 section 7.6.1 and RFC 7540 section 3.2.1.
pub(crate) fn is_for_one_connection(name: &str) -> bool {
    named(name).hops > 0
}

pub(crate) fn is_of_the_way(name: &str) -> bool {
    named(name).way
}

fn named(name: &str) -> Found {
    let mut found = Found::default();
    found.note(name);
    found
}
