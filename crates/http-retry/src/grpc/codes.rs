//! Sets of gRPC status codes.

use crate::{GrpcCode, RetryCause};

/// A set of status codes. It never contains `OK`, because a successful call is not sent again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Codes(u32);

impl Codes {
    /// Returns the set with one more code. `OK` changes nothing.
    pub(crate) fn with(self, code: GrpcCode) -> Self {
        match code {
            GrpcCode::Ok => self,
            _ => Self(self.0 | 1 << code as u32),
        }
    }

    pub(crate) fn contains(self, code: GrpcCode) -> bool {
        self.0 & 1 << code as u32 != 0
    }

    /// Returns the cause of a retry after a call with this code, if the code is in the set.
    pub(crate) fn cause(self, code: GrpcCode) -> Option<RetryCause> {
        self.contains(code).then_some(match code {
            GrpcCode::Unavailable | GrpcCode::ResourceExhausted => RetryCause::Throttled,
            GrpcCode::DeadlineExceeded => RetryCause::Timeout,
            _ => RetryCause::Transient,
        })
    }
}
