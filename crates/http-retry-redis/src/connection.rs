//! The connection to the store. This is the only file that names the client of Redis.

use std::sync::Arc;

use http_retry::fleet::UnreachableReason;
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, ErrorKind, IntoConnectionInfo, Msg,
    ProtocolVersion, PushInfo, PushKind, RedisError, Script, ServerErrorKind, TlsCertificates,
};
use rustls::crypto::{CryptoProvider, ring};
use tokio::sync::{Notify, mpsc};

use crate::error::ConnectErrorKind;
use crate::news;
use crate::scripts::{Call, ScriptName};

/// The store to which connections are made.
pub(crate) struct Target {
    kind: TargetKind,
    address: String,
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

/// What the store says without being asked.
pub(crate) struct Pushes {
    /// Lines of news.
    pub(crate) news: mpsc::Receiver<String>,
    /// It is notified once the connection is closed.
    pub(crate) closed: Arc<Notify>,
}

/// The reason for which a script was not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It was not run for this entry.
    Entry,
    /// The store runs no scripts.
    Store(UnreachableReason),
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
        let address = nodes.iter().map(shown).collect::<Vec<_>>().join(",");
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
        let sentinels = nodes.iter().map(shown).collect::<Vec<_>>().join(",");
        Ok(Self {
            kind: TargetKind::Sentinel(tokio::sync::Mutex::new(client)),
            address: format!("{}?master={master}", sentinels.replace("://", "+sentinel://")),
            scripts: scripts(),
        })
    }

    /// Returns the URL of the store without user and password.
    pub(crate) fn address(&self) -> String {
        self.address.clone()
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
        let connected = self.connect_with(push, news::channel(fleet)).await;
        match connected {
            Ok(connection) => Ok((connection, Pushes { news, closed })),
            Err(error) => Err(match failure(&error) {
                Failure::Store(reason) => reason,
                // The server refused to go on, for a reason that is not about an entry: the database, for example.
                Failure::Entry => UnreachableReason::Denied,
            }),
        }
    }

    async fn connect_with(
        &self,
        push: impl Fn(PushInfo) -> Result<(), ()> + Send + Sync + 'static,
        channel: String,
    ) -> Result<Connection, RedisError> {
        let config = AsyncConnectionConfig::new().set_response_timeout(None).set_connection_timeout(None);
        let mut connection = match &self.kind {
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
                let mut connection = builder.build()?.get_async_connection().await?;
                connection.subscribe(channel).await?;
                return Ok(Connection::Cluster(connection));
            }
        };
        connection.subscribe(channel).await?;
        Ok(Connection::Server(connection))
    }

    /// Runs a script, and loads it first where the store does not know it.
    pub(crate) async fn run(&self, connection: Connection, call: &Call) -> Result<Vec<i64>, Failure> {
        let [lease, publish, settle, join] = &self.scripts;
        let script = match call.script {
            ScriptName::Lease => lease,
            ScriptName::Publish => publish,
            ScriptName::Settle => settle,
            ScriptName::Join => join,
        };
        let mut invocation = script.key(call.key.as_str());
        invocation.arg(call.arguments.as_slice());
        let answer = match connection {
            Connection::Server(mut connection) => invocation.invoke_async(&mut connection).await,
            #[cfg(feature = "cluster")]
            Connection::Cluster(mut connection) => invocation.invoke_async(&mut connection).await,
        };
        answer.map_err(|error| match failure(&error) {
            // Another node may answer.
            Failure::Store(UnreachableReason::Closed | UnreachableReason::Timeout) if self.has_nodes() => {
                Failure::Entry
            }
            failure => failure,
        })
    }
}

/// Reads the URL of one node. News needs the third version of the protocol.
fn node(url: &str) -> Result<ConnectionInfo, ConnectErrorKind> {
    let info = url.into_connection_info().map_err(|_| ConnectErrorKind::Url)?;
    // Redis 7.0 does not know the command by which a client tells its name.
    let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3).set_skip_set_lib_name();
    Ok(info.set_redis_settings(settings))
}

/// Returns the URL of a node without user and password.
fn shown(node: &ConnectionInfo) -> String {
    let db = node.redis_settings().db();
    match node.addr() {
        ConnectionAddr::TcpTls { host, port, .. } => format!("rediss://{host}:{port}/{db}"),
        ConnectionAddr::Tcp(host, port) => format!("redis://{host}:{port}/{db}"),
        other => format!("{other}"),
    }
}

fn scripts() -> [Script; 4] {
    [ScriptName::Lease, ScriptName::Publish, ScriptName::Settle, ScriptName::Join]
        .map(|name| Script::new(name.source()))
}

/// Chooses the cryptography of TLS, unless the program did so before. The client of Redis takes that of the process, and panics
/// where there is none.
fn provide_cryptography() {
    if CryptoProvider::get_default().is_none() {
        // It fails only where another thread has just done the same.
        _ = ring::default_provider().install_default();
    }
}

/// Returns what an error means for the store.
fn failure(error: &RedisError) -> Failure {
    let reason = match error.kind() {
        ErrorKind::Io if error.is_timeout() => UnreachableReason::Timeout,
        ErrorKind::Io | ErrorKind::Parse => UnreachableReason::Closed,
        // No address is known for the host, or the sentinels know no server.
        ErrorKind::InvalidClientConfig
        | ErrorKind::MasterNameNotFoundBySentinel
        | ErrorKind::NoValidReplicasFoundBySentinel
        | ErrorKind::EmptySentinelList => UnreachableReason::Closed,
        ErrorKind::AuthenticationFailed => UnreachableReason::Denied,
        ErrorKind::RESP3NotSupported => UnreachableReason::Unsupported,
        ErrorKind::Server(ServerErrorKind::NoPerm) => UnreachableReason::Denied,
        ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown) => {
            UnreachableReason::ReadOnly
        }
        // It reads its data, which takes a while.
        ErrorKind::Server(ServerErrorKind::BusyLoading) => UnreachableReason::Closed,
        _ => return failure_by_text(error),
    };
    Failure::Store(reason)
}

/// Returns what an error means for which the client has no word.
fn failure_by_text(error: &RedisError) -> Failure {
    let detail = error.detail().unwrap_or_default();
    let reason = match error.code() {
        Some("NOAUTH" | "WRONGPASS" | "NOPERM") => UnreachableReason::Denied,
        Some("OOM") => UnreachableReason::OutOfMemory,
        Some("MISCONF" | "NOREPLICAS") => UnreachableReason::ReadOnly,
        Some("BUSY") => UnreachableReason::Timeout,
        Some("ERR") if detail.starts_with("unknown command") => UnreachableReason::Unsupported,
        Some("ERR") if detail.starts_with("max number of clients") => UnreachableReason::Closed,
        Some("ERR") if detail.starts_with("Error compiling script") => UnreachableReason::Unsupported,
        // Redis 7.0 has no code for a command that is refused within a script.
        Some("ERR") if detail.starts_with("The user executing the script") => UnreachableReason::Denied,
        _ => return Failure::Entry,
    };
    Failure::Store(reason)
}

/// The lines of news that may wait for the driver, which takes them at once.
const MAX_NEWS: usize = 1_024;
#[cfg(feature = "cluster")]
const CLUSTER_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(2);
