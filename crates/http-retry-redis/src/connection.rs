//! The connection to the store. Only this file and its folder name the client of Redis.

mod commands;
mod failure;
mod nodes;

use std::sync::Arc;

use http_retry::fleet::UnreachableReason;
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, Msg, ProtocolVersion, PushInfo, PushKind,
    RedisError, Script, TlsCertificates,
};
use rustls::crypto::{CryptoProvider, ring};
use tokio::sync::{Notify, mpsc};

use self::failure::failure;
pub(crate) use self::failure::{Failure, Refusal};
use self::nodes::{address_of, node};
use crate::address::StoreAddress;
use crate::error::ConnectErrorKind;
use crate::news;
use crate::scripts::{Call, ScriptName};

/// The store to which connections are made.
pub(crate) struct Target {
    kind: TargetKind,
    address: StoreAddress,
    scripts: [Script; 4],
}

enum TargetKind {
    Server(Client),
    #[cfg(feature = "cluster")]
    Cluster {
        nodes: Vec<ConnectionInfo>,
        certificates: Option<TlsCertificates>,
    },
    #[cfg(feature = "sentinel")]
    // It remembers the sentinel that answered, so it is used by one attempt at a time.
    Sentinel(tokio::sync::Mutex<redis::sentinel::SentinelClient>),
}

/// A connection on which calls share one socket. A clone is the same connection.
#[derive(Clone)]
pub(crate) enum Connection {
    Server(MultiplexedConnection),
    #[cfg(feature = "cluster")]
    Cluster(redis::cluster_async::ClusterConnection),
}

/// The messages that the store sends without being asked.
pub(crate) struct Pushes {
    /// Lines of news.
    pub(crate) news: mpsc::Receiver<String>,
    /// It is notified once the connection is closed.
    pub(crate) closed: Arc<Notify>,
}

impl Target {
    /// Reads the URLs of the store. Several are nodes of one cluster.
    pub(crate) fn new(urls: &[String], root_cert: Option<Vec<u8>>) -> Result<Self, ConnectErrorKind> {
        let certificates = root_cert.map(|pem| TlsCertificates { client_tls: None, root_cert: Some(pem) });
        let first = urls.first().ok_or(ConnectErrorKind::Url)?;
        if first.starts_with("redis+sentinel:") || first.starts_with("rediss+sentinel:") {
            return Self::sentinel(urls, certificates);
        }
        let nodes = urls.iter().map(|url| node(url)).collect::<Result<Vec<_>, _>>()?;
        if nodes.iter().any(|node| matches!(node.addr(), ConnectionAddr::TcpTls { .. })) {
            provide_cryptography();
        }
        let address = address_of(&nodes);
        let kind = match (<[_; 1]>::try_from(nodes), certificates) {
            (Ok([node]), None) => TargetKind::Server(Client::open(node).map_err(|_| ConnectErrorKind::Url)?),
            (Ok([node]), Some(certificates)) => {
                let client = Client::build_with_tls(node, certificates);
                TargetKind::Server(client.map_err(|_| ConnectErrorKind::Certificates)?)
            }
            #[cfg(feature = "cluster")]
            (Err(nodes), certificates) => TargetKind::Cluster { nodes, certificates },
            #[cfg(not(feature = "cluster"))]
            (Err(_), _) => return Err(ConnectErrorKind::Feature("cluster")),
        };
        Ok(Self { kind, address, scripts: scripts() })
    }

    #[cfg(not(feature = "sentinel"))]
    fn sentinel(_: &[String], _: Option<TlsCertificates>) -> Result<Self, ConnectErrorKind> {
        Err(ConnectErrorKind::Feature("sentinel"))
    }

