//! The store in memory does what a store and its driver do.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::task::{Context, Poll, Wake};

use super::*;
use crate::fleet::entry::{LeaseAnswer, LeaseQuestion, News, PublishQuestion};
use crate::fleet::{Answer, Store, StoreCommand, StoreEvent};

const ID: Id = Id::new(7);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A question for slots of a limit of 10 per second.
fn ask(store: &MemoryStore, number: u64, want: i64) {
    let question = LeaseQuestion { want, lease: 200_000, gap: 100_000, burst: 4_000, ..Default::default() };
    store.send(StoreRequest::new(number, ID, StoreCommand::Lease(question)));
}

fn quiet(store: &MemoryStore, number: u64, quiet: i64) {
    let question = PublishQuestion { kind: News::QUIET, quiet, serial: 9, ..Default::default() };
    store.send(StoreRequest::new(number, ID, StoreCommand::Publish(question)));
}

#[track_caller]
fn answer(store: &MemoryStore, number: u64) -> LeaseAnswer {
    match store.next_event() {
        Some(StoreEvent::Answer(of, Answer::Lease(answer))) if of == number => answer,
        other => panic!("{other:?}"),
    }
}

#[test]
fn answers_take_a_trip_and_slots_count_from_the_middle_of_it() {
    let memory = Memory::new();
    memory.set_trip(ms(10));
    let (one, two) = (memory.connect(), memory.connect());
    ask(&one, 1, 1);
    memory.advance(ms(5));
    ask(&two, 1, 1);
    assert_eq!(memory.next_event_at(), Some(ms(10)));
    memory.advance(ms(20));
    assert_eq!((answer(&one, 1).first, answer(&two, 1).first), (0, 95_000));
    assert_eq!((one.next_event(), memory.runs()), (None, 2));
}

#[test]
fn news_comes_to_all_members_unless_it_is_lost() {
    let memory = Memory::new();
    let (one, two) = (memory.connect(), memory.connect());
    ask(&one, 1, 1);
    answer(&one, 1);
    quiet(&one, 2, 500_000);
    let StoreEvent::News(ID, news) = two.next_event().unwrap() else { panic!() };
    assert_eq!((news.kind, news.until), (News::QUIET, 500_000));
    assert!(matches!(one.next_event(), Some(StoreEvent::Answer(2, Answer::Publish(_)))));
    assert!(matches!(one.next_event(), Some(StoreEvent::News(ID, _))));
    memory.lose_news(1);
    quiet(&one, 3, 900_000);
    assert_eq!(two.next_event(), None);
}

#[test]
fn slow_answer_makes_it_unreachable_and_comes_all_the_same() {
    let memory = Memory::new();
    let store = memory.connect();
    memory.set_trip(ms(80));
    ask(&store, 1, 1);
    memory.advance(ms(49));
    assert_eq!(store.next_event(), None);
    memory.advance(ms(51));
    assert_eq!(store.next_event(), Some(StoreEvent::Unreachable(UnreachableReason::Timeout)));
    ask(&store, 2, 1);
    memory.advance(ms(100));
    assert_eq!(answer(&store, 1).count, 1);
    memory.set_trip(ms(1));
    memory.advance(ms(124));
    assert_eq!(store.next_event(), None);
    memory.advance(ms(126));
    assert_eq!(store.next_event(), Some(StoreEvent::Reachable));
    memory.advance(ms(500));
    assert_eq!(store.next_event(), None, "nothing was queued");
}

#[test]
fn stopped_store_times_out_once_and_a_dead_one_is_heard_at_once() {
    let memory = Memory::new();
    let store = memory.connect();
    memory.stop();
    ask(&store, 1, 1);
    ask(&store, 2, 1);
    memory.advance(ms(50));
    assert_eq!(store.next_event(), Some(StoreEvent::Unreachable(UnreachableReason::Timeout)));
    assert_eq!(store.next_event(), None);
    memory.bring_up();
    memory.advance(ms(125));
    assert_eq!(store.next_event(), Some(StoreEvent::Reachable));
    memory.take_down(UnreachableReason::Closed);
    assert_eq!(store.next_event(), Some(StoreEvent::Unreachable(UnreachableReason::Closed)));
}

