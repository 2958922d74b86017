use super::*;

/// What is known of a connection once these have come, each by a read of its own.
fn after(reads: &[&[u8]]) -> Patient<()> {
    let patience = Arc::new(Patience::new(&Limits::default(), &Pools::default()));
    let mut patient = Patient::new((), patience, Seat::default());
    reads.iter().for_each(|read| patient.has_read(read));
    patient
}

#[tokio::test]
async fn the_protocol_is_known_by_what_comes_first() {
    let check = |reads: &[&[u8]], expected: fn(&Protocol) -> bool| {
        let patient = after(reads);
        assert!(expected(&patient.protocol), "{reads:?} {:?}", patient.protocol);
    };
    let (one, other) = PREFACE.split_at(4);
    check(&[PREFACE], |protocol| matches!(protocol, Protocol::Http2));
    check(&[one, other], |protocol| matches!(protocol, Protocol::Http2));
    check(&[&[PREFACE, b"frames"].concat()], |protocol| matches!(protocol, Protocol::Http2));
    check(&[one], |protocol| matches!(protocol, Protocol::Unknown(4)));
    check(&[one, b""], |protocol| matches!(protocol, Protocol::Unknown(4)));
    check(&[b"PRI / HTTP/1.1\r\n"], |protocol| matches!(protocol, Protocol::Http1));
    check(&[b"G", other], |protocol| matches!(protocol, Protocol::Http1));
    check(&[one, b"GET"], |protocol| matches!(protocol, Protocol::Http1));
}

/// What is waited for, and for how long in seconds.
#[track_caller]
fn check_wait(patient: &mut Patient<()>, expected: Head, seconds: u64) {
    let began = Instant::now();
    let waiting = std::task::Waker::noop();
    assert!(patient.poll_late(&mut Context::from_waker(waiting)).is_pending());
    assert_eq!((patient.head, patient.alarm.at()), (expected, began + Duration::from_secs(seconds)));
}

#[tokio::test(start_paused = true)]
async fn the_next_head_is_waited_for_only_once_the_last_request_is_answered() {
    let Limits { header_timeout, idle_timeout, .. } = Limits::default();
    let (head, idle) = (header_timeout.as_secs(), idle_timeout.as_secs());
    assert_ne!(head, idle);
    let mut patient = after(&[]);
    check_wait(&mut patient, Head::Awaited, head);
    patient.has_read(b"GET /");
    check_wait(&mut patient, Head::Timed, head);
    // The rest of it, and nobody waits for the next one while it is under way.
    patient.has_read(b" HTTP/1.1\r\n\r\n");
    let turn = patient.patience.begin();
    tokio::time::advance(header_timeout * 2).await;
    assert!(patient.poll_late(&mut Context::from_waker(std::task::Waker::noop())).is_pending());
    drop(turn);
    check_wait(&mut patient, Head::Awaited, idle);
    // One that was there and answered at once.
    patient.has_read(b"GET / HTTP/1.1\r\n\r\n");
    drop(patient.patience.begin());
    check_wait(&mut patient, Head::Awaited, idle);
    patient.has_read(b"G");
    check_wait(&mut patient, Head::Timed, head);
    assert_eq!(patient.patience.late(), None);
    tokio::time::advance(header_timeout).await;
    let waiting = std::task::Waker::noop();
    assert!(patient.poll_late(&mut Context::from_waker(waiting)).is_ready());
    assert_eq!(patient.patience.late(), Some(Rejection::HeadTimeout));
}
