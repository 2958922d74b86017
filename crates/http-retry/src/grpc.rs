//! The status codes of gRPC calls.

mod codes;
mod error;

use http::StatusCode;

pub(crate) use self::codes::Codes;
pub use self::error::ServiceConfigError;
use crate::ResponseHead;
use crate::outcome::GRPC_STATUS;

/// The status code of a gRPC call.
///
/// ```
/// use http::Response;
/// use http_retry::{GrpcCode, ResponseHead};
///
/// let response = Response::builder().header("grpc-status", "14").body(()).unwrap();
/// assert_eq!(GrpcCode::from_head(&ResponseHead::from(&response)), Some(GrpcCode::Unavailable));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum GrpcCode {
    /// The call succeeded.
    Ok = 0,
    /// The call was cancelled, usually by the caller.
    Cancelled = 1,
    /// The cause of the failure is unknown.
    Unknown = 2,
    /// An argument is invalid, regardless of the state of the system.
    InvalidArgument = 3,
    /// The deadline passed before the call was complete.
    DeadlineExceeded = 4,
    /// The requested object does not exist.
    NotFound = 5,
    /// The object to create exists already.
    AlreadyExists = 6,
    /// The caller has no permission for the call.
    PermissionDenied = 7,
    /// A quota or another resource is used up.
    ResourceExhausted = 8,
    /// The system is not in the state that the call needs.
    FailedPrecondition = 9,
    /// A conflict with another operation aborted the call, for example its transaction.
    Aborted = 10,
    /// The call went past the valid range, for example past the end of a file.
    OutOfRange = 11,
    /// The server does not know the method.
    Unimplemented = 12,
    /// The server has an internal error.
    Internal = 13,
    /// The service is not available at the moment.
    Unavailable = 14,
    /// Data is lost or corrupted.
    DataLoss = 15,
    /// The call has no valid credentials.
    Unauthenticated = 16,
}

impl GrpcCode {
    /// All codes with their names, in the order of their numbers.
    pub const ALL: [(Self, &'static str); 17] = [
        (Self::Ok, "OK"),
        (Self::Cancelled, "CANCELLED"),
        (Self::Unknown, "UNKNOWN"),
        (Self::InvalidArgument, "INVALID_ARGUMENT"),
        (Self::DeadlineExceeded, "DEADLINE_EXCEEDED"),
        (Self::NotFound, "NOT_FOUND"),
        (Self::AlreadyExists, "ALREADY_EXISTS"),
        (Self::PermissionDenied, "PERMISSION_DENIED"),
        (Self::ResourceExhausted, "RESOURCE_EXHAUSTED"),
        (Self::FailedPrecondition, "FAILED_PRECONDITION"),
        (Self::Aborted, "ABORTED"),
        (Self::OutOfRange, "OUT_OF_RANGE"),
        (Self::Unimplemented, "UNIMPLEMENTED"),
        (Self::Internal, "INTERNAL"),
        (Self::Unavailable, "UNAVAILABLE"),
        (Self::DataLoss, "DATA_LOSS"),
        (Self::Unauthenticated, "UNAUTHENTICATED"),
    ];

    /// Reads the code of a call from the head of its response. The code is that of `grpc-status`, or else that to which gRPC
    /// maps the HTTP status (`doc/http-grpc-status-mapping.md`). A 200 without `grpc-status` gives `None`, because its code is
    /// in the trailers.
    pub fn from_head(head: &ResponseHead<'_>) -> Option<Self> {
        if let Some(status) = head.headers().get(&GRPC_STATUS) {
            let number = status.to_str().ok().and_then(|text| text.parse().ok());
            return Some(number.and_then(Self::from_number).unwrap_or(Self::Unknown));
        }
        match head.status() {
            StatusCode::OK => None,
            StatusCode::BAD_REQUEST => Some(Self::Internal),
            StatusCode::UNAUTHORIZED => Some(Self::Unauthenticated),
            StatusCode::FORBIDDEN => Some(Self::PermissionDenied),
            StatusCode::NOT_FOUND => Some(Self::Unimplemented),
            StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => Some(Self::Unavailable),
            _ => Some(Self::Unknown),
        }
    }

    /// Returns the code with a number from 0 to 16.
    pub fn from_number(number: u64) -> Option<Self> {
        Some(Self::ALL.get(usize::try_from(number).ok()?)?.0)
    }

    /// Returns the code with a name such as `UNAVAILABLE`, in upper or lower case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| known.eq_ignore_ascii_case(name)).map(|(code, _)| *code)
    }

    /// Returns the name of the code, as service configs write it.
    pub const fn as_str(self) -> &'static str {
        Self::ALL[self as usize].1
    }
}

#[cfg(test)]
mod tests {
    use http::Response;

    use super::*;

    #[test]
    fn a_code_has_one_number_and_one_name() {
        for (number, (code, name)) in (0..).zip(GrpcCode::ALL) {
            assert_eq!((code as u64, code.as_str()), (number, name));
            assert_eq!(GrpcCode::from_number(number), Some(code));
            assert_eq!(GrpcCode::from_name(name), Some(code));
            assert_eq!(GrpcCode::from_name(&name.to_lowercase()), Some(code));
        }
        assert_eq!((GrpcCode::from_number(17), GrpcCode::from_number(u64::MAX)), (None, None));
        assert_eq!((GrpcCode::from_name(""), GrpcCode::from_name("CANCELED")), (None, None));
    }

    #[test]
    fn an_http_status_is_mapped_as_grpc_does() {
        use GrpcCode::{Internal, PermissionDenied, Unauthenticated, Unavailable, Unimplemented, Unknown};
        for (status, expected) in [
            (200, None),
            (204, Some(Unknown)),
            (400, Some(Internal)),
            (401, Some(Unauthenticated)),
            (403, Some(PermissionDenied)),
            (404, Some(Unimplemented)),
            (429, Some(Unavailable)),
            (500, Some(Unknown)),
            (502, Some(Unavailable)),
            (503, Some(Unavailable)),
            (504, Some(Unavailable)),
        ] {
            let response = Response::builder().status(status).body(()).unwrap();
            assert_eq!(GrpcCode::from_head(&ResponseHead::from(&response)), expected, "{status}");
        }
    }
}
