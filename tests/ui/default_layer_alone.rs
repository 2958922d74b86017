//! Nothing tells the compiler which kind of error the layer will read.

use tower_http_retry::RetryLayer;

fn main() {
    let layer = RetryLayer::default();
}
