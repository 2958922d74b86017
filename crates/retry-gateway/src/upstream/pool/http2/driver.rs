//! The task that drives an HTTP/2 connection.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use hyper::client::conn::http2;
use hyper::rt::Executor;
use hyper_util::rt::TokioIo;
use tokio::sync::oneshot;

use crate::sync::lock;
use crate::upstream::pool::request::EndpointBody;
use crate::upstream::pool::socket::{Socket, SocketState};

/// The part of hyper that hands requests to the connection.
type Dispatcher = http2::Connection<TokioIo<Socket>, EndpointBody, Http2Executor>;

type BoxFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs the futures of hyper's HTTP/2 client. The first one reads and writes the connection, and goes to its
/// [`Driver`]. The others are tasks.
#[derive(Clone, Default)]
pub(super) struct Http2Executor(Arc<Mutex<ConnectionTask>>);

/// The future that reads and writes the connection.
#[derive(Default)]
enum ConnectionTask {
    #[default]
    Awaited,
    Ready(BoxFuture),
    Taken,
}

/// Drives one connection, and publishes how many streams the endpoint allows.
///
/// hyper makes two tasks of it, and tells the number of streams to the one that does not see the endpoint's settings.
/// One task for both sees them at once.
pub(super) struct Driver {
    /// `None` once the connection takes no more requests.
    dispatcher: Option<Dispatcher>,
    /// `None` once the connection is closed.
    connection: Option<BoxFuture>,
    socket: Arc<SocketState>,
    max_streams: Arc<AtomicUsize>,
    /// Taken when the endpoint has sent its settings.
    on_settings: Option<oneshot::Sender<()>>,
}

impl<F> Executor<F> for Http2Executor
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, future: F) {
        let mut task = lock(&self.0);
        if matches!(*task, ConnectionTask::Awaited) {
            *task = ConnectionTask::Ready(Box::pin(future));
        } else {
            drop(task);
            tokio::spawn(future);
        }
    }
}

impl Driver {
    pub(super) fn new(
        dispatcher: Dispatcher,
        executor: &Http2Executor,
        socket: Arc<SocketState>,
        max_streams: Arc<AtomicUsize>,
        on_settings: oneshot::Sender<()>,
    ) -> Self {
        let connection = match std::mem::replace(&mut *lock(&executor.0), ConnectionTask::Taken) {
            ConnectionTask::Ready(connection) => Some(connection),
            ConnectionTask::Awaited | ConnectionTask::Taken => None,
        };
        Self { dispatcher: Some(dispatcher), connection, socket, max_streams, on_settings: Some(on_settings) }
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        // The connection comes second, because it writes what the dispatcher gives it. Its end is noticed by the
        // dispatcher, which hyper then wakes.
        if this.dispatcher.as_mut().is_some_and(|dispatcher| Pin::new(dispatcher).poll(cx).is_ready()) {
            this.dispatcher = None;
        }
        if this.connection.as_mut().is_some_and(|connection| connection.as_mut().poll(cx).is_ready()) {
            this.connection = None;
        }
        let Some(dispatcher) = &this.dispatcher else {
            return if this.connection.is_none() { Poll::Ready(()) } else { Poll::Pending };
        };
        // Until the settings have come, hyper tells a number of its own.
        if this.socket.bytes_read() > 0 {
            this.max_streams.store(dispatcher.current_max_send_streams(), Ordering::Relaxed);
            if let Some(on_settings) = this.on_settings.take() {
                // The receiver is gone if the connect timeout has passed. The connection is closed with it.
                let _ = on_settings.send(());
            }
        }
        Poll::Pending
    }
}
