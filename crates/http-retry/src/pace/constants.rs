//! The constants of the rule, each with its reason. `retry-sim grid` judges a change of one.

use std::time::Duration;

/// Silence for so many times as long as refusals take counts as served. Four leave room for jitter.
pub(super) const PATIENCE: u32 = 4;
/// The shortest patience: a scheduler may be late by some milliseconds.
pub(super) const SHORTEST_PATIENCE: Duration = Duration::from_millis(50);
/// The longest patience: an answer that takes a minute must not hold other requests for long.
pub(super) const LONGEST_PATIENCE: Duration = Duration::from_secs(1);
/// The time that refusals take before one was heard, so that the patience is 100 ms. It decides how long a slow start takes
/// where answers are late (no-limit).
pub(super) const UNKNOWN_REFUSAL_TIME: Duration = Duration::from_millis(25);

/// The share of refusals that may be there whatever the load, before anything is known (family noise-2).
pub(super) const FIRST_BASE: f64 = 0.01;
/// The largest base share. A server that refuses more at random has no use.
pub(super) const MAX_BASE: f64 = 0.3;
/// The share of refusals that means a limit, unless three times the base share is more.
pub(super) const LIMIT_SHARE: f64 = 0.25;
/// The cumulative sum above which refusals mean a limit: some three refusals among few served ones at a base of 1 %.
pub(super) const CLAIM: f64 = 7.0;
/// The amount that each claim that the test has dropped adds to it (noise-5, noise-10).
pub(super) const CLAIM_AFTER_DROP: f64 = 5.0;
/// The most that a claim takes.
pub(super) const MAX_CLAIM: f64 = 35.0;
/// One drop is forgotten in this time, in seconds.
pub(super) const DROP_FORGOTTEN: f64 = 30.0;

/// The weight of a row of refusals above which it is a standstill: three at a base share of 1 %, six at 10 %.
pub(super) const STANDSTILL: f64 = 12.0;
/// The share of refusals in a standstill.
pub(super) const STANDSTILL_SHARE: f64 = 0.9;
/// A row of so many refusals is a standstill even if they were sent in one burst.
pub(super) const CROWD: u32 = 12;
/// The refusals of requests that the row has already after which it is a standstill, where a limit is known. The last requests of a
/// load have no others that could make it plain (hint-short).
pub(super) const ENOUGH_REPEATED: u32 = 2;

/// The shortest stop without a hint.
pub(super) const FIRST_STOP: Duration = Duration::from_millis(500);
/// A stop after a refused probe lasts at least this part of the outage so far (hint-short).
pub(super) const PART_OF_OUTAGE: u32 = 8;
/// The longest stop that no hint asks for: requests that are each refused for themselves must not wait for long (poison).
pub(super) const LONGEST_STOP: Duration = Duration::from_secs(16);
/// The part of a long stop after which an early probe goes: the hint may be too long by two to ten times (hint-long).
pub(super) const EARLY_PART: f64 = 0.5;
/// Each served early probe halves that part, so often at most.
pub(super) const MOST_HALVED: u8 = 3;
/// A stop of this length is long. A shorter one is not worth a call that may be refused (sliding, fixed).
pub(super) const LONG_STOP: Duration = Duration::from_secs(3);
/// The shortest time until an early probe.
pub(super) const EARLIEST_PROBE: Duration = Duration::from_millis(500);
/// The factor by which each refused early probe prolongs the pause of such probes, in stops.
pub(super) const PAUSED_AFTER_REFUSAL: u8 = 8;
/// The longest such pause.
pub(super) const MOST_PAUSED: u8 = 64;
/// The number of refused openings in a row from which several probes go at a time (refused-each).
pub(super) const SEVERAL_PROBES: u32 = 3;

/// The probes of one stop whose refusals do not count among the attempts of their request, where a refusal names no time. The
/// backoff of such a request grows, so each more costs as much time as all before (poison).
pub(super) const PROBES_WITHOUT_HINT: u32 = 1;
/// The longest time that a request backs off by itself while a server that is unwell serves nothing (outage).
pub(super) const LONGEST_BACKOFF: Duration = Duration::from_secs(4);

