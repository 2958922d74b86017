//! Sets of codes.

use crate::{GrpcCode, RetryCause};

/// A set of codes, without `OK`: what went well is never sent again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Codes(u32);

impl Codes {
    pub(crate) fn with(self, code: GrpcCode) -> Self {
        match code {
            GrpcCode::Ok => self,
            _ => Self(self.0 | 1 << code as u32),
        }
    }

    pub(crate) fn contains(self, code: GrpcCode) -> bool {
        self.0 & 1 << code as u32 != 0
    }

    /// Why a call with this code is worth another attempt, if it is in the set.
    pub(crate) fn cause(self, code: GrpcCode) -> Option<RetryCause> {
        self.contains(code).then_some(match code {
            GrpcCode::Unavailable | GrpcCode::ResourceExhausted => RetryCause::Throttled,
            GrpcCode::DeadlineExceeded => RetryCause::Timeout,
            _ => RetryCause::Transient,
        })
    }
}
