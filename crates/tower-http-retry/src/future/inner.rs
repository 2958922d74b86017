//! The inner service of a request, which its state holds between attempts.

use std::mem;

use crate::bounds::CloneService;

/// A ready service that sends the first attempt, borrowed or owned.
pub(crate) trait FirstService<S> {
    fn get_mut(&mut self) -> &mut S;

    /// Returns the instance that was readied, which then sends every attempt. A clone of it is not ready, and behind a
    /// limit of one it might never be while this instance holds the permit.
    fn into_ready(self) -> S;
}

/// A service that sends one request only, so it needs no clone.
pub(crate) struct Owned<S>(pub(crate) S);

impl<S: CloneService> FirstService<S> for &mut S {
    fn get_mut(&mut self) -> &mut S {
        self
    }

    fn into_ready(self) -> S {
        let clone = self.clone();
        mem::replace(self, clone)
    }
}

impl<S> FirstService<S> for Owned<S> {
    fn get_mut(&mut self) -> &mut S {
        &mut self.0
    }

    fn into_ready(self) -> S {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A service whose clones differ from it.
    #[derive(Debug, PartialEq)]
    struct Instance(u32);

    impl Clone for Instance {
        fn clone(&self) -> Self {
            Self(self.0 + 1)
        }
    }

    #[test]
    fn the_instance_that_was_readied_is_taken_and_a_clone_stays() {
        let mut service = Instance(0);
        assert_eq!((&mut service).into_ready(), Instance(0));
        assert_eq!(service, Instance(1));
        assert_eq!(Owned(Instance(0)).into_ready(), Instance(0));
    }
}
