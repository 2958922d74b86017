//! The Python that has the SDKs and grpcio. It is made once, and kept in the target directory.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// Its path. Where it cannot be made, the test fails with one line that says what is missing.
#[track_caller]
pub(crate) fn python() -> &'static Path {
    match &*PYTHON {
        Ok(path) => path,
        Err(missing) => panic!("{missing}"),
    }
}

static PYTHON: LazyLock<Result<PathBuf, String>> = LazyLock::new(|| {
    let version = run(Command::new("python3").arg("--version")).map_err(|_| NO_VENV)?;
    let mut hasher = DefaultHasher::new();
    (version, include_str!("requirements.txt")).hash(&mut hasher);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("sdks-{:016x}", hasher.finish()));
    if !folder.exists() {
        make(&folder)?;
    }
    Ok(folder.join("bin/python"))
});

/// Under a name of its own first, so that no other process finds half of it.
fn make(folder: &Path) -> Result<(), String> {
    let parent = folder.parent().expect("it is in the target directory");
    let place = tempfile::tempdir_in(parent).map_err(|error| format!("{}: {error}", parent.display()))?;
    run(Command::new("python3").args(["-m", "venv"]).arg(place.path())).map_err(|_| NO_VENV)?;
    // Wheels alone: nobody should need a compiler for this.
    run(Command::new(place.path().join("bin/python"))
        .args(["-m", "pip", "install", "--quiet", "--no-input", "--only-binary", ":all:", "--requirement"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gateway/sdks/requirements.txt")))
    .map_err(|error| format!("pip cannot install the SDKs and grpcio: {error}"))?;
    match std::fs::rename(place.path(), folder) {
        Ok(()) => drop(place.keep()),
        // Another process was faster.
        Err(_) if folder.exists() => {}
        Err(error) => return Err(format!("{}: {error}", folder.display())),
    }
    Ok(())
}

/// What a program says; the last line of it, where it fails.
fn run(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| error.to_string())?;
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() {
        return Ok(said(&output.stdout));
    }
    Err(said(&output.stderr).lines().last().unwrap_or("it does not say why").to_owned())
}

const NO_VENV: &str = "python3 with venv is needed: apt-get install python3-venv";
