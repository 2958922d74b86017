//! What the layer promises besides: overrides, traces, defaults, and that it fits where services go.

mod bodies;
mod defaults;
mod fits;
mod handed_back;
mod info;
mod observed;
mod overrides;
mod traces;
