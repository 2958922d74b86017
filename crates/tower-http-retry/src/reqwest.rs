//! A reqwest client as the inner service of the layer: [`ReqwestService`] has an example.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use reqwest::ResponseBuilderExt;
use tower_service::Service;

use crate::body::ResponseBody;
use crate::{BoxError, PaceError};

/// Sends `http` requests with a [`reqwest::Client`], which itself takes only reqwest's own requests.
///
/// Put it below the layer. [`execute`](ReqwestExt::execute) then takes a request of reqwest, and returns a
/// response of reqwest. The timeout of a request bounds each attempt:
///
/// ```no_run
/// use tower::{BoxError, ServiceBuilder};
/// use tower_http_retry::RetryLayer;
/// use tower_http_retry::reqwest::{ReqwestExt, ReqwestService};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// let reqwest = reqwest::Client::builder()
///     .retry(reqwest::retry::never())
///     .redirect(reqwest::redirect::Policy::none())
///     .build()?;
/// let client = ServiceBuilder::new().layer(RetryLayer::default()).service(ReqwestService::new(reqwest.clone()));
///
/// let request = reqwest.get("http://api.example/v1/models").build()?;
/// let text = client.execute(request).await?.error_for_status()?.text().await?;
/// # let _ = text;
/// # Ok(())
/// # }
/// ```
///
/// The two settings keep reqwest from resends that the layer does not count, and from sending several
/// requests for one. The [crate's page](crate#retries-of-the-clients-below) tells why.
#[derive(Clone, Debug)]
pub struct ReqwestService {
    client: reqwest::Client,
}

impl ReqwestService {
    /// Creates a service that sends with `client`. Clones share its connections.
    pub fn new(client: reqwest::Client) -> Self {
        Self { client }
    }
}

impl From<reqwest::Client> for ReqwestService {
    fn from(client: reqwest::Client) -> Self {
        Self::new(client)
    }
}

impl<B> Service<Request<B>> for ReqwestService
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Sync + 'static,
{
    type Response = Response<reqwest::Body>;
    type Error = reqwest::Error;
    type Future = ReqwestFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), reqwest::Error>> {
        self.client.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let stage = match request.map(reqwest::Body::wrap).try_into() {
            Ok(request) => ReqwestStage::Sending { response: self.client.call(request) },
            Err(error) => ReqwestStage::InvalidRequest { error: Some(error) },
        };
        ReqwestFuture { stage }
    }
}

/// Calls a stack of layers above a [`ReqwestService`] like a [`reqwest::Client`].
///
/// Each service that takes and returns bodies of reqwest implements it. [`ReqwestService`] has an example.
pub trait ReqwestExt: Service<Request<reqwest::Body>> {
    /// Sends a request with a clone of this service, as [`reqwest::Client::execute`] does.
    ///
    /// The response keeps the URL that it came from, and the extensions that layers have added, such as
    /// [`RetryInfo`](crate::RetryInfo).
    ///
    /// # Errors
    ///
    /// Returns the service's error, or an error of reqwest if the URL of the request is not a URI.
    fn execute<R>(&self, request: reqwest::Request) -> ExecuteFuture<Self>
    where
        Self: Service<Request<reqwest::Body>, Response = Response<R>, Error: From<reqwest::Error>> + Clone,
        R: Into<reqwest::Body>,
    {
        let state = match Request::try_from(request) {
            Ok(request) => ExecuteState::Readying { service: self.clone(), request: Some(request) },
            Err(error) => ExecuteState::Failed { error: Some(error.into()) },
        };
        ExecuteFuture { state }
    }
}

impl<S: Service<Request<reqwest::Body>>> ReqwestExt for S {}

impl From<reqwest::Error> for PaceError<reqwest::Error> {
    fn from(error: reqwest::Error) -> Self {
        Self::inner(error)
    }
}

impl From<ResponseBody<reqwest::Body>> for reqwest::Body {
    /// Returns the inner body itself, unless the layer has read from it.
    fn from(body: ResponseBody<reqwest::Body>) -> Self {
        match body.try_into_inner() {
            Ok(body) => body,
            Err(body) => Self::wrap(body),
        }
    }
}

pin_project! {
    /// The future of [`ReqwestExt::execute`], which [`ReqwestService`] shows. It owns a clone of the service.
    #[must_use = "futures do nothing unless polled"]
    pub struct ExecuteFuture<S>
    where
        S: Service<Request<reqwest::Body>>,
    {
        #[pin]
        state: ExecuteState<S, S::Future, S::Error>,
    }
}

pin_project! {
    #[project = ExecuteStateProj]
    enum ExecuteState<S, F, E> {
        Readying { service: S, request: Option<Request<reqwest::Body>> },
        Called { #[pin] response: F },
        /// The URL of the request is not a URI.
        Failed { error: Option<E> },
    }
}

impl<S, R> Future for ExecuteFuture<S>
where
    S: Service<Request<reqwest::Body>, Response = Response<R>>,
    R: Into<reqwest::Body>,
{
    type Output = Result<reqwest::Response, S::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let mut state = self.as_mut().project().state;
            let response = match state.as_mut().project() {
                ExecuteStateProj::Called { response } => return response.poll(cx).map_ok(Into::into),
                ExecuteStateProj::Failed { error } => {
                    return Poll::Ready(Err(error.take().expect(POLLED_AGAIN)));
                }
                ExecuteStateProj::Readying { service, request } => {
                    let ready = ready!(service.poll_ready(cx));
                    let request = request.take().expect(POLLED_AGAIN);
                    ready?;
                    service.call(request)
                }
            };
            state.set(ExecuteState::Called { response });
        }
    }
}

impl<S: Service<Request<reqwest::Body>>> fmt::Debug for ExecuteFuture<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExecuteFuture").finish_non_exhaustive()
    }
}

const POLLED_AGAIN: &str = "`ExecuteFuture` polled after it resolved";

pin_project! {
    /// The future of a [`ReqwestService`], which resolves with the response.
    #[must_use = "futures do nothing unless polled"]
    pub struct ReqwestFuture {
        #[pin]
        stage: ReqwestStage,
    }
}

pin_project! {
    #[project = ReqwestStageProj]
    enum ReqwestStage {
        Sending { #[pin] response: <reqwest::Client as Service<reqwest::Request>>::Future },
        /// The URI of the request is not a URL that reqwest can call.
        InvalidRequest { error: Option<reqwest::Error> },
    }
}

impl Future for ReqwestFuture {
    type Output = Result<Response<reqwest::Body>, reqwest::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let response = match self.project().stage.project() {
            ReqwestStageProj::Sending { response } => ready!(response.poll(cx))?,
            ReqwestStageProj::InvalidRequest { error } => {
                return Poll::Ready(Err(error.take().expect("`ReqwestFuture` polled after it resolved")));
            }
        };
        // A response of `http` has no URL, but reqwest reads the URL from its extensions in a later conversion.
        let with_url = Response::builder().url(response.url().clone()).body(());
        let mut response = Response::from(response);
        if let Ok(with_url) = with_url {
            response.extensions_mut().extend(with_url.into_parts().0.extensions);
        }
        Poll::Ready(Ok(response))
    }
}

impl fmt::Debug for ReqwestFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReqwestFuture").finish_non_exhaustive()
    }
}
