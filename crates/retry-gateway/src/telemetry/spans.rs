//! Spans of requests and attempts, exported to a collector of OpenTelemetry.

use http::uri::Authority;
use http::{HeaderName, HeaderValue, Request, StatusCode};
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{Span as _, SpanContext, SpanKind, Status, TraceContextExt, Tracer};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::HeaderExtractor;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::Span;
use tower_http_retry::pace::PaceWait;

use crate::connection::info::ConnectionInfo;
use crate::message::headers;
use crate::telemetry::peer::PeerInfo;
use crate::telemetry::response_end::{ResponseEnd, ResponseSummary};
use crate::telemetry::{attributes, exporter};

/// The span from a request's arrival to the end of its response. `None` means that the gateway exports no spans.
#[derive(Debug)]
pub(crate) struct RequestSpan(Option<Box<RequestSpanInner>>);

#[derive(Debug)]
struct RequestSpanInner {
    context: Context,
    /// True if the client belongs to a trace. Its `tracestate` then goes on to the upstream.
    has_parent: bool,
}

impl RequestSpan {
    /// Starts the span of a request. It records neither the query nor any header, since both may hold secrets.
    pub(crate) fn new<B>(request: &Request<B>, downstream: &ConnectionInfo) -> Self {
        let Some(tracer) = exporter::tracer() else {
            return Self(None);
        };
        let headers = HeaderExtractor(request.headers());
        // The parent comes from the request alone. The task that runs here has no current span of its own.
        let parent = TraceContextPropagator::new().extract_with_context(&Context::new(), &headers);
        let builder = tracer.span_builder(attributes::name(request.method())).with_kind(SpanKind::Server);
        let mut span = tracer.build_with_context(builder, &parent);
        if span.is_recording() {
            span.set_attributes(attributes::method(request.method()));
            span.set_attributes([
                KeyValue::new(attributes::URL_PATH, request.uri().path().to_owned()),
                KeyValue::new(attributes::URL_SCHEME, downstream.scheme()),
                KeyValue::new(attributes::CLIENT_ADDRESS, downstream.ip().to_string()),
                KeyValue::new(attributes::VERSION, attributes::version(request.version())),
            ]);
            let host = headers::host_of(request);
            if let Some(authority) = host.and_then(|host| Authority::try_from(host.as_bytes()).ok()) {
                set_server(&mut span, &authority, None);
            }
        }
        let has_parent = parent.span().span_context().is_valid();
        Self(Some(Box::new(RequestSpanInner { context: parent.with_span(span), has_parent })))
    }

    /// Starts the span of an attempt, whose index counts from 0, and names it in the request's `traceparent`. The
    /// upstream's spans thus become its children.
    pub(crate) fn start_attempt<B>(
        &self,
        request: &mut Request<B>,
        peer: PeerInfo<'_>,
        index: usize,
    ) -> AttemptSpan {
        let (Some(tracer), Some(inner)) = (exporter::tracer(), &self.0) else {
            return AttemptSpan(None);
        };
        let builder = tracer.span_builder(attributes::name(request.method())).with_kind(SpanKind::Client);
        let mut span = tracer.build_with_context(builder, &inner.context);
        if span.is_recording() {
            span.set_attributes(attributes::method(request.method()));
            let url = format!("{}{}", peer.name, request.uri().path());
            span.set_attribute(KeyValue::new(attributes::URL_FULL, url));
            let port = if peer.scheme.as_str() == "https" { 443 } else { 80 };
            set_server(&mut span, peer.authority, Some(port));
            if let Some(count) = i64::try_from(index).ok().filter(|count| *count > 0) {
                span.set_attribute(KeyValue::new(attributes::RESEND_COUNT, count));
            }
        }
        let headers = request.headers_mut();
        if let Some(parent) = traceparent(span.span_context()) {
            headers.insert(TRACEPARENT, parent);
            if !inner.has_parent {
                // A `tracestate` without a valid `traceparent` is discarded (W3C Trace Context section 3.3.1).
                headers.remove(TRACESTATE);
            }
        }
        AttemptSpan(Some(Box::new(span)))
    }

