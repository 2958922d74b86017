//! What keeping a body for replay allocates. `cargo bench -p retry-bench --bench replay`

use allocation_counter::measure;
use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, Table};
use retry_bench::{Upload, UploadKind};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
const LIMIT: usize = 64 * KIB;

fn main() {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN).set_header([
        "upload",
        "kind",
        "frames",
        "allocations added",
        "per frame",
        "bytes added per frame",
        "most bytes at a time",
    ]);
    for bytes in [KIB, 64 * KIB, MIB, 64 * MIB] {
        let bare = Upload { bytes, kind: UploadKind::Bare }.measure(|run| measure(run));
        for (name, kind) in [
            ("bare", UploadKind::Bare),
            ("unbuffered", UploadKind::Unbuffered),
            ("kept up to 64 KiB", UploadKind::Kept(LIMIT)),
            ("kept whole", UploadKind::Kept(usize::MAX)),
        ] {
            let upload = Upload { bytes, kind };
            let (counts, frames) = (upload.measure(|run| measure(run)), upload.frames());
            let allocations = counts.count_total - bare.count_total;
            let added = counts.bytes_total - bare.bytes_total;
            table.add_row([
                format!("{} KiB", bytes / KIB),
                name.to_owned(),
                frames.to_string(),
                allocations.to_string(),
                format!("{:.3}", allocations as f64 / frames as f64),
                format!("{:.1}", added as f64 / frames as f64),
                counts.bytes_max.to_string(),
            ]);
        }
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    println!("{table}");
}
