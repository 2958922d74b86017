//! The layer alone. Each measure runs in the `count` that it is given, which is `allocation_counter::measure`.

mod call;
mod upload;
mod waiting;

pub use self::call::Call;
pub use self::upload::{Upload, UploadKind};
pub use self::waiting::{Wait, waiting};
