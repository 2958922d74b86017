//! Requests that wait for their next attempt, and the memory that they hold.

use std::task::{Context, Waker};

use bytes::Bytes;
use clap::ValueEnum;
use http_body_util::Full;

use crate::head::{Head, Values};
use crate::peers::{Waiter, wait_reqwest, waits};
use crate::{Case, Subject, send};

/// Whose bytes a request's target is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Uri {
    /// The read buffer's, as hyper's server has it.
    OfTheBuffer,
    /// Its own, as behind a proxy that has written it anew.
    Own,
}

/// What has one more request wait, each read into a buffer of its own; `None` for a subject that does not wait. It needs a
/// runtime of tokio around it.
pub fn line(subject: Subject, uri: Uri) -> Option<Box<dyn FnMut() -> Waiter>> {
    let head = send::head(Case::Get12);
    let mut wait: WaitFor = match subject {
        Subject::Reqwest => wait_reqwest(),
        _ => {
            let mut wait = waits(subject)?;
            Box::new(move |head, buffer| {
                let mut request = head.request_in(buffer, Values::Shared, Full::default());
                if uri == Uri::Own {
                    let own = format!("http://upstream.example{}", request.uri());
                    *request.uri_mut() = own.parse().expect("it is a URI");
                }
                wait(request)
            })
        }
    };
    Some(Box::new(move || {
        let buffer = head.read_again();
        let mut waiter = wait(&head, &buffer);
        let polled = waiter.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending(), "it has to wait");
        waiter
    }))
}

/// Has the request wait that was read into a buffer.
pub(crate) type WaitFor = Box<dyn FnMut(&Head, &Bytes) -> Waiter>;
