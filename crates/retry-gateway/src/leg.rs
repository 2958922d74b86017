//! A route's requests at one upstream: how they are sent, and what is counted of them.

use std::sync::Arc;

use tower_http_retry::{Concrete, Retry, WithPace};

use crate::capacity::{Capacity, Seat};
use crate::fallback::Fallback;
use crate::metrics::Counts;
use crate::policy::GatewayPolicy;
use crate::settings::Way;

/// Where a route's requests go.
#[derive(Debug)]
pub(crate) enum Legs {
    /// To one upstream.
    One(Leg),
    /// To one after the other, if they must. Apart from the rest, so that most requests pay for one branch.
    Several(Arc<Fallback>),
}

/// A route's requests at one upstream.
#[derive(Debug)]
pub(crate) struct Leg {
    /// The upstream's.
    pub(crate) name: String,
    pub(crate) way: Arc<Way>,
    pub(crate) retries: Retries,
    pub(crate) counts: Counts,
    pub(crate) capacity: Arc<Capacity>,
    pub(crate) max_requests: usize,
}

/// A retry layer over nothing: each request brings its own attempts.
#[derive(Debug)]
pub(crate) enum Retries {
    Unpaced(Retry<(), GatewayPolicy>),
    Paced(Retry<(), GatewayPolicy, Concrete, WithPace>),
}

impl Legs {
    pub(crate) fn are_several(&self) -> bool {
        matches!(self, Self::Several(_))
    }

    /// The leg with this number, from 0.
    pub(crate) fn leg(&self, number: usize) -> &Leg {
        match self {
            Self::One(leg) => leg,
            Self::Several(fallback) => fallback.leg(number),
        }
    }
}

impl Leg {
    /// A place at the upstream, if there is one.
    pub(crate) fn take_seat(&self) -> Option<Seat> {
        self.capacity.take(self.max_requests)
    }
}
