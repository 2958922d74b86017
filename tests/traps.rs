//! What other retry layers got wrong, and this one must not. Each test names the fact that it proves.

mod backoff;
mod body;
mod budget;
mod cancellation;
mod deadline;
mod delays;
mod heads;
mod hints;
mod outcomes;
mod readiness;
mod tunnels;
