//! The store as its member sees it.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http_retry::fleet::{Answer, Id, Store, StoreEvent, StoreRequest};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::connection::Target;
use crate::driver::Driver;
use crate::error::{ConnectError, ConnectErrorKind};
use crate::events::Events;
use crate::id_key::IdKey;

/// The connection of one member to the store of its fleet: Redis, or Valkey.
///
/// [`connect`](crate::connect) and [`RedisConfig`](crate::RedisConfig) make one. The first event is
/// [`StoreEvent::Reachable`] or [`StoreEvent::Unreachable`].
pub struct RedisStore {
    requests: mpsc::Sender<StoreRequest>,
    events: Arc<Events>,
    key: IdKey,
    address: String,
    name: String,
}

impl RedisStore {
    pub(crate) fn new(
        target: Target,
        name: String,
        key: IdKey,
        timeout: Duration,
    ) -> Result<Self, ConnectError> {
        let runtime = Handle::try_current().map_err(|_| ConnectErrorKind::Runtime)?;
        let (requests, received) = mpsc::channel(MAX_WAITING);
        let events = Arc::new(Events::default());
        let address = target.address().url.clone();
        let driver = Driver::new(target, name.clone(), timeout, events.clone(), received);
        runtime.spawn(driver.run());
        Ok(Self { requests, events, key, address, name })
    }

    /// Returns the URL of the store without user and password.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Returns the name of the fleet.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Store for RedisStore {
    fn id(&self, key: &[u8]) -> Id {
        self.key.id(key)
    }

    fn send(&self, request: StoreRequest) {
        if self.events.is_full() {
            return;
        }
        let number = request.number;
        if let Err(mpsc::error::TrySendError::Full(_)) = self.requests.try_send(request) {
            self.events.push(StoreEvent::Answer(number, Answer::Failed));
        }
    }

    fn poll_event(&self, context: &mut Context<'_>) -> Poll<Option<StoreEvent>> {
        self.events.poll(context)
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("address", &self.address)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// The requests that may wait for the driver, which takes them at once.
const MAX_WAITING: usize = 4_096;
