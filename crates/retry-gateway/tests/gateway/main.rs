//! The built binary, in front of scripted upstreams on this machine.

mod admin;
mod attempts;
mod backoff;
mod budget;
mod buffers;
mod care;
mod client;
mod configured;
mod documented;
mod expect;
mod fallbacks;
mod heads;
mod limits;
mod operations;
mod outliers;
mod paced;
mod page;
mod process;
mod protocols;
mod refused;
mod reload;
mod responses;
mod retries;
mod sdks;
mod security;
mod stops;
#[cfg(feature = "otlp")]
mod traced;
mod trailers;
mod tunnels;
mod upstream;
mod user_texts;
mod words;
