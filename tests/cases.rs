//! Test vectors from elsewhere (`data/`), each row accounted for: checked, or named with the reason why not.

mod backoffs;
mod decisions;
mod hints;
mod vendors;

use std::collections::{BTreeMap, BTreeSet};

use http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, de::DeserializeOwned};

/// Header names to their lines.
type Headers = BTreeMap<String, Lines>;

#[derive(Deserialize)]
#[serde(untagged)]
enum Lines {
    One(String),
    Several(Vec<String>),
}

impl Lines {
    fn iter(&self) -> impl Iterator<Item = &str> {
        match self {
            Self::One(line) => std::slice::from_ref(line),
            Self::Several(lines) => lines,
        }
        .iter()
        .map(String::as_str)
    }
}

fn header_map(headers: &Headers) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, lines) in headers {
        for line in lines.iter() {
            append(&mut map, name, line.as_bytes());
        }
    }
    map
}

fn append(map: &mut HeaderMap, name: &str, line: &[u8]) {
    let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
    map.append(name, HeaderValue::from_bytes(line).unwrap());
}

/// The rows of a file of vectors.
fn rows<R: DeserializeOwned>(data: &str) -> Vec<R> {
    #[derive(Deserialize)]
    struct File<R> {
        #[serde(alias = "vectors")]
        cases: Vec<R>,
    }
    serde_json::from_str::<File<R>>(data).unwrap().cases
}

/// Rows that were collected later.
const MORE: &str = include_str!("data/more_cases.json");

/// The rows of one section of a file of vectors.
fn section<R: DeserializeOwned>(data: &str, name: &str) -> Vec<R> {
    let mut file: BTreeMap<String, serde_json::Value> = serde_json::from_str(data).unwrap();
    serde_json::from_value(file.remove(name).unwrap()).unwrap()
}

/// Asserts that a table of exceptions names rows that exist, each once.
#[track_caller]
fn check_exceptions<'a>(exceptions: impl IntoIterator<Item = &'a str>, rows: &BTreeSet<&str>) {
    let mut seen = BTreeSet::new();
    for id in exceptions {
        assert!(rows.contains(id), "{id} is no row");
        assert!(seen.insert(id), "{id} stands there twice");
    }
}
