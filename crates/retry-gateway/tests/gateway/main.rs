//! The built binary, in front of scripted upstreams on this machine.

mod admin;
mod client;
mod configured;
mod documented;
mod heads;
mod process;
mod protocols;
mod retries;
mod stops;
mod tunnels;
mod upstream;
