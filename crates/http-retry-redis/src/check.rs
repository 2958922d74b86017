//! One look at a store, for an operator: whether it runs the scripts, and what it refuses.

use std::fmt;
use std::time::Duration;

use http_retry::fleet::entry::{JoinQuestion, LeaseQuestion, PublishQuestion, SettleQuestion};
use http_retry::fleet::{Id, StoreCommand, StoreRequest};
use tokio::time::{Instant, timeout};

use crate::connection::{Connection, Refusal, Target};
use crate::error::CheckError;
use crate::news;
use crate::scripts::{Call, NO_MEMBER};

/// The description that a store gives of itself, as [`RedisConfig::check`](crate::RedisConfig::check) finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreCheck {
    /// The name and the version of the server, such as `redis 7.0.15`.
    pub server: String,
    /// The longest time that a script took, on the way to the store and back.
    pub slowest: Duration,
    /// The `maxmemory-policy`, or `None` if the user may not read it. With `noeviction` or `volatile-ttl`, the store forgets no
    /// entry that is in use.
    pub maxmemory_policy: Option<String>,
}

impl StoreCheck {
    /// Returns whether the store may forget entries that are in use, once it has no memory left.
    pub fn may_forget(&self) -> bool {
        self.maxmemory_policy
            .as_deref()
            .is_some_and(|policy| !["noeviction", "volatile-ttl"].contains(&policy))
    }
}

/// Tries everything that a member does with its store, with entries of its own.
pub(crate) async fn check(target: &Target, fleet: &str, limit: Duration) -> Result<StoreCheck, CheckError> {
    let connected = timeout(CONNECT_TIMEOUT, target.connect_alone()).await;
    let mut connection = connected
        .map_err(|_| CheckError::Connect(format!("no answer in {} s", CONNECT_TIMEOUT.as_secs())))?
        .map_err(|refusal| {
            if refusal.is_unreachable() {
                CheckError::Connect(refusal.text)
            } else {
                CheckError::Refused(refusal.text)
            }
        })?;
    match timeout(COMMANDS_TIMEOUT, look(target, &mut connection, fleet)).await {
        Ok(Ok(found)) if found.slowest > limit => Err(CheckError::Slow { took: found.slowest, limit }),
        Ok(found) => found,
        Err(_) => Err(CheckError::Slow { took: COMMANDS_TIMEOUT, limit }),
    }
}

async fn look(target: &Target, connection: &mut Connection, fleet: &str) -> Result<StoreCheck, CheckError> {
    let missing = missing_rights(connection, fleet).await?;
    if !missing.is_empty() {
        return Err(CheckError::Missing(missing));
    }
    let mut slowest = Duration::ZERO;
    for call in trials(fleet) {
        // The first run may load the script, which a member does once.
        for is_loaded in [false, true] {
            let begin = Instant::now();
            target
                .try_run(connection.clone(), &call)
                .await
                .map_err(|refusal| CheckError::Script(call.script.as_str(), refusal.text))?;
            if is_loaded {
                slowest = slowest.max(begin.elapsed());
            }
        }
    }
    Ok(StoreCheck {
        server: server(connection).await,
        slowest,
        maxmemory_policy: maxmemory_policy(connection).await,
    })
}

/// Returns the calls of all scripts, for entries that no member has.
fn trials(fleet: &str) -> Vec<Call> {
    let id = Id::new(rand::random());
    let (mut lease, mut publish) = (LeaseQuestion::default(), PublishQuestion::default());
    (lease.gap, lease.burst, lease.lease) = (1_000_000, 1_000, 200_000);
    publish.serial = -1;
    let mut join = JoinQuestion::default();
    join.leaves = 1;
    let commands = [
        StoreCommand::Lease(lease),
        StoreCommand::Publish(publish),
        StoreCommand::Settle(SettleQuestion::default()),
        StoreCommand::Join(join),
    ];
    let call = |command| Call::new(fleet, NO_MEMBER, &StoreRequest::new(0, id, command));
    commands.into_iter().filter_map(call).collect()
}

