//! The cost of the layer, alone and beside that of other retry layers.
//!
//! Beside its peers the layer sends the same requests to the same server, which answers at once. What it allocates alone
//! is counted by an allocator that a test or a bench passes in, so that this library, and the bench that measures
//! instructions, do without one.

mod case;
mod frames;
mod head;
mod layer;
mod peers;
mod send;
mod server;
mod waiting;

pub use self::case::Case;
pub use self::frames::FRAME;
pub use self::layer::{Call, Upload, UploadKind, Wait, waiting};
pub use self::peers::{Subject, Waiter, at_rest, future_bytes, sleeps_of_a_resend};
pub use self::send::{Run, prepare};
pub use self::waiting::{Uri, line};
