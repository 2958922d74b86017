//! Tests of the workspace as a whole: one package, one binary.

mod cases;
mod compile_fail;
mod examples;
mod failures;
mod floors;
mod grpc;
mod interop;
mod layer;
mod pace;
mod support;
mod traps;
mod wire;