/// The cases of refused and of passed calls beside others that the server was known to have taken, after which a limit of how
/// many at a time is plain. Three take some short windows for one (concurrency-hint, hint-short).
pub(super) const PLAIN_BESIDE: u32 = 4;
/// The share of calls beside few others that chance refuses at most. A limit of another kind refuses more (bucket-silent).
pub(super) const MOST_BY_CHANCE: f64 = 0.2;
/// The dropped claims of how many at a time after which refusals without a hint are not taken for one any more
/// (bucket-silent).
pub(super) const DISPROVED: u8 = 2;

/// The part of the last burst with which an opening begins whose size is not known (sliding, fixed).
pub(super) const FIRST_OPENING: f64 = 0.1;

/// The rate that is used, of the rate that was measured: the queue at the server must drain.
pub(super) const BELOW: f64 = 0.98;
/// The growth of the rate in the first second after a cut. What it tries is worth a refused call only after some seconds
/// (bucket-over, changed).
pub(super) const GROWTH: f64 = 0.000_5;
/// The time in which the growth doubles, in seconds. So a limit that is no more is found in some four seconds (lifted).
pub(super) const GROWTH_DOUBLES: f64 = 0.3;
/// The factor by which that takes longer for each cut that confirms a rate which was confirmed often (bucket-over).
pub(super) const GROWTH_SLOWER: f64 = 0.5;
/// The confirmations that a rate has often. A limit that was met for some seconds only may be lifted soon (lifted).
pub(super) const OFTEN_CONFIRMED: u8 = 5;
/// The most confirmations that count.
pub(super) const MAX_CONFIRMED: u8 = 13;
/// The largest growth: the rate doubles each half second.
pub(super) const MAX_GROWTH: f64 = 1.4;
/// The share of refused calls that is aimed at, at a limit that is always overrun.
pub(super) const AIM: f64 = 0.01;
/// The calls that must pass between two exhaustions for their number to tell the rate.
pub(super) const ENOUGH_PASSED: f64 = 40.0;
/// The seconds in which fewer calls tell the rate too, where it is low: 40 calls at 3 a second take longer than is remembered
/// (changed).
pub(super) const LONG_ENOUGH: f64 = 4.0;

/// The test ends a claim if the rate fell by this part and refusals did not get rarer.
pub(super) const TEST_FALL: f64 = 0.15;
/// It ends it only if the rate fell on meanwhile to less than this part. At a limit the rate stays where it is, and a low one
/// is tried so often that refusals do not get rarer (changed, bucket-over).
pub(super) const FALLS_ON: f64 = 0.95;
/// Nothing is known any more of a key that was not used for so long.
pub(super) const FORGOTTEN: Duration = Duration::from_secs(600);
/// An offer that is not taken passes on to the next after this time.
pub(super) const PASS_ON: Duration = Duration::from_millis(20);
/// The longest time without a poll of a request that waits.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// A limit that refused nothing for so long may be higher than is known (keys, bucket-low).
pub(super) const CALM: Duration = Duration::from_secs(10);
/// The part of the burst that goes beyond such a limit, and the part that may be in flight meanwhile.
pub(super) const BEYOND: f64 = 0.5;
pub(super) const FEW_IN_FLIGHT: f64 = 0.25;
/// That share where the rate was not met yet (keys, bucket-low).
pub(super) const MORE_IN_FLIGHT: f64 = 0.6;
/// The number of requests of unknown outcome with which slow start begins.
pub(super) const SLOW_START: f64 = 4.0;
/// The part of all requests until now that may be of unknown outcome besides: so much of the load is refused at most (sliding,
/// fixed, hint-short).
pub(super) const SLOW_START_PART: f64 = 0.11;
/// The number by which it grows with each call that passes by silence, because each such round takes the patience (no-limit).
pub(super) const SLOW_START_SILENT: f64 = 0.15;