/// Returns the rights that the user lacks, as the words of an `ACL SETUSER` that grants them.
///
/// The store does not say which command of a script it refused, so each is tried by itself.
async fn missing_rights(connection: &mut Connection, fleet: &str) -> Result<Vec<String>, CheckError> {
    let (key, members) = (format!("hr1:{{{fleet}:check}}"), format!("hr1:{{{fleet}:check-m}}"));
    let channel = news::channel(fleet);
    let (key, members) = (key.as_str(), members.as_str());
    // An EVALSHA of a script that is not there is refused for another reason, which does not count.
    let unknown_script = "0".repeat(40);
    let commands: [(&str, &[&str]); 13] = [
        ("eval", &["EVAL", "return 1", "1", key]),
        ("evalsha", &["EVALSHA", &unknown_script, "1", key]),
        ("script|load", &["SCRIPT", "LOAD", "return 1"]),
        ("time", &["TIME"]),
        ("hset", &["HSET", key, "check", "1"]),
        ("pexpire", &["PEXPIRE", key, "1000"]),
        ("hmget", &["HMGET", key, "check"]),
        ("zadd", &["ZADD", members, "1", "check"]),
        ("zcard", &["ZCARD", members]),
        ("zremrangebyscore", &["ZREMRANGEBYSCORE", members, "-inf", "0"]),
        ("zrem", &["ZREM", members, "check"]),
        // Members pass over a line without sense.
        ("publish", &["PUBLISH", &channel, "check"]),
        ("ping", &["PING"]),
    ];
    let mut missing = Vec::new();
    for (name, words) in commands {
        if let Err(refusal) = connection.command(words).await {
            add_missing(name, &refusal, &mut missing)?;
        }
    }
    if let Err(refusal) = connection.try_subscribe(&channel).await {
        add_missing("subscribe", &refusal, &mut missing)?;
    }
    Ok(missing)
}

fn add_missing(name: &str, refusal: &Refusal, missing: &mut Vec<String>) -> Result<(), CheckError> {
    let text = refusal.text.to_ascii_lowercase();
    let right = if text.contains("unknown command") {
        return Err(CheckError::Unknown(name.to_owned()));
    } else if !text.starts_with("noperm") {
        // What the command did is not the question, unless nothing can be done at all.
        return match text.split(' ').next() {
            Some("readonly" | "oom" | "misconf" | "loading" | "masterdown" | "noauth" | "clusterdown") => {
                Err(CheckError::Refused(refusal.text.clone()))
            }
            _ => Ok(()),
        };
    } else if text.contains("channel") {
        "&hr1:*".to_owned()
    } else if text.contains(" key") {
        "~hr1:*".to_owned()
    } else {
        format!("+{name}")
    };
    if !missing.contains(&right) {
        missing.push(right);
    }
    Ok(())
}

/// Returns the name and the version of the server, which its HELLO says.
async fn server(connection: &mut Connection) -> String {
    let texts = connection.command(&["HELLO"]).await.unwrap_or_default();
    let value = |name: &str| {
        let at = texts.iter().position(|text| text == name)?;
        texts.get(at + 1).cloned()
    };
    // Valkey calls itself redis here, unless it is asked for its own name.
    match (value("server"), value("version")) {
        (Some(server), Some(version)) => format!("{server} {version}"),
        _ => "the store".to_owned(),
    }
}

async fn maxmemory_policy(connection: &mut Connection) -> Option<String> {
    let texts = connection.command(&["CONFIG", "GET", "maxmemory-policy"]).await.ok()?;
    texts.get(1).cloned()
}

impl fmt::Display for StoreCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} answers in {:.1} ms", self.server, self.slowest.as_secs_f64() * 1_000.0)?;
        match &self.maxmemory_policy {
            Some(policy) => write!(f, ", maxmemory-policy {policy}"),
            None => f.write_str(", and its user may not read maxmemory-policy"),
        }
    }
}

/// A connection with TLS to a far store takes several round trips, and its name has to be looked up.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// All commands together.
const COMMANDS_TIMEOUT: Duration = Duration::from_secs(5);
