//! The yardstick: the least that a reverse proxy of hyper and hyper-util does.
//!
//! It speaks to its clients what the gateway speaks, points each request at the origin, and passes both bodies on as
//! they come. It strips no header and adds none, knows no route, counts nothing, keeps nothing, and waits for as long
//! as it takes.

use std::error::Error;
use std::mem;
use std::net::SocketAddr;

use http::uri::{Authority, Scheme};
use http::{Request, Uri};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;

/// The first argument of the process that is the yardstick; where it listens and where the origin is come next.
pub(crate) const NAME: &str = "yardstick";

/// Is the yardstick, in a process that was started to be.
pub(crate) fn run_if_asked() -> Option<anyhow::Result<()>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [name, listen, origin] = &arguments[..] else { return None };
    let run = || {
        let (listen, origin) = (listen.parse()?, origin.parse()?);
        tokio::runtime::Runtime::new()?.block_on(run(listen, origin))
    };
    (name == NAME).then(run)
}

async fn run(listen: SocketAddr, origin: SocketAddr) -> anyhow::Result<()> {
    let listener = TcpListener::bind(listen).await?;
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client: Client<_, Incoming> = Client::builder(TokioExecutor::new()).build(connector);
    let authority: Authority = origin.to_string().parse()?;
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let (client, authority) = (client.clone(), authority.clone());
        let pass = service_fn(move |mut request: Request<Incoming>| {
            let mut uri = mem::take(request.uri_mut()).into_parts();
            uri.scheme = Some(Scheme::HTTP);
            uri.authority = Some(authority.clone());
            let uri = Uri::from_parts(uri).map(|uri| *request.uri_mut() = uri);
            let response = client.request(request);
            async move {
                uri?;
                Ok::<_, Box<dyn Error + Send + Sync>>(response.await?)
            }
        });
        let builder = auto::Builder::new(TokioExecutor::new());
        tokio::spawn(builder.serve_connection(TokioIo::new(socket), pass).into_owned());
    }
}
