//! Durations and sizes in all of their forms.

use std::time::Duration;

use super::*;

#[track_caller]
fn check_duration(given: &str, expected: Duration) {
    assert_eq!(
        upstream(&format!("connect_timeout = {given}")).connections.connect_timeout,
        expected,
        "{given}"
    );
}

#[test]
fn durations_are_a_number_and_a_unit() {
    check_duration("\"1ms\"", Duration::from_millis(1));
    check_duration("\"250ms\"", Duration::from_millis(250));
    check_duration("\"1.5s\"", Duration::from_millis(1_500));
    check_duration("\"0.0005s\"", Duration::from_micros(500));
    check_duration("\"2m\"", Duration::from_secs(120));
    check_duration("\"0.1m\"", Duration::from_secs(6));
    check_duration("\"1h\"", Duration::from_secs(3_600));
    check_duration("\"168h\"", Duration::from_secs(604_800));
    check_duration("'007s'", Duration::from_secs(7));
}

#[track_caller]
fn check_size(given: &str, expected: usize) {
    assert_eq!(config(&file(&format!("buffers.total = {given}"), "", "")).buffers.total, expected, "{given}");
}

#[test]
fn sizes_are_bytes_or_a_number_and_a_unit() {
    check_size("0", 0);
    check_size("1_000", 1_000);
    check_size("0x10", 16);
    check_size("\"10B\"", 10);
    check_size("\"16kB\"", 16_000);
    check_size("\"64KiB\"", 65_536);
    check_size("\"1MiB\"", 1 << 20);
    check_size("\"1.5MiB\"", 3 << 19);
    check_size("\"2MB\"", 2_000_000);
    check_size("\"1GB\"", 1_000_000_000);
    check_size("\"1GiB\"", 1 << 30);
    check_size("\"1024GiB\"", 1 << 40);
}

#[track_caller]
fn check_invalid(key: &str, given: &str, expected: &str) {
    let line = format!("{key} = {given}");
    let text = if key == "buffers.total" { file(&line, "", "") } else { file("", &line, "") };
    let messages = problems(&text);
    assert_eq!(messages.len(), 1, "{messages:?}");
    let message = messages[0].split_once(": ").unwrap().1.split_once(": ").unwrap().1;
    assert_eq!(message.replace(ALLOWED_DURATION, "..").replace(ALLOWED_SIZE, ".."), expected);
}

const ALLOWED_DURATION: &str = "a number with ms, s, m or h, such as 250ms, 1.5s, 2m, 1h";
const ALLOWED_SIZE: &str = "bytes, or a number with B, kB, MB, GB, KiB, MiB or GiB, such as 64KiB";

#[test]
fn an_invalid_duration_has_its_message() {
    let rows = [
        ("5", "a unit is missing: value 5; allowed: ..; did you mean \"5s\"?"),
        ("1.5", "a unit is missing: value 1.5; allowed: ..; did you mean \"1.5s\"?"),
        ("\"5\"", "a unit is missing: value \"5\"; allowed: ..; did you mean \"5s\"?"),
        ("-5", "a unit is missing: value -5; allowed: .."),
        ("\"5sec\"", "not a duration: value \"5sec\"; allowed: ..; did you mean \"5s\"?"),
        ("\"5min\"", "not a duration: value \"5min\"; allowed: ..; did you mean \"5m\"?"),
        ("\"5MS\"", "not a duration: value \"5MS\"; allowed: ..; did you mean \"5ms\"?"),
        ("\"5 s\"", "not a duration: value \"5 s\"; allowed: .."),
        ("\"5d\"", "not a duration: value \"5d\"; allowed: .."),
        ("\"1m30s\"", "not a duration: value \"1m30s\"; allowed: .."),
        ("\"-5s\"", "not a duration: value \"-5s\"; allowed: .."),
        ("\"1.s\"", "not a duration: value \"1.s\"; allowed: .."),
        ("\".5s\"", "not a duration: value \".5s\"; allowed: .."),
        ("\"1.2.3s\"", "not a duration: value \"1.2.3s\"; allowed: .."),
        ("\"\"", "not a duration: value \"\"; allowed: .."),
        ("\"s\"", "not a duration: value \"s\"; allowed: .."),
        ("true", "not a duration: value true; allowed: .."),
        ("\"0s\"", "must be above zero: value \"0s\"; allowed: .."),
        ("\"0.0000000001s\"", "must be above zero: value \"0.0000000001s\"; allowed: .."),
        ("\"169h\"", "too long: value \"169h\"; allowed: up to 168h"),
        ("\"999999999999999999h\"", "too long: value \"999999999999999999h\"; allowed: up to 168h"),
    ];
    for (given, expected) in rows {
        check_invalid("connect_timeout", given, expected);
    }
}

#[test]
fn an_invalid_size_has_its_message() {
    let rows = [
        ("-1", "not a size: value -1; allowed: .."),
        ("1.5", "not a size: value 1.5; allowed: .."),
        ("\"64\"", "not a size: value \"64\"; allowed: ..; did you mean \"64B\"?"),
        ("\"64kb\"", "not a size: value \"64kb\"; allowed: ..; did you mean \"64kB\"?"),
        ("\"64Kib\"", "not a size: value \"64Kib\"; allowed: ..; did you mean \"64KiB\"?"),
        ("\"64K\"", "not a size: value \"64K\"; allowed: ..; did you mean \"64KiB\"?"),
        ("\"64 KiB\"", "not a size: value \"64 KiB\"; allowed: .."),
        ("\"1TiB\"", "not a size: value \"1TiB\"; allowed: .."),
        ("\"1025GiB\"", "too large: value \"1025GiB\"; allowed: up to 1024GiB"),
        ("99999999999999999999", "too large: value 99999999999999999999; allowed: up to 1024GiB"),
    ];
    for (given, expected) in rows {
        check_invalid("buffers.total", given, expected);
    }
}
