//! What the layer costs, in counts: allocations and bytes are the same on every machine, at every load.

mod call;
mod line;
mod upload;

pub use self::call::Call;
pub use self::line::{Wait, waiting};
pub use self::upload::{FRAME, Upload, Way};
