//! Beside other people's code: what becomes of it, and of us.

mod axum;
mod reqwest;
mod stacks;
mod tower_retry;