/// The shortest stop.
pub(super) const SHORTEST_STOP: Duration = Duration::from_millis(100);
/// The share of refusals at which the rate is cut by what passed lately.
pub(super) const MUCH_REFUSED: f64 = 0.3;
/// The falls in a row after which refusals are taken for chance, however few they are.
pub(super) const FALLS: u8 = 2;
/// The share of refusals below which a limit that is tried again and again is not told from chance.
pub(super) const LEAST_NOISE: f64 = 0.05;
/// The share of refusals above which they are not taken for chance.
pub(super) const MOST_NOISE: f64 = 0.35;
/// The time without a send after which a limit may have been full.
pub(super) const GAP: Duration = Duration::from_secs(1);
/// The calls in whose time nothing is sent in a gap at a low rate.
pub(super) const CALLS_OF_GAP: f64 = 4.0;
/// The calls between two moments by which a rate is measured.
pub(super) const WELL_MEASURED: f64 = 8.0;
/// A search does not try more where the queue is soon empty, if it has so many requests, and the first round of the search
/// besides (burst-cold, burst-known). Few wait also below a limit (bucket-low).
pub(super) const LEAST_QUEUE: f64 = 4.0;
/// The calls by which the number that passed in a short span may be wrong.
pub(super) const UNSURE: f64 = 2.0;
/// The part by which a search that doubles its rate is too high when it is refused.
pub(super) const OVERSHOT: f64 = 4.0;
/// The calls with which a search goes on after a refusal.
pub(super) const TRIED: f64 = 2.0;
/// The part of the burst that goes in the first round of a search.
pub(super) const FIRST_SEARCH: f64 = 0.05;
/// The part of the rate of a precise hint with which a search begins: the hint may be any part of a slot.
pub(super) const PRECISE_SEARCH: f64 = 0.3;
/// The refused calls with a precise hint whose longest hint is the time of a slot (bucket-precise).
pub(super) const ENOUGH_SLOT_HINTS: u8 = 3;
/// The shortest such time. Hints are rounded up to whole milliseconds, so a shorter one says too little of a rate.
pub(super) const SHORTEST_SLOT: Duration = Duration::from_millis(3);
/// If so many calls passed at a rate that is higher by this factor, hints are not the time of a slot.
pub(super) const PASSED_AGAINST_HINTS: f64 = 4.0;
pub(super) const FASTER_THAN_HINTS: f64 = 1.5;
/// The longest time of one slot. A longer hint is that of a window.
pub(super) const LONGEST_SLOT: Duration = Duration::from_millis(500);
/// The lowest rate of a search.
pub(super) const LOWEST_SEARCH: f64 = 0.5;
/// The burst of a limit whose rate alone is known, in seconds.
pub(super) const UNKNOWN_BURST: f64 = 0.5;
/// The rounds after which an opening ends if no request waits.
pub(super) const ROUNDS_OF_OPENING: f64 = 5.0;
/// The time for which a search saves calls while requests wait. A limit does not save what only the search has tried
/// (burst-cold, burst-known).
pub(super) const SAVED_BY_SEARCH: f64 = 0.02;
/// The shortest time in which a search doubles its rate.
pub(super) const SHORTEST_ROUND: Duration = Duration::from_millis(30);
/// The shortest time until a slot is asked for again.
pub(super) const TICK: Duration = Duration::from_millis(1);
/// The share of refusals below which a request that is refused again is at fault.
pub(super) const MOST_REFUSED: f64 = 0.25;
/// The refusals that a request has before it is at fault, where the limit has served others that it refused (long,
/// hint-short). A request that is always refused keeps the rate low for so much longer (poison).
pub(super) const REFUSED_BY_LIMIT: u32 = 3;
/// A request that was sent so often does not try on behalf of the others any more (hint-short, concurrency-hint).
pub(super) const MOST_TRIALS: u32 = 8;
/// The requests that are offered a slot one after the other.
pub(super) const ALL_CANDIDATES: u32 = 5;
/// A request that was sent so often is no probe while there are others (refused-each).
pub(super) const MOST_PROBED: u32 = 4;
/// The requests at fault after which a claim is dropped, if they are half of the refused ones since (poison).
pub(super) const ENOUGH_FAULTS: u8 = 3;
/// The weight of refusals again above which a fleet drops a limit that has served none of the requests that it refused. By
/// chance that happens once in fifty times.
pub(super) const FAULTY: f64 = 4.0;
/// The least share of refusals that is taken to be there whatever the load after that.
pub(super) const LEAST_FAULTY: f64 = 0.02;
/// The amount by which each request at fault raises the base share, and the share up to which it does (poison).
pub(super) const FAULT: f64 = 0.01;
pub(super) const MOST_FAULTS: f64 = 0.06;
/// The cases in which a new request was served and another one was refused again, after which requests are refused for
/// themselves, if none of those was served meanwhile. At a limit that happens once in sixteen times; more cost the good
/// requests a stop each (poison-many).
pub(super) const PLAINLY_FAULTY: u8 = 4;
/// The most requests that are known to be refused for a reason of their own.
pub(super) const MAX_AT_FAULT: usize = 32;
/// The time in which requests that were just woken for an earlier slot poll. Until then none is woken for one that comes less
/// than a tick earlier still. A longer time costs the growth of rates (changed).
pub(super) const WOKEN: Duration = Duration::from_micros(125);
/// The shortest time until the next poll.
pub(super) const INSTANT: Duration = Duration::from_nanos(1);
/// A limit does not refuse so soon after a cut, because the rate is below it then. Chance does (noise-5, noise-10).
pub(super) const SOON: Duration = Duration::from_millis(350);
/// The weight of a cut that follows soon, where two of five do by chance, and one of twenty at a limit.
pub(super) const SOON_BY_CHANCE: f64 = 2.0;
/// The weight of a cut that follows later.
pub(super) const LATER: f64 = -0.46;
/// The sum of these weights above which refusals are taken for chance.
pub(super) const CHANCE: f64 = 12.0;
/// A call that passes after so many refusals in a row, and after nothing has passed for so long, begins a new window.
pub(super) const REFUSED_BEFORE: u32 = 2;
pub(super) const NOTHING_PASSED: Duration = Duration::from_secs(1);
/// The calls that a window has at least: fewer are not told from the few calls that any limit lets pass (tiny-burst).
pub(super) const FEWEST_OF_WINDOW: f64 = 8.0;
/// The part by which two windows may differ in their calls, because some of the refused ones arrived before others (sliding).
pub(super) const SAME_COUNT: f64 = 0.1;
/// A hint that is shorter by this factor than the time from one window to the next is that of one slot (sliding-counts-refused).
pub(super) const LONG_AGAINST_HINT: u32 = 4;
/// The part of a window after which a call tells it from a bucket, which has some calls saved by then (burst-known).
pub(super) const PROVING_PART: f64 = 0.25;
/// A call that passes before this part of a window disproves it, unless one was refused in it.
pub(super) const DISPROVED_BEFORE: f64 = 0.9;
/// The part of its length up to which it is not worth a refused call to know the end of a window better (fixed, sliding).
pub(super) const WINDOW_UNSURE: f64 = 0.15;
/// The openings after which all calls of a window go at once when it begins. The hints of some servers are too short for the
/// first one (hint-short).
pub(super) const OPENED_TWICE: u8 = 2;
/// The part of the known calls that must pass in the next window for the claim to stay (burst-known).
pub(super) const PASSED_AGAIN: f64 = 0.8;
/// A window is not claimed to have less than this part of its calls: then the limit is another one.
pub(super) const FEWER: f64 = 0.5;
/// The factor by which a window is longer whose first calls were refused, as the network delays some calls more than others.
pub(super) const WINDOW_WIDER: f64 = 1.1;
/// The refusals that a window does not explain after which the claim is dropped (noise-on-bucket).
pub(super) const MISSES: u8 = 3;
/// The windows after which a call tries again whether the limit was lifted.
pub(super) const CLAIMED_AGAIN: u32 = 8;
/// A window that became shorter by this factor is no limit any more.
pub(super) const WINDOW_GONE: u32 = 8;
