//! A plot of the windows of a policy.

use std::fmt;
use std::time::Duration;

use http::{Request, Response, StatusCode};

use crate::{Attempt, GiveUpReason, Plan, Policy, ResponseHead, RetryCause, RetryContext, Window};

/// A plot of the windows of a policy. Its `Display` draws a line of text for each resend.
///
/// ```
/// use http_retry::{ExponentialBackoff, testing::Plot};
///
/// let text = Plot::new(&ExponentialBackoff::default()).to_string();
/// assert!(text.starts_with("resend  waits\n     1  █"));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Plot {
    plans: Vec<Result<Window, GiveUpReason>>,
}

impl Plot {
    /// Plots the first eight resends of a GET. The server answers every attempt with a 503 without a hint.
    pub fn new<P: Policy + ?Sized>(policy: &P) -> Self {
        Self::with_resends(policy, 8)
    }

    /// Plots this number of resends of the same request.
    pub fn with_resends<P: Policy + ?Sized>(policy: &P, resends: u32) -> Self {
        let request = Request::new(());
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        let (mut elapsed, mut previous_delay) = (Duration::ZERO, None);
        let plans = (0..resends).map(|step| {
            let attempt = Attempt::new(step.saturating_add(1), &request, ResponseHead::from(&response));
            let context =
                RetryContext::new(attempt, RetryCause::Throttled).backoff_step(step).elapsed(elapsed);
            match policy.schedule(&context.previous_delay(previous_delay)) {
                Plan::GiveUp(reason) => Err(reason),
                Plan::Resend(window) => {
                    // The next windows may depend on the delay, so each resend waits for its average.
                    let delay = window.earliest.saturating_add(window.width() / 2);
                    elapsed = elapsed.saturating_add(delay);
                    previous_delay = Some(delay);
                    Ok(window)
                }
            }
        });
        Self { plans: plans.collect() }
    }

    /// Returns the window of each resend in order, or the reason for which the policy gives up instead.
    pub fn plans(&self) -> &[Result<Window, GiveUpReason>] {
        &self.plans
    }

    /// Returns the end of the longest window.
    pub fn longest(&self) -> Duration {
        let ends = self.plans.iter().flatten().map(|window| window.latest.max(window.earliest));
        ends.max().unwrap_or_default()
    }
}

impl fmt::Display for Plot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "resend  waits")?;
        let longest = self.longest().as_secs_f64().max(f64::MIN_POSITIVE);
        let column = |time: Duration| (time.as_secs_f64() / longest * COLUMNS) as usize;
        for (number, plan) in (1..).zip(&self.plans) {
            match plan {
                Err(reason) => writeln!(f, "{number:>6}  gives up: {reason}")?,
                Ok(Window { earliest, latest }) => {
                    let before = column(*earliest);
                    // A window without width is visible too.
                    let bar = column(*latest).saturating_sub(before).max(1);
                    let (before, bar) = (" ".repeat(before), "█".repeat(bar));
                    writeln!(f, "{number:>6}  {before}{bar}  {earliest:?} to {latest:?}")?;
                }
            }
        }
        Ok(())
    }
}

/// The width of the longest window, in characters.
const COLUMNS: f64 = 60.0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DecorrelatedJitter, ExponentialBackoff, FixedDelay, Jitter, NoRetry, policy_fn};

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_program_reads_the_windows_of_the_plot() {
        let plot = Plot::with_resends(&ExponentialBackoff::new(ms(100), ms(300)), 3);
        assert_eq!(plot.plans(), [100, 200, 300].map(|end| Ok(Window::up_to(ms(end)))));
        assert_eq!(plot.longest(), ms(300));
        let no_retry = Plot::with_resends(&NoRetry, 1);
        assert_eq!((no_retry.plans(), no_retry.longest()), (&[Err(GiveUpReason::Policy)][..], ms(0)));
    }

    #[track_caller]
    fn check(policy: &dyn Policy, expected: &[&str]) {
        let text = Plot::with_resends(policy, u32::try_from(expected.len()).unwrap()).to_string();
        let bars: Vec<_> = text.lines().skip(1).map(|line| line.replace("██████████", "#")).collect();
        assert_eq!(bars, expected);
    }

    #[test]
    fn a_bar_is_as_long_as_its_window() {
        check(
            &ExponentialBackoff::new(ms(100), ms(600)),
            &[
                "     1  #  0ns to 100ms",
                "     2  ##  0ns to 200ms",
                "     3  ####  0ns to 400ms",
                "     4  ######  0ns to 600ms",
            ],
        );
        check(
            &ExponentialBackoff::new(ms(100), ms(600)).multiplier(6.0).jitter(Jitter::Equal),
            &[
                "     1       █████  50ms to 100ms",
                "     2                                ###  300ms to 600ms",
            ],
        );
        check(&FixedDelay::new(ms(100)), &[&format!("     1  {}█  100ms to 100ms", " ".repeat(60))]);
        check(&FixedDelay::new(ms(0)), &["     1  █  0ns to 0ns"]);
        check(&NoRetry, &["     1  gives up: policy"]);
        check(
            &DecorrelatedJitter::new(ms(100), ms(600)),
            &["     1            ##  100ms to 300ms", "     2            #####  100ms to 600ms"],
        );
        check(
            &policy_fn(|_| Window::up_to(Duration::MAX)),
            &["     1  ######  0ns to 18446744073709551615.999999999s"],
        );
    }
}
