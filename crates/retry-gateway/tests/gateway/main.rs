//! The built binary, in front of scripted upstreams on this machine.

mod admin;
mod client;
mod configured;
mod documented;
mod expect;
mod heads;
mod http2;
mod limits;
mod process;
mod protocols;
mod refused;
mod reload;
mod responses;
mod retries;
mod sdks;
mod stops;
mod tunnels;
mod upstream;
