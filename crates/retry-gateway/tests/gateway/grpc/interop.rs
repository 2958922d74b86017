//! grpcio on both sides of the gateway: all kinds of calls, long trailers, deadlines and pushback.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::PROFILE;
use crate::process::Gateway;
use crate::sdks::venv;
use crate::upstream::nobody;

/// The outcomes of the calls of `interop.py`, by name.
#[track_caller]
fn outcomes() -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gateway/grpc/interop.py");
    let mut child = Command::new(venv::python())
        .env_clear()
        .env("NO_PROXY", "*")
        .arg("-I")
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the virtual environment has a Python");
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut line = || lines.next().expect("the program goes on").unwrap();
    let port: u16 = line().parse().expect("the port of its server");
    let gateway = Gateway::by(&format!(
        "[upstreams.api]\nendpoints = [\"http://127.0.0.1:{port}\"]\n[[routes]]\nupstream = \"api\"\n{PROFILE}\n"
    ));
    let alone = Gateway::by(&format!(
        "[upstreams.api]\nendpoints = [{:?}]\n[[routes]]\nupstream = \"api\"\n{PROFILE}\nretry = false\n",
        nobody()
    ));
    writeln!(child.stdin.take().unwrap(), "{}\n{}", gateway.address, alone.address).unwrap();
    let told = serde_json::from_str(&line()).unwrap();
    child.wait().unwrap();
    told
}

#[test]
fn grpcio_on_both_sides_finds_all_kinds_of_calls_whole() {
    let told = outcomes();
    assert_eq!(told["unary"], json!({ "text": "hello", "large": 30_000 }));
    assert_eq!(told["stream"], json!({ "is_whole": true, "large": 30_000, "calls": 2 }));
    assert_eq!(told["client stream"], json!({ "total": (300 * 299 / 2).to_string() }));
    let responses: Vec<_> = (0..5).map(|number| format!("WORD {number}")).collect();
    assert_eq!(told["both"], json!({ "responses": responses }));
    for name in ["trailers", "head and trailers"] {
        let (left, took) = (told[name]["left"].as_f64().unwrap(), told[name]["took"].as_f64().unwrap());
        assert_eq!(told[name]["calls"], 2, "{told}");
        // The server knows that 200 ms of the 20 s have passed, which grpcio rounds up by up to 100 ms.
        assert!(took >= 0.2 && (1.0..=19.91).contains(&left), "{name}: {told}");
    }
    let failed = json!({ "code": "UNAVAILABLE", "message": "not now", "large": 30_000 });
    assert_eq!(told["never"], failed);
    assert_eq!(
        (&told["deadline"]["code"], &told["deadline"]["calls"]),
        (&json!("DEADLINE_EXCEEDED"), &json!(1))
    );
    let message = "The upstream cannot be reached: the upstream could not be reached";
    let reply = json!({ "code": "UNAVAILABLE", "message": message, "pushback": "1000" });
    assert_eq!(told["gateway's own"], json!([reply, reply, reply, reply]), "all kinds of calls");
}
