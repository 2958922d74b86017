//! What the layer costs beside what others cost: the same requests, through each of them, to the same server, which answers
//! at once.

mod case;
mod frames;
mod head;
mod peers;
mod send;
mod server;
mod waiting;

pub use self::case::Case;
pub use self::peers::{Subject, Waiter, future_bytes, sleeps_of_a_resend};
pub use self::send::{Run, prepare};
pub use self::waiting::{Uri, line};
