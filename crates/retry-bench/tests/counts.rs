//! The counts that must not grow. They are the same on every machine.

use allocation_counter::measure;
use retry_bench::{Call, FRAME, Upload, UploadKind, Wait, waiting};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// What the attempts share, the caller's body, and the list of frames.
const ONCE: u64 = 3;

#[track_caller]
fn check(bytes: usize, kind: UploadKind, most_allocations: u64) {
    let bare = Upload { bytes, kind: UploadKind::Bare }.measure(|run| measure(run));
    let counts = Upload { bytes, kind }.measure(|run| measure(run));
    let added = counts.count_total - bare.count_total;
    assert!(added <= most_allocations, "{added} allocations for {bytes} bytes, {kind:?}");
    assert_eq!(counts.bytes_current, 0, "{bytes} bytes, {kind:?}: something is left");
}

/// After the first, whose buffer is used again.
#[test]
fn a_request_without_a_body_or_with_one_frame_allocates_nothing() {
    for headers in [0, 4, 12, 30] {
        for body in [0, KIB, 64 * KIB] {
            let call = Call { headers, body };
            let once = call.measure_once(|run| measure(run));
            for counts in [call.measure(|run| measure(run)), once, call.measure_paced(|run| measure(run))] {
                assert_eq!(counts.count_total, 0, "{call:?}");
            }
        }
    }
}

#[test]
fn the_future_is_small_beside_those_of_its_attempts() {
    assert!(Call::future_size() <= 280, "{} bytes", Call::future_size());
}

#[test]
fn a_body_that_passes_unbuffered_allocates_nothing() {
    for bytes in [0, KIB, MIB] {
        check(bytes, UploadKind::Unbuffered, 0);
    }
}

#[test]
fn a_kept_body_allocates_the_same_whatever_its_size_but_for_the_list_that_grows() {
    check(0, UploadKind::Kept(MIB), 0);
    check(KIB, UploadKind::Kept(MIB), ONCE);
    check(64 * KIB, UploadKind::Kept(MIB), ONCE);
    check(MIB, UploadKind::Kept(MIB), ONCE + 4);
}

#[test]
fn a_large_body_is_kept_whole_where_the_limit_allows_for_it() {
    let (bytes, limit) = (64 * MIB, 64 * MIB);
    let counts = Upload { bytes, kind: UploadKind::Kept(limit) }.measure(|run| measure(run));
    assert!(counts.bytes_max >= bytes as u64, "{} bytes at a time", counts.bytes_max);
}

#[test]
fn a_large_upload_needs_its_limit_and_one_frame() {
    let limit = 64 * KIB;
    let counts = Upload { bytes: 64 * MIB, kind: UploadKind::Kept(limit) }.measure(|run| measure(run));
    let most = (limit + FRAME + KIB) as u64;
    assert!(counts.bytes_max <= most, "{} bytes at a time", counts.bytes_max);
}

/// The future with its request, its place in the queue, its waker and its timer.
#[test]
fn a_request_that_waits_for_its_pace_takes_little_memory() {
    for (wait, most) in [(Wait::Alone, 768), (Wait::Retried, 1_280)] {
        let counts = waiting(1_000, wait, |run| measure(run));
        let each = counts.bytes_current / 1_000;
        assert!((1..=most).contains(&each), "{each} bytes each, {wait:?}");
    }
}
