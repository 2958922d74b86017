//! A Python program that calls with an SDK, as it is told.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;

use serde_json::{Value, json};

use super::venv;

/// One that runs; it is killed when this is dropped. Those that wait for another test end with their standard input,
/// which is when the tests do.
pub(super) struct Program {
    script: &'static str,
    argument: &'static str,
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

/// Kept for other tests, since to import an SDK takes seconds.
static IDLE: Mutex<Vec<Program>> = Mutex::new(Vec::new());

impl Program {
    /// One that runs this script with this argument.
    #[track_caller]
    pub(super) fn of(script: &'static str, argument: &'static str) -> Self {
        let idle = {
            let mut idle = IDLE.lock().unwrap();
            let is_alike = |program: &Self| (program.script, program.argument) == (script, argument);
            let index = idle.iter().position(is_alike);
            index.map(|index| idle.swap_remove(index))
        };
        match idle {
            Some(program) => program,
            None => Self::start(script, argument),
        }
    }

    #[track_caller]
    fn start(script: &'static str, argument: &'static str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gateway/sdks");
        // Neither proxies nor keys nor settings of whoever runs the tests.
        let mut child = Command::new(venv::python())
            .env_clear()
            .env("NO_PROXY", "*")
            .arg("-IB")
            .args([folder.join(script).as_os_str(), argument.as_ref()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the virtual environment has a Python");
        let (stdin, stdout) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { script, argument, child, stdin, stdout }
    }

    /// Has it call the gateway; what comes of it is for [`Self::next`].
    #[track_caller]
    pub(super) fn call(&mut self, gateway: SocketAddr, way: &str) {
        let line = json!({ "url": format!("http://{gateway}"), "way": way });
        writeln!(self.stdin, "{line}").expect("the program runs");
    }

    /// The next that it tells.
    #[track_caller]
    pub(super) fn next(&mut self) -> Value {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("the program ended, and said {line:?}"))
    }

    /// Gives it to the next test.
    pub(super) fn done(self) {
        IDLE.lock().unwrap().push(self);
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
