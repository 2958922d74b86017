//! What the layer promises besides: overrides, traces, defaults, and that it fits where services go.

mod bodies;
mod defaults;
mod fits;
mod info;
mod overrides;
mod traces;
