//! Single commands on a connection.

use redis::{RedisError, Value};

use super::{Connection, Refusal};

impl Connection {
    /// Asks for the lines on a channel, which come as pushes.
    pub(super) async fn subscribe(&mut self, channel: &str) -> Result<(), RedisError> {
        match self {
            Self::Server(connection) => connection.subscribe(channel).await,
            #[cfg(feature = "cluster")]
            Self::Cluster(connection) => connection.subscribe(channel).await,
        }
    }

    /// Tries to ask for the lines on a channel, and to end that.
    pub(crate) async fn try_subscribe(&mut self, channel: &str) -> Result<(), Refusal> {
        self.subscribe(channel).await.map_err(|error| Refusal::new(&error))?;
        let ended = match self {
            Self::Server(connection) => connection.unsubscribe(channel).await,
            #[cfg(feature = "cluster")]
            Self::Cluster(connection) => connection.unsubscribe(channel).await,
        };
        ended.map_err(|error| Refusal::new(&error))
    }

    /// Runs a command, and returns the texts of its answer, in their order.
    pub(crate) async fn command(&mut self, words: &[&str]) -> Result<Vec<String>, Refusal> {
        let mut command = redis::Cmd::new();
        words.iter().for_each(|word| _ = command.arg(*word));
        let answer = match self {
            Self::Server(connection) => command.query_async(connection).await,
            #[cfg(feature = "cluster")]
            Self::Cluster(connection) => command.query_async(connection).await,
        };
        let mut texts = Vec::new();
        add_texts(&answer.map_err(|error: RedisError| Refusal::new(&error))?, &mut texts);
        Ok(texts)
    }
}

/// Adds the texts of an answer. Arrays and maps have several.
fn add_texts(answer: &Value, texts: &mut Vec<String>) {
    match answer {
        Value::BulkString(bytes) => texts.push(String::from_utf8_lossy(bytes).into_owned()),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => texts.push(text.clone()),
        Value::Array(values) => values.iter().for_each(|value| add_texts(value, texts)),
        Value::Map(pairs) => {
            for (name, value) in pairs {
                add_texts(name, texts);
                add_texts(value, texts);
            }
        }
        _ => {}
    }
}
