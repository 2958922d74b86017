//! What is sent, and what becomes of it.

use clap::ValueEnum;

/// A request, and what becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Case {
    /// A GET as curl sends it.
    Get4,
    /// A GET as a browser sends it, through a proxy.
    Get12,
    /// The same with a credential in `Authorization`. Only the pace has rows for it, because it makes its key of the credential.
    Get13,
    /// A GET with all that browsers and proxies add.
    Get30,
    /// 12 headers whose values own their bytes, as those that a client makes.
    Owned,
    /// 12 headers, and something in the request's extensions.
    Extension,
    /// A body of 1 KiB, in one frame.
    Post,
    /// The same, and it is known beforehand that it is never sent again.
    Once,
    /// A 503, and then a 200, without a wait in between.
    Resend,
    /// The same with a body of four frames.
    Replay64,
    /// The same with a body of 64 frames.
    Replay1024,
}

impl Case {
    /// All cases that the peers are compared in.
    pub const ALL: [Self; 10] = [
        Self::Get4,
        Self::Get12,
        Self::Get30,
        Self::Owned,
        Self::Extension,
        Self::Post,
        Self::Once,
        Self::Resend,
        Self::Replay64,
        Self::Replay1024,
    ];

    /// What it is called in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get4 => "GET, 4 headers",
            Self::Get12 => "GET, 12 headers",
            Self::Get13 => "GET, 13 headers",
            Self::Get30 => "GET, 30 headers",
            Self::Owned => "GET, 12 headers that own their values",
            Self::Extension => "GET, 12 headers, an extension",
            Self::Post => "POST, 12 headers, 1 KiB",
            Self::Once => "the same, never to be resent",
            Self::Resend => "GET, 12 headers, 503 then 200",
            Self::Replay64 => "PUT, 64 KiB, 503 then 200",
            Self::Replay1024 => "PUT, 1 MiB, 503 then 200",
        }
    }

    /// Whether the first attempt fails.
    pub fn is_resent(self) -> bool {
        matches!(self, Self::Resend | Self::Replay64 | Self::Replay1024)
    }

    /// How many header lines it has.
    pub(crate) fn lines(self) -> usize {
        match self {
            Self::Get4 => 4,
            Self::Get13 => 13,
            Self::Get30 => 30,
            _ => 12,
        }
    }
}
