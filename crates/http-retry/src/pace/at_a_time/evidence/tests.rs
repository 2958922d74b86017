use super::*;

/// Takes in calls that left beside so many others: those that were refused, or passed.
fn beside(cases: impl IntoIterator<Item = (u32, bool)>) -> Beside {
    let mut beside = Beside::default();
    for (others, is_refused) in cases {
        if is_refused { beside.refused(others) } else { beside.passed(others) }
    }
    beside
}

#[test]
fn calls_that_are_refused_beside_as_many_and_pass_beside_fewer_make_a_limit_plain() {
    let cases = |number: usize| [(3, true), (2, false)].into_iter().cycle().take(2 * number);
    assert!(!beside(cases(3)).is_plain());
    assert!(beside(cases(4)).is_plain());
    assert!(!beside([(0, true), (0, false)].into_iter().cycle().take(20)).is_plain(), "alone");
}

#[test]
fn refusals_with_nothing_passed_between_are_one_case() {
    let probes = std::iter::repeat_n((3, true), 50).chain([(2, false)]);
    assert!(!beside(probes.clone().chain(std::iter::repeat_n((2, false), 3))).is_plain());
    let rounds = std::iter::repeat_n(probes, 4).flatten();
    assert!(beside(rounds).is_plain(), "a stop with many refused probes hides nothing");
}

#[test]
fn an_answer_that_was_under_way_does_not_hide_a_limit() {
    let rounds = [(3, true), (2, false)].into_iter().cycle();
    for odd in [(2, true), (3, false)] {
        assert!(
            beside(rounds.clone().take(6).chain([odd]).chain(rounds.clone().take(6))).is_plain(),
            "{odd:?}"
        );
    }
}

#[test]
fn a_bucket_that_passes_and_refuses_calls_beside_any_number_of_others_is_no_such_limit() {
    let bucket = (0..40).map(|index| (index * 7 % 5, index % 3 == 0));
    for cases in 1..40 {
        assert!(!beside(bucket.clone().take(cases)).is_plain(), "{cases}");
    }
}