    /// Reads the URLs of sentinels. User, password and database are those of the server that they name.
    #[cfg(feature = "sentinel")]
    fn sentinel(urls: &[String], certificates: Option<TlsCertificates>) -> Result<Self, ConnectErrorKind> {
        use redis::TlsMode;
        use redis::sentinel::{SentinelClientBuilder, SentinelServerType};

        let plain: Vec<_> = urls.iter().map(|url| url.replacen("+sentinel:", ":", 1)).collect();
        let nodes = plain.iter().map(|url| node(url)).collect::<Result<Vec<_>, _>>()?;
        let url = plain.first().and_then(|url| redis::parse_redis_url(url)).ok_or(ConnectErrorKind::Url)?;
        let master =
            url.query_pairs().find(|(name, _)| name == "master").map(|(_, value)| value.into_owned());
        let master = master.filter(|name| !name.is_empty()).ok_or(ConnectErrorKind::Master)?;
        let first = nodes.first().ok_or(ConnectErrorKind::Url)?;
        let settings = first.redis_settings().clone();
        let is_tls = matches!(first.addr(), ConnectionAddr::TcpTls { .. });
        let addresses = nodes.iter().map(|node| node.addr().clone());
        let mut builder = SentinelClientBuilder::new(addresses, &master, SentinelServerType::Master)
            .map_err(|_| ConnectErrorKind::Url)?
            .set_client_to_redis_protocol(ProtocolVersion::RESP3)
            .set_client_to_redis_db(settings.db());
        if let Some(username) = settings.username() {
            builder = builder.set_client_to_redis_username(username);
        }
        if let Some(password) = settings.password() {
            builder = builder.set_client_to_redis_password(password);
        }
        if is_tls {
            provide_cryptography();
            builder = builder
                .set_client_to_redis_tls_mode(TlsMode::Secure)
                .set_client_to_sentinel_tls_mode(TlsMode::Secure);
        }
        if let Some(certificates) = certificates {
            builder = builder
                .set_client_to_redis_certificates(certificates.clone())
                .set_client_to_sentinel_certificates(certificates);
        }
        let client = builder.build().map_err(|_| ConnectErrorKind::Certificates)?;
        let mut address = address_of(&nodes);
        address.url = format!("{}?master={master}", address.url.replace("://", "+sentinel://"));
        Ok(Self { kind: TargetKind::Sentinel(tokio::sync::Mutex::new(client)), address, scripts: scripts() })
    }

    /// Returns the address of the store without user and password.
    pub(crate) fn address(&self) -> &StoreAddress {
        &self.address
    }

    /// Returns whether entries are on several nodes, so that one may be gone and the others not.
    pub(crate) fn has_nodes(&self) -> bool {
        match self.kind {
            #[cfg(feature = "cluster")]
            TargetKind::Cluster { .. } => true,
            _ => false,
        }
    }

    /// Makes a connection that hears the news of a fleet. It has no timeout of its own.
    pub(crate) async fn connect(&self, fleet: &str) -> Result<(Connection, Pushes), UnreachableReason> {
        let (sender, news) = mpsc::channel(MAX_NEWS);
        let closed = Arc::new(Notify::new());
        let notified = closed.clone();
        // The client of a cluster makes the connection to a node again, and subscribes again.
        let has_nodes = self.has_nodes();
        let push = move |info: PushInfo| -> Result<(), ()> {
            if info.kind == PushKind::Disconnection {
                if !has_nodes {
                    notified.notify_one();
                }
            } else if let Some(line) =
                Msg::from_push_info(info).and_then(|message| message.get_payload().ok())
            {
                // A line that finds no room is lost, as one that was sent before the connection was made.
                _ = sender.try_send(line);
            }
            Ok(())
        };
        let connected = async {
            let mut connection = self.connect_with(push).await?;
            if !has_nodes {
                // Operators read the name in the list of clients. A member does without.
                _ = connection.command(&["CLIENT", "SETNAME", &format!("http-retry:{fleet}")]).await;
            }
            connection.subscribe(&news::channel(fleet)).await?;
            Ok(connection)
        };
        match connected.await {
            Ok(connection) => Ok((connection, Pushes { news, closed })),
            Err(error) => Err(match failure(&error) {
                Failure::Store(reason) => reason,
                // The server refused to go on, for a reason that is not about an entry: the database, for example.
                Failure::Entry => UnreachableReason::Denied,
            }),
        }
    }

