//! A `redis-server` of its own for each test, on a free port, and a client that says what a test wants.
//!
//! The variable `REDIS_SERVER` names another program that takes the same arguments, such as `valkey-server`.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A `redis-server` from PATH, or the program that `REDIS_SERVER` names. Dropping it ends the server.
#[derive(Debug)]
pub struct RedisServer {
    port: u16,
    arguments: Vec<String>,
    folder: PathBuf,
    child: Child,
}

impl RedisServer {
    /// Starts a server without any settings of its own.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts a server with further arguments of its command line.
    pub fn start_with(arguments: &[&str]) -> Self {
        Self::start_on(free_port(), arguments)
    }

    /// Starts a server on this port.
    pub fn start_on(port: u16, arguments: &[&str]) -> Self {
        let folder = std::env::temp_dir().join(format!("redis-{}-{port}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder for the server");
        let arguments: Vec<_> = arguments.iter().map(ToString::to_string).collect();
        let child = spawn(port, &arguments, &folder);
        let mut server = Self { port, arguments, folder, child };
        server.wait();
        server
    }

    /// Returns the port of the server.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the URL of the server, without a user.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// Connects a client, and waits until the server answers.
    pub fn client(&self) -> RedisClient {
        RedisClient::connect(self.port)
    }

    /// Kills the server, as `kill -9` does. It says nothing to its clients.
    pub fn kill(&mut self) {
        self.child.kill().expect("the server is still there");
        self.child.wait().expect("the server has ended");
    }

    /// Starts a server that was killed again, without its data.
    pub fn restart(&mut self) {
        self.child = spawn(self.port, &self.arguments, &self.folder);
        self.wait();
    }

    /// Stops the server, as SIGSTOP does: its connections stay open, and it does not answer.
    pub fn stop(&self) {
        self.signal("-STOP");
    }

    /// Lets a stopped server go on.
    pub fn go_on(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(status.expect("the command `kill`").success(), "the server is still there");
    }

    fn wait(&mut self) {
        let begin = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            let ended = self.child.try_wait().expect("the state of the server");
            assert!(ended.is_none(), "redis-server ended: {ended:?}");
            assert!(begin.elapsed() < Duration::from_secs(30), "redis-server does not listen");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // It may have been killed by the test.
        _ = self.child.kill();
        _ = self.child.wait();
        _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn spawn(port: u16, arguments: &[String], folder: &PathBuf) -> Child {
    let program = program();
    let mut command = Command::new(&program);
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--dir"]).arg(folder);
    command.args(["--save", "", "--enable-debug-command", "local", "--daemonize", "no"]).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    match command.spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            panic!("{} is not on PATH (Debian: redis-server)", program.display())
        }
        Err(error) => panic!("{} does not start: {error}", program.display()),
    }
}

/// Returns the program that runs as a server.
pub fn program() -> OsString {
    std::env::var_os("REDIS_SERVER").unwrap_or_else(|| "redis-server".into())
}

/// Returns a port that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("the address of a listener").port()
}

/// A client that blocks.
#[derive(Debug)]
pub struct RedisClient {
    stream: BufReader<TcpStream>,
}

/// A reply of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// A whole number.
    Integer(i64),
    /// A text, of either kind.
    Text(String),
    /// Several replies.
    Array(Vec<Reply>),
    /// The message of an error.
    Error(String),
    /// No value.
    Nil,
}

impl RedisClient {
    /// Connects to a server on this machine, and waits until it answers.
    pub fn connect(port: u16) -> Self {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("the server listens");
        stream.set_nodelay(true).expect("a socket");
        Self { stream: BufReader::new(stream) }
    }

    /// Sends a command and returns the reply.
    pub fn run<A: AsRef<str>>(&mut self, words: &[A]) -> Reply {
        self.send(&encode(words));
        self.read()
    }

    /// Sends commands that were [encoded](encode) before.
    pub fn send(&mut self, commands: &str) {
        self.stream.get_mut().write_all(commands.as_bytes()).expect("the server reads");
    }

    /// Reads one reply.
    pub fn read(&mut self) -> Reply {
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("the server answers");
        let (kind, rest) = line.trim_end().split_at_checked(1).expect("the server keeps the connection open");
        match (kind, rest.parse::<i64>()) {
            ("+", _) => Reply::Text(rest.to_owned()),
            ("-", _) => Reply::Error(rest.to_owned()),
            (":", Ok(number)) => Reply::Integer(number),
            ("$" | "*", Ok(-1)) => Reply::Nil,
            ("$", Ok(length)) => {
                let mut bytes = vec![0; usize::try_from(length).expect("a length") + 2];
                self.stream.read_exact(&mut bytes).expect("the server answers");
                bytes.truncate(bytes.len() - 2);
                Reply::Text(String::from_utf8(bytes).expect("a text"))
            }
            ("*", Ok(count)) => Reply::Array((0..count).map(|_| self.read()).collect()),
            _ => panic!("no reply of a server: {line:?}"),
        }
    }
}

impl Reply {
    /// Returns the whole numbers of an array, also of those that are texts. A value that is missing is 0.
    pub fn numbers(&self) -> Vec<i64> {
        let Self::Array(values) = self else { panic!("no array: {self:?}") };
        let number = |value: &Self| match value {
            Self::Integer(number) => *number,
            Self::Text(text) => text.parse().unwrap_or_else(|_| panic!("no whole number: {text:?}")),
            Self::Nil => 0,
            other => panic!("no number: {other:?}"),
        };
        values.iter().map(number).collect()
    }
}

/// Returns a command as it is sent.
pub fn encode<A: AsRef<str>>(words: &[A]) -> String {
    let words_sent = words.iter().map(|word| format!("${}\r\n{}\r\n", word.as_ref().len(), word.as_ref()));
    format!("*{}\r\n{}", words.len(), words_sent.collect::<String>())
}
