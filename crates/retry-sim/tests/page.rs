//! The plots in `docs/pace.md` are what the commands on that page draw.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The families that are plotted, and the files of their plots in `docs`.
const PLOTS: &[(&str, &str)] =
    &[("burst-cold", "pace.svg"), ("noise-5", "pace-noise.svg"), ("lifted", "pace-lift.svg")];

#[test]
fn the_plots_are_what_the_commands_draw() {
    let page = read(&docs("pace.md"));
    for (family, file) in PLOTS {
        assert!(page.contains(&format!("]({file})")), "the page does not show {file}");
        let drawn = Path::new(env!("CARGO_TARGET_TMPDIR")).join(file);
        let command = format!("cargo run --release -p retry-sim -- plot {family} docs/{file}");
        let line = page.lines().find(|line| line.starts_with(&command));
        let line = line.unwrap_or_else(|| panic!("the page has no line that begins with {command}"));
        let output = Command::new(env!("CARGO_BIN_EXE_retry-sim"))
            .args(["plot", family])
            .arg(&drawn)
            .args(line[command.len()..].split_whitespace())
            .output()
            .unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(read(&docs(file)) == read(&drawn), "docs/{file} is out of date; draw it again: {line}");
    }
}

fn docs(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name)
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
