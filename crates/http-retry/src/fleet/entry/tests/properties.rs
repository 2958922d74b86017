//! What is true in any order of events: members that obey the rules, answers late and in any order, deaths, debts and news.

use proptest::prelude::*;

use super::*;

/// One member, which keeps what it may and sends when the test says so.
#[derive(Clone, Default)]
struct Member {
    slots: Vec<i64>,
    back: Vec<i64>,
    debt: i64,
    serial: i64,
    share: i64,
    /// The time of the last question, or 0.
    at: i64,
    under_way: Vec<(i64, LeaseAnswer)>,
}

#[derive(Clone, Copy, Debug)]
enum Event {
    /// Asks for some slots; the trip back takes this long.
    Ask { want: i64, ahead: bool, trip: i64 },
    /// Sends in all slots that are due.
    Send,
    /// Sends without a slot.
    Owe,
    /// Gives back all slots.
    Return,
    /// Forgets all, as if it were another process.
    Die,
    /// Tells all the same rate again, which makes the slots void.
    Announce,
}

struct World {
    slot: Option<PaceEntry>,
    now: i64,
    sends: Vec<i64>,
    members: Vec<Member>,
    debts: i64,
    /// The most slots that all members together may keep at any time.
    most_kept: i64,
    is_eager: bool,
    serial: i64,
}

const GAP: i64 = 10_000;
const LEASE: i64 = 100_000;
const TRIP: i64 = 20_000;

impl World {
    fn new(members: usize, burst: i64, is_eager: bool) -> Self {
        let made = PaceEntry::new(NOW - 60 * SECOND, GAP, burst * THOUSAND, 1);
        let members = vec![Member { share: THOUSAND, ..Member::default() }; members];
        let (slot, now, sends) = (Some(made), NOW, Vec::new());
        Self { slot, now, sends, members, debts: 0, most_kept: 0, is_eager, serial: 1 }
    }

    fn burst(&self) -> i64 {
        self.slot.unwrap().burst
    }

    fn keep(&self, member: &Member) -> i64 {
        div(self.burst() * member.share, 2 * MILLION).max(1)
    }

    /// Lets time pass: answers arrive, and slots are given up that are too many or too old.
    fn pass(&mut self, elapsed: i64) {
        let end = self.now + elapsed;
        (0..self.members.len()).for_each(|index| self.settle(index));
        loop {
            let answers = self.members.iter().flat_map(|member| member.under_way.iter().map(|(at, _)| *at));
            let slots = self.members.iter().flat_map(|member| member.slots.iter().copied());
            let next = answers.chain(slots).filter(|at| *at > self.now && *at <= end).min().unwrap_or(end);
            self.now = next;
            for index in 0..self.members.len() {
                self.settle(index);
            }
            if next == end {
                return;
            }
        }
    }

    fn settle(&mut self, index: usize) {
        let now = self.now;
        let mut member = std::mem::take(&mut self.members[index]);
        let (arrived, under_way) = member.under_way.into_iter().partition(|(at, _)| *at <= now);
        member.under_way = under_way;
        for (at, answer) in arrived {
            // An answer that was overtaken by a later serial counts for nothing.
            if answer.serial >= member.serial {
                member.hear(answer.serial);
                member.share = answer.share;
                member.slots.extend((0..answer.count).map(|slot| at + answer.first + slot * answer.gap));
                member.slots.sort_unstable();
            }
        }
        if self.is_eager {
            let (due, later) = member.slots.into_iter().partition(|at| *at <= now);
            member.slots = later;
            let due: Vec<i64> = due;
            self.sends.extend(due.iter().map(|_| now));
        } else {
            let due = member.slots.iter().filter(|at| **at <= now).count() as i64;
            let old = member.slots.iter().filter(|at| **at + LEASE < now).count() as i64;
            let given_up = old.max(due - self.keep(&member)).max(0) as usize;
            member.back.extend(member.slots.drain(..given_up));
        }
        self.members[index] = member;
        let kept: i64 = self.members.iter().map(|member| self.keep(member)).sum();
        self.most_kept = self.most_kept.max(kept);
    }

    fn play(&mut self, index: usize, event: Event) -> Result<(), TestCaseError> {
        let now = self.now;
        let member = &mut self.members[index];
        match event {
            Event::Ask { want, ahead, trip } => {
                let back_in = member.back.iter().max().map_or(0, |at| (at - now).max(0));
                let question = LeaseQuestion {
                    want,
                    debt: std::mem::take(&mut member.debt),
                    back: std::mem::take(&mut member.back).len() as i64,
                    back_in,
                    ahead: i64::from(ahead),
                    demand: 40_000,
                    elapsed: now - std::mem::replace(&mut member.at, now),
                    lease: LEASE,
                    serial: member.serial,
                    gap: GAP,
                    burst: 1_000,
                    ..LeaseQuestion::default()
                };
                let answer = lease(&mut self.slot, now, index as i64 + 1, &question);
                prop_assert!(answer.serial >= self.serial, "serials never fall");
                prop_assert!(answer.count <= want);
                self.serial = answer.serial;
                self.members[index].under_way.push((now + trip, answer));
            }
            Event::Send => {
                let due = member.slots.iter().filter(|at| **at <= now).count();
                member.slots.drain(..due);
                self.sends.extend(std::iter::repeat_n(now, due));
            }
            Event::Owe if member.debt == 0 => {
                member.debt += 1;
                self.debts += 1;
                self.sends.push(now);
            }
            Event::Owe => {}
            Event::Return => {
                let slots = std::mem::take(&mut member.slots);
                member.back.extend(slots);
            }
            Event::Die => *member = Member { share: THOUSAND, ..Member::default() },
            Event::Announce => {
                let question =
                    PublishQuestion { serial: self.serial, kind: News::ANNOUNCED, ..Default::default() };
                let (_, news) = publish(&mut self.slot, now, index as i64 + 1, &question);
                let serial = news.map_or(self.serial, |news| news.serial);
                prop_assert!(serial > self.serial);
                self.serial = serial;
                self.members.iter_mut().for_each(|member| member.hear(serial));
            }
        }
        Ok(())
    }

