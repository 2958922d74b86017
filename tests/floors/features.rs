//! What a feature may bring.

use super::{metadata, package};

#[test]
fn fleet_brings_no_crate() {
    let metadata = metadata();
    let enables = |name: &str, feature: &str| package(&metadata, name).features[feature].clone();
    assert_eq!(enables("http-retry", "fleet"), [""; 0]);
    // The task of a member needs more of a crate that is there already.
    assert_eq!(enables("tower-http-retry", "fleet"), ["http-retry/fleet", "tokio/rt", "tokio/sync"]);
    for name in ["http-retry", "tower-http-retry"] {
        let default = package(&metadata, name).features.get("default").cloned().unwrap_or_default();
        assert!(!default.contains(&"fleet".to_owned()), "{name} has it only where it is asked for");
    }
}
