//! Reads the body of a response as a route does, and says what it was taken for.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use http_retry::BodyHint;
use tokio::time::Instant;

use super::seconds::seconds;
use crate::config::RouteConfig;
use crate::llm::{self, BodyInspection, BodySignal, Inspection};
use crate::time::pooled_timeout::TimerPool;

/// Marks a response whose body was given. It says whether the route reads such a body.
#[derive(Clone, Copy, Debug)]
struct GivenBody {
    is_read: bool,
}

/// Returns the head of a response, with what a route learns from its body. Without a `content-type`, the body counts as JSON,
/// or as an event stream if it begins like one.
///
/// # Errors
///
/// Returns an error if the system has no room for the runtime that reads the body.
pub fn read_body(
    route: &RouteConfig,
    status: StatusCode,
    mut headers: HeaderMap,
    body: Vec<u8>,
) -> io::Result<Response<()>> {
    headers.entry(header::CONTENT_TYPE).or_insert_with(|| content_type(&body));
    let mut response = Response::new(Full::new(Bytes::from(body)));
    (*response.status_mut(), *response.headers_mut()) = (status, headers);
    let inspection = route.retry.as_ref().and_then(BodyInspection::from_config);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let (response, is_read) = runtime.block_on(async {
        let deadline = || Instant::now() + MAX_TIME;
        match llm::inspect(inspection, response, deadline, &TimerPool::default()) {
            Inspection::NotNeeded(response) => (response.map(drop), false),
            Inspection::Running(inspected) => match inspected.await {
                Ok(response) => (response.map(drop), true),
                Err(never) => match never {},
            },
        }
    });
    let mut response = response;
    response.extensions_mut().insert(GivenBody { is_read });
    Ok(response)
}

fn content_type(body: &[u8]) -> HeaderValue {
    let is_stream = [&b"data:"[..], b"event:", b":"].iter().any(|start| body.starts_with(start));
    HeaderValue::from_static(if is_stream { "text/event-stream" } else { "application/json" })
}

/// Returns what the body of a response was taken for, if one was given.
pub(super) fn body_text(response: &Response<()>) -> Option<String> {
    let extensions = response.extensions();
    let GivenBody { is_read } = extensions.get()?;
    let status = response.status().as_u16();
    Some(match (extensions.get(), extensions.get()) {
        _ if !is_read => "the route does not read such a body".to_owned(),
        (Some(BodySignal::Limited), _) => {
            format!("the body is the refusal of a limit, and counts as status {status}")
        }
        (Some(BodySignal::FailedEarly), _) => {
            format!("the body begins with a failure before any output, and counts as status {status}")
        }
        (Some(BodySignal::QuotaGone), _) => {
            "the body says that the quota is used up or a bill unpaid".to_owned()
        }
        (Some(BodySignal::TooLarge), _) => {
            "the body says that the request is larger than its limit".to_owned()
        }
        (None, Some(BodyHint(wait))) => format!("the body names a wait of {}", seconds(*wait)),
        (None, None) => "the body says nothing of the next attempt".to_owned(),
    })
}

/// Longer than the reading of bytes that are there already.
const MAX_TIME: Duration = Duration::from_secs(60);
