//! A real HTTP/1.1 server on 127.0.0.1 that refuses calls as its model says.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{Request, Response};
use http_body_util::Empty;
use tokio::net::TcpSocket;
use tokio::task::JoinHandle;

use super::server_model::{CallHead, ServerModel, ServerSettings};
use crate::server::{REQUEST_ID, accept};

/// A server that runs until this is dropped.
pub(super) struct HarmServer {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

/// The model, from the first call on.
#[derive(Clone, Default)]
struct SharedModel(Arc<Mutex<Option<ServerModel>>>);

/// A call that is being served. Dropping it ends the call, also where the client is gone.
struct ServedCall(SharedModel);

/// The text in the path or in a header of a request that has the throttled key.
pub(super) const THROTTLED: &str = "throttled";

/// The connections that may wait to be accepted. With fewer than all callers, the kernel drops some, and their clients try
/// again a second later.
const BACKLOG: u32 = 1_024;

impl HarmServer {
    /// Starts a server that has not been called yet.
    pub(super) async fn start(settings: ServerSettings) -> anyhow::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        let listener = socket.listen(BACKLOG)?;
        let address = listener.local_addr()?;
        let model = SharedModel::default();
        let accepting = tokio::spawn(accept(listener, move |request| {
            let served = model.start(call_head(&request), settings);
            async move {
                match served {
                    Some(_served) => {
                        tokio::time::sleep(settings.service_time).await;
                        Response::default()
                    }
                    None => refusal(settings),
                }
            }
        }));
        Ok(Self { address, accepting })
    }

    /// Returns the address that the server listens on.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for HarmServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl SharedModel {
    /// Returns the call if it is served.
    fn start(&self, call: CallHead, settings: ServerSettings) -> Option<ServedCall> {
        let now = Instant::now();
        let mut model = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let model = model.get_or_insert_with(|| ServerModel::new(settings.refuses, now));
        model.start(call, now).then(|| ServedCall(self.clone()))
    }
}

impl Drop for ServedCall {
    fn drop(&mut self) {
        if let Some(model) = &mut *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) {
            model.end();
        }
    }
}

fn call_head<B>(request: &Request<B>) -> CallHead {
    let id = request.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok()?.parse().ok());
    let mut values = request.headers().values().filter_map(|value| value.to_str().ok());
    let is_throttled =
        request.uri().path().contains(THROTTLED) || values.any(|value| value.contains(THROTTLED));
    CallHead { id: id.unwrap_or_default(), is_throttled }
}

fn refusal(settings: ServerSettings) -> Response<Empty<Bytes>> {
    let mut response = Response::default();
    *response.status_mut() = settings.status;
    if let Some(hint) = settings.hint {
        response.headers_mut().insert(RETRY_AFTER, hint.into());
    }
    response
}
