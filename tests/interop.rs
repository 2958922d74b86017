//! Beside other people's code: what becomes of it, and of us.

mod reqwest;
mod tower_retry;
