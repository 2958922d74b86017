//! Spans, as a collector gets them.

use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use prost::Message;
use testkit::listener::listen;

use crate::client::{call, header};
use crate::process::Gateway;
use crate::upstream::{Upstream, nobody, read_head, say};

/// A collector that takes all.
struct Collector {
    address: SocketAddr,
    exports: Receiver<ExportTraceServiceRequest>,
}

impl Collector {
    fn start() -> Self {
        let (sender, exports) = channel();
        let address = listen(move |_, socket| collect(socket, &sender));
        Self { address, exports }
    }

    /// So many spans, in the order in which they began.
    #[track_caller]
    fn spans(&self, count: usize) -> Vec<Span> {
        let end = Instant::now() + Duration::from_secs(10);
        let mut spans = Vec::new();
        while spans.len() < count {
            let left = end.saturating_duration_since(Instant::now());
            let export = self.exports.recv_timeout(left);
            let export = export.unwrap_or_else(|_| panic!("only {spans:#?}"));
            for resource in export.resource_spans {
                let named = resource.resource.unwrap_or_default().attributes;
                assert!(named.iter().any(|named| named.key == "service.name"), "{named:?}");
                spans.extend(resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
            }
        }
        assert_eq!(spans.len(), count, "{spans:#?}");
        spans.sort_by_key(|span| span.start_time_unix_nano);
        spans
    }

    fn is_asked_again(&self) -> bool {
        self.exports.recv_timeout(Duration::from_millis(300)).is_ok()
    }
}

fn collect(socket: TcpStream, exports: &Sender<ExportTraceServiceRequest>) {
    let mut reader = BufReader::new(socket.try_clone().unwrap());
    let mut writer = socket;
    while let Some(head) = read_head(&mut reader, &mut String::new()) {
        assert!(head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{head}");
        assert_eq!(header(&head, "content-type"), Some("application/x-protobuf"));
        let mut body = vec![0; header(&head, "content-length").unwrap().parse().unwrap()];
        reader.read_exact(&mut body).unwrap();
        writer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
        let _ = exports.send(ExportTraceServiceRequest::decode(&body[..]).unwrap());
    }
}

fn gateway(collector: &Collector, upstream: &str, variables: &[(&str, &str)]) -> Gateway {
    let endpoint = format!("http://{}", collector.address);
    let ours = [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()), ("OTEL_BSP_SCHEDULE_DELAY", "20")];
    let arguments = ["--upstream", upstream, "--listen", "127.0.0.1:0"];
    Gateway::start_with(&[&ours, variables].concat(), &arguments)
}

fn attribute(span: &Span, name: &str) -> Option<String> {
    let found = span.attributes.iter().find(|attribute| attribute.key == name)?;
    match found.value.clone()?.value? {
        Value::StringValue(text) => Some(text),
        Value::IntValue(number) => Some(number.to_string()),
        Value::DoubleValue(number) => Some(number.to_string()),
        other => panic!("{name} is {other:?}"),
    }
}

#[track_caller]
fn check_span(span: &Span, kind: SpanKind, expected: &[(&str, Option<&str>)]) {
    assert_eq!(span.kind(), kind, "{span:#?}");
    for (name, value) in expected {
        assert_eq!(attribute(span, name).as_deref(), *value, "{name} of {span:#?}");
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn is_error(span: &Span) -> bool {
    span.status.as_ref().is_some_and(|status| status.code() == StatusCode::Error)
}

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn parent(flags: &str) -> String {
    format!("traceparent: 00-{TRACE}-00f067aa0ba902b7-{flags}")
}

#[test]
fn a_request_with_a_resend_is_a_server_span_with_two_client_spans_below_the_clients_own() {
    let upstream = Upstream::answering(vec![say(503, &[], ""), say(200, &[], "")]);
    let collector = Collector::start();
    let gateway = gateway(&collector, &upstream.url(), &[]);
    let headers = [&parent("01"), "tracestate: a=1", "tracestate: b=2"];
    assert_eq!(call(gateway.address, "GET /things?token=secret", &headers, "").status, 200);

    let spans = collector.spans(3);
    let [server, first, second] = &spans[..] else { panic!("{spans:#?}") };
    let (host, port) =
        upstream.url()["http://".len()..].split_once(':').map(|(h, p)| (h.to_owned(), p.to_owned())).unwrap();
    check_span(
        server,
        SpanKind::Server,
        &[
            ("http.request.method", Some("GET")),
            ("url.path", Some("/things")),
            ("url.scheme", Some("http")),
            ("url.query", None),
            ("server.address", Some("client.example")),
            ("client.address", Some("127.0.0.1")),
            ("network.protocol.version", Some("1.1")),
            ("http.response.status_code", Some("200")),
            ("http.request.resend_count", None),
            ("error.type", None),
        ],
    );
    let url = format!("{}/things", upstream.url());
    for (span, status, count, error) in [(first, "503", None, Some("503")), (second, "200", Some("1"), None)]
    {
        check_span(
            span,
            SpanKind::Client,
            &[
                ("http.request.method", Some("GET")),
                ("url.full", Some(&url)),
                ("server.address", Some(&host)),
                ("server.port", Some(&port)),
                ("http.response.status_code", Some(status)),
                ("http.request.resend_count", count),
                ("error.type", error),
            ],
        );
        assert_eq!(span.parent_span_id, server.span_id);
        assert_eq!(is_error(span), error.is_some());
    }
    assert_eq!(hex(&server.parent_span_id), "00f067aa0ba902b7");
    assert!(spans.iter().all(|span| hex(&span.trace_id) == TRACE && span.name == "GET"), "{spans:#?}");
    assert!(!is_error(server));
    // What each attempt told the upstream.
    for (seen, span) in upstream.seen().iter().zip([first, second]) {
        let expected = format!("00-{TRACE}-{}-01", hex(&span.span_id));
        assert_eq!(seen.header("traceparent"), Some(expected.as_str()));
        assert!(seen.head.contains("tracestate: a=1\r\ntracestate: b=2\r\n"), "{}", seen.head);
    }
}

#[test]
fn a_trace_that_is_not_sampled_is_not_exported_and_goes_on() {
    let upstream = Upstream::answering(vec![say(200, &[], "")]);
    let collector = Collector::start();
    let gateway = gateway(&collector, &upstream.url(), &[]);
    assert_eq!(call(gateway.address, "GET /", &[&parent("00")], "").status, 200);
    assert!(!collector.is_asked_again());
    let seen = upstream.seen();
    let told = seen[0].header("traceparent").unwrap();
    assert!(told.starts_with(&format!("00-{TRACE}-")) && told.ends_with("-00"), "{told}");
}

#[test]
fn a_request_without_a_trace_begins_one_as_often_as_the_ratio_says() {
    let upstream = Upstream::answering(vec![say(200, &[], "")]);
    let collector = Collector::start();
    for (ratio, is_sampled) in [("0", false), ("1", true)] {
        let sampler =
            [("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", ratio)];
        let gateway = gateway(&collector, &upstream.url(), &sampler);
        // No parent at all, and what is none.
        for (number, parent) in ["x-none: 1", "traceparent: 00-0-0-01"].into_iter().enumerate() {
            let before = upstream.seen().len();
            assert_eq!(call(gateway.address, "GET /", &[parent, "tracestate: a=1"], "").status, 200);
            if is_sampled {
                let spans = collector.spans(2);
                assert!(spans[0].parent_span_id.is_empty(), "{number}: {spans:#?}");
            } else {
                assert!(!collector.is_asked_again());
            }
            let seen = &upstream.seen()[before];
            let flags = if is_sampled { "-01" } else { "-00" };
            assert!(seen.header("traceparent").is_some_and(|told| told.ends_with(flags)), "{}", seen.head);
            assert_eq!(seen.header("tracestate"), None);
        }
    }
}

/// The profile has a pace, in whose queue the refused request waits for its hint.
#[test]
fn a_request_that_waited_for_a_pace_says_why_and_for_how_long() {
    let upstream = Upstream::answering(vec![say(429, &["retry-after: 1"], ""), say(200, &[], "")]);
    let collector = Collector::start();
    let endpoint = format!("http://{}", collector.address);
    let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()), ("OTEL_BSP_SCHEDULE_DELAY", "20")];
    let arguments = ["--upstream", &upstream.url(), "--listen", "127.0.0.1:0", "--profile", "llm"];
    let gateway = Gateway::start_with(&variables, &arguments);
    assert_eq!(call(gateway.address, "POST /", &[], "hello").status, 200);
    let spans = collector.spans(3);
    let server = spans.iter().find(|span| span.kind() == SpanKind::Server).unwrap();
    check_span(server, SpanKind::Server, &[("retry.pace.why", Some("own_hint"))]);
    let waited: f64 = attribute(server, "retry.pace.wait").unwrap().parse().unwrap();
    assert!((1.0..3.0).contains(&waited), "{waited}");
}

#[test]
fn attempts_without_a_response_say_why_and_what_is_left_is_sent_at_the_end() {
    let collector = Collector::start();
    let mut gateway = gateway(&collector, &nobody(), &[("OTEL_BSP_SCHEDULE_DELAY", "60000")]);
    assert_eq!(call(gateway.address, "POST /", &[], "").status, 503);
    gateway.terminate();
    assert!(gateway.ended(Duration::from_secs(10)).is_some_and(|status| status.success()));
    let spans = collector.spans(4);
    check_span(
        &spans[0],
        SpanKind::Server,
        &[("http.response.status_code", Some("503")), ("error.type", Some("503"))],
    );
    for (span, count) in spans[1..].iter().zip([None, Some("1"), Some("2")]) {
        let error = ("error.type", Some("connect_failed"));
        check_span(span, SpanKind::Client, &[error, ("http.request.resend_count", count)]);
    }
    assert!(spans.iter().all(is_error), "{spans:#?}");
}

#[test]
fn who_has_no_collector_is_told_once_and_served_all_the_same() {
    let upstream = Upstream::answering(vec![say(200, &[], "")]);
    let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", &nobody()[..]), ("OTEL_BSP_SCHEDULE_DELAY", "20")];
    let arguments = ["--upstream", &upstream.url(), "--listen", "127.0.0.1:0"];
    let gateway = Gateway::start_with(&variables, &arguments);
    for _ in 0..3 {
        assert_eq!(call(gateway.address, "GET /", &[], "").status, 200);
    }
    gateway.wait_said(0, &["spans are lost"]);
    let lines = gateway.said();
    assert_eq!(lines.iter().filter(|line| line.contains("spans are lost")).count(), 1, "{lines:?}");
}
