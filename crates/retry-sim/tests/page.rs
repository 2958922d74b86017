//! What `docs/pace.md` shows is what this machine would show.

use std::fs;
use std::path::Path;

use retry_sim::{Trial, plot, table};

#[test]
fn the_plot_is_what_the_command_draws() {
    let drawn = plot().unwrap();
    assert!(
        page("pace.svg") == drawn,
        "draw it again: cargo run --release -p retry-sim -- plot burst docs/pace.svg"
    );
}

#[test]
fn the_table_is_what_the_command_prints() {
    let printed = table(&Trial::default().rows()).to_string();
    assert!(
        page("pace.md").contains(&printed),
        "print it again: cargo run --release -p retry-sim -- table\n{printed}"
    );
}

fn page(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
