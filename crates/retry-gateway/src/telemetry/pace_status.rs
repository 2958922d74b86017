//! The figures of an upstream's paces: what holds requests back, in one word, and by how much.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use http_retry::{PaceReport, Why};
use serde::Serialize;
use tower_http_retry::pace::SharedPace;

/// The state of the paces of one upstream.
#[derive(Debug, Default, Serialize)]
pub(crate) struct PaceStatus {
    /// Requests that the paces hold back now, by reason.
    pub(crate) paced: BTreeMap<&'static str, u64>,
    /// Requests that went without a pace, because its table of keys was full.
    pub(crate) unpaced: u64,
    /// The keys at which requests are held back or refused, those with the longest queues first, and then those that something
    /// holds back.
    pub(crate) pace_keys: Vec<PaceKeyStatus>,
}

/// The state of one key.
#[derive(Debug, Serialize)]
pub(crate) struct PaceKeyStatus {
    /// A hash, which tells nothing about the key.
    key: String,
    /// The endpoint, where each has a pace of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<String>,
    /// The word for what holds requests back, or `free`.
    why: &'static str,
    /// The known limit in requests a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    rate: Option<f64>,
    /// The known limit of how many at a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    at_a_time: Option<f64>,
    /// The seconds for which no request is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    stopped_for: Option<f64>,
    /// The share of refused calls among the last hundred.
    refused_share: f64,
    /// Requests that are held back.
    paced: usize,
    /// Calls in flight.
    in_flight: u64,
}

impl PaceStatus {
    /// Reads the state of these paces, each with the name of its endpoint if it has one. `unpaced` counts the
    /// requests that went without them.
    pub(crate) fn new<'a>(
        paces: impl Iterator<Item = (Option<&'a str>, &'a SharedPace)>,
        unpaced: u64,
    ) -> Self {
        let reports = paces.flat_map(|(endpoint, pace)| {
            pace.reports(usize::MAX).into_iter().map(move |report| (endpoint, report))
        });
        let mut reports: Vec<_> = reports.collect();
        reports.sort_by_key(|(_, report)| (Reverse(report.waiting), report.why.is_none()));
        let mut paced = BTreeMap::new();
        for (_, report) in reports.iter().filter(|(_, report)| report.waiting > 0) {
            // If nothing holds back the key, its requests can only wait for hints of their own.
            let why = report.why.unwrap_or(Why::OwnHint);
            *paced.entry(why.as_str()).or_default() += report.waiting as u64;
        }
        let shown = reports.iter().take(MAX_KEYS);
        let pace_keys = shown.map(|(endpoint, report)| PaceKeyStatus::new(*endpoint, report)).collect();
        Self { paced, unpaced, pace_keys }
    }
}

impl PaceKeyStatus {
    fn new(endpoint: Option<&str>, report: &PaceReport) -> Self {
        Self {
            // JSON's numbers are not precise enough for it in JavaScript.
            key: format!("{:016x}", report.key),
            endpoint: endpoint.map(str::to_owned),
            why: report.why.map_or("free", Why::as_str),
            rate: report.rate.map(thousandths),
            at_a_time: report.at_a_time.map(thousandths),
            stopped_for: report.stopped_for.map(|time| thousandths(time.as_secs_f64())),
            refused_share: thousandths(report.refused_share),
            paced: report.waiting,
            in_flight: report.in_flight,
        }
    }
}

/// Rounds a number, so that people can read it.
fn thousandths(number: f64) -> f64 {
    (1_000.0 * number).round() / 1_000.0
}

/// The keys that `/status` lists.
const MAX_KEYS: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_at_rest_has_no_figures() {
        let pace = SharedPace::from(tower_http_retry::Pace::per_credential());
        let status = PaceStatus::new([(None, &pace)].into_iter(), 3);
        assert!(status.paced.is_empty() && status.pace_keys.is_empty() && status.unpaced == 3);
    }

    #[test]
    fn a_key_is_told_by_a_hash_and_its_numbers_are_short() {
        let mut report = PaceReport::default();
        (report.key, report.why, report.waiting) = (7, Some(Why::Rate), 12);
        (report.rate, report.refused_share) = (Some(9.876_54), 0.012_34);
        let json = serde_json::to_string(&PaceKeyStatus::new(None, &report)).unwrap();
        let expected = "{\"key\":\"0000000000000007\",\"why\":\"rate\",\"rate\":9.877,\"refused_share\":0.012,\
                        \"paced\":12,\"in_flight\":0}";
        assert_eq!(json, expected);
    }
}
