//! The warnings of a configuration that is valid.

use super::root::Config;
use super::upstream::{PaceKey, UpstreamConfig};

impl Config {
    /// Returns what the gateway can do, and an operator hardly wants. Each text begins with the key that it is about.
    pub fn warnings(&self) -> Vec<String> {
        let Some(fleet) = &self.fleet else { return Vec::new() };
        let mut warnings = Vec::new();
        if self.shared().next().is_none() {
            warnings.push(
                "fleet: shares nothing, because no upstream of it has a pace or a retry budget".to_owned(),
            );
        }
        if fleet.address.exposes_password {
            let address = &fleet.address;
            let text = "sends its password in the clear to another machine; use rediss://";
            warnings.push(format!("fleet.store: {address} {text}"));
        }
        let mut keys = self.shared().filter_map(|(_, upstream)| upstream.pace.as_ref()).map(|pace| &pace.key);
        if fleet.secret.is_none() && keys.any(has_credential) {
            let text = "missing, so whoever reads the store can test whether a guessed credential is in use; set the same for \
                        all members";
            warnings.push(format!("fleet.secret: {text}"));
        }
        warnings
    }

    /// Returns the upstreams that have a pace or a budget, and share it with the fleet.
    pub(super) fn shared(&self) -> impl Iterator<Item = (&str, &UpstreamConfig)> {
        let upstreams = self.upstreams.iter().map(|(name, upstream)| (name.as_str(), upstream));
        upstreams.filter(|(_, upstream)| {
            self.fleet.is_some()
                && upstream.fleet
                && (upstream.pace.is_some() || upstream.retry_budget.is_some())
        })
    }
}

/// Returns whether a key may be a credential. A header of the operator's may be one.
fn has_credential(key: &PaceKey) -> bool {
    matches!(key, PaceKey::Credential | PaceKey::CredentialAndModel | PaceKey::Header(_))
}