    /// Asserts that no window has more sends than the burst and its slots, and `more`.
    fn check(&self, more: i64) -> Result<(), TestCaseError> {
        let mut sends = self.sends.clone();
        sends.sort_unstable();
        for (first, begin) in sends.iter().enumerate() {
            for (last, end) in sends.iter().enumerate().skip(first) {
                let count = (last - first + 1) as i64;
                let most = div(self.burst(), THOUSAND) + div(end - begin, GAP) + more;
                prop_assert!(count <= most, "{count} sends of {most} in {} us", end - begin);
            }
        }
        Ok(())
    }
}

impl Member {
    fn hear(&mut self, serial: i64) {
        if serial > self.serial {
            self.serial = serial;
            self.slots.clear();
            self.back.clear();
        }
    }
}

fn event(asks_ahead: bool, most_trip: i64) -> impl Strategy<Value = Event> {
    let ahead = prop::bool::weighted(if asks_ahead { 0.5 } else { 0.0 });
    prop_oneof![
        6 => (0_i64..12, ahead, 0..=most_trip).prop_map(|(want, ahead, trip)| Event::Ask { want, ahead, trip }),
        6 => Just(Event::Send),
        1 => Just(Event::Owe),
        1 => Just(Event::Return),
        1 => Just(Event::Die),
        1 => Just(Event::Announce),
    ]
}

type Steps = Vec<(i64, usize, Event)>;

fn steps(asks_ahead: bool, most_trip: i64) -> impl Strategy<Value = Steps> {
    prop::collection::vec((0_i64..60_000, 0_usize..4, event(asks_ahead, most_trip)), 1..80)
}

fn play(world: &mut World, steps: Steps) -> Result<(), TestCaseError> {
    let members = world.members.len();
    for (elapsed, index, event) in steps {
        world.pass(elapsed);
        world.play(index % members, event)?;
    }
    Ok(())
}

proptest! {
    /// Members that send at once in each slot keep exactly to the burst and the rate, but for their debts.
    #[test]
    fn no_window_has_more_sends_than_burst_and_rate(
        members in 1_usize..5, burst in 1_i64..20, steps in steps(false, 0),
    ) {
        let mut world = World::new(members, burst, true);
        play(&mut world, steps)?;
        world.check(world.debts)?;
    }

    /// Late answers shift sends by their trip, and slots in hand are a burst of their own.
    #[test]
    fn slots_in_hand_stay_within_the_burst(
        members in 1_usize..5, burst in 2_i64..40, steps in steps(true, TRIP),
    ) {
        let mut world = World::new(members, burst, false);
        play(&mut world, steps)?;
        // Half of the burst is for slots in hand. Shares that are rounded up to one slot, or older than a member, are beyond.
        let more = (world.most_kept - burst / 2).max(0);
        world.check(world.debts + more + 2 * TRIP / GAP + 1)?;
    }

    /// Whatever happened, a member that wants a slot and obeys the answers gets one in bounded time.
    #[test]
    fn no_entry_is_ever_stuck(
        numbers in prop::collection::vec((-5_000_000_i64..5_000_000, 0_i64..200_000_000), 0..40),
        steps in prop::collection::vec(any::<(u8, i64, i64, i64, i64)>(), 0..40),
    ) {
        let (mut slot, mut now) = (full(), NOW);
        for ((back, elapsed), (kind, a, b, c, d)) in numbers.into_iter().zip(steps) {
            now += elapsed + back;
            let serial = slot.unwrap().serial;
            let member = 1 + a % 3;
            if kind % 2 == 0 {
                let numbers = [a, b, c, d, a ^ b, b ^ c, c ^ d, d ^ a, a, serial + (b % 2), c, d, a % SECOND];
                lease(&mut slot, now, member, &LeaseQuestion::from_numbers(numbers));
            } else {
                let (quiet, kind) = (a.rem_euclid(5 * SECOND), 1 + b.rem_euclid(4));
                let numbers = [serial - (b % 2), kind, quiet, c, d, a, b ^ c, 1];
                publish(&mut slot, now, member, &PublishQuestion::from_numbers(numbers));
            }
            let serial_after = slot.unwrap().serial;
            prop_assert!(serial_after >= serial, "serials never fall");
        }
        let begin = now;
        for _ in 0..50 {
            let answer = lease(&mut slot, now, 1, &LeaseQuestion { want: 1, lease: 200_000, ..Default::default() });
            match answer.state {
                LeaseAnswer::FREE => return Ok(()),
                LeaseAnswer::PACED if answer.count == 1 => {
                    prop_assert!(now + answer.first - begin <= 140 * SECOND, "{answer:?}");
                    return Ok(());
                }
                LeaseAnswer::PROBE => {
                    let opened = PublishQuestion {
                        serial: answer.serial, kind: News::OPENED, ..Default::default()
                    };
                    prop_assert_eq!(publish(&mut slot, now, 1, &opened).0.written, 1);
                }
                _ => now += answer.first.max(1),
            }
        }
        prop_assert!(false, "stuck: {slot:?}");
    }
}
