//! Names an outcome in a sentence.

use tower_http_retry::grpc::GrpcCode;
use tower_http_retry::{FailureKind, Outcome};

/// Returns the name of an outcome, such as "status 503" or "a failed connect".
pub(super) fn outcome_name(outcome: &Outcome<'_>) -> String {
    let failure = match outcome {
        Outcome::Response(head) if head.headers().contains_key("grpc-status") => {
            let name = GrpcCode::from_head(head).map_or("UNKNOWN", GrpcCode::as_str);
            return format!("the gRPC status {name}");
        }
        Outcome::Response(head) => return format!("status {}", head.status().as_u16()),
        Outcome::Failure(failure) => failure,
    };
    match failure.kind() {
        FailureKind::NeverSent => "a failed connect",
        FailureKind::Unprocessed => "a refused stream",
        FailureKind::MaybeProcessed => "a reset",
        FailureKind::Timeout => "a timeout",
        _ => "this failure",
    }
    .to_owned()
}
