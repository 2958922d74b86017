//! What late requests teach the pace of their key, beside those whose key was known.

use super::*;

/// Sends so many at once, of which all but so many are refused at once, and these served later. Returns what is known of the
/// key then, and later, and why another request waits.
fn crowd(is_late: bool, served: usize, hint: Option<u64>) -> [String; 3] {
    let pace = by_parts();
    let (mut now, mut late, mut known) = (START, Vec::new(), Vec::new());
    for _ in 0..20 {
        now += ms(2);
        match is_late {
            true => late.push(Late::send(&pace, "a", now)),
            false => known.push(go(&pace, &mut ticket_of(&pace, "a", Some("m")), now)),
        }
    }
    let mut end = |count: usize, answer: &Response<()>, now| {
        for late in late.split_off(late.len().saturating_sub(count)) {
            late.settle(&pace, "m", answer, now);
        }
        for permit in known.split_off(known.len().saturating_sub(count)) {
            let _ = settle(&pace, permit, answer, now);
        }
    };
    now += ms(20);
    end(20 - served, &response(429, hint), now);
    now += ms(300);
    let told = pace.report(&ticket_of(&pace, "a", Some("m")), now).to_string();
    end(served, &response(200, None), now);
    now += ms(100);
    let later = pace.report(&ticket_of(&pace, "a", Some("m")), now).to_string();
    let mut next = ticket_of(&pace, "a", Some("m"));
    let answer = match pace.poll(&mut next, now, None) {
        Admission::Go(_) => "go".to_owned(),
        other => format!("{other:?}"),
    };
    [told, later, answer]
}

#[test]
fn late_requests_of_one_key_teach_it_as_others_do() {
    for hint in [None, Some(1), Some(30)] {
        for served in [0, 1, 4, 10, 19] {
            assert_eq!(crowd(true, served, hint), crowd(false, served, hint), "{served} {hint:?}");
        }
    }
    let [report, ..] = crowd(true, 4, None);
    assert!(report.contains("at a time"), "{report}");
}
