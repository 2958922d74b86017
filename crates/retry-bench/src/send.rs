//! Sends a case's request through a subject, again and again.

use std::hint::black_box;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body::Body;
use http_body_util::Full;
use tower::Service;

use crate::frames::Frames;
use crate::head::{Head, Values};
use crate::peers::{self, AnyBody};
use crate::{Case, Subject};

/// Sends so many requests, each of which is answered with 200 in the end.
pub type Run = Box<dyn FnMut(u64)>;

/// What sends a case's request through a subject; `None` where the subject would have to sleep for it.
pub fn prepare(case: Case, subject: Subject) -> Option<Run> {
    if subject.without() == Subject::BareReqwest {
        return peers::send_reqwest(subject, case);
    }
    match case {
        Case::Replay64 => peers::send(subject, case, request(case, values(case), Frames::new(64))),
        Case::Replay1024 => peers::send(subject, case, request(case, values(case), Frames::new(1_024))),
        _ => {
            peers::send(subject, case, request(case, values(case), Full::new(body(case).unwrap_or_default())))
        }
    }
}

/// Makes a case's request.
pub(crate) fn request<B: AnyBody>(
    case: Case,
    values: Values,
    body: B,
) -> impl FnMut() -> Request<B> + 'static {
    let head = head(case);
    move || {
        let mut request = head.request(values, body.clone());
        if case == Case::Extension {
            request.extensions_mut().insert(EXTENSION);
        }
        request
    }
}

/// Sends a request, and waits for nothing but the next poll.
pub(crate) fn repeat<S, B, R>(mut service: S, mut request: impl FnMut() -> Request<B> + 'static) -> Run
where
    S: Service<Request<B>, Response = Response<R>> + 'static,
    S::Error: std::fmt::Debug,
    B: Body,
{
    Box::new(move |times| {
        for _ in 0..times {
            let request = black_box(request());
            let ready = service.poll_ready(&mut Context::from_waker(Waker::noop()));
            assert!(matches!(ready, Poll::Ready(Ok(()))), "the server is always ready");
            let response = finish(pin!(service.call(request))).expect("the server never breaks off");
            assert!(black_box(response).status().is_success(), "it serves in the end");
        }
    })
}

/// Polls until there is an output. Who yields is polled again; who sleeps would hang, and is found out.
pub(crate) fn finish<F: Future>(mut future: Pin<&mut F>) -> F::Output {
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..MOST_POLLS {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
    }
    panic!("it waits for something");
}

pub(crate) fn head(case: Case) -> Head {
    let method = match case {
        Case::Post | Case::Once => Method::POST,
        Case::Replay64 | Case::Replay1024 => Method::PUT,
        _ => Method::GET,
    };
    Head::new(method, case.lines())
}

pub(crate) fn values(case: Case) -> Values {
    if case == Case::Owned { Values::Owned } else { Values::Shared }
}

/// The one frame of those that have one.
pub(crate) fn body(case: Case) -> Option<Bytes> {
    matches!(case, Case::Post | Case::Once).then(|| {
        let body = Bytes::from(vec![b'x'; 1_024]);
        // One that comes over a connection is shared from the start; that of a `Vec` is so from its first clone.
        drop(body.clone());
        body
    })
}

/// What callers put into extensions: a small thing that has a type of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tenant(#[expect(dead_code, reason = "nobody asks")] u64);

pub(crate) const EXTENSION: Tenant = Tenant(7);

const MOST_POLLS: usize = 4;