#[test]
fn store_is_tried_again_later_and_later() {
    let memory = Memory::new();
    let store = memory.connect();
    memory.take_down(UnreachableReason::Closed);
    store.next_event();
    for at in [75, 375, 1_875, 3_375] {
        assert_eq!(memory.next_event_at(), Some(ms(at)));
        memory.advance(ms(at));
    }
    memory.bring_up();
    memory.advance(ms(4_875));
    assert_eq!(store.next_event(), Some(StoreEvent::Reachable));
    memory.take_down(UnreachableReason::Denied);
    assert_eq!(memory.next_event_at(), Some(ms(34_875)));
}

#[test]
fn member_that_is_cut_off_is_alone_and_the_others_are_not() {
    let memory = Memory::new();
    let (one, two) = (memory.connect(), memory.connect());
    one.cut_off(true);
    ask(&one, 1, 1);
    ask(&two, 1, 1);
    answer(&two, 1);
    quiet(&two, 2, 100_000);
    memory.advance(ms(60));
    assert_eq!(one.next_event(), Some(StoreEvent::Unreachable(UnreachableReason::Timeout)));
    one.cut_off(false);
    memory.advance(ms(200));
    assert_eq!(one.next_event(), Some(StoreEvent::Reachable));
    assert_eq!(one.next_event(), None, "the news was lost");
}

#[test]
fn forgotten_and_restored_entries_and_expired_ones() {
    let memory = Memory::new();
    let store = memory.connect();
    ask(&store, 1, 2);
    let first = answer(&store, 1);
    let replica = memory.snapshot();
    quiet(&store, 2, 500_000);
    memory.restore(&replica);
    assert_eq!(memory.pace_entry(ID).unwrap().serial, first.serial);
    memory.advance(ms(1));
    memory.forget();
    assert_eq!(memory.pace_entry(ID), None);
    (0..2).for_each(|_| _ = store.next_event());
    ask(&store, 3, 2);
    let second = answer(&store, 3);
    assert_ne!(second.born, first.born);
    memory.advance(ms(700_000));
    ask(&store, 4, 2);
    assert_ne!(answer(&store, 4).born, second.born, "ten minutes after its last use it is another one");
}

#[test]
fn clock_of_the_store_may_step() {
    let memory = Memory::new();
    let store = memory.connect();
    quiet(&store, 1, 500_000);
    memory.step_clock(-3_600_000_000);
    memory.advance(ms(100));
    (0..2).for_each(|_| _ = store.next_event());
    ask(&store, 2, 1);
    assert_eq!(answer(&store, 2).quiet, 500_000, "it ends later, and never earlier");
}

#[test]
fn members_have_the_same_ids_for_the_same_bytes() {
    let memory = Memory::new();
    let (one, two) = (memory.connect(), memory.connect());
    assert_eq!(one.id(b"api"), two.id(b"api"));
    assert_ne!(one.id(b"api"), one.id(b"apj"));
    assert_eq!(one.id(b"api").to_string().len(), 32);
}

#[test]
fn waiting_member_is_woken() {
    struct Count(AtomicU32);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }
    let count = Arc::new(Count(AtomicU32::new(0)));
    let waker = count.clone().into();
    let memory = Memory::new();
    memory.set_trip(ms(4));
    let store = memory.connect();
    ask(&store, 1, 1);
    assert!(store.poll_event(&mut Context::from_waker(&waker)).is_pending());
    memory.advance(ms(4));
    assert_eq!(count.0.load(Relaxed), 1);
    let event = store.poll_event(&mut Context::from_waker(&waker));
    assert!(matches!(event, Poll::Ready(Some(StoreEvent::Answer(1, _)))));
}
