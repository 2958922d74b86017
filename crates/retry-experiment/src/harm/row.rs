//! The rows of the table.

use std::time::Duration;

use anyhow::Context;
use clap::ValueEnum;

use super::case::Case;
use super::figure::Bound::{Seconds, Times};
use super::figure::Figure;
use super::figure::Measure::{Percentile, Total};
use super::load::HarmLoad;
use super::proxy::StartProxy;
use super::separate_keys::SeparateKeys;
use super::server_model::Refuses;
use super::{full_table, stalled_clients, unpolled};

/// A case in which a pace could harm its callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum HarmRow {
    /// 1 % of the calls are answered 529 without a hint, whatever the load.
    #[value(name = "noise-1")]
    Noise1,
    /// The same with 5 %.
    #[value(name = "noise-5")]
    Noise5,
    /// 1 % of the calls are answered 503 with a hint, whatever the load.
    #[value(name = "noise-1-hint")]
    Noise1Hint,
    /// The same with 5 %.
    #[value(name = "noise-5-hint")]
    Noise5Hint,
    /// One request in 50 is refused as often as it is sent.
    AlwaysRefused,
    /// Requests come at 90 % of the limit.
    #[value(name = "load-90")]
    Load90,
    /// The limit is lifted after 6 s.
    Lifted,
    /// The limit is on starts, and each answer takes 2 s.
    Long,
    /// The limit is on how many requests are served at a time.
    AtATime,
    /// The pace starts slowly, at a server without a limit.
    SlowStart,
    /// Each request is refused three times.
    RefusedThreeTimes,
    /// Some of the futures in the queue are alive and never polled.
    Unpolled,
    /// Some clients of a proxy neither read nor send on while their requests wait.
    StalledClients,
    /// All keys that the table can hold are throttled, and requests come with one more key.
    FullTable,
    /// One `Authorization` is throttled, and requests come with another.
    Tenants,
    /// One `x-api-key` is throttled, and requests come with another.
    ApiKeys,
    /// One model is throttled, and requests come for another. The path names the model.
    TwoModels,
    /// The same, where a header names the model.
    ModelsInHeader,
}

impl HarmRow {
    /// Plays the row without a pace and with one, through a layer or through a proxy.
    ///
    /// # Errors
    ///
    /// Fails if a request gets no answer, if the state that the row is about does not come, or if the row [is for](Self::is_for)
    /// the other kind of play.
    pub async fn play(self, proxy: Option<&StartProxy>) -> anyhow::Result<Vec<Figure>> {
        let case = match self {
            Self::Noise1 => noise(0.01).refusal(529, false)?,
            Self::Noise5 => noise(0.05).refusal(529, false)?,
            Self::Noise1Hint => noise(0.01).refusal(503, true)?,
            Self::Noise5Hint => noise(0.05).refusal(503, true)?,
            Self::AlwaysRefused => Case::new(Refuses::OneRequestIn(50), workers(1_000, 50))
                .service_time(100)
                .bound(Percentile(99), Times(1.0, 0.5), None),
            Self::Load90 => {
                let load = HarmLoad::Poisson { rate: 45.0, time: Duration::from_secs(20) };
                Case::new(bucket(50, 10, None), load).bound(Percentile(50), Seconds(0.3), None).bound(
                    Percentile(99),
                    Seconds(1.5),
                    Seconds(1.2),
                )
            }
            Self::Lifted => {
                let lifted_after = Some(Duration::from_secs(6));
                Case::new(bucket(12, 12, lifted_after), workers(300, 20)).bound(
                    Total,
                    Seconds(17.0),
                    Seconds(9.0),
                )
            }
            Self::Long => Case::new(bucket(4, 8, None), workers(30, 30)).service_time(2_000).bound(
                Total,
                Seconds(10.0),
                Seconds(7.4),
            ),
            Self::AtATime => Case::new(Refuses::MoreAtATime(8), workers(80, 40))
                .refusal(429, false)?
                .service_time(300)
                .bound(Total, Seconds(5.6), Seconds(2.5)),
            Self::SlowStart => Case::new(Refuses::Nothing, workers(200, 200))
                .service_time(2_000)
                .slow_start()
                .bound(Total, Seconds(5.0), None),
            Self::RefusedThreeTimes => {
                Case::new(Refuses::FirstCalls(3), workers(20, 10)).bound(Total, Seconds(24.0), Seconds(12.0))
            }
            Self::Unpolled => return unpolled::play().await,
            Self::StalledClients => {
                return stalled_clients::play(proxy.context("the row needs a proxy")?).await;
            }
            Self::FullTable => return full_table::play(&self.name(), proxy).await,
            Self::Tenants => return SeparateKeys::Tenants.play(&self.name(), proxy).await,
            Self::ApiKeys => return SeparateKeys::ApiKeys.play(&self.name(), proxy).await,
            Self::TwoModels => return SeparateKeys::TwoModels.play(&self.name(), proxy).await,
            Self::ModelsInHeader => return SeparateKeys::ModelsInHeader.play(&self.name(), proxy).await,
        };
        case.play(&self.name(), proxy).await
    }

    /// Returns whether the row can be played through a proxy, or else through a layer. One row is about the futures that the
    /// callers of a layer hold, and one about the connections of a proxy's clients.
    pub fn is_for(self, has_proxy: bool) -> bool {
        match self {
            Self::Unpolled => !has_proxy,
            Self::StalledClients => has_proxy,
            _ => true,
        }
    }

    /// Returns the name on the command line.
    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

fn noise(share: f64) -> Case {
    Case::new(Refuses::AtRandom { share }, workers(1_000, 50)).service_time(100).bound(
        Total,
        Times(1.05, 1.0),
        None,
    )
}

fn bucket(rate: u32, burst: u32, lifted_after: Option<Duration>) -> Refuses {
    Refuses::WithoutToken { rate, burst, lifted_after }
}

fn workers(requests: u32, workers: u32) -> HarmLoad {
    HarmLoad::Workers { requests, workers }
}
