//! How the collector is reached: with the libraries that reach upstreams.

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

/// A client of the collector.
#[derive(Debug)]
pub(super) struct Collector {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    timeout: Duration,
    /// Whose thread exports has no runtime of its own.
    runtime: Handle,
    /// Whether the last export failed.
    fails: Arc<AtomicBool>,
}

impl Collector {
    /// Sends on the runtime that this is called on.
    pub(super) fn new() -> anyhow::Result<Self> {
        let config = Arc::unwrap_or_clone(tls::client_config(&None)?);
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(config).https_or_http().enable_http1().build();
        let millis = TIMEOUTS.iter().find_map(|name| env::var(name).ok()?.parse().ok());
        Ok(Self {
            client: Client::builder(TokioExecutor::new()).build(connector),
            timeout: millis.map_or(TIMEOUT, Duration::from_millis),
            runtime: Handle::try_current()?,
            fails: Arc::default(),
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
            let body = Limited::new(body, LARGEST).collect().await?.to_bytes();
            Ok::<_, HttpError>(Response::from_parts(head, body))
        };
        let (timeout, fails) = (self.timeout, Arc::clone(&self.fails));
        let sent = self.runtime.spawn(async move {
            let result = match tokio::time::timeout(timeout, exchange).await {
                Ok(result) => result,
                Err(elapsed) => Err(elapsed.into()),
            };
            tell(&result, &fails);
            result
        });
        Box::pin(async move { sent.await? })
    }
}

/// Says on the standard error that exports fail, once until one does not.
fn tell(result: &Result<Response<Bytes>, HttpError>, fails: &AtomicBool) {
    let what = match result {
        Ok(response) if response.status().is_success() => {
            fails.store(false, Ordering::Relaxed);
            return;
        }
        Ok(response) => response.status().to_string(),
        Err(error) => error.to_string(),
    };
    if !fails.swap(true, Ordering::Relaxed) {
        eprintln!("spans are lost until their collector takes them: {what}");
    }
}

/// In milliseconds.
const TIMEOUTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"];
/// OpenTelemetry's default.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Of an answer, which says at most what was wrong.
const LARGEST: usize = 64 * 1_024;
