use super::*;

const NOW: Duration = Duration::from_secs(1_000);

/// Counts so many answers, of which each `of`-th is refused.
fn share(answers: u64, of: u64) -> Share {
    let mut share = Share::new();
    add(&mut share, answers, of);
    share
}

fn add(share: &mut Share, answers: u64, of: u64) {
    for answer in 1..=answers {
        match answer % of {
            0 => share.refused(),
            _ => share.served(1),
        }
    }
}

/// The refusals in a row after which a limit is meant.
fn needed(share: &mut Share, now: Duration) -> u32 {
    (1..1_000)
        .find(|_| {
            share.refused();
            share.means_limit(0.0, now)
        })
        .unwrap()
}

#[test]
fn what_is_served_is_no_limit_and_quiet() {
    let share = share(1_000, u64::MAX);
    assert!(!share.means_limit(0.0, NOW) && share.is_quiet());
    assert_eq!((share.short(), share.long(), share.base()), (0.0, 0.0, FIRST_BASE));
    assert!(Share::new().is_quiet());
}

#[test]
fn one_of_a_hundred_is_no_limit_however_long_it_lasts() {
    let mut share = Share::new();
    for _ in 0..1_000 {
        add(&mut share, 100, 100);
        assert!(!share.means_limit(0.0, NOW));
    }
    assert!((0.003..0.05).contains(&share.long()), "{}", share.long());
}

#[test]
fn one_of_two_is_a_limit_soon() {
    let mut share = Share::new();
    let answers = (1..100).find(|answer| {
        if answer % 2 == 0 {
            share.refused()
        } else {
            share.served(1)
        }
        share.means_limit(0.0, NOW)
    });
    assert!(answers.unwrap() <= 30, "{answers:?}");
    assert!(!share.is_quiet());
    assert!((share.short() - 0.5).abs() < 0.1, "{}", share.short());
    share.begin();
    assert!(!share.means_limit(0.0, NOW));
}

#[test]
fn a_lead_needs_fewer_refusals() {
    let mut share = Share::new();
    let with_lead = (1..100).find(|_| {
        share.refused();
        share.means_limit(3.0, NOW)
    });
    assert!(with_lead.unwrap() < needed(&mut Share::new(), NOW));
}

#[test]
fn each_claim_that_was_dropped_needs_more_until_it_is_forgotten() {
    let mut last = needed(&mut Share::new(), NOW);
    for drops in 1..=3 {
        let mut share = Share::new();
        (0..drops).for_each(|_| share.dropped(0.05, NOW));
        let refusals = needed(&mut share, NOW);
        assert!(refusals > last, "{refusals} after {drops} drops");
        last = refusals;
    }
    let mut share = Share::new();
    share.dropped(0.0, NOW);
    assert_eq!(needed(&mut share, NOW + Duration::from_secs(3_600)), needed(&mut Share::new(), NOW));
}

#[test]
fn a_drop_bounds_what_it_raises_and_what_it_needs() {
    let mut share = Share::new();
    for _ in 0..1_000 {
        share.dropped(f64::INFINITY, NOW);
    }
    assert_eq!(share.base(), MAX_BASE);
    assert!(needed(&mut share, NOW) < 100);
    // What is there whatever the load is forgotten, but never below what it was at first.
    share.served(10_000);
    assert!((FIRST_BASE..FIRST_BASE * 1.01).contains(&share.base()), "{}", share.base());
    assert!(share.is_quiet());
}

#[test]
fn no_number_of_answers_is_too_many() {
    let mut share = Share::new();
    share.refused();
    share.served(u64::MAX);
    assert!(share.is_quiet() && !share.means_limit(0.0, NOW));
    assert!(share.short().is_finite() && share.base().is_finite());
}