    /// Ends the span with the status of the response, with the code of a gRPC call, with the wait for the pace if there was one, and with the end of
    /// the body. No status means that the client closed its connection before.
    pub(crate) fn end(
        &self,
        status: Option<StatusCode>,
        grpc_code: Option<&'static str>,
        pace_wait: Option<PaceWait>,
        response: Option<ResponseSummary>,
    ) {
        let Some(inner) = &self.0 else {
            return;
        };
        let span = inner.context.span();
        if let Some(code) = grpc_code {
            span.set_attribute(KeyValue::new(attributes::RPC_STATUS, code));
            // These codes are the server's errors (semantic conventions for gRPC).
            let is_server_error = matches!(
                code,
                "UNKNOWN" | "DEADLINE_EXCEEDED" | "UNIMPLEMENTED" | "INTERNAL" | "UNAVAILABLE" | "DATA_LOSS"
            );
            if is_server_error {
                span.set_attribute(KeyValue::new(attributes::ERROR_TYPE, code));
                span.set_status(Status::error(""));
            }
        }
        if let Some(wait) = pace_wait {
            span.set_attribute(KeyValue::new(attributes::PACE_WHY, wait.why().as_str()));
            span.set_attribute(KeyValue::new(attributes::PACE_WAIT, wait.waited().as_secs_f64()));
        }
        if let Some(ResponseSummary { end, bytes }) = response {
            span.set_attribute(KeyValue::new(attributes::RESPONSE_END, end.as_str()));
            let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
            span.set_attribute(KeyValue::new(attributes::RESPONSE_SIZE, bytes));
            if end == ResponseEnd::CutByUpstream || end == ResponseEnd::TimedOut {
                span.set_attribute(KeyValue::new(attributes::ERROR_TYPE, end.as_str().replace('-', "_")));
                span.set_status(Status::error(""));
            }
        }
        match status {
            None => span.set_attribute(KeyValue::new(attributes::ERROR_TYPE, "client_gone")),
            Some(status) => {
                span.set_attribute(KeyValue::new(attributes::STATUS, i64::from(status.as_u16())));
                // A 4xx is the client's error, and a server span is not marked for it (semantic conventions for HTTP).
                if status.is_server_error() {
                    span.set_attribute(KeyValue::new(attributes::ERROR_TYPE, status.as_str().to_owned()));
                    span.set_status(Status::error(""));
                }
            }
        }
        span.end();
    }
}

/// The span from an attempt's start to the head of its response. It also ends when it is dropped.
#[derive(Debug)]
pub(crate) struct AttemptSpan(Option<Box<Span>>);

impl AttemptSpan {
    /// Ends the span with the attempt's status, or with the access log's word for its failure.
    pub(crate) fn end(self, result: Result<StatusCode, &'static str>) {
        let Some(mut span) = self.0 else {
            return;
        };
        if let Ok(status) = result {
            span.set_attribute(KeyValue::new(attributes::STATUS, i64::from(status.as_u16())));
        }
        let error = match result {
            Err(word) => Some(word.replace(' ', "_")),
            Ok(status) if status.is_client_error() || status.is_server_error() => {
                Some(status.as_str().to_owned())
            }
            Ok(_) => None,
        };
        if let Some(error) = error {
            span.set_attribute(KeyValue::new(attributes::ERROR_TYPE, error));
            span.set_status(Status::error(""));
        }
        span.end();
    }
}

fn set_server(span: &mut Span, authority: &Authority, default_port: Option<u16>) {
    span.set_attribute(KeyValue::new(attributes::SERVER_ADDRESS, authority.host().to_owned()));
    if let Some(port) = authority.port_u16().or(default_port) {
        span.set_attribute(KeyValue::new(attributes::SERVER_PORT, i64::from(port)));
    }
}

/// Returns the `traceparent` of a span. OpenTelemetry's propagator would also write a `tracestate`: an empty line where
/// the request has no such header, and only the first where it has several.
fn traceparent(span: &SpanContext) -> Option<HeaderValue> {
    let flags = u8::from(span.is_sampled());
    HeaderValue::try_from(format!("00-{}-{}-{flags:02x}", span.trace_id(), span.span_id())).ok()
}

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
