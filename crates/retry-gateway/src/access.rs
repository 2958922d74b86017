//! What is noted of each request: its counts, and one line of JSON with its attempts.

use std::sync::Arc;
use std::time::SystemTime;

use http::{Request, StatusCode};
use serde::Serialize;
use tokio::time::Instant;
use tower_http_retry::RetryInfo;

use crate::forward::{self, Downstream};
use crate::proxy::Gateway;
use crate::trail::{Step, Trail, millis};

/// What is known of a request when it is answered, or when its client is gone. Dropping it counts the
/// request and writes the line.
pub(crate) struct Record {
    pub(crate) trail: Trail,
    pub(crate) upstream: Option<Arc<str>>,
    /// `None` where nobody waited for the answer.
    pub(crate) status: Option<StatusCode>,
    pub(crate) info: Option<RetryInfo>,
    gateway: Arc<Gateway>,
    head: Option<Head>,
    began: Instant,
}

/// What the log says of the request itself. No query: it may hold secrets.
struct Head {
    method: String,
    host: Option<String>,
    path: String,
    client: String,
}

#[derive(Serialize)]
struct Line<'a> {
    time: u64,
    client: &'a str,
    method: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<&'a str>,
    path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream: Option<&'a str>,
    /// 499 where the client was gone, as nginx has it.
    status: u16,
    took_ms: u64,
    waited_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    attempts: &'a [Step],
}

impl Record {
    /// Keeps nothing of the head where nothing is logged.
    pub(crate) fn new<B>(gateway: Arc<Gateway>, request: &Request<B>, downstream: Downstream) -> Self {
        let head = || Head {
            method: request.method().to_string(),
            host: forward::host_of(request).and_then(|host| Some(host.to_str().ok()?.to_owned())),
            path: request.uri().path().to_owned(),
            client: downstream.ip.to_string(),
        };
        Self {
            trail: Trail::default(),
            upstream: None,
            status: None,
            info: None,
            head: gateway.logs_access.then(head),
            gateway,
            began: Instant::now(),
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let status = self.status.map_or(CLIENT_GONE, |status| status.as_u16());
        if let Some(upstream) = &self.upstream {
            self.gateway.metrics.count(upstream, status, self.trail.attempts(), self.info);
        }
        let Some(head) = &self.head else {
            return;
        };
        let line = Line {
            time: SystemTime::UNIX_EPOCH.elapsed().map_or(0, millis),
            client: &head.client,
            method: &head.method,
            host: head.host.as_deref(),
            path: &head.path,
            upstream: self.upstream.as_deref(),
            status,
            took_ms: millis(self.began.elapsed()),
            waited_ms: self.info.map_or(0, |info| millis(info.waited())),
            cause: self.info.and_then(|info| info.cause()).map(|cause| cause.as_str()),
            reason: self.info.and_then(|info| info.reason()).map(|reason| reason.as_str()),
            attempts: &self.trail.steps(),
        };
        if let Ok(line) = serde_json::to_string(&line) {
            println!("{line}");
        }
    }
}

const CLIENT_GONE: u16 = 499;
