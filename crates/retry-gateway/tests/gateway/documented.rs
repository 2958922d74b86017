//! What the documentation says is true.

use std::fs;

use crate::process::run;

#[test]
fn the_file_of_the_page_is_accepted() {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/gateway.md")).unwrap();
    let (_, rest) = page.split_once("```toml\n").expect("the page shows a file");
    let (text, _) = rest.split_once("```").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.toml");
    fs::write(&file, text).unwrap();
    let output = run(&["check", file.to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn an_explanation_has_the_source_and_the_schedule() {
    let output = run(&["explain", "--method", "GET", "--status", "503", "--header", "retry-after: 2"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.contains("(RFC 9110 section 15.6.4)") && text.contains("attempt 2: 2.000 s to 4.000 s"),
        "{text}"
    );
    let output = run(&["explain", "--method", "POST", "--failure", "reset"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(text, "returned to the client: POST is not retried after a reset (not idempotent)\n");
    let output = run(&["explain", "--status", "503", "--header", "retry-after"]);
    assert!(!output.status.success());
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("`retry-after` has no colon"), "{text}");
}
