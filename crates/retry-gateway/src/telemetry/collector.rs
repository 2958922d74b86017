//! The HTTP client of the collector. It uses the libraries that also connect to upstreams.

use std::env;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry_http::{Bytes, HttpClient, HttpError};
use tokio::runtime::Handle;

use crate::connection::tls;
use crate::telemetry::log_writer::print_error;

/// An HTTP client of the collector.
#[derive(Debug)]
pub(super) struct Collector {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    timeout: Duration,
    /// The runtime that sends the requests, because the exporting thread has none.
    runtime: Handle,
    /// True if the last export failed.
    has_failed: Arc<AtomicBool>,
}

impl Collector {
    /// Creates a client that sends on the current runtime.
    pub(super) fn new() -> anyhow::Result<Self> {
        let config = Arc::unwrap_or_clone(tls::client_config(&None, false)?);
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(config).https_or_http().enable_http1().build();
        let millis = TIMEOUTS.iter().find_map(|name| env::var(name).ok()?.parse().ok());
        Ok(Self {
            client: Client::builder(TokioExecutor::new()).build(connector),
            timeout: millis.map_or(TIMEOUT, Duration::from_millis),
            runtime: Handle::try_current()?,
            has_failed: Arc::default(),
        })
    }
}

impl HttpClient for Collector {
    fn send_bytes<'a, 'b>(
        &'a self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'b>>
    where
        'a: 'b,
    {
        let response = self.client.request(request.map(Full::new));
        let exchange = async move {
            let (head, body) = response.await?.into_parts();
            let body = Limited::new(body, MAX_RESPONSE_BYTES).collect().await?.to_bytes();
            Ok::<_, HttpError>(Response::from_parts(head, body))
        };
        let (timeout, has_failed) = (self.timeout, Arc::clone(&self.has_failed));
        let sent = self.runtime.spawn(async move {
            let result = match tokio::time::timeout(timeout, exchange).await {
                Ok(result) => result,
                Err(elapsed) => Err(elapsed.into()),
            };
            report(&result, &has_failed);
            result
        });
        Box::pin(async move { sent.await? })
    }
}

/// Prints the first of consecutive failures to the standard error.
fn report(result: &Result<Response<Bytes>, HttpError>, has_failed: &AtomicBool) {
    let failure = match result {
        Ok(response) if response.status().is_success() => {
            has_failed.store(false, Ordering::Relaxed);
            return;
        }
        Ok(response) => response.status().to_string(),
        Err(error) => error.to_string(),
    };
    if !has_failed.swap(true, Ordering::Relaxed) {
        print_error(&format!("spans are lost until the collector accepts them again: {failure}"));
    }
}

/// The environment variables that set the timeout of an export, in milliseconds.
const TIMEOUTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"];
/// OpenTelemetry's default timeout of an export.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The largest response body that the client reads. A collector answers with at most a short error.
const MAX_RESPONSE_BYTES: usize = 64 * 1_024;
