//! The keys of `[fleet]`.

use std::time::Duration;

use toml::de::DeValue;

use crate::config::error::Invalid;
use crate::config::fleet::{FleetConfig, address_of};
use crate::config::reader::{Table, Value};
use crate::config::secret::Secret;
use crate::config::value;

/// Parses the fleet. Returns `None` without a fleet, or where a problem was reported.
pub(super) fn parse(root: &mut Table<'_>) -> Option<FleetConfig> {
    let no_table = Invalid::new("not a table").allowed("{ store = \"redis://127.0.0.1:6379/0\" }");
    // Another value may be the URL of the store with its password.
    let mut table = root.value("fleet")?.table_or(no_table.secret())?;
    let store = store(&mut table);
    let name = table.parse("name", name);
    let lease =
        table.parse("lease", |value| within(value, Duration::from_millis(50), Duration::from_secs(2)));
    let lease = lease.unwrap_or(FleetConfig::LEASE);
    let timeout =
        table.parse("timeout", |value| within(value, Duration::from_millis(5), Duration::from_secs(1)));
    // A default must not contradict a key that is in the file.
    let timeout = timeout.unwrap_or(FleetConfig::TIMEOUT.min(lease / 2));
    if timeout >= lease {
        table.report("timeout", Invalid::new("not below the lease").allowed("less than lease"));
    }
    let folder = table.document.folder;
    let secret = table.parse("secret", |value| {
        let text = value::text(value, SECRETS).map_err(Invalid::secret)?;
        Secret::read(text, folder).map_err(at_place)
    });
    let address = store.as_ref().and_then(|store| match address_of(store) {
        Ok(address) => Some(address),
        Err(error) => {
            table.report("store", Invalid::new(error.to_string()).secret());
            None
        }
    });
    let ca = table.value("tls").and_then(|value| value.table("{ ca = \"ca.pem\" }")).and_then(|mut tls| {
        let ca = tls.parse("ca", value::path).map(|ca| folder.join(ca));
        if address.as_ref().is_some_and(|address| !address.has_tls) {
            tls.report_table(Invalid::new("the store does not speak TLS").allowed("a store with rediss://"));
        }
        tls.finish();
        ca
    });
    table.finish();
    Some(FleetConfig {
        store: store?,
        address: address?,
        name: name.unwrap_or_else(|| FleetConfig::NAME.to_owned()),
        lease,
        timeout,
        secret,
        ca,
    })
}

/// Parses the URLs of the store: one, or a list.
fn store(table: &mut Table<'_>) -> Option<Vec<Secret>> {
    let folder = table.document.folder;
    let Some(value) = table.value("store") else {
        table.report_missing("store", STORES);
        return None;
    };
    let url = |value: Value<'_>| {
        value.parse(|value| {
            let text = value::text(value, STORES).map_err(Invalid::secret)?;
            Secret::read(text, folder).map_err(at_place)
        })
    };
    if !value.is_list() {
        return Some(vec![url(value)?]);
    }
    let items = value.items(STORES)?;
    if items.is_empty() {
        table.report("store", Invalid::new("empty").allowed(STORES));
        return None;
    }
    items.into_iter().map(url).collect()
}

fn at_place(invalid: Invalid) -> Invalid {
    invalid.allowed(SECRETS)
}

fn name(value: &DeValue<'_>) -> Result<String, Invalid> {
    let allowed = "1 to 32 of a-z, 0-9 and -";
    let name = value::text(value, allowed)?;
    let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    match (1..=32).contains(&name.len()) && name.chars().all(is_allowed) {
        true => Ok(name.to_owned()),
        false => Err(Invalid::new("not a name").allowed(allowed)),
    }
}

fn within(value: &DeValue<'_>, min: Duration, max: Duration) -> Result<Duration, Invalid> {
    let duration = value::duration(value)?;
    match (min..=max).contains(&duration) {
        true => Ok(duration),
        false => Err(Invalid::new("out of range").allowed(format!("{min:?} to {max:?}"))),
    }
}

const STORES: &str =
    "a URL such as redis://127.0.0.1:6379/0, rediss://.., env:NAME or file:PATH, or a list of them";
const SECRETS: &str = "the text itself, env:NAME or file:PATH";