    /// Makes a connection that hears no news, and returns the words of the store if it refuses.
    pub(crate) async fn connect_alone(&self) -> Result<Connection, Refusal> {
        self.connect_with(|_| Ok(())).await.map_err(|error| Refusal::new(&error))
    }

    async fn connect_with(
        &self,
        push: impl Fn(PushInfo) -> Result<(), ()> + Send + Sync + 'static,
    ) -> Result<Connection, RedisError> {
        let config = AsyncConnectionConfig::new().set_response_timeout(None).set_connection_timeout(None);
        let connection = match &self.kind {
            TargetKind::Server(client) => {
                client.get_multiplexed_async_connection_with_config(&config.set_push_sender(push)).await?
            }
            #[cfg(feature = "sentinel")]
            TargetKind::Sentinel(client) => {
                let mut client = client.lock().await;
                client.get_async_connection_with_config(&config.set_push_sender(push)).await?
            }
            #[cfg(feature = "cluster")]
            TargetKind::Cluster { nodes, certificates } => {
                let mut builder = redis::cluster::ClusterClient::builder(nodes.iter().cloned())
                    .use_protocol(ProtocolVersion::RESP3)
                    .push_sender(push)
                    // The driver's own timeout is shorter than a second.
                    .response_timeout(CLUSTER_TIMEOUT)
                    .connection_timeout(CLUSTER_TIMEOUT);
                if let Some(certificates) = certificates {
                    builder = builder.certs(certificates.clone());
                }
                return Ok(Connection::Cluster(builder.build()?.get_async_connection().await?));
            }
        };
        Ok(Connection::Server(connection))
    }

    /// Runs a script, and loads it first where the store does not know it.
    pub(crate) async fn run(&self, connection: Connection, call: &Call) -> Result<Vec<i64>, Failure> {
        self.invoke(connection, call).await.map_err(|error| match failure(&error) {
            // Another node may answer.
            Failure::Store(UnreachableReason::Closed | UnreachableReason::Timeout) if self.has_nodes() => {
                Failure::Entry
            }
            failure => failure,
        })
    }

    /// Runs a script like [`run`](Self::run), and returns the words of the store if it refuses.
    pub(crate) async fn try_run(&self, connection: Connection, call: &Call) -> Result<Vec<i64>, Refusal> {
        self.invoke(connection, call).await.map_err(|error| Refusal::new(&error))
    }

    async fn invoke(&self, connection: Connection, call: &Call) -> Result<Vec<i64>, RedisError> {
        let [lease, publish, settle, join] = &self.scripts;
        let script = match call.script {
            ScriptName::Lease => lease,
            ScriptName::Publish => publish,
            ScriptName::Settle => settle,
            ScriptName::Join => join,
        };
        let mut invocation = script.key(call.key.as_str());
        invocation.arg(call.arguments.as_slice());
        match connection {
            Connection::Server(mut connection) => invocation.invoke_async(&mut connection).await,
            #[cfg(feature = "cluster")]
            Connection::Cluster(mut connection) => invocation.invoke_async(&mut connection).await,
        }
    }
}

fn scripts() -> [Script; 4] {
    [ScriptName::Lease, ScriptName::Publish, ScriptName::Settle, ScriptName::Join]
        .map(|name| Script::new(name.source()))
}

/// Chooses the cryptography of TLS, unless the program did so before. The client of Redis takes that of the process, and panics
/// if the process has not chosen any.
fn provide_cryptography() {
    if CryptoProvider::get_default().is_none() {
        // It fails only where another thread has just done the same.
        _ = ring::default_provider().install_default();
    }
}

/// The lines of news that may wait for the driver, which takes them at once.
const MAX_NEWS: usize = 1_024;
#[cfg(feature = "cluster")]
const CLUSTER_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(2);
