//! The built binary, in front of scripted upstreams on this machine.

mod admin;
mod client;
mod configured;
mod documented;
mod expect;
mod heads;
mod http2;
mod outliers;
mod process;
mod protocols;
mod refused;
mod responses;
mod retries;
mod sdks;
mod security;
mod stops;
mod trailers;
mod tunnels;
mod upstream;
